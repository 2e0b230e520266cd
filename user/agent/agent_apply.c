// SPDX-License-Identifier: Apache-2.0
/* From objects to verdicts: compile, locate, apply, attach, sweep. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/agent/agent_state.h"
#include "user/log.h"

enum {
	RETRY_FIRST_MS = 100,
	RETRY_LAST_MS = 5000,
	SETTLE_MS = 150,
	TIDY_MS = 100,	    /* without a change before tidying up... */
	TIDY_MAX_MS = 1000, /* ...but no later than this after the first one */
	FEW_PODS = 200,	    /* of the cluster; see --pod-edges */
};

static void plan_tidy(struct agent *agent);

/* How long a pod may take to be found before another version's programs are replaced. */
#define TAKE_OVER_PATIENCE_NS UINT64_C(10000000000)

const struct pod_place *agent_place(const struct agent *agent, const struct desired_local *local)
{
	return pods_find(agent->pods, local->uid);
}

bool agent_pod_attached(const struct agent *agent, const struct pod_place *place)
{
	const struct attachment *attachment;
	unsigned int i;

	for (i = 0; i < place->ifindex_count; i++) {
		attachment = attachments_find(agent, place->ifindexes[i]);
		if (!attachment || !attachment->attached)
			return false;
	}
	return place->ifindex_count > 0;
}

const char *agent_not_ready_reason(const struct agent *agent)
{
	if (!agent->synced)
		return "the objects have not all been read yet";
	if (agent->apply_error[0])
		return agent->apply_error;
	if (!agent->applied)
		return "the maps have not been written yet";
	if (agent->attach_error[0])
		return agent->attach_error;
	if (agent->want_apply)
		return "some interfaces are not attached yet";
	return NULL;
}

/* Once there are too many, there must be clearly fewer before they are counted one by one again. */
static enum pod_edges choose_pod_edges(const struct agent *agent)
{
	size_t pods = store_count(agent->store, OBJECT_POD);

	if (!agent->config->few_pod_edges || pods > FEW_PODS)
		return agent->config->pod_edges;
	if (pods > FEW_PODS / 4 * 3 && agent->judged)
		return agent->pod_edges;
	return POD_EDGES_ALL;
}

static uint64_t compile(struct agent *agent)
{
	struct node_facts facts = {
		.node = agent->config->node,
		.trust_domain = agent->config->trust_domain,
		.max_head = agent->config->max_head,
		.http_cache = agent->http_cache,
	};
	uint64_t begin = agent_clock_ns();

	news_compile(agent);
	facts.pod_edges = agent->pod_edges = choose_pod_edges(agent);
	facts.host_addresses = hostnet_addresses(agent->hostnet, &facts.host_address_count);
	findings_clear(&agent->compiled);
	compile_policy(agent->store, &facts, agent->names, &agent->desired, &agent->compiled);
	past_prepare(agent->past, &agent->desired, agent_clock_ns());
	return (agent_clock_ns() - begin) / 1000;
}

static int uid_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* *moved: a pod is somewhere else than it was. */
static int locate(struct agent *agent, bool *moved)
{
	size_t locals = agent->desired.local_count, count, i;
	bool changed = false;
	const char **uids;
	int found;

	strangers_find(agent);
	count = locals + agent->stranger_count;
	uids = memory_alloc(count * sizeof(*uids));
	for (i = 0; i < count; i++)
		uids[i] = i < locals ? agent->desired.locals[i].uid :
				       agent->strangers[i - locals].uid;
	if (agent->stranger_count)
		qsort(uids, count, sizeof(*uids), uid_compare);
	found = pods_locate(agent->pods, uids, count, &changed);
	if (found < 0)
		log_warn("pods cannot be located, their places stay", "error", strerror(-found));
	free(uids);
	*moved |= changed;
	return found < 0 ? found : 0;
}

static struct reconcile_place *make_places(struct agent *agent, size_t *count)
{
	struct reconcile_place *places = NULL;
	size_t capacity = 0, i, at;
	unsigned int j;

	*count = 0;
	for (i = 0; i < agent->desired.local_count; i++) {
		const struct desired_local *local = &agent->desired.locals[i];
		const struct pod_place *place = agent_place(agent, local);

		if (!place)
			continue;
		for (j = 0; j < place->ifindex_count || j == 0; j++) {
			at = memory_grow(&places, count, &capacity, sizeof(*places));
			places[at].ifindex = j < place->ifindex_count ? place->ifindexes[j] : 0;
			places[at].netns_cookie = place->netns_cookie;
			places[at].local = local->local;
			places[at].local.nsid = place->nsid;
		}
	}
	places = strangers_add_places(agent, places, count, &capacity);
	attachments_want(agent, places, *count);
	return attachments_guard(agent, places, count, &capacity);
}

static void log_applied(const struct agent *agent, const struct reconcile_result *result, int err)
{
	const char *written = log_format_value("%u", result->written);
	const char *deleted = log_format_value("%u", result->deleted);
	const char *us = log_format_value("%llu", (unsigned long long)agent->last_apply_us);

	if (err && strcmp(result->error, agent->apply_error))
		log_error("policy could not be applied", "error", result->error, "written", written,
			  "deleted", deleted);
	else if (result->written || result->deleted)
		log_info("policy applied", "written", written, "deleted", deleted, "us", us);
	else
		log_debug("policy unchanged", "us", us);
}

static void on_tidying(uv_work_t *work)
{
	(void)work;
	reconcile_wait_for_readers();
}

static void on_tidied(uv_work_t *work, int status)
{
	struct agent *agent = work->data;
	struct reconcile_result result;

	agent->is_tidying = false;
	/* Applying tries again, and says what is wrong. */
	if (!status)
		agent->want_apply |= reconcile_tidy_end(agent->reconcile, &result) != 0;
	plan_tidy(agent);
}

static void on_tidy(uv_timer_t *timer)
{
	struct agent *agent = timer->data;

	agent->untidy_ns = 0;
	reconcile_tidy_begin(agent->reconcile);
	agent->tidying.data = agent;
	agent->is_tidying = !uv_queue_work(&agent->loop, &agent->tidying, on_tidying, on_tidied);
}

/* Changes that come one upon the other are tidied up after together. */
static void plan_tidy(struct agent *agent)
{
	uint64_t now = agent_clock_ns(), waited_ms, delay = TIDY_MS;

	if (agent->is_tidying)
		return; /* comes again */
	if (!reconcile_is_untidy(agent->reconcile)) {
		agent->untidy_ns = 0;
		uv_timer_stop(&agent->tidy);
		return;
	}
	if (!agent->untidy_ns)
		agent->untidy_ns = now;
	waited_ms = (now - agent->untidy_ns) / 1000000;
	if (waited_ms + delay > TIDY_MAX_MS)
		delay = waited_ms < TIDY_MAX_MS ? TIDY_MAX_MS - waited_ms : 0;
	uv_timer_start(&agent->tidy, on_tidy, delay, 0);
}

static void on_expiry(uv_timer_t *timer)
{
	struct agent *agent = timer->data;

	reconcile_expire(agent->reconcile);
	agent_plan_expiry(agent);
}

void agent_plan_expiry(struct agent *agent)
{
	uint64_t due = reconcile_due_ns(agent->reconcile), now = agent_clock_ns();

	if (due)
		uv_timer_start(&agent->expiry, on_expiry, due > now ? (due - now) / 1000000 + 1 : 0,
			       0);
	else
		uv_timer_stop(&agent->expiry);
}

static int apply(struct agent *agent, uint64_t compile_us)
{
	struct reconcile_result result;
	struct reconcile_place *places;
	size_t count;
	int err;

	places = make_places(agent, &count);
	err = reconcile_apply(agent->reconcile, &agent->desired, places, count, true, &result);
	free(places);
	agent->reconciles++;
	agent->last_apply_us = compile_us + result.duration_us;
	durations_add(&agent->passes, agent->last_apply_us);
	agent->applied = !err;
	agent->judged |= !err;
	log_applied(agent, &result, err);
	agent->reconcile_errors += err != 0;
	if (err && !result.error[0])
		snprintf(result.error, sizeof(result.error), "%s", strerror(-err));
	memcpy(agent->apply_error, result.error, sizeof(agent->apply_error));
	agent->want_sweep |= result.policy_changed;
	agent_plan_expiry(agent);
	if (err)
		return err;
	news_apply(agent);
	plan_tidy(agent);
	past_move(agent->past);
	return 0;
}

static void attach(struct agent *agent)
{
	bool finished = attachments_attach(agent);
	size_t i;

	attachments_detach(agent);
	for (i = 0; i < agent->attachment_count; i++) {
		agent->want_sweep |= agent->attachments[i].fresh;
		agent->attachments[i].fresh = false;
	}
	if (!finished)
		agent->want_apply = true;
}

static void count_pods(struct agent *agent)
{
	const struct pod_place *place;
	size_t i;

	agent->pods_attached = 0;
	for (i = 0; i < agent->desired.local_count; i++) {
		place = agent_place(agent, &agent->desired.locals[i]);
		agent->pods_attached += place && agent_pod_attached(agent, place);
	}
}

static void on_retry(uv_timer_t *timer)
{
	struct agent *agent = timer->data;

	agent->want_locate = agent->want_apply = true;
}

/* What failed is tried again, ever less often; what is only unfinished, at once. */
static void plan_retry(struct agent *agent, bool failed)
{
	if (!failed) {
		agent->retry_ms = 0;
		uv_timer_stop(&agent->retry);
		if (agent->want_apply)
			uv_timer_start(&agent->retry, on_retry, 0, 0);
		return;
	}
	agent->retry_ms = agent->retry_ms ? agent->retry_ms * 2 : RETRY_FIRST_MS;
	if (agent->retry_ms > RETRY_LAST_MS)
		agent->retry_ms = RETRY_LAST_MS;
	uv_timer_start(&agent->retry, on_retry, agent->retry_ms, 0);
}

static void announce(struct agent *agent)
{
	const char *reason = agent_not_ready_reason(agent);

	if (agent->was_ready == !reason)
		return;
	agent->was_ready = !reason;
	if (reason)
		log_warn("not ready", "reason", reason);
	else
		log_info("ready", "us_since_start",
			 log_format_value("%llu",
					  (unsigned long long)(agent_clock_ns() - agent->begin_ns) /
						  1000),
			 "pods", log_format_value("%zu", agent->desired.local_count), "attached",
			 log_format_value("%zu", agent->pods_attached));
}

/*
 * After a restart, a manifest that does not parse has no last good content: its Namespace may be
 * what makes other pods governed. The policy of the former agent, which knew it, stays until
 * the file can be read - nothing that it refuses is let in meanwhile.
 */
static bool must_hold(struct agent *agent)
{
	const char *file = agent->source->ops->unread(agent->source);

	if (agent->judged || !file ||
	    !(reconcile_is_enforcing(agent->reconcile) || loader_staged_from(agent->loader)))
		return false;
	snprintf(
		agent->apply_error, sizeof(agent->apply_error),
		"%.64s does not parse and what it held before this start is unknown: the policy in "
		"the kernel stays as it is until the file is mended or removed",
		file);
	return true;
}

/*
 * Are all interfaces that the other version's programs judge in our maps as those of a pod? Those
 * whose pod is gone get the guard. But a pod of which there is an object is there, and shows
 * itself in a moment.
 */
static bool is_waiting_for_pods(const struct agent *agent)
{
	size_t i;

	if (!attachments_have_guards(agent) ||
	    agent_clock_ns() - agent->begin_ns > TAKE_OVER_PATIENCE_NS)
		return false;
	for (i = 0; i < agent->desired.local_count; i++)
		if (!agent_place(agent, &agent->desired.locals[i]))
			return true;
	return false;
}

/*
 * Where maps and programs of another ABI version are in force, ours take their place once they
 * hold everything. False: not yet.
 */
static bool take_over(struct agent *agent, bool failed)
{
	uint32_t version = loader_staged_from(agent->loader);
	char error[LOADER_ERROR_LEN] = "";

	if (!version)
		return true;
	if (failed)
		snprintf(error, sizeof(error),
			 "what is in force is of ABI version %u: ours is not complete", version);
	else if (is_waiting_for_pods(agent))
		snprintf(
			error, sizeof(error),
			"what is in force is of ABI version %u: a pod of this node is not found yet",
			version);
	else if (!loader_switch(agent->loader, error))
		log_info("took over from another ABI version", "version",
			 log_format_value("%u", version));
	memcpy(agent->attach_error, error, sizeof(error));
	return !loader_staged_from(agent->loader);
}

static void on_settle(uv_timer_t *timer)
{
	struct agent *agent = timer->data;

	if (!agent_sweep(agent))
		agent->want_sweep = agent->want_apply = true;
}

void agent_sweep_soon(struct agent *agent)
{
	uv_timer_start(&agent->settle, on_settle, 0, 0);
}

/*
 * Sweeps now, and once more when what was under way has settled: a SYN judged just
 * before the switch is a connection just after the list of sockets was taken, and a list
 * taken under churn may miss one.
 */
static void sweep(struct agent *agent)
{
	agent->want_sweep = !agent_sweep(agent);
	uv_timer_start(&agent->settle, on_settle, SETTLE_MS, 0);
}

static void on_patience(uv_timer_t *timer)
{
	((struct agent *)timer->data)->want_locate = true;
}

/* On a quiet node nothing else would make it look again. */
static void plan_patience(struct agent *agent)
{
	if ((missing_is_waiting(agent) || strangers_are_waiting(agent)) &&
	    !uv_is_active((const uv_handle_t *)&agent->patience))
		uv_timer_start(&agent->patience, on_patience, AGENT_PATIENCE_NS / 1000000 + 1, 0);
}

void agent_work(struct agent *agent)
{
	bool compiling = agent->synced && pace_is_due(agent), failed = false, news;
	bool applying = agent->want_apply || compiling, locating = agent->want_locate || compiling;
	uint64_t compile_us = 0;

	if (!agent->synced || !(applying || locating))
		return;
	if (must_hold(agent)) {
		agent->want_compile = agent->want_locate = agent->want_apply = false;
		agent_collect_findings(agent);
		announce(agent);
		return;
	}
	agent->want_locate = agent->want_apply = false;
	if (compiling) {
		pace_begin(agent);
		compile_us = compile(agent);
	}
	if (locating)
		failed = locate(agent, &applying) != 0;
	news = locating && missing_update(agent);
	news |= locating && strangers_update(agent);
	plan_patience(agent);
	applying |= locating && attachments_guard_is_over(agent);
	if (!applying && !failed) {
		if (news)
			agent_collect_findings(agent);
		return;
	}
	failed |= apply(agent, compile_us) != 0;
	if (take_over(agent, failed)) {
		attach(agent);
		if (agent->want_sweep)
			sweep(agent);
	}
	failed |= agent->attach_error[0] || agent->want_sweep;
	count_pods(agent);
	if (agent->applied && !agent->want_compile && !loader_staged_from(agent->loader))
		agent->source->ops->applied(agent->source);
	agent_collect_findings(agent);
	plan_retry(agent, failed);
	announce(agent);
	if (compiling)
		pace_end(agent);
}
