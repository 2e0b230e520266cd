/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the agent share. */
#ifndef WEFT_USER_AGENT_STATE_H
#define WEFT_USER_AGENT_STATE_H

#include <uv.h>
#include "loader/loader.h"
#include "policy/compile.h"
#include "user/config/config.h"
#include "user/telemetry/durations.h"
#include "user/node/hostnet.h"
#include "user/otlp/otlp.h"
#include "user/agent/past.h"
#include "user/node/pods.h"
#include "user/traffic/readings.h"
#include "user/reconcile/reconcile.h"
#include "user/http/server.h"
#include "user/source/source.h"
#include "user/telemetry/telemetry.h"

struct json_object;
struct metric_sink;
struct traffic;

/* An interface that has, should have, or had our programs. */
struct attachment {
	uint32_t ifindex;
	bool wanted; /* by the places of the moment */
	bool attached;
	bool fresh; /* attached after the last sweep */
	bool guard; /* its pod is gone, see attachments_guard() */
};

/* A pod of this node that has an address and no place. */
struct missing_pod {
	char *uid;
	uint64_t since_ns;
	bool told; /* it is a finding */
};

/* A pod of this node that the source does not know. */
struct stranger {
	char *uid;
	uint64_t since_ns;
	bool told; /* it is a finding */
};

/* Readings of the counters, while somebody looks. */
struct live {
	struct readings readings;
	uint64_t asked_ns, read_ns; /* when last */
};

enum agent_signal { AGENT_SIGTERM, AGENT_SIGINT, AGENT_SIGHUP, AGENT_SIGNALS };

struct agent {
	const struct config *config;
	uint64_t begin_ns;
	double started; /* Unix seconds */
	char cgroup[4096];

	uv_loop_t loop;
	uv_prepare_t work; /* before the loop waits: does what is wanted */
	uv_timer_t retry;
	uv_timer_t settle;	/* a second sweep, a moment after a change */
	uv_timer_t tidy;	/* removes what is not in force any more, a moment after it */
	uv_work_t tidying;	/* waits, in a thread of its own, until nobody reads that */
	uv_timer_t expiry;	/* withdraws what outlived a change for a moment */
	uv_timer_t pace;	/* what could wait is due */
	uv_timer_t patience;	/* what is not as it should be may be so for good by then */
	uv_timer_t events_tick; /* looks into the ring buffer, which wakes us only when it fills */
	uv_poll_t hostnet_poll, pods_poll, events_poll;
	uv_signal_t signals[AGENT_SIGNALS];

	struct loader *loader;
	struct names *names;
	struct http_cache *http_cache; /* of HTTP programs, from one compilation to the next */
	struct store *store;
	struct reconcile *reconcile;
	struct hostnet *hostnet;
	struct pods *pods;
	uint64_t untidy_ns; /* since when, 0 = reconcile is tidy */
	bool is_tidying;
	struct telemetry *telemetry;
	struct past *past;
	enum pod_edges pod_edges;
	struct maps_events *events;
	struct otlp *otlp; /* NULL = nothing is exported */
	struct server *server;
	struct live live;
	struct source *source;

	/* What has to be done before the loop waits again. */
	bool want_compile; /* objects or host addresses changed */
	bool is_urgent;	   /* it cannot wait for pace_ns */
	bool want_locate;  /* pods may have come, gone or moved */
	bool want_apply;   /* something failed or is not finished */
	bool want_sweep;

	uint64_t pace_ns;     /* when to compile again what can wait */
	uint64_t pass_cpu_ns; /* this thread's CPU time when the pass began */

	struct desired desired;
	struct findings compiled; /* findings of the compiler */
	struct findings findings; /* all of them, sorted */
	char **reported;	  /* findings that were logged, sorted texts */
	size_t reported_count;

	struct attachment *attachments; /* sorted by ifindex */
	size_t attachment_count, attachment_capacity;
	size_t pods_attached;

	struct missing_pod *missing; /* sorted by uid */
	size_t missing_count;
	struct stranger *strangers; /* sorted by uid */
	size_t stranger_count, strangers_told;

	bool judged;  /* a policy of this agent's making was applied once */
	bool synced;  /* the source delivered everything once */
	bool applied; /* the maps are as wanted */
	bool was_ready;
	char apply_error[256]; /* "" or why not */
	char attach_error[LOADER_ERROR_LEN];
	unsigned int reconciles, reconcile_errors, connections_cut;
	uint64_t last_apply_us; /* compiling and writing, until in force */
	struct durations passes, propagation;
	uint64_t news_ns; /* when the first change came that is not compiled, 0 = none did */
	uint64_t compiled_news_ns; /* and that is compiled, but not in force */
	unsigned int retry_ms;	   /* 0 = nothing failed */
};

uint64_t agent_clock_ns(void);

/* agent_apply.c: compiles, applies, attaches and sweeps as far as that is wanted. */
void agent_work(struct agent *agent);
/* Sets the timer for what is due in reconcile. */
void agent_plan_expiry(struct agent *agent);
/* A connection came about that is not allowed: cut it as soon as the loop is idle. */
void agent_sweep_soon(struct agent *agent);
/* NULL when ready, else why not. */
const char *agent_not_ready_reason(const struct agent *agent);
/* NULL when the pod is not located. */
const struct pod_place *agent_place(const struct agent *agent, const struct desired_local *local);
/* Is every interface of a located pod attached? */
bool agent_pod_attached(const struct agent *agent, const struct pod_place *place);

/* agent_pace.c */
/* Is it about what changes all the time in a large cluster? */
bool pace_can_wait(const struct agent *agent, const struct object *object);
/* Is it time to compile? If not, but wanted, the loop wakes up when it is. */
bool pace_is_due(struct agent *agent);
/* Around a pass that compiles. */
void pace_begin(struct agent *agent);
void pace_end(struct agent *agent);

/* agent_news.c: something changed; it is being compiled; it is in force. */
void news_note(struct agent *agent);
void news_compile(struct agent *agent);
void news_apply(struct agent *agent);

/* agent_attach.c */
void attachments_load(struct agent *agent);
/* Marks which interfaces the places want. */
void attachments_want(struct agent *agent, const struct reconcile_place *places, size_t count);
/*
 * Adds places for interfaces that outlive their pod's object: a pod that was deleted by force
 * may run for as long as its grace period says. Without an entry its packets would pass
 * unseen, from any address; with one that has no addresses none do. To be called after
 * attachments_want().
 */
struct reconcile_place *attachments_guard(struct agent *agent, struct reconcile_place *places,
					  size_t *count, size_t *capacity);
/* Are there interfaces that outlive their pod, or whose pod is not found? */
bool attachments_have_guards(const struct agent *agent);
/* Has an interface gone that was guarded? Then its entry is due to go as well. */
bool attachments_guard_is_over(const struct agent *agent);
/* Attaches what is wanted, within a few milliseconds: false = call again soon. Sets attach_error.
 */
bool attachments_attach(struct agent *agent);
/* Detaches what neither a place nor weft_iface knows any more. */
void attachments_detach(struct agent *agent);
const struct attachment *attachments_find(const struct agent *agent, uint32_t ifindex);

/* So long a pod may be missing, or unknown, before it is a finding. */
#define AGENT_PATIENCE_NS UINT64_C(2000000000)

/* agent_missing.c: after locating. True when the findings are other ones now. */
bool missing_update(struct agent *agent);
/* Is there one that may become a finding? */
bool missing_is_waiting(const struct agent *agent);
void missing_report(const struct agent *agent, struct findings *findings);
void missing_clear(struct agent *agent);

/* agent_strangers.c: before locating. */
void strangers_find(struct agent *agent);
/* Their interfaces, with entries that let nothing pass. */
struct reconcile_place *strangers_add_places(const struct agent *agent,
					     struct reconcile_place *places, size_t *count,
					     size_t *capacity);
/* After locating: true when the findings are other ones now. */
bool strangers_update(struct agent *agent);
bool strangers_are_waiting(const struct agent *agent);
void strangers_report(const struct agent *agent, struct findings *findings);
void strangers_clear(struct agent *agent);

/* agent_sweep.c: cuts connections that the policy in force does not allow. False: some pod could
 * not be looked through. */
bool agent_sweep(struct agent *agent);

/* agent_findings.c: gathers all findings, logs those that are new, and lets the source know. */
void agent_collect_findings(struct agent *agent);
/* For a source; `context` is the agent. */
void agent_report(void *context, struct source_report *report);
void agent_free_findings(struct agent *agent);

/* agent_live.c */
/* NULL when the maps cannot be read. */
struct traffic *agent_read_traffic(const struct agent *agent);
/* Several times a second: forgets the readings when nobody has asked for a while. */
void live_tick(struct agent *agent);
void live_handle_topology(const struct server_request *request, struct server_response *response,
			  void *context);
void live_handle_ui(const struct server_request *request, struct server_response *response,
		    void *context);

/* agent_leave.c: what the source and the exporter have to tell to others is worth a moment, and no
 * more. */
void agent_leave(struct agent *agent);

/* agent_metrics.c */
void agent_write_metrics(struct agent *agent, const struct metric_sink *sink);
/* With dense histograms of latencies, for a format that makes native ones of them. */
void agent_write_dense_metrics(struct agent *agent, const struct metric_sink *sink);

/* agent_otlp.c: exports, if there is an endpoint. What is wrong is logged. */
int agent_open_otlp(struct agent *agent);

/* agent_api.c */
/* Takes `text`, which is malloc'ed. */
void answer_text(struct server_response *response, unsigned int status, char *text);
/* Takes the reference. */
void answer_json(struct server_response *response, struct json_object *json);
extern const struct server_route agent_routes[];

#endif /* WEFT_USER_AGENT_STATE_H */
