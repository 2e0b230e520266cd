// SPDX-License-Identifier: Apache-2.0
/* weft status: the agent's own words, and what is really attached and filled. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "loader/loader.h"
#include "loader/maps_http.h"
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
		json_put_number(json, "run_time_ns", program->run_time_ns);
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

/* Fill is 0..1. */
static void add_map(const struct maps *maps, enum map_id id, struct json_object *list)
{
	struct json_object *json;
	struct map_fill fill;

	if (maps_fill(maps, id, &fill))
		return;
	json = json_object_new_object();
	json_put_string(json, "name", fill.name);
	json_put_string(json, "type", fill.type);
	json_put_number(json, "id", fill.id);
	if (fill.countable) {
		json_put_number(json, "entries", fill.entries);
		json_put_share(json, "fill", (double)fill.entries / fill.max_entries);
	}
	json_put_number(json, "max_entries", fill.max_entries);
	json_put_number(json, "memory_bytes", fill.memory_bytes);
	json_object_array_add(list, json);
}

struct programs {
	const struct maps_http *http;
	uint64_t count, bytes;
};

static int add_http_program(const void *key, const void *value, void *context)
{
	struct programs *programs = context;
	const struct weft_http_program *program =
		maps_http_get(programs->http, ((const struct weft_dest *)value)->http);

	(void)key;
	if (program) {
		programs->count++;
		programs->bytes += program->size;
	}
	return 0;
}

/* One element for the kernel, programs for people; those in force. */
static void add_arena(const struct maps *maps, struct json_object *list)
{
	struct json_object *json;
	struct programs programs = { 0 };
	struct maps_http *http;
	struct map_fill fill;

	if (maps_fill(maps, MAP_HTTP, &fill) || maps_http_copy(maps, &http))
		return;
	programs.http = http;
	maps_each(maps, MAP_DEST, add_http_program, &programs);
	maps_http_close(http);
	json = json_object_new_object();
	json_put_string(json, "name", fill.name);
	json_put_string(json, "type", fill.type);
	json_put_number(json, "id", fill.id);
	json_put_number(json, "entries", programs.count);
	json_put_share(json, "fill", (double)programs.bytes / WEFT_HTTP_ARENA);
	json_put_number(json, "max_entries", fill.max_entries);
	json_put_number(json, "memory_bytes", fill.memory_bytes);
	json_object_array_add(list, json);
}

static void add_kernel(const struct cli *cli, struct json_object *status)
{
	struct json_object *list = json_object_new_array();
	struct maps maps;
	enum map_id id;

	json_object_object_add(status, "programs", list);
	loader_each_program(cli->root, add_program, list);
	list = json_object_new_array();
	json_object_object_add(status, "links", list);
	loader_each_link(cli->root, add_link, list);
	list = json_object_new_array();
	json_object_object_add(status, "maps", list);
	if (!cli_open_maps(cli, &maps))
		return;
	for (id = 0; id < MAP_ID_COUNT; id++)
		if (id == MAP_HTTP)
			add_arena(&maps, list);
		else
			add_map(&maps, id, list);
	maps_close(&maps);
}

/* "agent" and "findings", or "agent_error". */
static void add_agent(const struct weft_config *config, struct json_object *status)
{
	struct json_object *agent = NULL, *findings = NULL;
	char error[AGENT_ERROR_LEN];

	if (agent_status(config, &agent, error) ||
	    agent_get(config, "/v1/findings", &findings, error)) {
		json_object_put(agent);
		json_put_string(status, "agent_error", error);
		return;
	}
	json_object_object_add(status, "agent", agent);
	json_object_object_add(status, "findings", json_object_get(json_list(findings, "items")));
	json_object_put(findings);
}

static bool is_true(struct json_object *json, const char *path)
{
	return json_object_get_boolean(json_member(json, path));
}

/* Where objects come from; of an API server also what cannot be followed, or written there. */
static void print_source(struct json_object *agent)
{
	struct json_object *resources = json_member(agent, "source.resources");
	struct json_object *problems = json_member(agent, "source.feedback.problems");
	const char *path = json_text(agent, "source.path");

	printf("source    %s %s, %s, %s\n", json_text(agent, "source.kind"),
	       *path ? path : json_text(agent, "source.server"),
	       is_true(agent, "source.synced") ? "read" : "not read yet",
	       is_true(agent, "applied") ? "applied" : "not applied");
	if (*json_text(agent, "source.problem"))
		printf("          %s\n", json_text(agent, "source.problem"));
	if (json_object_is_type(resources, json_type_object)) {
		json_object_object_foreach(resources, name, resource)
			if (*json_text(resource, "problem"))
				printf("          %s: %s\n", name, json_text(resource, "problem"));
	}
	if (json_object_is_type(problems, json_type_object)) {
		json_object_object_foreach(problems, name, problem)
			printf("          feedback, %s: %s\n", name,
			       json_object_get_string(problem));
	}
}

/* Only what is wrong with it. */
static void print_export(struct json_object *agent)
{
	static const char *const signals[] = { "metrics", "logs" };
	struct json_object *export = json_member(agent, "otlp");
	size_t i;

	for (i = 0; export && i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct json_object *signal = json_member(export, signals[i]);

		if (!*json_text(signal, "problem"))
			continue;
		printf("export    %s to %s, %s waiting: ", signals[i],
		       json_text(export, "endpoint"), json_text(signal, "waiting"));
		output_text(json_text(signal, "problem"));
		putchar('\n');
	}
}

static void print_agent(struct json_object *agent)
{
	printf("agent     weftd %s on node %s, pid %s, %s\n", json_text(agent, "version"),
	       json_text(agent, "node"), json_text(agent, "pid"),
	       is_true(agent, "ready") ? "ready" : "NOT READY");
	if (*json_text(agent, "not_ready_reason"))
		printf("          %s\n", json_text(agent, "not_ready_reason"));
	if (*json_text(agent, "last_apply_error"))
		printf("          last apply failed: %s\n", json_text(agent, "last_apply_error"));
	print_source(agent);
	printf("applied   %s times, the last in %s us\n", json_text(agent, "reconciles"),
	       json_text(agent, "last_apply_us"));
	if (strcmp(json_text(agent, "events_lost"), "0"))
		printf("events    %s lost because the ring buffer was full\n",
		       json_text(agent, "events_lost"));
	print_export(agent);
}

static void print_finding(struct json_object *finding)
{
	const char *name_space = json_text(finding, "object.namespace");

	printf("%s: %s %s%s", json_text(finding, "reason"), json_text(finding, "object.kind"),
	       name_space, *name_space ? "/" : "");
	output_text(json_text(finding, "object.name"));
	if (*json_text(finding, "field")) {
		putchar(' ');
		output_text(json_text(finding, "field"));
	}
	if (*json_text(finding, "file")) {
		printf(" (");
		output_text(json_text(finding, "file"));
		putchar(')');
	}
	printf("\n    ");
	output_text(json_text(finding, "message"));
	printf("\n    ");
	output_text(json_text(finding, "consequence"));
	putchar('\n');
}

/* Not a table: sentences are too long for columns. */
static void print_findings(struct json_object *findings)
{
	size_t i, count = json_list_length(findings);

	if (!count)
		puts("none");
	for (i = 0; i < count; i++)
		print_finding(json_object_array_get_idx(findings, i));
}

static void print_kernel(struct json_object *status)
{
	static const struct column programs[] = {
		{ "PROGRAM", "name", COLUMN_TEXT },
		{ "TYPE", "type", COLUMN_TEXT },
		{ "ID", "id", COLUMN_NUMBER },
		{ "TAG", "tag", COLUMN_TEXT },
		{ "INSNS", "instructions", COLUMN_NUMBER },
		{ "NS/RUN", "ns_per_run", COLUMN_NUMBER },
		{ 0 },
	};
	static const struct column links[] = {
		{ "LINK", "name", COLUMN_TEXT },
		{ "HOOK", "hook", COLUMN_TEXT },
		{ "TARGET", "target", COLUMN_TEXT },
		{ "STATE", "state", COLUMN_TEXT },
		{ 0 },
	};
	static const struct column maps[] = {
		{ "MAP", "name", COLUMN_TEXT },
		{ "TYPE", "type", COLUMN_TEXT },
		{ "ID", "id", COLUMN_NUMBER },
		{ "ENTRIES", "entries", COLUMN_NUMBER },
		{ "MAX", "max_entries", COLUMN_NUMBER },
		{ "FILL", "fill", COLUMN_PERCENT },
		{ 0 },
	};

	output_heading("Programs");
	output_table(json_list(status, "programs"), programs);
	output_heading("Links");
	output_table(json_list(status, "links"), links);
	output_heading("Maps");
	output_table(json_list(status, "maps"), maps);
}

static void print_status(struct json_object *status)
{
	static const struct column pods[] = {
		{ "POD", "name", COLUMN_TEXT },		 { "NAMESPACE", "namespace", COLUMN_TEXT },
		{ "IFINDEX", "ifindex", COLUMN_NUMBER }, { "NETNS", "netns_cookie", COLUMN_NUMBER },
		{ "ATTACHED", "attached", COLUMN_TEXT }, { 0 },
	};
	struct json_object *agent = json_member(status, "agent");

	if (agent) {
		print_agent(agent);
		output_heading("Pods of this node");
		output_table(json_list(agent, "pods"), pods);
	} else {
		printf("agent     NOT RUNNING: %s\n"
		       "          the kernel keeps enforcing what is pinned\n",
		       json_text(status, "agent_error"));
	}
	print_kernel(status);
	if (agent) {
		output_heading("Findings");
		print_findings(json_list(status, "findings"));
	}
}

/* Healthy: an agent that is ready, and every link attached to what it should be. */
static bool is_healthy(struct json_object *status)
{
	struct json_object *links = json_list(status, "links");
	size_t i, count = json_list_length(links);

	if (!is_true(status, "agent.ready"))
		return false;
	for (i = 0; i < count; i++)
		if (strcmp(json_text(json_object_array_get_idx(links, i), "state"), "attached"))
			return false;
	return count > 0;
}

int command_status(const struct cli *cli)
{
	struct json_object *status;
	struct weft_config config;
	int result;

	if (agent_config(cli, &config))
		return CLI_FAILED;
	status = json_object_new_object();
	json_put_string(status, "root", cli->root);
	add_agent(&config, status);
	add_kernel(cli, status);
	if (cli->json)
		output_json(status);
	else
		print_status(status);
	result = is_healthy(status) ? CLI_OK : CLI_DIFFERS;
	json_object_put(status);
	return result;
}
