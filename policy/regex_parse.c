// SPDX-License-Identifier: Apache-2.0
/* A pattern becomes a tree: literals, repetition, alternation; the rest is in its own files. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/regex_internal.h"

enum { REPEAT_DIGITS = 8 /* more are no repetition for RE2 */ };

int regex_refuse(struct regex_parser *parser, size_t offset, const char *message, ...)
{
	va_list arguments;

	parser->error->code = -EINVAL;
	parser->error->offset = offset;
	va_start(arguments, message);
	vsnprintf(parser->error->message, sizeof(parser->error->message), message, arguments);
	va_end(arguments);
	return -EINVAL;
}

int regex_exceed(struct regex_parser *parser)
{
	parser->error->code = -E2BIG;
	parser->error->offset = parser->length;
	snprintf(parser->error->message, sizeof(parser->error->message), "%s",
		 parser->meter->refusal);
	return -E2BIG;
}

bool regex_sees(const struct regex_parser *parser, const char *text)
{
	size_t length = strlen(text);

	return regex_left(parser) >= length && !memcmp(parser->text + parser->at, text, length);
}

int regex_read_rune(struct regex_parser *parser, uint32_t *rune)
{
	size_t length = regex_utf8_decode(parser->text + parser->at, regex_left(parser), rune);

	if (!length)
		return regex_refuse(parser, parser->at, "not UTF-8");
	parser->at += length;
	return 0;
}

static struct regex_frame *top_frame(struct regex_parser *parser)
{
	return &parser->frames[parser->frame_count - 1];
}

/* RE2 has no such limit: nothing is wrong with the syntax. */
static int refuse_depth(struct regex_parser *parser)
{
	parser->meter->refusal = "nested too deep";
	return regex_exceed(parser);
}

static int new_node(struct regex_parser *parser, struct regex_node node, uint32_t *index)
{
	struct regex_tree *tree = parser->tree;
	size_t capacity = tree->capacity;

	if (!regex_meter_spend(parser->meter, 1))
		return regex_exceed(parser);
	if (node.depth > REGEX_NESTING_MAX)
		return refuse_depth(parser);
	*index = (uint32_t)memory_grow(&tree->nodes, &tree->count, &tree->capacity,
				       sizeof(*tree->nodes));
	tree->nodes[*index] = node;
	if (!regex_meter_memory(parser->meter, (tree->capacity + capacity) * sizeof(*tree->nodes)))
		return regex_exceed(parser);
	return 0;
}

/* Appends to the alternative that is being read. */
int regex_add_node(struct regex_parser *parser, struct regex_node node)
{
	struct regex_frame *frame = top_frame(parser);
	int ret;

	node.previous = frame->item;
	ret = new_node(parser, node, &frame->item);
	if (!ret)
		frame->items++;
	return ret;
}

int regex_add_class(struct regex_parser *parser, struct rune_set *set)
{
	struct regex_tree *tree = parser->tree;
	struct regex_node node = { .kind = NODE_CLASS, .last = NODE_NONE, .product = 1 };
	size_t index;

	rune_set_normalise(set);
	index = memory_grow(&tree->classes, &tree->class_count, &tree->class_capacity,
			    sizeof(*tree->classes));
	tree->classes[index] = *set;
	*set = (struct rune_set){ 0 };
	parser->meter->memory += tree->classes[index].capacity * sizeof(struct rune_range);
	if (!regex_meter_spend(parser->meter, tree->classes[index].count) ||
	    !regex_meter_memory(parser->meter, 0))
		return regex_exceed(parser);
	node.value = (uint32_t)index;
	return regex_add_node(parser, node);
}

int regex_add_rune(struct regex_parser *parser, uint32_t rune)
{
	struct regex_node node = {
		.kind = NODE_RUNE,
		.value = rune,
		.last = NODE_NONE,
		.product = 1,
	};
	struct rune_set set = { 0 };

	if (!(parser->flags & FLAG_FOLD_CASE) || regex_unicode_fold(rune) == rune)
		return regex_add_node(parser, node);
	rune_set_add_folded(&set, rune, rune);
	return regex_add_class(parser, &set);
}

int regex_add_assertion(struct regex_parser *parser, enum regex_assertion assertion)
{
	struct regex_node node = {
		.kind = NODE_ASSERT,
		.value = assertion,
		.last = NODE_NONE,
		.product = 1,
	};

	return regex_add_node(parser, node);
}

static int add_dot(struct regex_parser *parser)
{
	struct rune_set set = { 0 };

	if (!(parser->flags & FLAG_DOT_ALL))
		rune_set_add(&set, '\n', '\n');
	rune_set_negate(&set);
	return regex_add_class(parser, &set);
}

int regex_open_group(struct regex_parser *parser, size_t offset)
{
	size_t i;

	if (parser->frame_count > REGEX_NESTING_MAX)
		return refuse_depth(parser);
	i = memory_grow(&parser->frames, &parser->frame_count, &parser->frame_capacity,
			sizeof(*parser->frames));
	parser->frames[i] = (struct regex_frame){
		.offset = offset,
		.flags = parser->flags,
		.alternative = NODE_NONE,
		.item = NODE_NONE,
	};
	return 0;
}

/* One node for the `count` siblings that end with `last`. */
static int join(struct regex_parser *parser, enum regex_node_kind kind, uint32_t last,
		unsigned int count, uint32_t previous, uint32_t *index)
{
	struct regex_node node = { .kind = kind, .last = last, .previous = previous, .product = 1 };
	const struct regex_node *nodes = parser->tree->nodes;
	uint32_t child;

	if (count == 1) {
		parser->tree->nodes[last].previous = previous;
		*index = last;
		return 0;
	}
	for (child = last; child != NODE_NONE; child = nodes[child].previous) {
		if (nodes[child].depth >= node.depth)
			node.depth = (uint16_t)(nodes[child].depth + 1);
		if (nodes[child].product > node.product)
			node.product = nodes[child].product;
	}
	if (!regex_meter_spend(parser->meter, count))
		return regex_exceed(parser);
	return new_node(parser, node, index);
}

static int end_alternative(struct regex_parser *parser)
{
	struct regex_frame *frame = top_frame(parser);
	int ret = join(parser, NODE_CONCAT, frame->item, frame->items, frame->alternative,
		       &frame->alternative);

	frame->alternatives++;
	frame->item = NODE_NONE;
	frame->items = 0;
	return ret;
}

/* The group becomes an item of the one around it. */
static int close_group(struct regex_parser *parser)
{
	struct regex_frame frame, *outer;
	int ret;

	if (parser->frame_count == 1)
		return regex_refuse(parser, parser->at, "a ) without a (");
	ret = end_alternative(parser);
	if (ret)
		return ret;
	frame = *top_frame(parser);
	parser->frame_count--;
	parser->flags = frame.flags;
	parser->at++;
	outer = top_frame(parser);
	ret = join(parser, NODE_ALTERNATE, frame.alternative, frame.alternatives, outer->item,
		   &outer->item);
	outer->items++;
	return ret;
}

/* Digits without a leading zero. */
static bool read_number(const struct regex_parser *parser, size_t *at, int *number)
{
	size_t first = *at;

	*number = 0;
	while (*at < parser->length && parser->text[*at] >= '0' && parser->text[*at] <= '9') {
		if (*at - first >= REPEAT_DIGITS || (*at > first && parser->text[first] == '0'))
			return false;
		*number = *number * 10 + (parser->text[(*at)++] - '0');
	}
	return *at > first;
}

/* {n}, {n,} or {n,m} at `at`; anything else is a literal. */
static bool read_bounds(const struct regex_parser *parser, size_t *at, int *min, int *max)
{
	size_t next = *at + 1;

	if (!read_number(parser, &next, min))
		return false;
	*max = *min;
	if (next < parser->length && parser->text[next] == ',') {
		next++;
		*max = REPEAT_INFINITE;
		if (next < parser->length && parser->text[next] != '}' &&
		    !read_number(parser, &next, max))
			return false;
	}
	if (next >= parser->length || parser->text[next] != '}')
		return false;
	*at = next + 1;
	return true;
}

/* Wraps the last item. Bounds of `counted` ones are limited. */
static int wrap_repeat(struct regex_parser *parser, size_t offset, int min, int max, bool counted)
{
	struct regex_frame *frame = top_frame(parser);
	const struct regex_node *item;
	struct regex_node node = { .kind = NODE_REPEAT, .min = min, .max = max };
	unsigned int product, factor = (unsigned int)(max < 0 ? min : max);

	if (counted &&
	    ((max >= 0 && max < min) || min > REGEX_REPEAT_MAX || max > REGEX_REPEAT_MAX))
		return max >= 0 && max < min ?
			       regex_refuse(parser, offset, "the bounds are the wrong way round") :
			       regex_refuse(parser, offset, "more than %d repetitions",
					    REGEX_REPEAT_MAX);
	if (frame->item == NODE_NONE)
		return regex_refuse(parser, offset, "there is nothing to repeat");
	item = &parser->tree->nodes[frame->item];
	product = item->product * (counted && factor ? factor : 1);
	if (product > REGEX_REPEAT_MAX)
		return regex_refuse(parser, offset,
				    "with the repetitions inside it more than %d repetitions",
				    REGEX_REPEAT_MAX);
	/* (a*)* is a*, so that a chain of these costs nothing */
	if (!counted && item->kind == NODE_REPEAT && item->min == min && item->max == max)
		return 0;
	node.product = (uint16_t)product;
	node.depth = (uint16_t)(item->depth + 1);
	node.last = frame->item;
	node.previous = item->previous;
	parser->tree->nodes[frame->item].previous = NODE_NONE;
	return new_node(parser, node, &frame->item);
}

static int parse_repeat(struct regex_parser *parser, int min, int max, size_t end)
{
	bool counted = parser->text[parser->at] == '{';
	size_t offset = parser->at;

	parser->at = end;
	if (regex_sees(parser, "?"))
		parser->at++;
	if (parser->after_repeat && parser->text[offset] == '+')
		return regex_refuse(parser, offset,
				    "possessive repetition does not exist in RE2 syntax");
	if (parser->after_repeat)
		return regex_refuse(parser, offset, "two repetitions in a row");
	parser->repeated = true;
	return wrap_repeat(parser, offset, min, max, counted);
}

static int parse_brace(struct regex_parser *parser)
{
	size_t end = parser->at;
	int min, max;

	if (read_bounds(parser, &end, &min, &max))
		return parse_repeat(parser, min, max, end);
	parser->at++;
	return regex_add_rune(parser, '{');
}

static int parse_literal(struct regex_parser *parser)
{
	uint32_t rune;
	int ret = regex_read_rune(parser, &rune);

	return ret ? ret : regex_add_rune(parser, rune);
}

static int parse_token(struct regex_parser *parser)
{
	bool lines = parser->flags & FLAG_MULTI_LINE;
	size_t next = parser->at + 1;

	switch (parser->text[parser->at]) {
	case '(':
		if (regex_sees(parser, "(?"))
			return regex_parse_question(parser);
		parser->at++;
		return regex_open_group(parser, next - 1);
	case ')':
		return close_group(parser);
	case '|':
		parser->at++;
		return end_alternative(parser);
	case '*':
		return parse_repeat(parser, 0, REPEAT_INFINITE, next);
	case '+':
		return parse_repeat(parser, 1, REPEAT_INFINITE, next);
	case '?':
		return parse_repeat(parser, 0, 1, next);
	case '{':
		return parse_brace(parser);
	case '^':
		parser->at++;
		return regex_add_assertion(parser, lines ? ASSERT_LINE_BEGIN : ASSERT_TEXT_BEGIN);
	case '$':
		parser->at++;
		return regex_add_assertion(parser, lines ? ASSERT_LINE_END : ASSERT_TEXT_END);
	case '.':
		parser->at++;
		return add_dot(parser);
	case '[':
		return regex_parse_class(parser);
	case '\\':
		return regex_parse_escape(parser);
	default:
		return parse_literal(parser);
	}
}

static int parse_all(struct regex_parser *parser)
{
	int ret = regex_open_group(parser, 0);
	struct regex_frame *frame;

	while (!ret && parser->at < parser->length) {
		parser->after_repeat = parser->repeated;
		parser->repeated = false;
		ret = parse_token(parser);
	}
	if (ret)
		return ret;
	if (parser->frame_count > 1)
		return regex_refuse(parser, top_frame(parser)->offset, "a ( without a )");
	ret = end_alternative(parser);
	if (ret)
		return ret;
	frame = top_frame(parser);
	return join(parser, NODE_ALTERNATE, frame->alternative, frame->alternatives, NODE_NONE,
		    &parser->tree->root);
}

int regex_parse(const char *pattern, size_t length, struct regex_tree *tree,
		struct regex_meter *meter, struct regex_error *error)
{
	struct regex_parser parser = {
		.text = (const uint8_t *)pattern,
		.length = length,
		.tree = tree,
		.meter = meter,
		.error = error,
	};
	int ret = parse_all(&parser);

	free(parser.frames);
	return ret;
}

void regex_tree_clear(struct regex_tree *tree)
{
	size_t i;

	for (i = 0; i < tree->class_count; i++)
		rune_set_clear(&tree->classes[i]);
	free(tree->classes);
	free(tree->nodes);
	*tree = (struct regex_tree){ 0 };
}
