// SPDX-License-Identifier: Apache-2.0
/* weft check: can this node run weft? */
#include <json-c/json.h>
#include <string.h>

#include "loader/probe.h"
#include "tools/weft/cli.h"
#include "tools/weft/output.h"

static const char *state_name(enum probe_state state)
{
	switch (state) {
	case PROBE_OK:
		return "ok";
	case PROBE_WARNING:
		return "warning";
	case PROBE_FAILED:
		return "failed";
	case PROBE_UNKNOWN:
		break;
	}
	return "unknown";
}

static void add_result(const struct probe_result *result, void *context)
{
	struct json_object *json = json_object_new_object();

	json_put_string(json, "name", result->name);
	json_put_string(json, "state", state_name(result->state));
	json_put_string(json, "detail", result->detail);
	json_put_string(json, "remedy", result->remedy);
	json_object_array_add(context, json);
}

int command_check(const struct cli *cli)
{
	static const struct column columns[] = {
		{ "CHECK", "name", COLUMN_TEXT },
		{ "STATE", "state", COLUMN_TEXT },
		{ "FOUND", "detail", COLUMN_TEXT },
		{ "REMEDY", "remedy", COLUMN_TEXT },
		{ 0 },
	};
	struct json_object *list = json_object_new_array();
	int failed = probe_run(cli->root, NULL, add_result, list);

	if (failed < 0) {
		json_object_put(list);
		return cli_fail("cannot look at this node: %s", strerror(-failed));
	}
	if (cli->json)
		output_json(list);
	else
		output_table(list, columns);
	json_object_put(list);
	return failed ? CLI_DIFFERS : CLI_OK;
}
