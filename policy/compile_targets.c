// SPDX-License-Identifier: Apache-2.0
/* TrafficTargets: what identities may reach which ports of which identities. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "policy/compile_internal.h"
#include "policy/memory.h"

enum {
	/* The size of the map weft_policy: a target beyond it could never be installed. */
	MAX_TARGET_ENTRIES = 262144,
};

struct entries {
	struct entry *items;
	size_t count, capacity;
};

/* Can the target grant anything at all? The parser's findings, or destination_check's, say why not.
 */
static bool target_is_usable(const struct compilation *c, const struct traffic_target *target)
{
	const struct subject *destination = &target->destination;

	if (target->invalid || strcmp(destination->name_space, target->meta.name_space))
		return false;
	return destination->kind == SUBJECT_SERVICE_ACCOUNT || compile_binding(c, destination);
}

void compile_uses(struct compilation *c)
{
	size_t i, j;

	for (i = 0; i < c->target_count; i++) {
		const struct traffic_target *target = (const struct traffic_target *)c->targets[i];

		if (!target_is_usable(c, target))
			continue;
		compile_use_subject(c, &target->destination, target->destination_port_name);
		for (j = 0; j < target->source_count; j++)
			compile_use_subject(c, &target->sources[j], "");
	}
}

static void subject_check(struct compilation *c, const struct traffic_target *target,
			  const struct subject *subject, const char *field, const char *consequence)
{
	struct object *object;

	if (subject->kind != SUBJECT_IDENTITY_BINDING || compile_binding(c, subject))
		return;
	object = store_find(c->store, OBJECT_IDENTITY_BINDING, subject->name_space, subject->name);
	finding_add(c->findings, &target->meta, field,
		    object ? "InvalidIdentityBinding" : "MissingIdentityBinding", consequence,
		    object ? "IdentityBinding %s/%s is invalid" :
			     "IdentityBinding %s/%s does not exist",
		    subject->name_space, subject->name);
}

static void subjects_check(struct compilation *c, const struct traffic_target *target)
{
	size_t i;

	subject_check(c, target, &target->destination, "spec.destination.name",
		      "the target grants nothing");
	for (i = 0; i < target->source_count; i++) {
		char *field = memory_printf("spec.sources[%zu].name", i);

		subject_check(c, target, &target->sources[i], field,
			      "this source is granted nothing");
		free(field);
	}
}

/* What the destination's port narrows a target to in a class: */
enum narrowing {
	NARROW_NOT,
	NARROW_TO_PORT,
	NARROW_TO_NOTHING, /* a named port that the class does not have */
};

static enum narrowing class_narrowing(const struct traffic_target *target,
				      const struct identity_class *class, uint8_t proto,
				      uint16_t *port)
{
	size_t i;

	*port = target->destination_port;
	if (*port)
		return NARROW_TO_PORT;
	if (!*target->destination_port_name)
		return NARROW_NOT;
	for (i = 0; i < class->port_count; i++) {
		if (class->ports[i].proto == proto &&
		    !strcmp(class->ports[i].name, target->destination_port_name)) {
			*port = class->ports[i].port;
			return NARROW_TO_PORT;
		}
	}
	return NARROW_TO_NOTHING;
}

static size_t set_size(const struct port_set *set)
{
	return set->any ? 1 : set->count;
}

/* Entries of a target to a class, on ports of `set`; `grant` is what they have in common. */
static void grant_class(const struct traffic_target *target, const struct identity_class *dst,
			const struct class_list *sources, const struct port_set *set,
			struct entry grant, struct entries *entries)
{
	struct port_set narrow = { 0 };
	enum narrowing narrowing;
	uint16_t port;
	size_t i, j, at;

	narrowing = class_narrowing(target, dst, grant.entry.proto, &port);
	if (narrowing == NARROW_TO_NOTHING)
		return;
	if (narrowing == NARROW_TO_PORT) {
		if (!compile_port_set_has(set, port))
			return;
		narrow.items = &port;
		narrow.count = 1;
		set = &narrow;
	}
	grant.dst_identity = dst->identity;
	for (i = 0; i < sources->count; i++) {
		grant.entry.src_identity = sources->items[i]->identity;
		for (j = 0; j < set_size(set); j++) {
			at = memory_grow(&entries->items, &entries->count, &entries->capacity,
					 sizeof(*entries->items));
			grant.entry.port = set->any ? (uint16_t)WEFT_ANY_PORT : set->items[j];
			entries->items[at] = grant;
		}
	}
}

static bool class_has_port_name(const struct identity_class *class, const char *name)
{
	size_t i;

	for (i = 0; i < class->port_count; i++)
		if (!strcmp(class->ports[i].name, name))
			return true;
	return false;
}

/* A destination port's name that leaves a target without an effect on the pods there are. */
static void port_name_check(struct compilation *c, const struct traffic_target *target,
			    const struct class_list *destinations)
{
	const char *name = target->destination_port_name;
	size_t i;

	for (i = 0; i < destinations->count; i++)
		if (class_has_port_name(destinations->items[i], name))
			break;
	if (i == destinations->count)
		finding_add(c->findings, &target->meta, "spec.destination.port", "UnknownPortName",
			    "the target grants nothing",
			    "no pod of the destination has a container port named \"%s\"", name);
	else
		finding_add(c->findings, &target->meta, "spec.destination.port", "DisjointPorts",
			    "the target grants nothing",
			    "no rule lists what the container port \"%s\" is in the "
			    "destination's pods",
			    name);
}

static void target_compile(struct compilation *c, const struct traffic_target *target,
			   struct entries *entries)
{
	const struct entry tcp = { .entry = { .proto = IPPROTO_TCP, .action = WEFT_POLICY_ALLOW } };
	const struct entry udp = { .entry = { .proto = IPPROTO_UDP, .action = WEFT_POLICY_ALLOW } };
	struct entry http = { .entry = { .proto = IPPROTO_TCP, .action = WEFT_POLICY_HTTP } };
	struct class_list destinations = { 0 }, sources = { 0 };
	struct target_grants grants = { 0 };
	size_t before = entries->count, i;
	unsigned __int128 size;

	c->mark++;
	compile_subject_classes(c, &target->destination, &destinations);
	c->mark++;
	for (i = 0; i < target->source_count; i++)
		compile_subject_classes(c, &target->sources[i], &sources);
	compile_target_grants(c, target, &grants);

	size = set_size(&grants.tcp) + set_size(&grants.http) + set_size(&grants.udp);
	size *= (unsigned __int128)destinations.count * sources.count;
	if (size > MAX_TARGET_ENTRIES) {
		finding_add(c->findings, &target->meta, "spec", "TooManyEntries",
			    "the target grants nothing",
			    "%zu destination and %zu source identities with this many ports need "
			    "more than %d policy entries",
			    destinations.count, sources.count, MAX_TARGET_ENTRIES);
		size = destinations.count = 0;
	}
	if (set_size(&grants.http))
		http.target = compile_http_target(c, target, &grants.matches);
	for (i = 0; i < destinations.count; i++) {
		const struct identity_class *class = destinations.items[i];

		grant_class(target, class, &sources, &grants.tcp, tcp, entries);
		grant_class(target, class, &sources, &grants.http, http, entries);
		grant_class(target, class, &sources, &grants.udp, udp, entries);
	}
	if (size && entries->count == before && *target->destination_port_name)
		port_name_check(c, target, &destinations);
	compile_grants_free(&grants);
	free(destinations.items);
	free(sources.items);
}

/* Any port (0) comes before the others, and ALLOW before HTTP: both are what wins. */
static int entry_compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	uint64_t left = (uint64_t)x->dst_identity << 32 | x->entry.src_identity;
	uint64_t right = (uint64_t)y->dst_identity << 32 | y->entry.src_identity;

	if (left == right) {
		left = (uint64_t)x->entry.proto << 24 | x->entry.port << 8 | x->entry.action;
		right = (uint64_t)y->entry.proto << 24 | y->entry.port << 8 | y->entry.action;
	}
	if (left == right) {
		left = x->target;
		right = y->target;
	}
	return left < right ? -1 : left > right;
}

static bool entry_same_peers(const struct entry *a, const struct entry *b)
{
	return a->dst_identity == b->dst_identity &&
	       a->entry.src_identity == b->entry.src_identity && a->entry.proto == b->entry.proto;
}

/* Does the one before say all that this one says, or more? */
static bool entry_covers(const struct entry *before, const struct entry *entry)
{
	return entry_same_peers(before, entry) && before->entry.port == entry->entry.port &&
	       (before->entry.action == WEFT_POLICY_ALLOW || before->target == entry->target);
}

/* Sorts, and drops duplicates and what an ALLOW covers. */
static void entries_reduce(struct entries *entries)
{
	const struct entry *allow_any = NULL;
	size_t i, kept = 0;

	if (!entries->count)
		return;
	qsort(entries->items, entries->count, sizeof(*entries->items), entry_compare);
	for (i = 0; i < entries->count; i++) {
		const struct entry *entry = &entries->items[i];
		const struct entry *last = kept ? &entries->items[kept - 1] : NULL;

		if (last && entry_covers(last, entry))
			continue;
		if (allow_any && entry_same_peers(allow_any, entry))
			continue;
		entries->items[kept] = *entry;
		if (entry->entry.port == WEFT_ANY_PORT && entry->entry.action == WEFT_POLICY_ALLOW)
			allow_any = &entries->items[kept];
		kept++;
	}
	entries->count = kept;
}

static void dest_add(struct compilation *c, const struct entry *entries, size_t count)
{
	struct desired *desired = c->desired;
	size_t i = memory_grow(&desired->dests, &desired->dest_count, &desired->dest_capacity,
			       sizeof(*desired->dests));

	desired->dests[i].identity = entries[0].dst_identity;
	compile_http(c, entries, count, &desired->dests[i]);
}

void compile_targets(struct compilation *c)
{
	struct entries entries = { 0 };
	size_t first, i;

	for (i = 0; i < c->target_count; i++) {
		const struct traffic_target *target = (const struct traffic_target *)c->targets[i];

		if (target->invalid)
			continue;
		subjects_check(c, target);
		if (target_is_usable(c, target))
			target_compile(c, target, &entries);
	}
	entries_reduce(&entries);
	for (first = 0; first < entries.count; first = i) {
		for (i = first + 1; i < entries.count; i++)
			if (entries.items[i].dst_identity != entries.items[first].dst_identity)
				break;
		dest_add(c, &entries.items[first], i - first);
	}
	compile_http_free(c);
	free(entries.items);
}
