// SPDX-License-Identifier: Apache-2.0
/*
 * weft verify: compiles the agent's objects once more and compares with what the
 * maps hold and what is attached.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/weft/cli.h"
#include "tools/weft/kernel.h"
#include "tools/weft/output.h"
#include "tools/weft/verify.h"

enum { VERIFY_TRIES = 5, VERIFY_PAUSE_MS = 200 };

void verify_differs(struct verify *verify, const char *where, const char *key, const char *problem)
{
	struct json_object *row = json_object_new_object();

	json_put_string(row, "where", where);
	json_put_string(row, "key", key);
	json_put_string(row, "problem", problem);
	json_object_array_add(verify->rows, row);
}

struct json_object *verify_pod(const struct verify *verify, const char *uid)
{
	struct json_object *pods = json_list(verify->model.status, "pods");
	size_t i;

	for (i = 0; i < json_list_length(pods); i++) {
		struct json_object *pod = json_object_array_get_idx(pods, i);

		if (!strcmp(json_text(pod, "uid"), uid))
			return pod;
	}
	return NULL;
}

/* One comparison. False: could not tell (said on stderr). */
static bool verify_once(struct verify *verify)
{
	struct findings findings = { 0 };

	verify->rows = json_object_new_array();
	verify->compared = 0;
	if (!model_open(verify->cli, &verify->model))
		return false;
	if (!json_object_get_boolean(json_member(verify->model.status, "source.synced"))) {
		cli_fail("the agent has not read its source completely yet");
		return false;
	}
	verify->names = kernel_names(&verify->maps);
	if (!verify->names) {
		cli_fail("cannot read the map weft_name");
		return false;
	}
	compile_policy(verify->model.store, &verify->model.facts, verify->names, &verify->want,
		       &findings);
	findings_clear(&findings);
	return verify_maps(verify) && verify_links(verify);
}

static void verify_reset(struct verify *verify)
{
	desired_clear(&verify->want);
	desired_clear(&verify->found);
	names_free(verify->names);
	verify->names = NULL;
	model_close(&verify->model);
	json_object_put(verify->rows);
	verify->rows = NULL;
}

static void print_result(const struct verify *verify)
{
	static const struct column columns[] = {
		{ "WHERE", "where", COLUMN_TEXT },
		{ "KEY", "key", COLUMN_TEXT },
		{ "PROBLEM", "problem", COLUMN_TEXT },
		{ 0 },
	};
	size_t count = json_object_array_length(verify->rows);

	if (count)
		output_table(verify->rows, columns);
	printf("%s%u entries and attach points compared, %zu differ\n", count ? "\n" : "",
	       verify->compared, count);
}

int command_verify(const struct cli *cli)
{
	const struct timespec pause = { .tv_nsec = VERIFY_PAUSE_MS * 1000000L };
	struct verify verify = { .cli = cli };
	int result = CLI_FAILED, tries;

	if (!cli_open_maps(cli, &verify.maps))
		return CLI_FAILED;
	/* A change that is on its way looks like a difference: only one that stays is told. */
	for (tries = 1;; tries++) {
		if (!verify_once(&verify))
			goto out;
		if (!json_object_array_length(verify.rows) || tries == VERIFY_TRIES)
			break;
		verify_reset(&verify);
		nanosleep(&pause, NULL);
	}
	if (cli->json) {
		struct json_object *json = json_object_new_object();

		json_put_number(json, "compared", verify.compared);
		json_object_object_add(json, "differences", json_object_get(verify.rows));
		output_json(json);
		json_object_put(json);
	} else {
		print_result(&verify);
	}
	result = json_object_array_length(verify.rows) ? CLI_DIFFERS : CLI_OK;
out:
	verify_reset(&verify);
	maps_close(&verify.maps);
	return result;
}
