// SPDX-License-Identifier: Apache-2.0
/* weft status: the agent's own words, and what is really attached and filled. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "loader/loader.h"
#include "tools/weft/agent.h"
#include "tools/weft/cli.h"
#include "tools/weft/output.h"

static void put_tag(struct json_object *json, const char *key, const uint8_t tag[8])
{
	char text[17];

	snprintf(text, sizeof(text), "%02x%02x%02x%02x%02x%02x%02x%02x", tag[0], tag[1], tag[2],
		 tag[3], tag[4], tag[5], tag[6], tag[7]);
	json_put_string(json, key, text);
}

static int add_program(const struct loader_program *program, void *context)
{
	struct json_object *json = json_object_new_object();

	json_put_string(json, "name", program->name);
	json_put_string(json, "type", program->type);
	json_put_number(json, "id", program->id);
	put_tag(json, "tag", program->tag);
	json_put_number(json, "instructions", program->instructions);
	json_put_number(json, "verified_instructions", program->verified_instructions);
	if (program->run_count) {
		json_put_number(json, "runs", program->run_count);
		json_put_number(json, "ns_per_run", program->run_time_ns / program->run_count);
	}
	json_object_array_add(context, json);
	return 0;
}

static int add_link(const struct loader_link *link, void *context)
{
	struct json_object *json = json_object_new_object();

	json_put_string(json, "name", link->name);
	json_put_string(json, "hook", link->hook);
	json_put_string(json, "target", link->target);
	json_put_string(json, "program", link->program);
	json_put_number(json, "program_id", link->program_id);
	json_put_number(json, "link_id", link->link_id);
	json_put_string(json, "state",
			!link->alive  ? "gone" :
			link->current ? "attached" :
					"other program");
	json_object_array_add(context, json);
	return 0;
}

static struct json_object *map_list(const struct cli *cli)
{
	struct json_object *list = json_object_new_array();
	struct map_fill fill;
	struct maps maps;
	char percent[16];
	size_t i;

	if (!cli_open_maps(cli, &maps))
		return list;
	for (i = 0; i < MAP_ID_COUNT; i++) {
		struct json_object *json;

		if (maps_fill(&maps, i, &fill))
			continue;
		json = json_object_new_object();
		json_put_string(json, "name", fill.name);
		json_put_string(json, "type", fill.type);
		json_put_number(json, "id", fill.id);
		if (fill.countable) {
			json_put_number(json, "entries", fill.entries);
			snprintf(percent, sizeof(percent), "%.1f %%",
				 100.0 * fill.entries / fill.max_entries);
			json_put_string(json, "fill", percent);
		}
		json_put_number(json, "max_entries", fill.max_entries);
		json_put_number(json, "memory_bytes", fill.memory_bytes);
		json_object_array_add(list, json);
	}
	maps_close(&maps);
	return list;
}

static void print_agent(struct json_object *agent, const char *error)
{
	if (!agent) {
		printf("agent     not running (%s); the kernel keeps enforcing what is pinned\n",
		       error);
		return;
	}
	printf("agent     weftd %s on node %s, pid %s, %s\n", json_text(agent, "version"),
	       json_text(agent, "node"), json_text(agent, "pid"),
	       json_object_get_boolean(json_member(agent, "ready")) ? "ready" : "NOT READY");
	if (*json_text(agent, "not_ready_reason"))
		printf("          %s\n", json_text(agent, "not_ready_reason"));
	if (*json_text(agent, "last_apply_error"))
		printf("          last apply failed: %s\n", json_text(agent, "last_apply_error"));
	printf("source    %s %s, %s\n", json_text(agent, "source.kind"),
	       json_text(agent, "source.path"),
	       json_object_get_boolean(json_member(agent, "applied")) ? "applied" : "not applied");
	printf("applied   %s times, the last in %s us\n", json_text(agent, "reconciles"),
	       json_text(agent, "last_apply_us"));
}

static void print_status(struct json_object *status, const char *error)
{
	static const struct column pods[] = {
		{ "POD", "name" },	     { "NAMESPACE", "namespace" }, { "IFINDEX", "ifindex" },
		{ "NETNS", "netns_cookie" }, { "ATTACHED", "attached" },   { 0 }
	};
	static const struct column programs[] = { { "PROGRAM", "name" },
						  { "TYPE", "type" },
						  { "ID", "id" },
						  { "TAG", "tag" },
						  { "INSNS", "instructions" },
						  { "NS/RUN", "ns_per_run" },
						  { 0 } };
	static const struct column links[] = { { "LINK", "name" },
					       { "HOOK", "hook" },
					       { "TARGET", "target" },
					       { "STATE", "state" },
					       { 0 } };
	static const struct column maps[] = { { "MAP", "name" },
					      { "TYPE", "type" },
					      { "ID", "id" },
					      { "ENTRIES", "entries" },
					      { "MAX", "max_entries" },
					      { "FILL", "fill" },
					      { 0 } };
	static const struct column findings[] = { { "REASON", "reason" },
						  { "KIND", "object.kind" },
						  { "NAMESPACE", "object.namespace" },
						  { "NAME", "object.name" },
						  { "FIELD", "field" },
						  { "MESSAGE", "message" },
						  { "CONSEQUENCE", "consequence" },
						  { 0 } };
	struct json_object *agent = json_member(status, "agent");

	print_agent(agent, error);
	if (agent) {
		output_heading("Pods of this node");
		output_table(json_member(agent, "pods"), pods);
	}
	output_heading("Programs");
	output_table(json_member(status, "programs"), programs);
	output_heading("Links");
	output_table(json_member(status, "links"), links);
	output_heading("Maps");
	output_table(json_member(status, "maps"), maps);
	if (agent) {
		output_heading("Findings");
		output_table(json_member(status, "findings"), findings);
	}
}

/* Healthy: an agent that is ready, and every link attached to what it should be. */
static bool is_healthy(struct json_object *status)
{
	struct json_object *links = json_member(status, "links");
	size_t i;

	if (!json_object_get_boolean(json_member(status, "agent.ready")))
		return false;
	for (i = 0; i < json_object_array_length(links); i++)
		if (strcmp(json_text(json_object_array_get_idx(links, i), "state"), "attached"))
			return false;
	return json_object_array_length(links) > 0;
}

int command_status(const struct cli *cli)
{
	struct json_object *status, *agent = NULL, *findings = NULL, *list;
	char error[AGENT_ERROR_LEN] = "";
	struct weft_config config;
	int result = CLI_FAILED;

	if (agent_config(cli, &config))
		return CLI_FAILED;
	status = json_object_new_object();
	if (!agent_get(cli, "/v1/status", &agent, error)) {
		json_object_object_add(status, "agent", agent);
		if (!agent_get(cli, "/v1/findings", &findings, error)) {
			json_object_object_add(status, "findings",
					       json_object_get(json_member(findings, "items")));
			json_object_put(findings);
		}
	}
	if (!json_member(status, "findings"))
		json_object_object_add(status, "findings", json_object_new_array());
	list = json_object_new_array();
	json_object_object_add(status, "programs", list);
	loader_each_program(cli->root, add_program, list);
	list = json_object_new_array();
	json_object_object_add(status, "links", list);
	loader_each_link(cli->root, add_link, list);
	json_object_object_add(status, "maps", map_list(cli));
	if (cli->json)
		output_json(status);
	else
		print_status(status, error);
	result = is_healthy(status) ? CLI_OK : CLI_DIFFERS;
	json_object_put(status);
	return result;
}
