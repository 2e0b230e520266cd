// SPDX-License-Identifier: Apache-2.0
/* What begins with "(?": flags, groups without a number, groups with a name. */
#include <string.h>
#include "policy/regex_internal.h"

/* Letters, marks, decimal digits and what connects words. */
static bool is_name_rune(uint32_t rune)
{
	const char *category = regex_unicode_category(rune);

	return *category == 'L' || !strcmp(category, "Nl") || !strcmp(category, "Mn") ||
	       !strcmp(category, "Mc") || !strcmp(category, "Nd") || !strcmp(category, "Pc");
}

/* At the name; `offset` is where the group begins. Names need not differ. */
static int parse_named_group(struct regex_parser *parser, size_t offset)
{
	size_t name = parser->at;
	uint32_t rune;
	int ret;

	do {
		if (!regex_left(parser))
			return regex_refuse(parser, name, "a group's name without its >");
		ret = regex_read_rune(parser, &rune);
		if (ret)
			return ret;
	} while (is_name_rune(rune));
	if (rune != '>' || parser->at == name + 1)
		return regex_refuse(parser, name, "a group's name is letters, digits and _");
	return regex_open_group(parser, offset);
}

static unsigned int flag_of(uint8_t letter)
{
	switch (letter) {
	case 'i':
		return FLAG_FOLD_CASE;
	case 'm':
		return FLAG_MULTI_LINE;
	case 's':
		return FLAG_DOT_ALL;
	case 'U':
		return FLAG_UNGREEDY;
	default:
		return 0;
	}
}

/* Flags up to ) or :, as in (?i-s) and (?i-s:x). */
static int parse_flags(struct regex_parser *parser, size_t offset)
{
	unsigned int flags = parser->flags, flag;
	bool negative = false, dangling = false;
	uint8_t letter;
	int ret;

	while (regex_left(parser)) {
		letter = parser->text[parser->at++];
		flag = flag_of(letter);
		if (flag) {
			flags = negative ? flags & ~flag : flags | flag;
			dangling = false;
		} else if (letter == '-' && !negative) {
			negative = dangling = true;
		} else if ((letter == ':' || letter == ')') && !dangling) {
			ret = letter == ':' ? regex_open_group(parser, offset) : 0;
			parser->flags = flags;
			return ret;
		} else {
			return regex_refuse(parser, parser->at - 1,
					    "after (? only the flags i, m, s, U, -, then : or )");
		}
	}
	return regex_refuse(parser, offset, "a (? without its end");
}

int regex_parse_question(struct regex_parser *parser)
{
	static const struct {
		const char *text, *message;
	} absent[] = {
		{ "(?=", "lookahead does not exist in RE2 syntax" },
		{ "(?!", "lookahead does not exist in RE2 syntax" },
		{ "(?<=", "lookbehind does not exist in RE2 syntax" },
		{ "(?<!", "lookbehind does not exist in RE2 syntax" },
		{ "(?P=", "backreferences do not exist in RE2 syntax" },
		{ "(?P>", "recursion does not exist in RE2 syntax" },
		{ "(?>", "atomic groups do not exist in RE2 syntax" },
		{ "(?#", "comments do not exist in RE2 syntax" },
		{ "(?(", "conditions do not exist in RE2 syntax" },
		{ "(?|", "branch reset does not exist in RE2 syntax" },
	};
	size_t offset = parser->at, i;

	for (i = 0; i < sizeof(absent) / sizeof(*absent); i++)
		if (regex_sees(parser, absent[i].text))
			return regex_refuse(parser, offset, "%s", absent[i].message);
	if (regex_sees(parser, "(?P<")) {
		parser->at += strlen("(?P<");
		return parse_named_group(parser, offset);
	}
	if (regex_sees(parser, "(?<")) {
		parser->at += strlen("(?<");
		return parse_named_group(parser, offset);
	}
	parser->at += strlen("(?");
	return parse_flags(parser, offset);
}
