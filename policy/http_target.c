// SPDX-License-Identifier: Apache-2.0
/*
 * Request targets: RFC 9112 3.2. Paths that servers read in two ways are part of the grammar, so
 * that they are denied at the byte that makes them so.
 */
#include <string.h>
#include "policy/http_internal.h"
#include "policy/memory.h"

/* Of TARGET. Those of a path follow, in the order of enum path_state. */
enum target_state {
	START,
	OPTIONS = HTTP_TARGET_OPTIONS, /* the same, for the method that may ask about "*" */
	ROOTS,
	ASTERISK = ROOTS,
	SCHEME, /* behind its first letter */
	PATH = SCHEME + sizeof("http://") - 2,
};

/* Where a path may be, which begins behind a slash. The last ones are behind a % and a digit. */
enum path_state {
	SEGMENT, /* nothing of a segment */
	DOT,
	DOTS,
	NAME, /* anything else */
	PERCENT,
	CONTROL,    /* %0, %1: always a control character */
	ESCAPE_2,   /* ! to / */
	ESCAPE_3,   /* digits, : to ? */
	ESCAPE_4_6, /* @ or ` and letters */
	ESCAPE_5,   /* letters, [ to _ */
	ESCAPE_7,   /* letters, { to ~ and DEL */
	ORDINARY,   /* no ASCII */
	PATH_STATES,
};

static const char hex_digits[] = "0123456789abcdef";

static void on_hex(struct http_table *table, uint32_t state, const char *digits, uint32_t target)
{
	for (; *digits; digits++)
		http_on_letter(table, state, *digits, target);
}

/* What follows a path, or stands where one might follow; the byte is not part of it. */
static void on_path_end(struct http_table *table, uint32_t state)
{
	struct http_step step = { .op = WEFT_HTTP_OP_PATH, .has_set = 1 };

	step.section = WEFT_HTTP_VERSION;
	http_on(table, state, ' ', http_do(table, &step));
	step.section = WEFT_HTTP_QUERY;
	http_on(table, state, '?', http_do(table, &step));
}

/* A byte that no target may have. CR and LF end a request of HTTP/0.9, which some answer. */
static void on_invisible(struct http_table *table, uint32_t state)
{
	uint32_t deny = http_deny(table, WEFT_REASON_HTTP_REQUEST_LINE);

	http_on_range(table, state, 0, 0x1f, deny);
	http_on_range(table, state, 0x7f, 0xff, deny);
	http_on_each(table, state, "\r\n", http_deny(table, WEFT_REASON_HTTP_VERSION));
}

static void path_plain(struct http_table *table)
{
	uint32_t state = http_grammar_add_state(table, WEFT_REASON_HTTP_REQUEST_LINE);

	on_invisible(table, state);
	http_on_range(table, state, 0x21, 0x7e, HTTP_READ | state);
	on_path_end(table, state);
}

/* A digit behind %: what may it come to? */
static void path_percent(struct http_table *table)
{
	static const char *const ordinary[] = {
		[CONTROL] = "",		 [ESCAPE_2] = "0123456789abc", [ESCAPE_3] = "abcdef",
		[ESCAPE_4_6] = "0",	 [ESCAPE_5] = "bde",	       [ESCAPE_7] = "bcd",
		[ORDINARY] = hex_digits,
	};
	uint32_t state;

	on_hex(table, PATH + PERCENT, "01", HTTP_READ | (PATH + CONTROL));
	on_hex(table, PATH + PERCENT, "2", HTTP_READ | (PATH + ESCAPE_2));
	on_hex(table, PATH + PERCENT, "3", HTTP_READ | (PATH + ESCAPE_3));
	on_hex(table, PATH + PERCENT, "46", HTTP_READ | (PATH + ESCAPE_4_6));
	on_hex(table, PATH + PERCENT, "5", HTTP_READ | (PATH + ESCAPE_5));
	on_hex(table, PATH + PERCENT, "7", HTTP_READ | (PATH + ESCAPE_7));
	on_hex(table, PATH + PERCENT, "89abcdef", HTTP_READ | (PATH + ORDINARY));
	for (state = CONTROL; state <= ORDINARY; state++)
		on_hex(table, PATH + state, ordinary[state], HTTP_READ | (PATH + NAME));
}

static void path_strict(struct http_table *table)
{
	uint32_t deny = http_deny(table, WEFT_REASON_AMBIGUOUS_PATH), state;

	for (state = 0; state < PATH_STATES; state++) {
		http_grammar_add_state(table, WEFT_REASON_AMBIGUOUS_PATH);
		on_invisible(table, PATH + state);
	}
	for (state = SEGMENT; state <= NAME; state++) {
		http_on_range(table, PATH + state, 0x21, 0x7e, HTTP_READ | (PATH + NAME));
		http_on_each(table, PATH + state, "\\#", deny);
		http_on(table, PATH + state, '/', HTTP_READ | (PATH + SEGMENT));
		http_on(table, PATH + state, '%', HTTP_READ | (PATH + PERCENT));
		on_path_end(table, PATH + state);
	}
	http_on(table, PATH + SEGMENT, '/', deny);
	http_on(table, PATH + SEGMENT, '.', HTTP_READ | (PATH + DOT));
	http_on(table, PATH + DOT, '.', HTTP_READ | (PATH + DOTS));
	http_on_each(table, PATH + DOT, "/;? ", deny);
	http_on_each(table, PATH + DOTS, "/;? ", deny);
	path_percent(table);
}

/* Origin form, asterisk form, and an absolute form up to its authority. */
static void grammar_target(struct http_table *table, bool ambiguous_paths)
{
	struct http_step asterisk = { .op = WEFT_HTTP_OP_PATH,
				      .section = WEFT_HTTP_VERSION,
				      .has_set = 1 };
	static const char scheme[] = "http://";
	uint32_t absolute, state;

	http_grammar_init(table, PATH, WEFT_REASON_HTTP_REQUEST_LINE);
	absolute = http_go(table, WEFT_HTTP_OP_ABSOLUTE, WEFT_HTTP_AUTHORITY, 0, 0);
	for (state = START; state < ROOTS; state++) {
		http_on(table, state, '/', HTTP_READ | (PATH + SEGMENT));
		http_on_letter(table, state, scheme[0], SCHEME);
	}
	http_on_text(table, SCHEME, scheme + 1, absolute);
	http_on(table, OPTIONS, '*', HTTP_READ | ASTERISK);
	http_on(table, ASTERISK, ' ', http_do(table, &asterisk));
	if (ambiguous_paths)
		path_plain(table);
	else
		path_strict(table);
	http_grammar_finish(table);
}

/* Beside TARGET and TARGET_CONNECT: everything but what ends a path is part of it. */
static void grammar_target_lane(struct http_table *table)
{
	http_grammar_init(table, 1, 0);
	http_on_range(table, 0, 0, 0xff, HTTP_READ);
	http_on_each(table, 0, " ?", 0);
	http_grammar_finish(table);
}

/*
 * What an authority of any kind may consist of is left to the server, but for what makes it end,
 * or end elsewhere, in some servers' eyes.
 */
static void on_authority(struct http_table *table, uint32_t state, uint32_t target)
{
	on_invisible(table, state);
	http_on_range(table, state, 0x21, 0x7e, target);
	http_on_each(table, state, "/?#\\@", http_deny(table, WEFT_REASON_HTTP_REQUEST_LINE));
}

/* host ":" port, with one to five digits; rules see all of it as the path */
static void grammar_connect(struct http_table *table)
{
	enum { FIRST, HOST, COLON, PORT, PORT_END = PORT + 5, STATES = PORT_END };
	struct http_step end = { .op = WEFT_HTTP_OP_PATH,
				 .section = WEFT_HTTP_VERSION,
				 .has_set = 1 };
	uint32_t state;

	http_grammar_init(table, STATES, WEFT_REASON_HTTP_REQUEST_LINE);
	for (state = 0; state < STATES; state++) {
		on_authority(table, state, HTTP_READ | HOST);
		if (state != FIRST)
			http_on(table, state, ':', HTTP_READ | COLON);
	}
	for (state = COLON; state < PORT_END; state++)
		http_on_range(table, state, '0', '9',
			      HTTP_READ | (state + 1 < PORT_END ? state + 1 : (uint32_t)HOST));
	for (state = PORT; state < PORT_END; state++)
		http_on(table, state, ' ', http_do(table, &end));
	http_grammar_finish(table);
}

/* Behind "http://". Then a path, which TARGET reads from its first slash, or what follows one. */
static void section_authority(struct http_compiler *compiler)
{
	const struct http_table *target = &compiler->sections[WEFT_HTTP_TARGET];
	struct http_table *table = &compiler->sections[WEFT_HTTP_AUTHORITY];
	struct http_step next = { .op = WEFT_HTTP_OP_NEXT, .section = WEFT_HTTP_TARGET };
	struct http_step end;
	const uint32_t *row;

	http_grammar_init(table, 2, WEFT_REASON_HTTP_REQUEST_LINE);
	table->flags = WEFT_HTTP_SECTION_AUTHORITY;
	on_authority(table, 0, 1);
	on_authority(table, 1, 1);
	next.state = target->next[START * target->class_count + target->classes['/']];
	http_on(table, 1, '/', http_do(table, &next));
	row = &target->next[next.state * target->class_count];
	end = *http_table_action(target, row[target->classes[' ']] & HTTP_NUMBER);
	http_on(table, 1, ' ', http_do(table, &end));
	end = *http_table_action(target, row[target->classes['?']] & HTTP_NUMBER);
	http_on(table, 1, '?', http_do(table, &end));
	http_table_finish(table);
}

/* What rules say about paths; of those that name a method only, or of all of them. */
static void subject_paths(struct http_compiler *compiler, const char *method,
			  struct http_subject *subject)
{
	size_t i;

	for (i = 0; i < compiler->entry_count; i++) {
		const struct http_entry *entry = &compiler->entries[i];
		const struct http_match *match = compiler->rules[i].match;

		if (entry->refused || (method && !http_rule_names_method(match, method)))
			continue;
		if (match->has_path)
			http_subject_add(subject, match->path_regex,
					 compiler->rules[i].full_paths ? REGEX_FULL : REGEX_PREFIX,
					 entry, i, 0, entry->units);
		else
			http_set_add_rule(entry, &subject->always);
	}
}

void http_sections_target(struct http_compiler *compiler, bool ambiguous_paths)
{
	struct http_table target, lane, connect;
	struct http_subject paths = { .grammar = &target,
				      .lane_grammar = &lane,
				      .roots = ROOTS,
				      .size = compiler->size / 2 };
	struct http_subject hosts = {
		.grammar = &connect, .lane_grammar = &lane, .roots = 1, .size = compiler->size / 4
	};

	grammar_target(&target, ambiguous_paths);
	grammar_target_lane(&lane);
	grammar_connect(&connect);
	subject_paths(compiler, NULL, &paths);
	http_subject_compile(compiler, &paths, WEFT_HTTP_TARGET, "pathRegex");
	subject_paths(compiler, "CONNECT", &hosts);
	http_subject_compile(compiler, &hosts, WEFT_HTTP_TARGET_CONNECT, "pathRegex");
	section_authority(compiler);
	http_subject_clear(&paths);
	http_subject_clear(&hosts);
	http_table_clear(&target);
	http_table_clear(&lane);
	http_table_clear(&connect);
}
