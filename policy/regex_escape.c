// SPDX-License-Identifier: Apache-2.0
/* What begins with a backslash. */
#include <stdlib.h>
#include <string.h>
#include "policy/regex_internal.h"

enum { RANGE_STEPS = 16 /* what putting a range into a class costs, sorting included */ };

static int hex_value(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10;
	if (byte >= 'A' && byte <= 'F')
		return byte - 'A' + 10;
	return -1;
}

/* After \x: two digits, or any number of them in braces. */
static int parse_hex(struct regex_parser *parser, size_t offset, uint32_t *rune)
{
	bool braces = regex_sees(parser, "{");
	size_t count = 0;
	int digit;

	*rune = 0;
	parser->at += braces;
	while (regex_left(parser) && (braces || count < 2)) {
		digit = hex_value(parser->text[parser->at]);
		if (digit < 0)
			break;
		*rune = *rune * 16 + (uint32_t)digit;
		if (*rune > RUNE_MAX)
			return regex_refuse(parser, offset, "there is no character beyond 10FFFF");
		parser->at++;
		count++;
	}
	if (!count || (braces ? !regex_sees(parser, "}") : count != 2))
		return regex_refuse(parser, offset,
				    "\\x takes two hexadecimal digits, or some in braces");
	parser->at += braces;
	return 0;
}

/* After a backslash, at its first digit: up to three octal ones. One alone is only \0. */
static int parse_octal(struct regex_parser *parser, size_t offset, uint32_t *rune)
{
	uint8_t digit = parser->text[parser->at++];
	size_t count;

	*rune = digit - '0';
	for (count = 1; count < 3 && regex_left(parser); count++) {
		uint8_t next = parser->text[parser->at];

		if (next < '0' || next > '7')
			break;
		*rune = *rune * 8 + (next - '0');
		parser->at++;
	}
	if (digit > '7' || (digit != '0' && count == 1))
		return regex_refuse(parser, offset, "backreferences do not exist in RE2 syntax");
	return 0;
}

static int refuse_letter(struct regex_parser *parser, size_t offset, uint8_t letter)
{
	switch (letter) {
	case 'C':
		return regex_refuse(parser, offset, "\\C would match parts of a character");
	case 'Z':
		return regex_refuse(parser, offset, "\\Z does not exist in RE2 syntax, \\z does");
	case 'g':
	case 'k':
		return regex_refuse(parser, offset, "backreferences do not exist in RE2 syntax");
	default:
		if (letter >= RUNE_SELF)
			return regex_refuse(parser, offset,
					    "a backslash before a character beyond ASCII");
		return regex_refuse(parser, offset, "there is no escape \\%c here", letter);
	}
}

int regex_parse_escaped_rune(struct regex_parser *parser, uint32_t *rune)
{
	static const char letters[] = "nrtafv", values[] = "\n\r\t\a\f\v";
	size_t offset = parser->at++;
	const char *found;
	uint8_t letter;

	if (!regex_left(parser))
		return regex_refuse(parser, offset, "a backslash at the end");
	letter = parser->text[parser->at];
	if (letter >= '0' && letter <= '9')
		return parse_octal(parser, offset, rune);
	parser->at++;
	if (letter == 'x')
		return parse_hex(parser, offset, rune);
	found = letter ? strchr(letters, letter) : NULL;
	if (found) {
		*rune = (uint32_t)values[found - letters];
		return 0;
	}
	if (letter >= RUNE_SELF || (letter >= 'a' && letter <= 'z') ||
	    (letter >= 'A' && letter <= 'Z'))
		return refuse_letter(parser, offset, letter);
	*rune = letter;
	return 0;
}

int regex_add_group(struct regex_parser *parser, struct rune_set *set,
		    const struct rune_range *ranges, size_t count, bool negated)
{
	struct rune_set group = { 0 };
	size_t i, steps = 0;

	/* case is folded before the group is negated */
	for (i = 0; i < count; i++) {
		if (parser->flags & FLAG_FOLD_CASE)
			steps += rune_set_add_folded(&group, ranges[i].low, ranges[i].high);
		else
			rune_set_add(&group, ranges[i].low, ranges[i].high);
	}
	if (negated)
		rune_set_negate(&group);
	for (i = 0; i < group.count; i++)
		rune_set_add(set, group.items[i].low, group.items[i].high);
	steps += count + group.count;
	rune_set_clear(&group);
	if (!regex_meter_spend(parser->meter, steps * RANGE_STEPS + 1) ||
	    !regex_meter_memory(parser->meter, set->capacity * sizeof(*set->items)))
		return regex_exceed(parser);
	return 0;
}

/* \pL, \p{Lu}, \p{^Greek}, \PL */
static int parse_unicode(struct regex_parser *parser, struct rune_set *set)
{
	bool negated = parser->text[parser->at + 1] == 'P';
	size_t offset = parser->at, length, size;
	struct rune_set group = { 0 };
	const uint8_t *name, *end;
	uint32_t rune;
	int ret;

	parser->at += 2;
	name = parser->text + parser->at;
	if (!regex_left(parser))
		return regex_refuse(parser, offset, "\\p takes a letter, or a name in braces");
	if (regex_sees(parser, "{")) {
		end = memchr(name, '}', regex_left(parser));
		if (!end)
			return regex_refuse(parser, offset, "a { without a }");
		parser->at += (size_t)(end - name) + 1;
		name++;
		length = (size_t)(end - name);
	} else {
		size = regex_left(parser);
		ret = regex_read_rune(parser, &rune);
		if (ret)
			return ret;
		length = size - regex_left(parser);
	}
	if (length && *name == '^') {
		negated = !negated;
		name++;
		length--;
	}
	if (!regex_unicode_add(&group, (const char *)name, length)) {
		rune_set_clear(&group);
		return regex_refuse(parser, offset, "there is no such class of characters");
	}
	ret = regex_add_group(parser, set, group.items, group.count, negated);
	rune_set_clear(&group);
	return ret ? ret : 1;
}

int regex_parse_escaped_class(struct regex_parser *parser, struct rune_set *set)
{
	static const struct rune_range digits[] = { { '0', '9' } };
	static const struct rune_range spaces[] = { { '\t', '\n' }, { '\f', '\r' }, { ' ', ' ' } };
	static const struct rune_range words[] = {
		{ '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' }
	};
	const struct rune_range *ranges = digits;
	size_t count = 1;
	uint8_t letter;
	int ret;

	if (regex_left(parser) < 2)
		return 0;
	letter = parser->text[parser->at + 1];
	switch (letter | 0x20) {
	case 'p':
		return parse_unicode(parser, set);
	case 'd':
		break;
	case 's':
		ranges = spaces;
		count = sizeof(spaces) / sizeof(*spaces);
		break;
	case 'w':
		ranges = words;
		count = sizeof(words) / sizeof(*words);
		break;
	default:
		return 0;
	}
	parser->at += 2;
	ret = regex_add_group(parser, set, ranges, count, !(letter & 0x20));
	return ret ? ret : 1;
}

/* After \Q: literals up to \E, or to the end. */
static int parse_quoted(struct regex_parser *parser)
{
	uint32_t rune;
	int ret = 0;

	while (!ret && regex_left(parser)) {
		if (regex_sees(parser, "\\E")) {
			parser->at += strlen("\\E");
			break;
		}
		ret = regex_read_rune(parser, &rune);
		if (!ret)
			ret = regex_add_rune(parser, rune);
	}
	return ret;
}

static int add_assertion(struct regex_parser *parser, enum regex_assertion assertion)
{
	parser->at += 2;
	return regex_add_assertion(parser, assertion);
}

int regex_parse_escape(struct regex_parser *parser)
{
	struct rune_set set = { 0 };
	uint32_t rune;
	int ret;

	switch (regex_left(parser) < 2 ? 0 : parser->text[parser->at + 1]) {
	case 'b':
		return add_assertion(parser, ASSERT_WORD_BOUNDARY);
	case 'B':
		return add_assertion(parser, ASSERT_NO_WORD_BOUNDARY);
	case 'A':
		return add_assertion(parser, ASSERT_TEXT_BEGIN);
	case 'z':
		return add_assertion(parser, ASSERT_TEXT_END);
	case 'Q':
		parser->at += 2;
		return parse_quoted(parser);
	default:
		break;
	}
	ret = regex_parse_escaped_class(parser, &set);
	if (ret) {
		if (ret > 0)
			ret = regex_add_class(parser, &set);
		rune_set_clear(&set);
		return ret;
	}
	ret = regex_parse_escaped_rune(parser, &rune);
	return ret ? ret : regex_add_rune(parser, rune);
}
