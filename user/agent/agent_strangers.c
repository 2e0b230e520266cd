// SPDX-License-Identifier: Apache-2.0
/*
 * Pods that run here and that the source does not know (yet): the kubelet may hear of a pod before
 * the agent does, when the agent has lost the API server and the kubelet has not. Who the pod is
 * decides who may call it, so until that is known nothing passes. Only where a source tells all
 * pods, and some namespace is enrolled.
 */
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/agent/agent_state.h"

static int text_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_enrolled(const struct object *name_space)
{
	const char *mode = labels_get(&name_space->labels, "weft.dev/mesh");

	return mode && strcmp(mode, "disabled") != 0;
}

static bool must_look(const struct agent *agent)
{
	const struct object *object;

	if (!agent->source->ops->tells_all_pods)
		return false;
	for (object = store_first(agent->store, OBJECT_NAMESPACE); object;
	     object = store_next(object))
		if (is_enrolled(object))
			return true;
	return false;
}

struct cgroups {
	const struct agent *agent;
	const char **uids; /* sorted when all are there */
	size_t count, capacity;
};

static int local_compare(const void *uid, const void *local)
{
	return strcmp(uid, ((const struct desired_local *)local)->uid);
}

static void take_cgroup(const char *uid, void *context)
{
	struct cgroups *cgroups = context;
	const struct desired *desired = &cgroups->agent->desired;
	size_t i;

	if (desired->local_count && bsearch(uid, desired->locals, desired->local_count,
					    sizeof(*desired->locals), local_compare))
		return;
	i = memory_grow(&cgroups->uids, &cgroups->count, &cgroups->capacity,
			sizeof(*cgroups->uids));
	cgroups->uids[i] = uid;
}

static void mark_known(struct cgroups *cgroups, bool *known, const char *uid)
{
	const char **found =
		bsearch(&uid, cgroups->uids, cgroups->count, sizeof(*cgroups->uids), text_compare);

	if (found)
		known[found - cgroups->uids] = true;
}

/* Takes out those that an object names, whatever node it says they are on. */
static void remove_known(struct cgroups *cgroups)
{
	bool *known = memory_alloc(cgroups->count * sizeof(*known));
	const struct object *object;
	size_t i, kept = 0;

	for (object = store_first(cgroups->agent->store, OBJECT_POD); object;
	     object = store_next(object)) {
		mark_known(cgroups, known, object->uid);
		mark_known(cgroups, known, ((const struct pod *)object)->cgroup_uid);
	}
	for (i = 0; i < cgroups->count; i++)
		if (!known[i])
			cgroups->uids[kept++] = cgroups->uids[i];
	cgroups->count = kept;
	free(known);
}

static void strangers_free(struct stranger *strangers, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		free(strangers[i].uid);
	free(strangers);
}

static int stranger_compare(const void *uid, const void *stranger)
{
	return strcmp(uid, ((const struct stranger *)stranger)->uid);
}

void strangers_find(struct agent *agent)
{
	struct cgroups cgroups = { .agent = agent };
	struct stranger *strangers, *before;
	uint64_t now = agent_clock_ns();
	size_t i;

	if (must_look(agent))
		pods_each_cgroup(agent->pods, take_cgroup, &cgroups);
	if (cgroups.count) {
		qsort(cgroups.uids, cgroups.count, sizeof(*cgroups.uids), text_compare);
		remove_known(&cgroups);
	}
	strangers = memory_alloc(cgroups.count * sizeof(*strangers));
	for (i = 0; i < cgroups.count; i++) {
		const char *uid = cgroups.uids[i];

		before = agent->stranger_count ?
				 bsearch(uid, agent->strangers, agent->stranger_count,
					 sizeof(*agent->strangers), stranger_compare) :
				 NULL;
		strangers[i].uid = memory_strdup(uid);
		strangers[i].since_ns = before ? before->since_ns : now;
		strangers[i].told = before && before->told;
	}
	free(cgroups.uids);
	strangers_free(agent->strangers, agent->stranger_count);
	agent->strangers = strangers;
	agent->stranger_count = cgroups.count;
}

struct reconcile_place *strangers_add_places(const struct agent *agent,
					     struct reconcile_place *places, size_t *count,
					     size_t *capacity)
{
	struct weft_local entry;
	unsigned int j;
	size_t i, at;

	for (i = 0; i < agent->stranger_count; i++) {
		const struct pod_place *place = pods_find(agent->pods, agent->strangers[i].uid);

		for (j = 0; place && j < place->ifindex_count; j++) {
			/* What has an entry keeps it: see attachments_guard(). */
			if (reconcile_get_interface(agent->reconcile, place->ifindexes[j], &entry))
				continue;
			at = memory_grow(&places, count, capacity, sizeof(*places));
			places[at] = (struct reconcile_place){
				.ifindex = place->ifindexes[j],
				.local = { .peer.flags = WEFT_PEER_ENFORCE, .nsid = place->nsid },
			};
		}
	}
	return places;
}

bool strangers_update(struct agent *agent)
{
	uint64_t now = agent_clock_ns();
	size_t i, told = 0;

	for (i = 0; i < agent->stranger_count; i++) {
		struct stranger *stranger = &agent->strangers[i];
		const struct pod_place *place = pods_find(agent->pods, stranger->uid);

		stranger->told = place && place->ifindex_count &&
				 now - stranger->since_ns >= AGENT_PATIENCE_NS;
		told += stranger->told;
	}
	if (told == agent->strangers_told)
		return false;
	agent->strangers_told = told;
	return true;
}

bool strangers_are_waiting(const struct agent *agent)
{
	uint64_t now = agent_clock_ns();
	size_t i;

	/* One without an interface never is a finding. */
	for (i = 0; i < agent->stranger_count; i++)
		if (now - agent->strangers[i].since_ns < AGENT_PATIENCE_NS)
			return true;
	return false;
}

void strangers_report(const struct agent *agent, struct findings *findings)
{
	size_t i;

	for (i = 0; i < agent->stranger_count; i++)
		if (agent->strangers[i].told)
			finding_add_file(findings, "", "UnknownPod",
					 "Nothing reaches it, and it reaches nothing.",
					 "a pod with the uid %s runs on this node, but there is no "
					 "such object",
					 agent->strangers[i].uid);
}

void strangers_clear(struct agent *agent)
{
	strangers_free(agent->strangers, agent->stranger_count);
	agent->strangers = NULL;
	agent->stranger_count = 0;
}
