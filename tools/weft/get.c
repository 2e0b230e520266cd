// SPDX-License-Identifier: Apache-2.0
/* weft get NOUN: the kernel maps with names instead of numbers. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/address.h"
#include "policy/reason.h"
#include "tools/weft/cli.h"
#include "tools/weft/kernel.h"
#include "tools/weft/output.h"

enum { NAME_TEXT_LEN = WEFT_NAMESPACE_LEN + 2 * WEFT_NAME_LEN + 8 };

struct view {
	const struct maps *maps;
	const struct names *names;
	struct desired found;
	struct json_object *rows;
};

static struct json_object *add_row(struct view *view)
{
	struct json_object *row = json_object_new_object();

	json_object_array_add(view->rows, row);
	return row;
}

static void put_name(struct view *view, struct json_object *row, const char *key,
		     enum weft_name_kind kind, uint32_t id)
{
	char text[NAME_TEXT_LEN];

	json_put_string(row, key, kernel_name(view->names, kind, id, text, sizeof(text)));
}

static void put_flags(struct json_object *row, uint32_t flags)
{
	char text[96];

	snprintf(text, sizeof(text), "%s%s%s%s",
		 flags & WEFT_PEER_ENFORCE    ? "enforce" :
		 flags & WEFT_PEER_PERMISSIVE ? "permissive" :
						"unmeshed",
		 flags & WEFT_PEER_LOCAL_HOST ? ",local-host" : "",
		 flags & WEFT_PEER_EXTERNAL_ALLOW ? ",external" : "",
		 flags & WEFT_PEER_HOSTS_CLUSTER ? ",hosts" : "");
	json_put_string(row, "mode", text);
}

static void view_identities(struct view *view)
{
	size_t i;

	for (i = 0; i < view->found.peer_count; i++) {
		const struct desired_peer *peer = &view->found.peers[i];
		struct json_object *row = add_row(view);

		json_put_address(row, "address", &peer->addr);
		json_put_number(row, "identity", peer->peer.identity);
		put_name(view, row, "name", WEFT_NAME_IDENTITY, peer->peer.identity);
		put_name(view, row, "workload", WEFT_NAME_WORKLOAD, peer->peer.workload);
		put_flags(row, peer->peer.flags);
	}
}

static void view_policies(struct view *view)
{
	size_t d, e;
	char port[8];

	for (d = 0; d < view->found.dest_count; d++) {
		const struct desired_dest *dest = &view->found.dests[d];

		for (e = 0; e < dest->entry_count; e++) {
			const struct desired_entry *entry = &dest->entries[e];
			struct json_object *row = add_row(view);

			put_name(view, row, "source", WEFT_NAME_IDENTITY, entry->src_identity);
			put_name(view, row, "destination", WEFT_NAME_IDENTITY, dest->identity);
			json_put_string(row, "protocol", protocol_name(entry->proto));
			snprintf(port, sizeof(port), "%u", entry->port);
			json_put_string(row, "port", entry->port == WEFT_ANY_PORT ? "any" : port);
			json_put_string(row, "action",
					entry->action == WEFT_POLICY_ALLOW ? "allow" : "http");
		}
	}
}

static void view_tables(struct view *view, bool only_splits)
{
	size_t s, e;
	char percent[16];

	for (s = 0; s < view->found.service_count; s++) {
		const struct desired_service *service = &view->found.services[s];

		if (only_splits && !service->split)
			continue;
		/* A service without endpoints is one row too: it refuses. */
		for (e = 0; e < service->endpoint_count || (!e && !service->endpoint_count); e++) {
			struct json_object *row = add_row(view);

			put_name(view, row, "service", WEFT_NAME_SERVICE, service->service);
			json_put_address(row, "cluster_ip", &service->key.addr);
			json_put_number(row, "port", service->key.port);
			json_put_string(row, "protocol", protocol_name(service->key.proto));
			if (!service->endpoint_count) {
				json_put_string(row, "endpoint", "none: refused");
				continue;
			}
			put_name(view, row, "backend", WEFT_NAME_SERVICE,
				 service->endpoints[e].backend);
			json_put_address(row, "endpoint", &service->endpoints[e].addr);
			json_put_number(row, "target_port", service->endpoints[e].port);
			snprintf(percent, sizeof(percent), "%.3f %%",
				 100 * kernel_share(service->alias, service->endpoint_count, e));
			json_put_string(row, "share", percent);
		}
	}
}

static int add_edge(const void *raw_key, const void *raw_values, void *context)
{
	const struct weft_edge_key *key = raw_key;
	const struct weft_edge *values = raw_values;
	struct view *view = context;
	struct weft_edge sum = { 0 };
	struct json_object *row;
	unsigned int cpu;
	size_t i;

	for (cpu = 0; cpu < view->maps->cpus; cpu++)
		for (i = 0; i < sizeof(sum) / sizeof(__u64); i++)
			((__u64 *)&sum)[i] += ((const __u64 *)&values[cpu])[i];
	if (!key->proto && !sum.opened && !sum.datagrams_to_dst)
		return 0; /* the overflow entry, unused */
	row = add_row(view);
	put_name(view, row, "source", WEFT_NAME_WORKLOAD, key->src_workload);
	put_name(view, row, "destination", WEFT_NAME_WORKLOAD, key->dst_workload);
	json_put_number(row, "port", key->port);
	json_put_string(row, "protocol", protocol_name(key->proto));
	json_put_string(row, "reporter", reporter_name(key->direction));
	if (key->service)
		put_name(view, row, "service", WEFT_NAME_SERVICE, key->service);
	if (key->backend)
		put_name(view, row, "backend", WEFT_NAME_SERVICE, key->backend);
	json_put_number(row, "opened", sum.opened);
	json_put_number(row, "closed", sum.closed);
	json_put_number(row, "bytes_to_destination", sum.bytes_to_dst);
	json_put_number(row, "bytes_to_source", sum.bytes_to_src);
	json_put_number(row, "datagrams_to_destination", sum.datagrams_to_dst);
	json_put_number(row, "datagrams_to_source", sum.datagrams_to_src);
	json_put_number(row, "retransmits", sum.retransmits);
	return 0;
}

static const struct column identity_columns[] = {
	{ "ADDRESS", "address" },   { "ID", "identity" }, { "IDENTITY", "name" },
	{ "WORKLOAD", "workload" }, { "MODE", "mode" },	  { 0 }
};
static const struct column policy_columns[] = {
	{ "SOURCE", "source" }, { "DESTINATION", "destination" }, { "PROTOCOL", "protocol" },
	{ "PORT", "port" },	{ "ACTION", "action" },		  { 0 }
};
static const struct column table_columns[] = {
	{ "SERVICE", "service" },    { "CLUSTER-IP", "cluster_ip" }, { "PORT", "port" },
	{ "PROTOCOL", "protocol" },  { "BACKEND", "backend" },	     { "ENDPOINT", "endpoint" },
	{ "TARGET", "target_port" }, { "SHARE", "share" },	     { 0 }
};
static const struct column edge_columns[] = { { "SOURCE", "source" },
					      { "DESTINATION", "destination" },
					      { "PORT", "port" },
					      { "PROTO", "protocol" },
					      { "REPORTER", "reporter" },
					      { "SERVICE", "service" },
					      { "BACKEND", "backend" },
					      { "OPENED", "opened" },
					      { "CLOSED", "closed" },
					      { "BYTES-TO-DST", "bytes_to_destination" },
					      { "BYTES-TO-SRC", "bytes_to_source" },
					      { "DGRAMS-TO-DST", "datagrams_to_destination" },
					      { "DGRAMS-TO-SRC", "datagrams_to_source" },
					      { 0 } };

int command_get(const struct cli *cli)
{
	const char *noun = cli->argc == 2 ? cli->argv[1] : "";
	const struct column *columns;
	struct view view = { 0 };
	unsigned int orphans;
	struct names *names;
	struct maps maps;

	if (strcmp(noun, "identities") && strcmp(noun, "policies") && strcmp(noun, "services") &&
	    strcmp(noun, "splits") && strcmp(noun, "edges"))
		return cli_fail("usage: weft get identities|policies|services|splits|edges");
	if (!cli_open_maps(cli, &maps))
		return CLI_FAILED;
	names = kernel_names(&maps);
	view.maps = &maps;
	view.names = names;
	view.rows = json_object_new_array();
	kernel_read(&maps, &view.found, &orphans);
	if (!strcmp(noun, "identities")) {
		columns = identity_columns;
		view_identities(&view);
	} else if (!strcmp(noun, "policies")) {
		columns = policy_columns;
		view_policies(&view);
	} else if (!strcmp(noun, "edges")) {
		columns = edge_columns;
		maps_each(&maps, MAP_EDGE, add_edge, &view);
	} else {
		columns = table_columns;
		view_tables(&view, !strcmp(noun, "splits"));
	}
	if (cli->json)
		output_json(view.rows);
	else
		output_table(view.rows, columns);
	json_object_put(view.rows);
	desired_clear(&view.found);
	names_free(names);
	maps_close(&maps);
	return CLI_OK;
}
