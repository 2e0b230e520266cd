// SPDX-License-Identifier: Apache-2.0
/*
 * What somebody looks at right now: /v1/topology, and the page that shows it. The agent keeps
 * readings of its counters only while it is asked for them.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"
#include "user/agent/agent_state.h"
#include "user/traffic/topology.h"
#include "user/http/ui_page.h"

enum { WINDOW_DEFAULT_S = 30, WINDOW_MAX_S = 300, FORGET_S = 30, NANOSECONDS = 1000000000 };

/* However many ask, the maps are not read more often. */
static const double fresh_s = 0.9;

struct traffic *agent_read_traffic(const struct agent *agent)
{
	struct traffic *traffic = traffic_read(loader_maps(agent->loader), agent->names,
					       agent->store, agent->config->node);

	if (traffic)
		traffic->findings = agent->findings.count;
	return traffic;
}

/* False when the maps cannot be read. */
static bool live_read(struct agent *agent, double window)
{
	struct live *live = &agent->live;
	uint64_t now = agent_clock_ns();

	live->asked_ns = now;
	if (!live->readings.count || (double)(now - live->read_ns) / NANOSECONDS >= fresh_s) {
		struct traffic *reading = agent_read_traffic(agent);

		if (!reading)
			return false;
		readings_add(&live->readings, reading, window);
		live->read_ns = now;
	}
	return true;
}

void live_tick(struct agent *agent)
{
	struct live *live = &agent->live;
	double idle;

	if (!live->readings.count)
		return;
	idle = (double)(agent_clock_ns() - live->asked_ns) / NANOSECONDS;
	if (idle > live->readings.keep + FORGET_S)
		readings_clear(&live->readings);
}

static bool parse_window(const char *text, double *window)
{
	char *end;
	unsigned long number = WINDOW_DEFAULT_S;

	if (text) {
		if (*text < '0' || *text > '9')
			return false;
		number = strtoul(text, &end, 10);
		if (*end)
			return false;
	}
	*window = (double)number;
	return number >= 1 && number <= WINDOW_MAX_S;
}

static bool parse_by(const char *text, enum topology_by *by)
{
	static const char *const names[] = {
		[TOPOLOGY_WORKLOADS] = "workloads",
		[TOPOLOGY_PODS] = "pods",
		[TOPOLOGY_NAMESPACES] = "namespaces",
	};
	size_t i;

	*by = TOPOLOGY_WORKLOADS;
	if (!text)
		return true;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		*by = (enum topology_by)i;
		if (!strcmp(text, names[i]))
			return true;
	}
	return false;
}

void live_handle_topology(const struct server_request *request, struct server_response *response,
			  void *context)
{
	struct topology_scope scope = { .name_space = server_argument(request, "namespace") };
	struct agent *agent = context;
	struct topology *topology;
	struct traffic *traffic;
	double window;

	if (!parse_window(server_argument(request, "window"), &window) ||
	    !parse_by(server_argument(request, "by"), &scope.by)) {
		answer_text(response, 400,
			    memory_strdup("window is a number of seconds from 1 to 300, by is "
					  "workloads, pods or namespaces\n"));
		return;
	}
	if (!live_read(agent, window)) {
		answer_text(response, 500, memory_strdup("the maps cannot be read\n"));
		return;
	}
	traffic = readings_window(&agent->live.readings, window);
	topology = topology_new(traffic, &scope);
	answer_json(response, topology_to_json(topology));
	topology_free(topology);
	traffic_free(traffic);
}

void live_handle_ui(const struct server_request *request, struct server_response *response,
		    void *context)
{
	const struct agent *agent = context;
	const char *page;

	(void)request;
	response->content_policy = ui_page_policy();
	if (!agent->config->ui || !response->content_policy) {
		response->content_policy = NULL;
		answer_text(response, 404, memory_strdup("no such page\n"));
		return;
	}
	page = ui_page(&response->length);
	response->status = 200;
	response->content_type = "text/html; charset=utf-8";
	response->body = memory_alloc(response->length);
	memcpy(response->body, page, response->length);
}
