// SPDX-License-Identifier: Apache-2.0
/* weft regex: does a pattern compile as the agent compiles it, and what does it match? */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/regex.h"
#include "tools/weft/cli.h"
#include "tools/weft/output.h"

static const char *mode_name(enum regex_mode mode)
{
	switch (mode) {
	case REGEX_SEARCH:
		return "search";
	case REGEX_PREFIX:
		return "prefix";
	case REGEX_FULL:
		break;
	}
	return "full";
}

/* After how many bytes the answer is certain, whatever follows; all of them if only at the end. */
static size_t bytes_needed(const struct regex_dfa *dfa, const char *text, bool *certain)
{
	uint32_t state = dfa->start;
	size_t i;

	for (i = 0; text[i] && state >= dfa->sink_count; i++)
		state = dfa->next[state * dfa->class_count + dfa->classes[(uint8_t)text[i]]];
	*certain = state < dfa->sink_count;
	return i;
}

static struct json_object *string_json(const struct regex_dfa *dfa, const char *text, bool *matches)
{
	struct json_object *json = json_object_new_object();
	struct regex_accept accept;
	char how[64];
	bool certain;
	size_t bytes = bytes_needed(dfa, text, &certain);

	regex_dfa_run(dfa, text, strlen(text), &accept);
	*matches = regex_accept_has(&accept, 0);
	if (certain)
		snprintf(how, sizeof(how), "certain after %zu of %zu bytes", bytes, strlen(text));
	else
		snprintf(how, sizeof(how), "%s that it ends after %zu bytes",
			 *matches ? "provided" : "given", bytes);
	json_put_string(json, "string", text);
	json_object_object_add(json, "matches", json_object_new_boolean(*matches));
	json_object_object_add(json, "certain", json_object_new_boolean(certain));
	json_put_number(json, "bytes", bytes);
	json_put_string(json, "how", how);
	return json;
}

static int refused(const struct cli *cli, const char *pattern, const struct regex_error *error,
		   struct json_object *json)
{
	bool syntax = error->code == -EINVAL;

	json_object_object_add(json, "compiles", json_object_new_boolean(false));
	json_put_string(json, "refused", syntax ? "syntax" : "budget");
	if (syntax)
		json_put_number(json, "position", error->offset + 1);
	json_put_string(json, "message", error->message);
	if (cli->json)
		output_json(json);
	if (syntax)
		return cli_fail("'%s' is no RE2 syntax: at position %zu: %s", pattern,
				error->offset + 1, error->message);
	return cli_fail("'%s' cannot be compiled within the budget: %s", pattern, error->message);
}

static void show(struct json_object *json)
{
	static const struct column pattern_columns[] = { { .title = "PATTERN", .path = "pattern" },
							 { .title = "MODE", .path = "mode" },
							 { "STATES", "states", COLUMN_NUMBER },
							 { "CLASSES", "classes", COLUMN_NUMBER },
							 { "BYTES", "bytes", COLUMN_NUMBER },
							 { "STEPS", "steps", COLUMN_NUMBER },
							 { 0 } };
	static const struct column string_columns[] = { { .title = "STRING", .path = "string" },
							{ .title = "MATCHES", .path = "matches" },
							{ .title = "HOW", .path = "how" },
							{ 0 } };
	struct json_object *rows = json_object_new_array(), *strings = json_list(json, "strings");

	json_object_array_add(rows, json_object_get(json));
	output_table(rows, pattern_columns);
	json_object_put(rows);
	if (!json_list_length(strings))
		return;
	output_heading("Strings");
	output_table(strings, string_columns);
}

static int compiled(const struct cli *cli, const struct regex_dfa *dfa, uint64_t steps,
		    struct json_object *json)
{
	struct json_object *strings = json_object_new_array();
	bool all = true, matches;
	int i;

	json_object_object_add(json, "compiles", json_object_new_boolean(true));
	json_put_number(json, "states", dfa->state_count);
	json_put_number(json, "classes", dfa->class_count);
	json_put_number(json, "bytes", regex_dfa_size(dfa));
	json_put_number(json, "steps", steps);
	for (i = 2; i < cli->argc; i++) {
		json_object_array_add(strings, string_json(dfa, cli->argv[i], &matches));
		all &= matches;
	}
	json_object_object_add(json, "strings", strings);
	if (cli->json)
		output_json(json);
	else
		show(json);
	return all ? CLI_OK : CLI_DIFFERS;
}

int command_regex(const struct cli *cli)
{
	const char *pattern = cli->argv[1];
	struct json_object *json;
	enum regex_mode mode = REGEX_PREFIX;
	uint64_t steps = UINT64_MAX;
	struct regex_error error;
	struct regex_dfa dfa;
	int status;

	if (cli->full && cli->value)
		return cli_fail("--full is for paths, --value for header values: not both");
	if (cli->full)
		mode = REGEX_FULL;
	if (cli->value)
		mode = REGEX_SEARCH;
	json = json_object_new_object();
	json_put_string(json, "pattern", pattern);
	json_put_string(json, "mode", mode_name(mode));
	if (regex_compile(pattern, strlen(pattern), mode, &steps, &dfa, &error))
		status = refused(cli, pattern, &error, json);
	else
		status = compiled(cli, &dfa, UINT64_MAX - steps, json);
	regex_dfa_clear(&dfa);
	json_object_put(json);
	return status;
}
