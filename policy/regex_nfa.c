// SPDX-License-Identifier: Apache-2.0
/*
 * Trees become one NFA over bytes. It is built from its end: a node is compiled towards the
 * state that follows it, so that nothing is ever patched.
 */
#include <stdlib.h>
#include "policy/memory.h"
#include "policy/regex_internal.h"

struct nfa_builder {
	struct regex_nfa *nfa;
	const struct regex_tree *tree;
	struct regex_meter *meter;
	struct byte_graph *graphs; /* by class; built when first needed */
	bool *graph_built;
	size_t graph_memory;
	uint32_t *instances; /* states of a graph's nodes, while it is copied */
	size_t instance_capacity;
	uint16_t pattern;
};

static bool add_state(struct nfa_builder *builder, struct nfa_state state, uint32_t *index)
{
	struct regex_nfa *nfa = builder->nfa;
	struct regex_meter *meter = builder->meter;

	if (nfa->count >= meter->budget.nfa_states) {
		meter->refusal = "too long when its repetitions are written out";
		return false;
	}
	state.pattern = builder->pattern;
	*index = (uint32_t)memory_grow(&nfa->states, &nfa->count, &nfa->capacity,
				       sizeof(*nfa->states));
	nfa->states[*index] = state;
	return regex_meter_spend(meter, 1) &&
	       regex_meter_memory(meter, nfa->capacity * sizeof(*nfa->states) +
						 nfa->edge_capacity * sizeof(*nfa->edges) +
						 builder->graph_memory);
}

static void add_edge(struct nfa_builder *builder, uint8_t low, uint8_t high, uint32_t next)
{
	struct regex_nfa *nfa = builder->nfa;
	size_t i = memory_grow(&nfa->edges, &nfa->edge_count, &nfa->edge_capacity,
			       sizeof(*nfa->edges));

	nfa->edges[i] = (struct nfa_edge){ .low = low, .high = high, .next = next };
}

static bool add_byte(struct nfa_builder *builder, uint8_t low, uint8_t high, uint32_t *entry)
{
	struct nfa_state state = { .kind = NFA_BYTES };

	state.first = (uint32_t)builder->nfa->edge_count;
	state.count = 1;
	add_edge(builder, low, high, *entry);
	return add_state(builder, state, entry);
}

static bool add_split(struct nfa_builder *builder, uint32_t out, uint32_t other, uint32_t *entry)
{
	struct nfa_state state = { .kind = NFA_SPLIT };

	state.out = out;
	state.other = other;
	return add_state(builder, state, entry);
}

static bool add_assertion(struct nfa_builder *builder, enum regex_assertion assertion,
			  uint32_t *entry)
{
	struct nfa_state state = { .kind = NFA_ASSERT, .assertion = (uint8_t)assertion };

	state.out = *entry;
	builder->nfa->sees_words |= assertion == ASSERT_WORD_BOUNDARY ||
				    assertion == ASSERT_NO_WORD_BOUNDARY;
	builder->nfa->sees_lines |= assertion == ASSERT_LINE_BEGIN || assertion == ASSERT_LINE_END;
	return add_state(builder, state, entry);
}

static bool add_rune(struct nfa_builder *builder, uint32_t rune, uint32_t *entry)
{
	uint8_t bytes[4];
	size_t i = regex_utf8_encode(rune, bytes);

	while (i-- > 0)
		if (!add_byte(builder, bytes[i], bytes[i], entry))
			return false;
	return true;
}

static const struct byte_graph *class_graph(struct nfa_builder *builder, uint32_t class)
{
	struct byte_graph *graph = &builder->graphs[class];

	if (!builder->graph_built[class]) {
		builder->graph_built[class] = true;
		if (!regex_utf8_graph(&builder->tree->classes[class], graph, builder->meter))
			return NULL;
		builder->graph_memory += regex_intern_size(&graph->nodes);
	}
	return graph;
}

/* Copies the class's graph; a node's children have lower numbers than itself. */
static bool add_class(struct nfa_builder *builder, uint32_t class, uint32_t *entry)
{
	const struct byte_graph *graph = class_graph(builder, class);
	const struct byte_edge *edges;
	struct nfa_state state = { .kind = NFA_BYTES };
	size_t size, i;
	uint32_t node, next;

	if (!graph)
		return false;
	if (graph->nodes.count > builder->instance_capacity) {
		builder->instance_capacity = graph->nodes.count;
		builder->instances = memory_realloc_array(builder->instances,
							  builder->instance_capacity,
							  sizeof(*builder->instances));
	}
	for (node = 0; node < graph->nodes.count; node++) {
		edges = regex_intern_get(&graph->nodes, node, &size);
		state.first = (uint32_t)builder->nfa->edge_count;
		state.count = (uint32_t)(size / sizeof(*edges));
		for (i = 0; i < state.count; i++) {
			next = edges[i].next == BYTE_GRAPH_OUT ? *entry :
								 builder->instances[edges[i].next];
			add_edge(builder, edges[i].low, edges[i].high, next);
		}
		if (!regex_meter_spend(builder->meter, state.count) ||
		    !add_state(builder, state, &builder->instances[node]))
			return false;
	}
	*entry = builder->instances[graph->root];
	return true;
}

static bool add_node(struct nfa_builder *builder, const struct regex_node *node, uint32_t *entry);

static bool add_concat(struct nfa_builder *builder, const struct regex_node *node, uint32_t *entry)
{
	const struct regex_node *nodes = builder->tree->nodes;
	uint32_t child;

	for (child = node->last; child != NODE_NONE; child = nodes[child].previous)
		if (!add_node(builder, &nodes[child], entry))
			return false;
	return true;
}

static bool add_alternate(struct nfa_builder *builder, const struct regex_node *node,
			  uint32_t *entry)
{
	const struct regex_node *nodes = builder->tree->nodes;
	uint32_t out = *entry, branch, child = node->last;

	if (!add_node(builder, &nodes[child], entry))
		return false;
	for (child = nodes[child].previous; child != NODE_NONE; child = nodes[child].previous) {
		branch = out;
		if (!add_node(builder, &nodes[child], &branch) ||
		    !add_split(builder, branch, *entry, entry))
			return false;
	}
	return true;
}

/* x* when `entry` comes back as the split, x+ when as the body. */
static bool add_loop(struct nfa_builder *builder, const struct regex_node *item, bool optional,
		     uint32_t *entry)
{
	uint32_t split, body;

	if (!add_split(builder, *entry, *entry, &split))
		return false;
	body = split;
	if (!add_node(builder, item, &body))
		return false;
	builder->nfa->states[split].other = body;
	*entry = optional ? split : body;
	return true;
}

/* x{2,4} is xx(x(x)?)?, x{2,} is xx+. */
static bool add_repeat(struct nfa_builder *builder, const struct regex_node *node, uint32_t *entry)
{
	const struct regex_node *item = &builder->tree->nodes[node->last];
	int copies = node->min, i;
	uint32_t out = *entry;

	if (node->max == REPEAT_INFINITE) {
		if (!add_loop(builder, item, !node->min, entry))
			return false;
		copies -= copies > 0;
	}
	for (i = node->min; i < node->max; i++)
		if (!add_node(builder, item, entry) || !add_split(builder, *entry, out, entry))
			return false;
	for (i = 0; i < copies; i++)
		if (!add_node(builder, item, entry))
			return false;
	return true;
}

/* `entry`: the state that follows; becomes the node's first one. */
static bool add_node(struct nfa_builder *builder, const struct regex_node *node, uint32_t *entry)
{
	/* also for what makes no state: (){1000} */
	if (!regex_meter_spend(builder->meter, 1))
		return false;
	switch (node->kind) {
	case NODE_RUNE:
		return add_rune(builder, node->value, entry);
	case NODE_CLASS:
		return add_class(builder, node->value, entry);
	case NODE_ASSERT:
		return add_assertion(builder, node->value, entry);
	case NODE_CONCAT:
		return add_concat(builder, node, entry);
	case NODE_ALTERNATE:
		return add_alternate(builder, node, entry);
	case NODE_REPEAT:
		return add_repeat(builder, node, entry);
	}
	return false;
}

static bool add_pattern(struct nfa_builder *builder, enum regex_mode mode)
{
	struct nfa_state match = { .kind = NFA_MATCH };
	struct regex_nfa *nfa = builder->nfa;
	uint32_t entry, loop;
	size_t i;

	if (!add_state(builder, match, &entry) ||
	    (mode == REGEX_FULL && !add_assertion(builder, ASSERT_TEXT_END, &entry)) ||
	    !add_node(builder, &builder->tree->nodes[builder->tree->root], &entry))
		return false;
	if (mode == REGEX_SEARCH) {
		/* the match may begin here, or behind any byte */
		if (!add_split(builder, entry, entry, &loop))
			return false;
		nfa->states[loop].kind = NFA_LOOP;
		entry = loop;
		if (!add_byte(builder, 0, UINT8_MAX, &loop))
			return false;
		nfa->states[entry].other = loop;
	}
	i = memory_grow(&nfa->starts, &nfa->start_count, &nfa->start_capacity,
			sizeof(*nfa->starts));
	nfa->starts[i] = entry;
	return true;
}

bool regex_nfa_add(struct regex_nfa *nfa, const struct regex_tree *tree, enum regex_mode mode,
		   struct regex_meter *meter)
{
	struct nfa_builder builder = {
		.nfa = nfa,
		.tree = tree,
		.meter = meter,
		.graphs = memory_alloc(tree->class_count * sizeof(*builder.graphs)),
		.graph_built = memory_alloc(tree->class_count * sizeof(*builder.graph_built)),
		.pattern = (uint16_t)nfa->start_count,
	};
	size_t count = nfa->count, edge_count = nfa->edge_count, i;
	bool done = add_pattern(&builder, mode);

	if (!done) {
		nfa->count = count;
		nfa->edge_count = edge_count;
	}
	for (i = 0; i < tree->class_count; i++)
		regex_intern_clear(&builder.graphs[i].nodes);
	free(builder.graphs);
	free(builder.graph_built);
	free(builder.instances);
	return done;
}

void regex_nfa_clear(struct regex_nfa *nfa)
{
	free(nfa->states);
	free(nfa->edges);
	free(nfa->starts);
	*nfa = (struct regex_nfa){ 0 };
}
