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
	struct json_object *list = json_list(model->status, "host_addresses");
	size_t i, count = json_list_length(list);

	model->facts.node = json_text(model->status, "node");
	model->facts.trust_domain = json_text(model->status, "trust_domain");
	if (pod_edges_parse(json_text(model->status, "pod_edges"), &model->facts.pod_edges))
		model->facts.pod_edges = POD_EDGES_NONE;
	model->facts.max_head =
		(uint32_t)json_object_get_uint64(json_member(model->status, "max_head"));
	model->host_addresses = memory_alloc((count + 1) * sizeof(*model->host_addresses));
	for (i = 0; i < count; i++) {
		const char *text = json_text(json_object_array_get_idx(list, i), "");

		if (!address_parse(text, &model->host_addresses[model->facts.host_address_count]))
			model->facts.host_address_count++;
	}
	model->facts.host_addresses = model->host_addresses;
}

static void model_take_objects(struct model *model, struct json_object *list)
{
	size_t i;

	for (i = 0; i < json_list_length(list); i++) {
		struct object *object =
			object_parse(json_object_array_get_idx(list, i), NULL, &model->findings);

		if (object)
			store_put(model->store, object);
	}
}

bool model_open(const struct cli *cli, struct model *model)
{
	struct json_object *objects = NULL;
	char error[AGENT_ERROR_LEN];
	struct weft_config config;

	memset(model, 0, sizeof(*model));
	model->store = store_new();
	if (agent_config(cli, &config))
		return false;
	if (agent_status(&config, &model->status, error) ||
	    agent_get(&config, "/v1/objects", &objects, error)) {
		cli_fail("%s", error);
		return false;
	}
	model_take_facts(model);
	model_take_objects(model, json_list(objects, "items"));
	json_object_put(objects);
	return true;
}

void model_close(struct model *model)
{
	store_free(model->store);
	findings_clear(&model->findings);
	free(model->host_addresses);
	json_object_put(model->status);
	memset(model, 0, sizeof(*model));
}
