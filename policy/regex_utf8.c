// SPDX-License-Identifier: Apache-2.0
/* Code points as bytes. As in RE2, surrogates are code points like any other. */
#include <string.h>
#include "policy/regex_internal.h"

enum { TAIL_LOW = 0x80, TAIL_HIGH = 0xbf, TAIL_BITS = 6, UTF8_LEN = 4 };

/* The lowest and highest code point of each length. */
static const uint32_t first_runes[UTF8_LEN + 2] = { 0, 0, 0x80, 0x800, 0x10000, RUNE_MAX + 1 };

size_t regex_utf8_encode(uint32_t rune, uint8_t bytes[4])
{
	static const uint8_t leads[UTF8_LEN + 1] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t length, i;

	for (length = 1; rune >= first_runes[length + 1]; length++)
		;
	for (i = length - 1; i > 0; i--, rune >>= TAIL_BITS)
		bytes[i] = (uint8_t)(TAIL_LOW | (rune & (TAIL_HIGH - TAIL_LOW)));
	bytes[0] = (uint8_t)(leads[length] | rune);
	return length;
}

size_t regex_utf8_decode(const uint8_t *text, size_t length, uint32_t *rune)
{
	uint8_t again[UTF8_LEN];
	size_t want, i;

	if (!length)
		return 0;
	*rune = text[0];
	if (text[0] < RUNE_SELF)
		return 1;
	want = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	if (text[0] < 0xc0 || text[0] >= 0xf8 || length < want)
		return 0;
	*rune = text[0] & (0x7fu >> want);
	for (i = 1; i < want; i++)
		*rune = *rune << TAIL_BITS | (text[i] & (TAIL_HIGH - TAIL_LOW));
	/* Neither overlong nor with anything but tails behind the lead. */
	if (*rune > RUNE_MAX || regex_utf8_encode(*rune, again) != want ||
	    memcmp(text, again, want))
		return 0;
	return want;
}

/* A sequence of byte ranges: all code points between two of the same length. */
struct byte_sequence {
	uint8_t low[UTF8_LEN], high[UTF8_LEN];
	size_t length;
};

/* Edges of the nodes on the way to the sequence that is being added; nothing is shared twice. */
struct graph_builder {
	struct byte_graph *graph;
	struct regex_meter *meter;
	struct byte_edge edges[UTF8_LEN][256];
	size_t counts[UTF8_LEN];
	struct byte_sequence last; /* the path whose nodes are open; length 0: none */
};

/* Finishes the open nodes below `depth`: nothing can be added to them any more. */
static void close_nodes(struct graph_builder *builder, size_t depth)
{
	size_t level;

	for (level = builder->last.length; level > depth; level--) {
		size_t at = level - 1, *count = &builder->counts[at];
		struct byte_edge *edges = builder->edges[at];
		struct byte_edge edge = {
			.low = builder->last.low[at],
			.high = builder->last.high[at],
			.next = BYTE_GRAPH_OUT,
		};
		size_t *below = level < builder->last.length ? &builder->counts[level] : NULL;

		if (below) {
			edge.next = regex_intern(&builder->graph->nodes, builder->edges[level],
						 *below * sizeof(edge));
			*below = 0;
		}
		if (*count && edges[*count - 1].high + 1 == edge.low &&
		    edges[*count - 1].next == edge.next)
			edges[*count - 1].high = edge.high;
		else
			edges[(*count)++] = edge;
	}
}

/* Sequences come sorted, so that what two share is a prefix of neighbours. */
static void add_sequence(struct graph_builder *builder, const struct byte_sequence *sequence)
{
	size_t shared = 0;

	while (shared < builder->last.length && shared + 1 < sequence->length &&
	       builder->last.low[shared] == sequence->low[shared] &&
	       builder->last.high[shared] == sequence->high[shared])
		shared++;
	if (shared == builder->last.length && shared)
		shared--;
	close_nodes(builder, shared);
	builder->last = *sequence;
}

static void add_same_length(struct graph_builder *builder, uint32_t low, uint32_t high)
{
	struct byte_sequence sequence;
	uint32_t mask;
	size_t i;

	sequence.length = regex_utf8_encode(low, sequence.low);
	for (i = 1; i < sequence.length; i++) {
		mask = (1u << TAIL_BITS * i) - 1;
		if ((low & ~mask) == (high & ~mask))
			continue;
		if (low & mask) {
			add_same_length(builder, low, low | mask);
			add_same_length(builder, (low | mask) + 1, high);
			return;
		}
		if ((high & mask) != mask) {
			add_same_length(builder, low, (high & ~mask) - 1);
			add_same_length(builder, high & ~mask, high);
			return;
		}
	}
	regex_utf8_encode(high, sequence.high);
	add_sequence(builder, &sequence);
}

/*
 * As RE2 does it: "everything that is not ASCII" takes overlong forms and what lies beyond the
 * last code point as well, which only matters for subjects that are no UTF-8.
 */
static void add_beyond_ascii(struct graph_builder *builder)
{
	static const struct byte_sequence sequences[] = {
		{ { 0xc2, TAIL_LOW }, { 0xdf, TAIL_HIGH }, 2 },
		{ { 0xe0, TAIL_LOW, TAIL_LOW }, { 0xef, TAIL_HIGH, TAIL_HIGH }, 3 },
		{ { 0xf0, TAIL_LOW, TAIL_LOW, TAIL_LOW },
		  { 0xf4, TAIL_HIGH, TAIL_HIGH, TAIL_HIGH },
		  4 },
	};
	size_t i;

	for (i = 0; i < sizeof(sequences) / sizeof(*sequences); i++)
		add_sequence(builder, &sequences[i]);
}

static void add_range(struct graph_builder *builder, uint32_t low, uint32_t high)
{
	size_t length;
	uint32_t end;

	for (length = 1; length <= UTF8_LEN && low <= high; length++) {
		if (low == RUNE_SELF && high == RUNE_MAX) {
			add_beyond_ascii(builder);
			return;
		}
		end = first_runes[length + 1] - 1;
		if (low > end)
			continue;
		add_same_length(builder, low, high < end ? high : end);
		low = end + 1;
	}
}

bool regex_utf8_graph(const struct rune_set *set, struct byte_graph *graph,
		      struct regex_meter *meter)
{
	struct graph_builder builder = { .graph = graph, .meter = meter };
	size_t i;

	for (i = 0; i < set->count; i++) {
		if (!regex_meter_spend(meter, UTF8_LEN * UTF8_LEN))
			return false;
		add_range(&builder, set->items[i].low, set->items[i].high);
	}
	close_nodes(&builder, 0);
	graph->root = regex_intern(&graph->nodes, builder.edges[0],
				   builder.counts[0] * sizeof(struct byte_edge));
	return true;
}
