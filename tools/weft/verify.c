// SPDX-License-Identifier: Apache-2.0
/*
 * weft verify: compiles the agent's objects once more and compares with what the
 * maps hold and what is attached. Shares no code with the agent's reconcile.
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loader/loader.h"
#include "policy/address.h"
#include "policy/reason.h"
#include "tools/weft/agent.h"
#include "tools/weft/cli.h"
#include "tools/weft/kernel.h"
#include "tools/weft/model.h"
#include "tools/weft/output.h"

enum { VERIFY_TRIES = 5, VERIFY_PAUSE_MS = 200 };

struct verify {
	const struct cli *cli;
	struct maps maps;
	struct model model;
	struct names *names;
	struct desired want, found;
	struct json_object *rows; /* the differences */
	unsigned int compared;
};

static void differs(struct verify *verify, const char *where, const char *key, const char *problem)
{
	struct json_object *row = json_object_new_object();

	json_put_string(row, "where", where);
	json_put_string(row, "key", key);
	json_put_string(row, "problem", problem);
	json_object_array_add(verify->rows, row);
}

/*
 * Walks two sorted lists in step. `compare` orders keys; `equal` compares whole elements with
 * the same key; `describe` writes the key.
 */
struct list {
	const char *where;
	const void *want, *found;
	size_t want_count, found_count, size;
	int (*compare)(const void *a, const void *b);
	bool (*equal)(const void *want, const void *found);
	void (*describe)(const struct verify *verify, const void *item, char *text, size_t size);
};

static void compare_lists(struct verify *verify, const struct list *list)
{
	size_t w = 0, f = 0;
	char key[512];

	while (w < list->want_count || f < list->found_count) {
		const void *want = (const char *)list->want + w * list->size;
		const void *found = (const char *)list->found + f * list->size;
		int order = w == list->want_count  ? 1 :
			    f == list->found_count ? -1 :
						     list->compare(want, found);

		verify->compared++;
		list->describe(verify, order > 0 ? found : want, key, sizeof(key));
		if (order < 0)
			differs(verify, list->where, key, "missing in the kernel");
		else if (order > 0)
			differs(verify, list->where, key,
				"in the kernel, but no object asks for it");
		else if (!list->equal(want, found))
			differs(verify, list->where, key, "differs");
		w += order <= 0;
		f += order >= 0;
	}
}

static int peer_compare(const void *a, const void *b)
{
	return address_compare(&((const struct desired_peer *)a)->addr,
			       &((const struct desired_peer *)b)->addr);
}

static bool peer_equal(const void *want, const void *found)
{
	return !memcmp(want, found, sizeof(struct desired_peer));
}

static void peer_describe(const struct verify *verify, const void *item, char *text, size_t size)
{
	char address[ADDRESS_TEXT_LEN];

	(void)verify;
	snprintf(text, size, "%s",
		 address_format(&((const struct desired_peer *)item)->addr, address));
}

static int dest_compare(const void *a, const void *b)
{
	uint32_t x = ((const struct desired_dest *)a)->identity;
	uint32_t y = ((const struct desired_dest *)b)->identity;

	return x < y ? -1 : x > y;
}

static bool dest_equal(const void *want, const void *found)
{
	const struct desired_dest *w = want, *f = found;

	return w->entry_count == f->entry_count &&
	       !memcmp(w->entries, f->entries, w->entry_count * sizeof(*w->entries));
}

static void dest_describe(const struct verify *verify, const void *item, char *text, size_t size)
{
	kernel_name(verify->names, WEFT_NAME_IDENTITY,
		    ((const struct desired_dest *)item)->identity, text, size);
}

static int service_compare(const void *a, const void *b)
{
	const struct weft_service_key *x = &((const struct desired_service *)a)->key;
	const struct weft_service_key *y = &((const struct desired_service *)b)->key;
	int order = address_compare(&x->addr, &y->addr);

	if (order)
		return order;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	return x->port < y->port ? -1 : x->port > y->port;
}

static bool service_equal(const void *want, const void *found)
{
	const struct desired_service *w = want, *f = found;

	return w->service == f->service && w->affinity_seconds == f->affinity_seconds &&
	       w->split == f->split && w->endpoint_count == f->endpoint_count &&
	       (!w->endpoint_count ||
		(!memcmp(w->endpoints, f->endpoints, w->endpoint_count * sizeof(*w->endpoints)) &&
		 !memcmp(w->alias, f->alias, w->endpoint_count * sizeof(*w->alias))));
}

static void service_describe(const struct verify *verify, const void *item, char *text, size_t size)
{
	const struct desired_service *service = item;
	char address[ADDRESS_TEXT_LEN];

	(void)verify;
	snprintf(text, size, "%s port %u/%s", address_format(&service->key.addr, address),
		 service->key.port, protocol_name(service->key.proto));
}

static void verify_maps(struct verify *verify)
{
	const struct desired *want = &verify->want, *found = &verify->found;
	unsigned int orphans = 0;
	char text[64];

	if (kernel_read(&verify->maps, &verify->found, &orphans))
		differs(verify, "maps", "-", "could not be read");
	compare_lists(verify,
		      &(struct list){ "weft_ident", want->peers, found->peers, want->peer_count,
				      found->peer_count, sizeof(struct desired_peer), peer_compare,
				      peer_equal, peer_describe });
	compare_lists(verify,
		      &(struct list){ "weft_policy", want->dests, found->dests, want->dest_count,
				      found->dest_count, sizeof(struct desired_dest), dest_compare,
				      dest_equal, dest_describe });
	compare_lists(verify, &(struct list){ "weft_service", want->services, found->services,
					      want->service_count, found->service_count,
					      sizeof(struct desired_service), service_compare,
					      service_equal, service_describe });
	if (orphans) {
		snprintf(text, sizeof(text), "%u entries of generations not in force", orphans);
		differs(verify, "weft_policy", "-", text);
	}
}

/* The pod's place in the agent's status; NULL when it is not located. */
static struct json_object *status_pod(struct verify *verify, const char *uid)
{
	struct json_object *pods = json_member(verify->model.status, "pods");
	size_t i;

	for (i = 0; pods && i < json_object_array_length(pods); i++) {
		struct json_object *pod = json_object_array_get_idx(pods, i);

		if (!strcmp(json_text(pod, "uid"), uid))
			return pod;
	}
	return NULL;
}

static void verify_local(struct verify *verify, const struct desired_local *local)
{
	struct json_object *pod = status_pod(verify, local->uid);
	uint32_t ifindex = (uint32_t)json_object_get_int64(json_member(pod, "ifindex"));
	uint64_t cookie = json_object_get_uint64(json_member(pod, "netns_cookie"));
	struct weft_local found;
	char key[512];

	snprintf(key, sizeof(key), "pod %s/%s", local->name_space, local->name);
	verify->compared += 2;
	if (!pod || !ifindex || !cookie) {
		differs(verify, "pods", key, "its interface or namespace was not found");
		return;
	}
	if (maps_get(&verify->maps, MAP_IFACE, &ifindex, &found))
		differs(verify, "weft_iface", key, "missing in the kernel");
	else if (memcmp(&found, &local->local, sizeof(found)))
		differs(verify, "weft_iface", key, "differs");
	if (maps_get(&verify->maps, MAP_NETNS, &cookie, &found))
		differs(verify, "weft_netns", key, "missing in the kernel");
	else if (memcmp(&found, &local->local, sizeof(found)))
		differs(verify, "weft_netns", key, "differs");
}

static int count_entry(const void *key, const void *value, void *context)
{
	(void)key;
	(void)value;
	(*(size_t *)context)++;
	return 0;
}

static void verify_locals(struct verify *verify)
{
	static const struct {
		enum map_id id;
		const char *name;
	} maps[] = { { MAP_IFACE, "weft_iface" }, { MAP_NETNS, "weft_netns" } };
	size_t i, count;

	for (i = 0; i < verify->want.local_count; i++)
		verify_local(verify, &verify->want.locals[i]);
	for (i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		count = 0;
		maps_each(&verify->maps, maps[i].id, count_entry, &count);
		if (count > verify->want.local_count)
			differs(verify, maps[i].name, "-", "holds entries of pods that are gone");
	}
}

struct link_search {
	struct verify *verify;
	char name[64];
	bool found;
};

static int link_matches(const struct loader_link *link, void *context)
{
	struct link_search *search = context;

	if (strcmp(link->name, search->name))
		return 0;
	search->found = true;
	if (!link->alive)
		differs(search->verify, "links", link->name, "its target is gone");
	else if (!link->current)
		differs(search->verify, "links", link->name, "another program is attached");
	return 1;
}

static void verify_link(struct verify *verify, const char *name)
{
	struct link_search search = { .verify = verify };

	snprintf(search.name, sizeof(search.name), "%s", name);
	verify->compared++;
	loader_each_link(verify->cli->root, link_matches, &search);
	if (!search.found)
		differs(verify, "links", name, "not attached");
}

static void verify_links(struct verify *verify)
{
	static const char *const cgroup_links[] = {
		"cg_weft_connect4",  "cg_weft_connect6",  "cg_weft_sendmsg4",
		"cg_weft_sendmsg6",  "cg_weft_recvmsg4",  "cg_weft_recvmsg6",
		"cg_weft_peername4", "cg_weft_peername6", "cg_weft_sockops",
	};
	static const char *const directions[] = { "to_pod", "from_pod" };
	char name[64];
	size_t i, d;

	for (i = 0; i < sizeof(cgroup_links) / sizeof(cgroup_links[0]); i++)
		verify_link(verify, cgroup_links[i]);
	for (i = 0; i < verify->want.local_count; i++) {
		struct json_object *pod = status_pod(verify, verify->want.locals[i].uid);
		int64_t ifindex = json_object_get_int64(json_member(pod, "ifindex"));

		for (d = 0; ifindex && d < 2; d++) {
			snprintf(name, sizeof(name), "tc_%" PRId64 "_%s", ifindex, directions[d]);
			verify_link(verify, name);
		}
	}
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
	compile_policy(verify->model.store, &verify->model.facts, verify->names, &verify->want,
		       &findings);
	findings_clear(&findings);
	verify_maps(verify);
	verify_locals(verify);
	verify_links(verify);
	return true;
}

static void verify_reset(struct verify *verify)
{
	desired_clear(&verify->want);
	desired_clear(&verify->found);
	names_free(verify->names);
	verify->names = NULL;
	model_close(&verify->model);
	memset(&verify->model, 0, sizeof(verify->model));
	json_object_put(verify->rows);
	verify->rows = NULL;
}

static void print_result(const struct verify *verify)
{
	static const struct column columns[] = {
		{ "WHERE", "where" }, { "KEY", "key" }, { "PROBLEM", "problem" }, { 0 }
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
