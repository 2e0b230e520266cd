// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/model.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "policy/address.h"
#include "policy/memory.h"
#include "tools/weft/agent.h"
#include "tools/weft/cli.h"
#include "tools/weft/output.h"

static void model_take_facts(struct model *model)
{
	struct json_object *list = json_member(model->status, "host_addresses");
	size_t i, count = list ? json_object_array_length(list) : 0;

	model->facts.node = json_text(model->status, "node");
	model->facts.trust_domain = json_text(model->status, "trust_domain");
	model->host_addresses = memory_alloc((count + 1) * sizeof(*model->host_addresses));
	for (i = 0; i < count; i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(list, i));

		if (!address_parse(text, &model->host_addresses[model->facts.host_address_count]))
			model->facts.host_address_count++;
	}
	model->facts.host_addresses = model->host_addresses;
}

bool model_open(const struct cli *cli, struct model *model)
{
	struct json_object *objects = NULL, *items;
	char error[AGENT_ERROR_LEN];
	size_t i;

	memset(model, 0, sizeof(*model));
	model->store = store_new();
	if (agent_get(cli, "/v1/status", &model->status, error) ||
	    agent_get(cli, "/v1/objects", &objects, error)) {
		cli_fail("%s", error);
		return false;
	}
	model_take_facts(model);
	items = json_member(objects, "items");
	for (i = 0; i < json_object_array_length(items); i++) {
		struct object *object =
			object_parse(json_object_array_get_idx(items, i), NULL, &model->findings);

		if (object)
			store_put(model->store, object);
	}
	json_object_put(objects);
	return true;
}

uint64_t model_reconciles(const struct model *model)
{
	return json_object_get_uint64(json_member(model->status, "reconciles"));
}

void model_close(struct model *model)
{
	store_free(model->store);
	findings_clear(&model->findings);
	free(model->host_addresses);
	json_object_put(model->status);
}
