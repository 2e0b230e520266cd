// SPDX-License-Identifier: Apache-2.0
/* weft detach: the node as it was before weft. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "loader/loader.h"
#include "tools/weft/cli.h"
#include "tools/weft/output.h"

static void add_removed(const char *what, const char *name, void *context)
{
	struct json_object *json = json_object_new_object();

	json_put_string(json, "kind", what);
	json_put_string(json, "name", name);
	json_object_array_add(context, json);
}

int command_detach(const struct cli *cli)
{
	static const struct column columns[] = { { "REMOVED", "kind", COLUMN_TEXT },
						 { "NAME", "name", COLUMN_TEXT },
						 { 0 } };
	struct json_object *list = json_object_new_array();
	char error[LOADER_ERROR_LEN] = "";
	int result = loader_detach_all(cli->root, add_removed, list, error);

	/* No such root, as after the first detach: there is nothing to do, and it is done. */
	if (result == -ENOENT && !json_object_array_length(list))
		result = 0;
	if (cli->json)
		output_json(list);
	else if (json_object_array_length(list))
		output_table(list, columns);
	else if (!result)
		printf("nothing of weft was at %s\n", cli->root);
	json_object_put(list);
	return result ? cli_fail("%s", error) : CLI_OK;
}
