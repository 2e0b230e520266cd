// SPDX-License-Identifier: Apache-2.0
/* weft get NOUN: the kernel maps with names instead of numbers, one flat row per entry. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "policy/reason.h"
#include "tools/weft/cli.h"
#include "tools/weft/end.h"
#include "tools/weft/kernel.h"
#include "tools/weft/kernel_http.h"
#include "tools/weft/output.h"
#include "tools/weft/requests.h"

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

static void put_name(const struct view *view, struct json_object *row, const char *key,
		     enum weft_name_kind kind, uint32_t id)
{
	char text[KERNEL_NAME_LEN];

	json_put_string(row, key, kernel_name(view->names, kind, id, text));
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

static int view_identities(struct view *view)
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
	return 0;
}

/* An entry of weft_policy, for each rule that it names. */
struct policy_rows {
	struct view *view;
	const struct desired_dest *dest;
	const struct desired_entry *entry;
	bool added;
};

static struct json_object *add_policy(const struct policy_rows *rows)
{
	const struct desired_entry *entry = rows->entry;
	struct json_object *row = add_row(rows->view);

	put_name(rows->view, row, "source", WEFT_NAME_IDENTITY, entry->src_identity);
	put_name(rows->view, row, "destination", WEFT_NAME_IDENTITY, rows->dest->identity);
	json_put_string(row, "protocol", protocol_name(entry->proto));
	if (entry->port == WEFT_ANY_PORT)
		json_put_string(row, "port", "any");
	else
		json_put_number(row, "port", entry->port);
	json_put_string(row, "action", entry->action == WEFT_POLICY_ALLOW ? "allow" : "http");
	return row;
}

static void add_policy_rule(uint32_t rule, void *context)
{
	struct policy_rows *rows = context;

	request_put_rule(add_policy(rows), rows->view->names, rule);
	rows->added = true;
}

static int view_policies(struct view *view)
{
	size_t d, e;

	for (d = 0; d < view->found.dest_count; d++) {
		const struct desired_dest *dest = &view->found.dests[d];

		for (e = 0; e < dest->entry_count; e++) {
			struct policy_rows rows = { view, dest, &dest->entries[e], false };

			if (dest->entries[e].action == WEFT_POLICY_HTTP)
				kernel_each_rule(dest, dest->entries[e].mask, add_policy_rule,
						 &rows);
			if (!rows.added)
				add_policy(&rows);
		}
	}
	return 0;
}

/* One endpoint of a service port; without any, one row that says that calls are refused. */
static void add_endpoint(struct view *view, const struct desired_service *service, size_t e)
{
	struct json_object *row = add_row(view);

	put_name(view, row, "service", WEFT_NAME_SERVICE, service->service);
	json_put_address(row, "cluster_ip", &service->key.addr);
	json_put_number(row, "port", service->key.port);
	json_put_string(row, "protocol", protocol_name(service->key.proto));
	json_object_object_add(row, "split", json_object_new_boolean(service->split != 0));
	if (service->affinity_seconds)
		json_put_number(row, "affinity_seconds", service->affinity_seconds);
	if (!service->endpoint_count) {
		json_put_string(row, "endpoint", "none: refused");
		return;
	}
	put_name(view, row, "backend", WEFT_NAME_SERVICE, service->endpoints[e].backend);
	json_put_address(row, "endpoint", &service->endpoints[e].addr);
	json_put_number(row, "target_port", service->endpoints[e].port);
	json_put_share(row, "share", kernel_share(service->alias, service->endpoint_count, e));
}

static void add_tables(struct view *view, bool only_splits)
{
	size_t s, e;

	for (s = 0; s < view->found.service_count; s++) {
		const struct desired_service *service = &view->found.services[s];

		if (only_splits && !service->split)
			continue;
		for (e = 0; e < service->endpoint_count || !e; e++)
			add_endpoint(view, service, e);
	}
}

static int view_services(struct view *view)
{
	add_tables(view, false);
	return 0;
}

static int view_splits(struct view *view)
{
	add_tables(view, true);
	return 0;
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
	end_put(row, view->names, END_SOURCE, key->src_workload);
	end_put(row, view->names, END_DESTINATION, key->dst_workload);
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

static int view_edges(struct view *view)
{
	return maps_each(view->maps, MAP_EDGE, add_edge, view);
}

static int view_requests(struct view *view)
{
	return requests_add_rows(view->maps, view->names, view->rows);
}

static const struct column identity_columns[] = {
	{ "ADDRESS", "address", COLUMN_TEXT }, { "ID", "identity", COLUMN_NUMBER },
	{ "IDENTITY", "name", COLUMN_TEXT },   { "WORKLOAD", "workload", COLUMN_TEXT },
	{ "MODE", "mode", COLUMN_TEXT },       { 0 },
};
static const struct column policy_columns[] = {
	{ "SOURCE", "source", COLUMN_TEXT },	 { "DESTINATION", "destination", COLUMN_TEXT },
	{ "PROTOCOL", "protocol", COLUMN_TEXT }, { "PORT", "port", COLUMN_NUMBER },
	{ "ACTION", "action", COLUMN_TEXT },	 { "TRAFFICTARGET", "traffic_target", COLUMN_TEXT },
	{ "ROUTE", "route", COLUMN_TEXT },	 { 0 },
};
static const struct column table_columns[] = {
	{ "SERVICE", "service", COLUMN_TEXT },
	{ "CLUSTER-IP", "cluster_ip", COLUMN_TEXT },
	{ "PORT", "port", COLUMN_NUMBER },
	{ "PROTOCOL", "protocol", COLUMN_TEXT },
	{ "BACKEND", "backend", COLUMN_TEXT },
	{ "ENDPOINT", "endpoint", COLUMN_TEXT },
	{ "TARGET", "target_port", COLUMN_NUMBER },
	{ "SHARE", "share", COLUMN_PERCENT },
	{ 0 },
};
static const struct column edge_columns[] = {
	{ "SOURCE", "source", COLUMN_TEXT },
	{ "SOURCE-POD", "source_pod", COLUMN_TEXT },
	{ "DESTINATION", "destination", COLUMN_TEXT },
	{ "DEST-POD", "destination_pod", COLUMN_TEXT },
	{ "PORT", "port", COLUMN_NUMBER },
	{ "PROTO", "protocol", COLUMN_TEXT },
	{ "REPORTER", "reporter", COLUMN_TEXT },
	{ "SERVICE", "service", COLUMN_TEXT },
	{ "BACKEND", "backend", COLUMN_TEXT },
	{ "OPENED", "opened", COLUMN_NUMBER },
	{ "CLOSED", "closed", COLUMN_NUMBER },
	{ "BYTES-TO-DST", "bytes_to_destination", COLUMN_NUMBER },
	{ "BYTES-TO-SRC", "bytes_to_source", COLUMN_NUMBER },
	{ "DGRAMS-TO-DST", "datagrams_to_destination", COLUMN_NUMBER },
	{ "DGRAMS-TO-SRC", "datagrams_to_source", COLUMN_NUMBER },
	{ 0 },
};

static const struct noun {
	const char *name;
	int (*view)(struct view *view);
	const struct column *columns;
} nouns[] = {
	{ "identities", view_identities, identity_columns },
	{ "policies", view_policies, policy_columns },
	{ "services", view_services, table_columns },
	{ "splits", view_splits, table_columns },
	{ "edges", view_edges, edge_columns },
	{ "requests", view_requests, request_columns },
	{ 0 },
};

static int show(const struct cli *cli, const struct noun *noun, struct view *view)
{
	struct names *names = kernel_names(view->maps);
	unsigned int orphans;
	int err = -1;

	if (!names)
		return cli_fail("cannot read the map weft_name");
	view->names = names;
	view->rows = json_object_new_array();
	err = kernel_read(view->maps, &view->found, &orphans);
	if (!err)
		err = noun->view(view);
	if (!err && cli->json)
		output_json(view->rows);
	else if (!err)
		output_table(view->rows, noun->columns);
	json_object_put(view->rows);
	desired_clear(&view->found);
	names_free(names);
	return err ? cli_fail("cannot read the maps at %s: %s", cli->root, strerror(-err)) : CLI_OK;
}

int command_get(const struct cli *cli)
{
	struct view view = { 0 };
	const struct noun *noun;
	struct maps maps;
	int result;

	for (noun = nouns; noun->name; noun++)
		if (!strcmp(noun->name, cli->argv[1]))
			break;
	if (!noun->name)
		return cli_fail(
			"unknown noun '%s': identities, policies, services, splits, edges or "
			"requests",
			cli->argv[1]);
	if (!cli_open_maps(cli, &maps))
		return CLI_FAILED;
	view.maps = &maps;
	result = show(cli, noun, &view);
	maps_close(&maps);
	return result;
}
