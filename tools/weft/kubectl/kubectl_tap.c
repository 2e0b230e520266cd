// SPDX-License-Identifier: Apache-2.0
/*
 * kubectl traffic tap: what all agents see, through the API server's proxy to their pods. Each
 * numbers its own events; what they say at a time is shown in the order of time.
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/memory.h"
#include "tools/weft/kubectl/kubectl.h"
#include "tools/weft/output.h"
#include "tools/weft/tap.h"

/* An agent shows all requests for two seconds after it was asked. */
enum { PAUSE_MS = 500, PER_ANSWER = 1000, LIST_EVERY = 20 };

struct tapped {
	char *pod;
	uint64_t next;
	double started; /* which process numbers them; 0 = none seen yet */
	bool listed;	/* it is there still */
};

struct tap {
	const struct kubectl *kubectl;
	char *query; /* "/v1/tap?..." */
	struct tapped *agents;
	size_t count, capacity;
};

static struct tapped *find_agent(struct tap *tap, const char *pod)
{
	size_t i;

	for (i = 0; i < tap->count; i++)
		if (!strcmp(tap->agents[i].pod, pod))
			return &tap->agents[i];
	i = memory_grow(&tap->agents, &tap->count, &tap->capacity, sizeof(*tap->agents));
	tap->agents[i].pod = memory_strdup(pod);
	/* only what happens from now on */
	tap->agents[i].next = UINT64_MAX;
	return &tap->agents[i];
}

static void drop_unlisted(struct tap *tap)
{
	size_t i, kept = 0;

	for (i = 0; i < tap->count; i++) {
		if (tap->agents[i].listed)
			tap->agents[kept++] = tap->agents[i];
		else
			free(tap->agents[i].pod);
	}
	tap->count = kept;
}

/* False when kubectl does not tell. */
static bool list_agents(struct tap *tap)
{
	char *path = memory_printf("/api/v1/namespaces/%s/pods?labelSelector="
				   "app.kubernetes.io%%2Fname%%3Dweft%%2C"
				   "app.kubernetes.io%%2Fcomponent%%3Dagent",
				   tap->kubectl->agent_namespace);
	struct json_object *list, *items;
	size_t i;

	kubectl_get(tap->kubectl, &path, 1, &list, false);
	free(path);
	if (!list)
		return false;
	items = json_list(list, "items");
	for (i = 0; i < tap->count; i++)
		tap->agents[i].listed = false;
	for (i = 0; i < json_list_length(items); i++) {
		struct json_object *pod = json_object_array_get_idx(items, i);

		if (!strcmp(json_text(pod, "status.phase"), "Running"))
			find_agent(tap, json_text(pod, "metadata.name"))->listed = true;
	}
	drop_unlisted(tap);
	json_object_put(list);
	return true;
}

static char *tap_url(const struct tap *tap, const struct tapped *agent)
{
	return memory_printf("/api/v1/namespaces/%s/pods/%s:9464/proxy%s%csince=%" PRIu64
			     "&limit=%u",
			     tap->kubectl->agent_namespace, agent->pod, tap->query,
			     strchr(tap->query, '?') ? '&' : '?', agent->next,
			     (unsigned int)PER_ANSWER);
}

/* Takes the new ones of an answer into `events`. */
static void take_events(struct tapped *agent, struct json_object *answer,
			struct json_object *events)
{
	double started = json_object_get_double(json_member(answer, "started"));
	uint64_t oldest = json_object_get_uint64(json_member(answer, "oldest"));
	struct json_object *items = json_list(answer, "items");
	size_t i;

	if (agent->started > 0 && agent->started != started) {
		/* another process: its numbers begin anew */
		agent->started = started;
		agent->next = 0;
		return;
	}
	if (agent->started > 0 && oldest > agent->next)
		cli_fail("%" PRIu64 " events of %s were not seen: it keeps only the last",
			 oldest - agent->next, agent->pod);
	agent->started = started;
	agent->next = json_object_get_uint64(json_member(answer, "next"));
	for (i = 0; i < json_list_length(items); i++)
		json_object_array_add(events, json_object_get(json_object_array_get_idx(items, i)));
}

/* RFC 3339 with one width: as texts they are in the order of time. */
static int compare_times(const void *a, const void *b)
{
	return strcmp(json_text(*(struct json_object *const *)a, "time"),
		      json_text(*(struct json_object *const *)b, "time"));
}

static void show_events(const struct tap *tap, struct json_object *events)
{
	struct json_object *event;
	size_t i;

	json_object_array_sort(events, compare_times);
	for (i = 0; i < json_list_length(events); i++) {
		event = json_object_array_get_idx(events, i);
		if (tap->kubectl->cli.json)
			puts(json_object_to_json_string_ext(
				event, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		else
			tap_print_event(event);
	}
	fflush(stdout);
}

/* Asks all agents at once. False when none answered. */
static bool ask(struct tap *tap, bool quiet)
{
	struct json_object **answers = memory_alloc((tap->count + 1) * sizeof(*answers));
	char **paths = memory_alloc((tap->count + 1) * sizeof(*paths));
	struct json_object *events = json_object_new_array();
	bool answered = false;
	size_t i;

	for (i = 0; i < tap->count; i++)
		paths[i] = tap_url(tap, &tap->agents[i]);
	kubectl_get(tap->kubectl, paths, tap->count, answers, quiet);
	for (i = 0; i < tap->count; i++) {
		if (answers[i]) {
			take_events(&tap->agents[i], answers[i], events);
			answered = true;
		}
		json_object_put(answers[i]);
		free(paths[i]);
	}
	show_events(tap, events);
	json_object_put(events);
	free(answers);
	free(paths);
	return answered;
}

/* False when nobody reads the output any more. */
static bool pause_is_over(void)
{
	struct pollfd output = { .fd = STDOUT_FILENO };

	return poll(&output, 1, PAUSE_MS) <= 0 || !(output.revents & (POLLERR | POLLHUP));
}

static int follow(struct tap *tap)
{
	size_t round;

	if (!list_agents(tap))
		return cli_fail("the agents cannot be listed");
	if (!tap->count)
		return cli_fail("no agent of weft runs in the namespace %s (--weft-namespace)",
				tap->kubectl->agent_namespace);
	if (!ask(tap, false))
		return cli_fail("no agent answers");
	/* Later, one that is away is asked again; the list tells when it is gone. */
	for (round = 1; !ferror(stdout) && pause_is_over(); round++) {
		if (round % LIST_EVERY == 0)
			list_agents(tap);
		ask(tap, true);
	}
	return CLI_OK;
}

int kubectl_tap(struct kubectl *kubectl)
{
	struct tap tap = { .kubectl = kubectl, .query = tap_path(&kubectl->cli) };
	int status = follow(&tap);
	size_t i;

	for (i = 0; i < tap.count; i++)
		free(tap.agents[i].pod);
	free(tap.agents);
	free(tap.query);
	return status;
}
