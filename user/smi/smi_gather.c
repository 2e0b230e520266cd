// SPDX-License-Identifier: Apache-2.0
#include "user/smi/smi_gather.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/kube/kube_ask.h"
#include "user/kube/kube_problem.h"
#include "user/log.h"
#include "user/smi/smi_prometheus.h"
#include "user/smi/smi_readings.h"

enum {
	FIND_MS = 5000,	      /* looks for agents so often */
	FIND_AGAIN_MS = 1000, /* after a failure */
	ASK_IDLE_MS = 5000,
	ANSWER_MAX = 256 << 20,
	NODES_MAX = 10000,
};

/* Of deploy/daemonset.yaml. */
#define AGENTS \
	"labelSelector=app.kubernetes.io%2Fname%3Dweft%2Capp.kubernetes.io%2Fcomponent%3Dagent"
#define PORT_NAME "metrics"

struct agent_peer {
	char *name; /* of the pod */
	char *url;  /* "http://[fd00::1]:9464" */
	struct smi_gather *gather;
	struct kube_http *http;
	struct kube_ask *ask;
	struct smi_readings readings;
	uint64_t answered_ms; /* of the loop's clock */
	bool asked;	      /* it has answered, or failed to */
	bool found;	      /* the last list has it */
	struct kube_problem problem;
	char what[128]; /* of the problem */
	struct agent_peer *next;
};

struct smi_gather {
	uv_loop_t *loop;
	struct kube_http *http; /* the API server; NULL with a Prometheus */
	struct kube_http *prometheus;
	struct kube_ask *query;
	uv_timer_t find_timer, ask_timer;
	unsigned int open_handles;
	double window;
	unsigned int interval_ms;
	struct kube_ask *find;
	bool listed;
	struct agent_peer *peers;
	struct kube_problem problem;
};

static void peer_free(struct agent_peer *peer)
{
	kube_ask_cancel(peer->ask);
	kube_http_free(peer->http);
	smi_readings_clear(&peer->readings);
	free(peer->name);
	free(peer->url);
	free(peer);
}

static void on_traffic(void *context, const struct kube_outcome *outcome,
		       struct json_object *answer)
{
	struct agent_peer *peer = context;
	const char *error = outcome->error;
	struct traffic *reading = NULL;

	peer->ask = NULL;
	peer->asked = true;
	if (!*error)
		reading = traffic_from_json(answer, &error);
	kube_problem_set(&peer->problem, reading ? "" : error);
	if (!reading)
		return;
	smi_readings_add(&peer->readings, reading, peer->gather->window);
	peer->answered_ms = uv_now(peer->gather->loop);
}

static void peer_ask(struct agent_peer *peer)
{
	static const struct kube_call call = {
		.path = "/v1/traffic",
		.idle_ms = ASK_IDLE_MS,
		.answer_max = ANSWER_MAX,
	};

	if (!peer->ask)
		peer->ask = kube_ask_send(peer->http, &call, on_traffic, peer);
}

static void on_ask_timer(uv_timer_t *timer)
{
	struct smi_gather *gather = timer->data;
	struct agent_peer *peer;

	for (peer = gather->peers; peer; peer = peer->next)
		peer_ask(peer);
}

/* The port that is called "metrics"; 0 when the pod has none. */
static int port_of(struct json_object *pod)
{
	struct json_object *containers = json_member_of(json_member_of(pod, "spec"), "containers");
	size_t i, p;

	for (i = 0; i < json_length_of(containers); i++) {
		struct json_object *ports =
			json_member_of(json_object_array_get_idx(containers, i), "ports");

		for (p = 0; p < json_length_of(ports); p++) {
			struct json_object *port = json_object_array_get_idx(ports, p);

			if (!strcmp(json_text_of(port, "name"), PORT_NAME))
				return json_object_get_int(json_member_of(port, "containerPort"));
		}
	}
	return 0;
}

/* NULL while it cannot be asked. */
static char *url_of(struct json_object *pod)
{
	const char *address = json_text_of(json_member_of(pod, "status"), "podIP");
	int port = port_of(pod);

	if (!*address || port <= 0)
		return NULL;
	return memory_printf(strchr(address, ':') ? "http://[%s]:%d" : "http://%s:%d", address,
			     port);
}

static struct agent_peer *peer_of_instance(struct smi_gather *gather, const char *name)
{
	struct agent_peer *peer;

	for (peer = gather->peers; peer; peer = peer->next)
		if (!strcmp(peer->name, name))
			return peer;
	peer = memory_alloc(sizeof(*peer));
	peer->name = memory_strdup(name);
	peer->gather = gather;
	peer->asked = true;
	peer->next = gather->peers;
	gather->peers = peer;
	return peer;
}

static void on_vector(void *context, const struct kube_outcome *outcome, struct json_object *answer)
{
	struct smi_gather *gather = context;
	const char *error = outcome->error;
	struct traffic **readings = NULL;
	struct agent_peer *peer;
	size_t count, i;

	gather->query = NULL;
	if (!*error)
		readings = smi_prometheus_read(answer, &count, &error);
	kube_problem_set(&gather->problem, error);
	for (i = 0; readings && i < count; i++) {
		peer = peer_of_instance(gather, readings[i]->node);
		smi_readings_add(&peer->readings, readings[i], gather->window);
		peer->answered_ms = uv_now(gather->loop);
	}
	gather->listed |= readings != NULL;
	free(readings);
}

static void on_query_timer(uv_timer_t *timer)
{
	struct smi_gather *gather = timer->data;
	const struct kube_call call = {
		.path = smi_prometheus_path,
		.idle_ms = ASK_IDLE_MS,
		.answer_max = ANSWER_MAX,
	};

	if (!gather->query)
		gather->query = kube_ask_send(gather->prometheus, &call, on_vector, gather);
}

static struct agent_peer *peer_find(struct smi_gather *gather, const char *name, const char *url)
{
	struct agent_peer *peer;

	for (peer = gather->peers; peer; peer = peer->next)
		if (!strcmp(peer->name, name) && !strcmp(peer->url, url))
			return peer;
	return NULL;
}

static void peer_add(struct smi_gather *gather, const char *name, char *url)
{
	struct kube_config config = { .server = memory_strdup(url) };
	struct agent_peer *peer = memory_alloc(sizeof(*peer));

	peer->name = memory_strdup(name);
	peer->url = url;
	peer->gather = gather;
	peer->found = true;
	snprintf(peer->what, sizeof(peer->what), "agent %.100s cannot be asked", name);
	peer->problem.what = peer->what;
	if (kube_http_new(gather->loop, &config, &peer->http)) {
		kube_config_clear(&config);
		peer_free(peer);
		return;
	}
	peer->next = gather->peers;
	gather->peers = peer;
	peer_ask(peer);
}

static void take_pod(struct smi_gather *gather, struct json_object *pod)
{
	const char *name = json_text_of(json_member_of(pod, "metadata"), "name");
	char *url = url_of(pod);
	struct agent_peer *peer = url ? peer_find(gather, name, url) : NULL;

	if (!url)
		return;
	if (!peer) {
		peer_add(gather, name, url);
		return;
	}
	peer->found = true;
	free(url);
}

static void take_pods(struct smi_gather *gather, struct json_object *items)
{
	struct agent_peer **at = &gather->peers, *peer;
	size_t i, count = json_length_of(items);

	for (peer = gather->peers; peer; peer = peer->next)
		peer->found = false;
	for (i = 0; i < count && i < NODES_MAX; i++)
		take_pod(gather, json_object_array_get_idx(items, i));
	while ((peer = *at)) {
		if (peer->found) {
			at = &peer->next;
			continue;
		}
		*at = peer->next;
		peer_free(peer);
	}
	gather->listed = true;
}

static void on_find_timer(uv_timer_t *timer);

static void on_found(void *context, const struct kube_outcome *outcome, struct json_object *answer)
{
	struct smi_gather *gather = context;

	gather->find = NULL;
	kube_problem_set(&gather->problem, outcome->error);
	if (!*outcome->error)
		take_pods(gather, json_member_of(answer, "items"));
	uv_timer_start(&gather->find_timer, on_find_timer,
		       *outcome->error ? FIND_AGAIN_MS : FIND_MS, 0);
}

static void on_find_timer(uv_timer_t *timer)
{
	struct smi_gather *gather = timer->data;
	struct kube_call call = { .idle_ms = ASK_IDLE_MS, .answer_max = ANSWER_MAX };
	char *path;

	path = memory_printf("/api/v1/namespaces/%s/pods?resourceVersion=0&%s",
			     kube_http_name_space(gather->http), AGENTS);
	call.path = path;
	gather->find = kube_ask_send(gather->http, &call, on_found, gather);
	free(path);
}

static struct smi_gather *gather_new(uv_loop_t *loop, unsigned int window_s,
				     unsigned int interval_s)
{
	struct smi_gather *gather = memory_alloc(sizeof(*gather));

	gather->loop = loop;
	gather->window = window_s;
	gather->interval_ms = interval_s * 1000;
	uv_timer_init(loop, &gather->find_timer);
	uv_timer_init(loop, &gather->ask_timer);
	gather->open_handles = 2;
	gather->find_timer.data = gather;
	gather->ask_timer.data = gather;
	return gather;
}

int smi_gather_new_prometheus(struct uv_loop_s *loop, struct kube_config *prometheus,
			      unsigned int window_s, unsigned int interval_s,
			      struct smi_gather **result)
{
	struct kube_http *http;
	struct smi_gather *gather;
	int err = kube_http_new(loop, prometheus, &http);

	if (err)
		return err;
	gather = gather_new(loop, window_s, interval_s);
	gather->prometheus = http;
	gather->problem.what = "Prometheus cannot be asked";
	uv_timer_start(&gather->ask_timer, on_query_timer, 0, gather->interval_ms);
	*result = gather;
	return 0;
}

struct smi_gather *smi_gather_new(struct uv_loop_s *loop, struct kube_http *http,
				  unsigned int window_s, unsigned int interval_s)
{
	struct smi_gather *gather = gather_new(loop, window_s, interval_s);

	gather->http = http;
	gather->problem.what = "the agents' pods cannot be listed";
	uv_timer_start(&gather->find_timer, on_find_timer, 0, 0);
	uv_timer_start(&gather->ask_timer, on_ask_timer, gather->interval_ms, gather->interval_ms);
	return gather;
}

static void on_closed(uv_handle_t *handle)
{
	struct smi_gather *gather = handle->data;

	if (!--gather->open_handles)
		free(gather);
}

void smi_gather_free(struct smi_gather *gather)
{
	struct agent_peer *peer;

	if (!gather)
		return;
	kube_ask_cancel(gather->find);
	kube_ask_cancel(gather->query);
	kube_http_free(gather->prometheus);
	while ((peer = gather->peers)) {
		gather->peers = peer->next;
		peer_free(peer);
	}
	uv_close((uv_handle_t *)&gather->find_timer, on_closed);
	uv_close((uv_handle_t *)&gather->ask_timer, on_closed);
}

const char *smi_gather_not_ready(const struct smi_gather *gather)
{
	const struct agent_peer *peer;

	if (!gather->listed)
		return gather->prometheus ? "Prometheus has not answered yet" :
					    "the agents are not known yet";
	for (peer = gather->peers; peer; peer = peer->next)
		if (!peer->asked)
			return "not every agent has been asked yet";
	return NULL;
}

/* Long silent, it tells of no window that anybody means by now. */
static bool is_fresh(const struct agent_peer *peer)
{
	uint64_t age_ms = uv_now(peer->gather->loop) - peer->answered_ms;

	return peer->readings.window && age_ms < (uint64_t)(peer->gather->window * 1000) +
							 2 * (uint64_t)peer->gather->interval_ms;
}

struct smi_node *smi_gather_nodes(const struct smi_gather *gather, size_t *count,
				  struct smi_moment *moment)
{
	const struct agent_peer *peer;
	struct smi_node *nodes = NULL;
	size_t capacity = 0, i;

	*count = 0;
	*moment = (struct smi_moment){ .time = (double)time(NULL) };
	for (peer = gather->peers; peer; peer = peer->next) {
		if (!is_fresh(peer))
			continue;
		i = memory_grow(&nodes, count, &capacity, sizeof(*nodes));
		nodes[i].window = peer->readings.window;
		nodes[i].latest = smi_readings_latest(&peer->readings);
		if (nodes[i].window->window > moment->window)
			moment->window = nodes[i].window->window;
	}
	return nodes;
}
