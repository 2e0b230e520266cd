// SPDX-License-Identifier: Apache-2.0
/* What a topology looks like as boxes and arrows. */
#include "tools/weft/live/graph.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"
#include "policy/reason.h"
#include "tools/weft/live/words.h"
#include "user/traffic/topology.h"

static enum graph_look look_of(const struct traffic_requests *requests)
{
	uint64_t count = topology_requests(requests);
	double success = count ? (double)traffic_succeeded(requests) / (double)count : 1;

	if (!count)
		return GRAPH_PLAIN;
	return success >= 0.99 ? GRAPH_GOOD : success >= 0.95 ? GRAPH_FAIR : GRAPH_BAD;
}

/* "99.50% 12.3rps p50 1.2ms p99 4.0ms" */
static char *requests_words(const struct traffic_requests *requests, double window)
{
	char *success = words_share(traffic_succeeded(requests), topology_requests(requests));
	char *rate = words_rate(topology_requests(requests), window);
	char *middle = words_latency(traffic_quantile(requests, 0.5));
	char *slow = words_latency(traffic_quantile(requests, 0.99));
	char *words = memory_printf("%s %s%s p50 %s p99 %s", success, rate,
				    window > 0 ? "rps" : " requests", middle, slow);

	free(success);
	free(rate);
	free(middle);
	free(slow);
	return words;
}

static char *count_words(const struct weft_edge *count, uint8_t proto, double window)
{
	char *rate =
		words_rate(proto == IPPROTO_UDP ? count->datagrams_to_dst : count->opened, window);
	char *words = memory_printf(window > 0 ? "%s %s/s" : "%s %s", rate,
				    proto == IPPROTO_UDP ? "datagrams" : "connections");

	free(rate);
	return words;
}

static char *node_words(const struct topology_node *node, double window)
{
	char *rate, *success, *words;

	if (!topology_requests(&node->requests))
		return node->count.opened ? count_words(&node->count, IPPROTO_TCP, window) :
					    memory_strdup(node->kind);
	rate = words_rate(topology_requests(&node->requests), window);
	success =
		words_share(traffic_succeeded(&node->requests), topology_requests(&node->requests));
	words = memory_printf("%s %s%s", success, rate, window > 0 ? "rps" : " requests");
	free(rate);
	free(success);
	return words;
}

/* "tcp/8080 99.50% 12.3rps ..."; of denials "denied 12: no_rule". */
static char *edge_words(const struct topology_edge *edge, double window)
{
	char *what, *words, *more;
	size_t i;

	if (edge->denials.count) {
		words = memory_strdup("");
		for (i = 0; i < edge->denials.count; i++) {
			const struct topology_denial *denial = &edge->denials.items[i];

			more = memory_printf("%s%s%s %" PRIu64 ": %s", words, *words ? "\n" : "",
					     denial->action == WEFT_VERDICT_DENY ? "denied" :
										   "would deny",
					     denial->count, reason_name(denial->reason));
			free(words);
			words = more;
		}
		return words;
	}
	what = topology_requests(&edge->requests) ? requests_words(&edge->requests, window) :
						    count_words(&edge->count, edge->proto, window);
	words = memory_printf("%s/%u %s", protocol_name(edge->proto), edge->port, what);
	free(what);
	return words;
}

/* The worst of what edges of one pair look like; traffic covers denials. */
static enum graph_look worse(enum graph_look a, enum graph_look b)
{
	if (a == GRAPH_DENIED)
		return b;
	if (b == GRAPH_DENIED)
		return a;
	return a > b ? a : b;
}

static void add_edge(struct graph *graph, const struct topology *topology,
		     const struct topology_edge *edge)
{
	struct graph_edge *last = graph->edge_count ? &graph->edges[graph->edge_count - 1] : NULL;
	enum graph_look look = edge->denials.count ? GRAPH_DENIED : look_of(&edge->requests);
	char *words = edge_words(edge, topology->window), *all;
	size_t i;

	if (last && last->from == edge->source && last->to == edge->destination) {
		all = memory_printf("%s\n%s", last->words, words);
		free(words);
		free(last->words);
		last->words = all;
		last->look = worse(last->look, look);
		return;
	}
	i = memory_grow(&graph->edges, &graph->edge_count, &graph->edge_capacity,
			sizeof(*graph->edges));
	graph->edges[i].from = edge->source;
	graph->edges[i].to = edge->destination;
	graph->edges[i].words = words;
	graph->edges[i].look = look;
}

void graph_from_topology(struct graph *graph, const struct topology *topology)
{
	size_t i, k;

	*graph = (struct graph){ 0 };
	for (i = 0; i < topology->node_count; i++) {
		const struct topology_node *node = &topology->nodes[i];

		k = memory_grow(&graph->nodes, &graph->node_count, &graph->node_capacity,
				sizeof(*graph->nodes));
		/* of a namespace the name is its own */
		graph->nodes[k].group =
			memory_strdup(strcmp(node->kind, "Namespace") ? node->name_space : "");
		graph->nodes[k].name = memory_strdup(node->name);
		graph->nodes[k].detail = node_words(node, topology->window);
		graph->nodes[k].look = look_of(&node->requests);
	}
	for (i = 0; i < topology->edge_count; i++)
		add_edge(graph, topology, &topology->edges[i]);
}

static void clear_node(struct graph_node *node)
{
	free(node->group);
	free(node->name);
	free(node->detail);
}

void graph_drop_denials(struct graph *graph)
{
	size_t *place = memory_alloc((graph->node_count + 1) * sizeof(*place));
	size_t i, kept = 0;

	for (i = 0; i < graph->edge_count; i++) {
		if (graph->edges[i].look == GRAPH_DENIED) {
			free(graph->edges[i].words);
			continue;
		}
		place[graph->edges[i].from] = place[graph->edges[i].to] = 1;
		graph->edges[kept++] = graph->edges[i];
	}
	graph->edge_count = kept;
	for (i = 0, kept = 0; i < graph->node_count; i++) {
		if (!place[i]) {
			clear_node(&graph->nodes[i]);
			continue;
		}
		place[i] = kept;
		graph->nodes[kept++] = graph->nodes[i];
	}
	graph->node_count = kept;
	for (i = 0; i < graph->edge_count; i++) {
		graph->edges[i].from = place[graph->edges[i].from];
		graph->edges[i].to = place[graph->edges[i].to];
	}
	free(place);
}

void graph_drop_group(struct graph *graph)
{
	const char *group = "";
	size_t i;

	for (i = 0; i < graph->node_count; i++) {
		if (*group && *graph->nodes[i].group && strcmp(group, graph->nodes[i].group))
			return;
		if (*graph->nodes[i].group)
			group = graph->nodes[i].group;
	}
	for (i = 0; i < graph->node_count; i++)
		*graph->nodes[i].group = '\0';
}

void graph_clear(struct graph *graph)
{
	size_t i;

	for (i = 0; i < graph->node_count; i++)
		clear_node(&graph->nodes[i]);
	for (i = 0; i < graph->edge_count; i++)
		free(graph->edges[i].words);
	free(graph->nodes);
	free(graph->edges);
	*graph = (struct graph){ 0 };
}

char *graph_label(const struct graph_node *node)
{
	return memory_printf("%s%s%s", node->group, *node->group ? "/" : "", node->name);
}
