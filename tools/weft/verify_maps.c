// SPDX-License-Identifier: Apache-2.0
/* weft verify: the maps. Lists in the compiler's order, walked in step. */
#include <inttypes.h>
#include <json-c/json.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/address.h"
#include "policy/memory.h"
#include "policy/reason.h"
#include "tools/weft/cli.h"
#include "tools/weft/kernel.h"
#include "tools/weft/output.h"
#include "tools/weft/verify.h"

/* Room for two names and what stands around them. */
enum { KEY_TEXT_LEN = 2 * KERNEL_NAME_LEN + 64 };

/* An entry of weft_policy, whatever its generation. */
struct rule {
	uint32_t dst_identity;
	struct desired_entry entry;
};

/* An entry of weft_iface or weft_netns. */
struct place {
	uint64_t key; /* interface index, netns cookie */
	struct weft_local local;
	const struct desired_local *pod; /* NULL: read from the kernel */
};

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
	char key[KEY_TEXT_LEN];

	while (w < list->want_count || f < list->found_count) {
		const void *want = (const char *)list->want + w * list->size;
		const void *found = (const char *)list->found + f * list->size;
		int order = w == list->want_count  ? 1 :
			    f == list->found_count ? -1 :
						     list->compare(want, found);

		verify->compared++;
		list->describe(verify, order > 0 ? found : want, key, sizeof(key));
		if (order < 0)
			verify_differs(verify, list->where, key, "missing in the kernel");
		else if (order > 0)
			verify_differs(verify, list->where, key,
				       "in the kernel, but no object asks for it");
		else if (!list->equal(want, found))
			verify_differs(verify, list->where, key, "differs");
		w += order <= 0;
		f += order >= 0;
	}
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

static int rule_compare(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;

	if (x->dst_identity != y->dst_identity)
		return x->dst_identity < y->dst_identity ? -1 : 1;
	return desired_compare_entries(&x->entry, &y->entry);
}

static bool rule_equal(const void *want, const void *found)
{
	const struct desired_entry *w = &((const struct rule *)want)->entry;
	const struct desired_entry *f = &((const struct rule *)found)->entry;

	return w->action == f->action && w->mask == f->mask;
}

static void rule_describe(const struct verify *verify, const void *item, char *text, size_t size)
{
	char source[KERNEL_NAME_LEN], destination[KERNEL_NAME_LEN], port[8];
	const struct rule *rule = item;

	snprintf(port, sizeof(port), "%u", rule->entry.port);
	snprintf(text, size, "%s -> %s port %s/%s",
		 kernel_name(verify->names, WEFT_NAME_IDENTITY, rule->entry.src_identity, source),
		 kernel_name(verify->names, WEFT_NAME_IDENTITY, rule->dst_identity, destination),
		 rule->entry.port == WEFT_ANY_PORT ? "any" : port,
		 protocol_name(rule->entry.proto));
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

/* The entries of all destinations as one list, in order. */
static struct rule *rules_of(const struct desired *desired, size_t *count)
{
	struct rule *rules = NULL;
	size_t capacity = 0, d, e, i;

	*count = 0;
	for (d = 0; d < desired->dest_count; d++)
		for (e = 0; e < desired->dests[d].entry_count; e++) {
			i = memory_grow(&rules, count, &capacity, sizeof(*rules));
			rules[i].dst_identity = desired->dests[d].identity;
			rules[i].entry = desired->dests[d].entries[e];
		}
	return rules;
}

static void verify_rules(struct verify *verify)
{
	size_t want_count, found_count;
	struct rule *want = rules_of(&verify->want, &want_count);
	struct rule *found = rules_of(&verify->found, &found_count);

	compare_lists(verify,
		      &(struct list){ "weft_policy", want, found, want_count, found_count,
				      sizeof(*want), rule_compare, rule_equal, rule_describe });
	free(want);
	free(found);
}

static bool program_equal(const void *want, const void *found)
{
	const struct desired_dest *w = want, *f = found;

	return w->http_size == f->http_size && !memcmp(w->http, f->http, w->http_size);
}

static void program_describe(const struct verify *verify, const void *item, char *text, size_t size)
{
	char name[KERNEL_NAME_LEN];

	snprintf(text, size, "HTTP rules of %s",
		 kernel_name(verify->names, WEFT_NAME_IDENTITY,
			     ((const struct desired_dest *)item)->identity, name));
}

/* The destinations that have a program; they stay the owner of all. */
static struct desired_dest *programs_of(const struct desired *desired, size_t *count)
{
	struct desired_dest *dests = memory_alloc((desired->dest_count + 1) * sizeof(*dests));
	size_t i;

	*count = 0;
	for (i = 0; i < desired->dest_count; i++)
		if (desired->dests[i].http)
			dests[(*count)++] = desired->dests[i];
	return dests;
}

static void verify_programs(struct verify *verify)
{
	size_t want_count, found_count;
	struct desired_dest *want = programs_of(&verify->want, &want_count);
	struct desired_dest *found = programs_of(&verify->found, &found_count);

	compare_lists(verify, &(struct list){ "weft_http", want, found, want_count, found_count,
					      sizeof(*want), desired_compare_dests, program_equal,
					      program_describe });
	free(want);
	free(found);
}

static bool verify_tables(struct verify *verify)
{
	const struct desired *want = &verify->want, *found = &verify->found;
	unsigned int orphans = 0;
	char text[64];
	int err = kernel_read(&verify->maps, &verify->found, &orphans);

	if (err) {
		cli_fail("cannot read the maps at %s: %s", verify->cli->root, strerror(-err));
		return false;
	}
	compare_lists(verify,
		      &(struct list){ "weft_ident", want->peers, found->peers, want->peer_count,
				      found->peer_count, sizeof(struct desired_peer),
				      desired_compare_peers, peer_equal, peer_describe });
	verify_rules(verify);
	verify_programs(verify);
	compare_lists(verify,
		      &(struct list){ "weft_service", want->services, found->services,
				      want->service_count, found->service_count,
				      sizeof(struct desired_service), desired_compare_services,
				      service_equal, service_describe });
	if (orphans) {
		snprintf(text, sizeof(text), "%u entries of generations not in force", orphans);
		verify_differs(verify, "weft_policy", "-", text);
	}
	return true;
}

static int place_compare(const void *a, const void *b)
{
	uint64_t x = ((const struct place *)a)->key, y = ((const struct place *)b)->key;

	return x < y ? -1 : x > y;
}

/* Interfaces are told of HTTP rules for some time after there were any. */
static bool place_equal(const void *want, const void *found)
{
	const struct weft_local *w = &((const struct place *)want)->local;
	struct weft_local f = ((const struct place *)found)->local;

	if (!(w->peer.flags & WEFT_PEER_HTTP))
		f.peer.flags &= ~(uint32_t)WEFT_PEER_HTTP;
	return !memcmp(w, &f, sizeof(f));
}

static void place_describe(const struct verify *verify, const void *item, char *text, size_t size)
{
	const struct place *place = item;

	(void)verify;
	if (place->pod)
		snprintf(text, size, "%" PRIu64 " (pod %s/%s)", place->key, place->pod->name_space,
			 place->pod->name);
	else
		snprintf(text, size, "%" PRIu64, place->key);
}

struct places {
	enum map_id map;
	const char *map_name, *member; /* of the pod in the agent's status */
	struct place *items;
	size_t count, capacity;
};

static int places_take(const void *key, const void *value, void *context)
{
	struct places *places = context;
	size_t i = memory_grow(&places->items, &places->count, &places->capacity,
			       sizeof(*places->items));
	uint32_t index;

	if (places->map == MAP_IFACE) {
		memcpy(&index, key, sizeof(index));
		places->items[i].key = index;
	} else {
		memcpy(&places->items[i].key, key, sizeof(places->items[i].key));
	}
	memcpy(&places->items[i].local, value, sizeof(places->items[i].local));
	return 0;
}

static struct weft_local local_want(const struct verify *verify, const struct places *places,
				    const struct desired_local *pod, struct json_object *status)
{
	struct desired_dest key = { .identity = pod->local.peer.identity }, *dest = NULL;
	struct weft_local local = pod->local;

	local.nsid = json_object_get_int(json_member(status, "nsid"));
	if (verify->want.dest_count)
		dest = bsearch(&key, verify->want.dests, verify->want.dest_count, sizeof(key),
			       desired_compare_dests);
	if (places->map == MAP_IFACE && dest && dest->http)
		local.peer.flags |= WEFT_PEER_HTTP;
	return local;
}

/* Where the agent found the pods, and what belongs there. */
static void places_want(struct places *places, struct verify *verify)
{
	size_t i, at;

	for (i = 0; i < verify->want.local_count; i++) {
		const struct desired_local *local = &verify->want.locals[i];
		struct json_object *pod = verify_pod(verify, local->uid);
		uint64_t key = json_object_get_uint64(json_member(pod, places->member));
		char text[512];

		if (!key) {
			snprintf(text, sizeof(text), "pod %s/%s", local->name_space, local->name);
			verify_differs(verify, places->map_name, text, "the pod was not found");
			continue;
		}
		at = memory_grow(&places->items, &places->count, &places->capacity,
				 sizeof(*places->items));
		places->items[at] = (struct place){ .key = key,
						    .local = local_want(verify, places, local, pod),
						    .pod = local };
	}
}

static void places_sort(struct places *places)
{
	if (places->count)
		qsort(places->items, places->count, sizeof(*places->items), place_compare);
}

bool verify_is_guard(const struct weft_local *local)
{
	static const struct weft_addr none[2];

	return !memcmp(local->addr, none, sizeof(none));
}

/*
 * Only the agent knows which interfaces outlived their pod; but a guard of an interface that is
 * gone has outlived its own use.
 */
static void places_drop_guards(struct places *found, const struct places *want)
{
	char name[IF_NAMESIZE];
	size_t i, kept = 0;

	for (i = 0; i < found->count; i++) {
		struct place *place = &found->items[i];

		if (!verify_is_guard(&place->local) ||
		    !if_indextoname((unsigned int)place->key, name) ||
		    (want->count &&
		     bsearch(place, want->items, want->count, sizeof(*place), place_compare)))
			found->items[kept++] = *place;
	}
	found->count = kept;
}

static bool verify_places(struct verify *verify, enum map_id map, const char *map_name,
			  const char *member)
{
	struct places want = { .map = map, .map_name = map_name, .member = member }, found = want;
	int err = maps_each(&verify->maps, map, places_take, &found);

	places_want(&want, verify);
	places_sort(&want);
	places_sort(&found);
	if (map == MAP_IFACE)
		places_drop_guards(&found, &want);
	if (err)
		cli_fail("cannot read the map %s: %s", map_name, strerror(-err));
	else
		compare_lists(verify, &(struct list){ map_name, want.items, found.items, want.count,
						      found.count, sizeof(struct place),
						      place_compare, place_equal, place_describe });
	free(want.items);
	free(found.items);
	return !err;
}

bool verify_maps(struct verify *verify)
{
	return verify_tables(verify) && verify_places(verify, MAP_IFACE, "weft_iface", "ifindex") &&
	       verify_places(verify, MAP_NETNS, "weft_netns", "netns_cookie");
}
