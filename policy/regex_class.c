// SPDX-License-Identifier: Apache-2.0
/* Character classes: [a-z], [^/], [[:alpha:]\d]. */
#include <string.h>
#include "policy/regex_internal.h"

enum { POSIX_RANGES = 4 };

struct posix_class {
	const char *name;
	struct rune_range ranges[POSIX_RANGES]; /* none begins with NUL but the first */
	size_t count;
};

static const struct posix_class posix_classes[] = {
	{ "alnum", { { '0', '9' }, { 'A', 'Z' }, { 'a', 'z' } }, 3 },
	{ "alpha", { { 'A', 'Z' }, { 'a', 'z' } }, 2 },
	{ "ascii", { { 0, 0x7f } }, 1 },
	{ "blank", { { '\t', '\t' }, { ' ', ' ' } }, 2 },
	{ "cntrl", { { 0, 0x1f }, { 0x7f, 0x7f } }, 2 },
	{ "digit", { { '0', '9' } }, 1 },
	{ "graph", { { '!', '~' } }, 1 },
	{ "lower", { { 'a', 'z' } }, 1 },
	{ "print", { { ' ', '~' } }, 1 },
	{ "punct", { { '!', '/' }, { ':', '@' }, { '[', '`' }, { '{', '~' } }, 4 },
	{ "space", { { '\t', '\r' }, { ' ', ' ' } }, 2 },
	{ "upper", { { 'A', 'Z' } }, 1 },
	{ "word", { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } }, 4 },
	{ "xdigit", { { '0', '9' }, { 'A', 'F' }, { 'a', 'f' } }, 3 },
};

/* [:alpha:] or [:^alpha:]. 1 = added, 0 = something else is there, or an error. */
static int parse_posix(struct regex_parser *parser, struct rune_set *set)
{
	const uint8_t *text = parser->text + parser->at, *end;
	size_t offset = parser->at, length, i;
	bool negated;
	int ret;

	if (!regex_sees(parser, "[:"))
		return 0;
	text += strlen("[:");
	length = regex_left(parser) - strlen("[:");
	/* Classes without an end must not cost their length each time. */
	if (!regex_meter_spend(parser->meter, length / 16 + 1))
		return regex_exceed(parser);
	end = memmem(text, length, ":]", strlen(":]"));
	if (!end)
		return 0;
	parser->at += (size_t)(end - text) + strlen("[::]");
	negated = *text == '^';
	text += negated;
	length = (size_t)(end - text);
	for (i = 0; i < sizeof(posix_classes) / sizeof(*posix_classes); i++) {
		const struct posix_class *class = &posix_classes[i];

		if (strlen(class->name) != length || memcmp(class->name, text, length))
			continue;
		ret = regex_add_group(parser, set, class->ranges, class->count, negated);
		return ret ? ret : 1;
	}
	return regex_refuse(parser, offset, "there is no such POSIX class");
}

static int parse_member(struct regex_parser *parser, uint32_t *rune)
{
	if (regex_sees(parser, "\\"))
		return regex_parse_escaped_rune(parser, rune);
	return regex_read_rune(parser, rune);
}

/* A character, or two of them with - between. */
static int parse_range(struct regex_parser *parser, struct rune_set *set)
{
	struct rune_range range;
	size_t offset = parser->at;
	int ret = parse_member(parser, &range.low);

	if (ret)
		return ret;
	range.high = range.low;
	if (regex_sees(parser, "-") && regex_left(parser) > 1 &&
	    parser->text[parser->at + 1] != ']') {
		parser->at++;
		ret = parse_member(parser, &range.high);
		if (ret)
			return ret;
		if (range.high < range.low)
			return regex_refuse(parser, offset, "the range is the wrong way round");
	}
	return regex_add_group(parser, set, &range, 1, false);
}

static int parse_item(struct regex_parser *parser, struct rune_set *set)
{
	int ret = parse_posix(parser, set);

	if (!ret && regex_sees(parser, "\\"))
		ret = regex_parse_escaped_class(parser, set);
	if (!ret)
		ret = parse_range(parser, set);
	return ret < 0 ? ret : 0;
}

int regex_parse_class(struct regex_parser *parser)
{
	size_t offset = parser->at++, first;
	bool negated = regex_sees(parser, "^");
	struct rune_set set = { 0 };
	int ret = 0;

	parser->at += negated;
	/* a ] at once is a member */
	first = parser->at;
	while (!ret && regex_left(parser) && (parser->at == first || !regex_sees(parser, "]")))
		ret = parse_item(parser, &set);
	if (!ret && !regex_left(parser))
		ret = regex_refuse(parser, offset, "a [ without a ]");
	if (!ret) {
		parser->at++;
		if (negated)
			rune_set_negate(&set);
		ret = regex_add_class(parser, &set);
	}
	rune_set_clear(&set);
	return ret;
}
