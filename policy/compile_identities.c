// SPDX-License-Identifier: Apache-2.0
/* Pods: their classes, numbers and flags. */
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/address.h"
#include "policy/compile_internal.h"
#include "policy/memory.h"
#include "policy/workload.h"

static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

struct port_list {
	struct class_port *items;
	size_t count, capacity;
};

/* Scratch space, so that a pod costs no allocation of its own. */
struct scratch {
	struct use_list uses;
	struct text_list port_names;
	struct port_list ports;
	const struct pod *last; /* the pod before, of the same controller more often than not */
	uint32_t last_workload;
};

/* As for a service's targetPort: the first container port of that name and protocol. */
static void port_resolve(const struct pod *pod, const char *name, uint8_t proto,
			 struct port_list *ports)
{
	size_t i, j;

	for (i = 0; i < pod->port_count; i++) {
		const struct container_port *port = &pod->ports[i];

		if (port->proto != proto || !port->port || strcmp(port->name, name))
			continue;
		j = memory_grow(&ports->items, &ports->count, &ports->capacity,
				sizeof(*ports->items));
		ports->items[j] =
			(struct class_port){ .name = name, .port = port->port, .proto = proto };
		return;
	}
}

static int text_compare(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* What the port names that targets use for this pod mean in it. */
static void ports_resolve(const struct account *account, const struct pod *pod,
			  struct scratch *scratch)
{
	struct text_list *names = &scratch->port_names;
	size_t i, j;

	names->count = 0;
	scratch->ports.count = 0;
	for (i = 0; i < account->port_names.count; i++)
		compile_text_add(names, account->port_names.items[i]);
	for (i = 0; i < scratch->uses.count; i++)
		for (j = 0; j < scratch->uses.items[i]->port_names.count; j++)
			compile_text_add(names, scratch->uses.items[i]->port_names.items[j]);
	if (names->count > 1)
		qsort(names->items, names->count, sizeof(*names->items), text_compare);
	for (i = 0; i < names->count; i++)
		for (j = 0; j < sizeof(protocols); j++)
			port_resolve(pod, names->items[i], protocols[j], &scratch->ports);
}

/* Whatever could be taken for the text's own punctuation is written as %xx. */
static void text_escape(FILE *stream, const char *text)
{
	for (; *text; text++)
		if (isalnum((unsigned char)*text) || strchr("-._", *text))
			fputc(*text, stream);
		else
			fprintf(stream, "%%%02x", (unsigned int)(unsigned char)*text);
}

/* "selector:shop/api-v2,port:http=8080/tcp". The caller frees. */
static char *detail_write(const struct scratch *scratch)
{
	const char *separator = "";
	char *text = NULL;
	size_t len, i;
	FILE *stream;

	stream = open_memstream(&text, &len);
	if (!stream)
		abort(); /* as memory_alloc(): nothing but memory can be missing */
	for (i = 0; i < scratch->uses.count; i++, separator = ",") {
		const struct object *binding = &scratch->uses.items[i]->binding->meta;

		fprintf(stream, "%sselector:%s/%s", separator, binding->name_space, binding->name);
	}
	for (i = 0; i < scratch->ports.count; i++, separator = ",") {
		const struct class_port *port = &scratch->ports.items[i];

		fprintf(stream, "%sport:", separator);
		text_escape(stream, port->name);
		fprintf(stream, "=%u/%s", (unsigned int)port->port,
			port->proto == IPPROTO_TCP ? "tcp" : "udp");
	}
	if (fclose(stream))
		abort();
	return text;
}

static struct identity_class *class_new(struct compilation *c, const struct realm *realm,
					struct account *account, char *detail,
					const struct scratch *scratch)
{
	struct identity_class *class = memory_alloc(sizeof(*class));
	size_t size = scratch->ports.count * sizeof(*class->ports), i, j;

	class->detail = detail;
	class->identity =
		names_get(c->names, WEFT_NAME_IDENTITY, realm->name, account->name, detail);
	class->ports = memory_alloc(size);
	class->port_count = scratch->ports.count;
	if (size)
		memcpy(class->ports, scratch->ports.items, size);
	if (*detail)
		HASH_ADD_KEYPTR(hh, account->classes, class->detail, strlen(class->detail), class);
	else
		account->usual = class;
	for (i = 0; i < scratch->uses.count; i++) {
		struct class_list *list = &scratch->uses.items[i]->classes;

		j = memory_grow(&list->items, &list->count, &list->capacity, sizeof(*list->items));
		list->items[j] = class;
	}
	return class;
}

static const struct identity_class *pod_class(struct compilation *c, struct realm *realm,
					      const struct pod *pod, struct scratch *scratch)
{
	struct account *account = compile_account(realm, pod->service_account);
	struct identity_class *class;
	char *detail;

	compile_match_uses(realm, pod, &scratch->uses);
	ports_resolve(account, pod, scratch);
	if (!scratch->uses.count && !scratch->ports.count)
		return account->usual ? account->usual :
					class_new(c, realm, account, memory_strdup(""), scratch);
	detail = detail_write(scratch);
	HASH_FIND_STR(account->classes, detail, class);
	if (!class)
		return class_new(c, realm, account, detail, scratch);
	free(detail);
	return class;
}

static bool is_local(const struct compilation *c, const struct pod *pod)
{
	return !strcmp(pod->node_name, c->facts->node);
}

/* Is it counted by itself, or with the others of its workload? */
static bool has_own_edges(const struct compilation *c, const struct pod *pod)
{
	return c->facts->pod_edges == POD_EDGES_ALL ||
	       (c->facts->pod_edges == POD_EDGES_LOCAL && is_local(c, pod));
}

static uint32_t pod_workload(struct compilation *c, const struct pod *pod, struct scratch *scratch)
{
	const struct pod *last = scratch->last;

	if (has_own_edges(c, pod))
		return workload_number(c->names, pod->meta.name_space, pod->owner_kind,
				       pod->owner_name, pod->service_account, pod->meta.name);
	scratch->last = pod;
	if (last && !strcmp(last->owner_name, pod->owner_name) &&
	    !strcmp(last->owner_kind, pod->owner_kind) &&
	    !strcmp(last->service_account, pod->service_account) &&
	    !strcmp(last->meta.name_space, pod->meta.name_space))
		return scratch->last_workload;
	scratch->last_workload = workload_number(c->names, pod->meta.name_space, pod->owner_kind,
						 pod->owner_name, pod->service_account, NULL);
	return scratch->last_workload;
}

static void local_add(struct compilation *c, const struct pod *pod, const struct weft_peer *peer)
{
	struct desired *desired = c->desired;
	struct desired_local *local;
	size_t i;

	if (!*pod->cgroup_uid) {
		finding_add(c->findings, &pod->meta, "metadata.uid", "MissingUid",
			    "the pod is not governed: weft cannot find its processes",
			    "a pod of this node has no uid");
		return;
	}
	i = memory_grow(&desired->locals, &desired->local_count, &desired->local_capacity,
			sizeof(*desired->locals));
	local = &desired->locals[i];
	local->uid = memory_strdup(pod->cgroup_uid);
	local->claim = pod->mirror ? pod->meta.created : INT64_MIN;
	local->name_space = memory_strdup(pod->meta.name_space);
	local->name = memory_strdup(pod->meta.name);
	local->local.peer = *peer;
	local->local.addr[0] = pod->addresses[0];
	local->local.addr[1] = pod->addresses[1];
}

static int local_compare(const void *a, const void *b)
{
	const struct desired_local *x = a, *y = b;
	int order = strcmp(x->uid, y->uid);

	if (!order)
		order = x->claim < y->claim ? -1 : x->claim > y->claim;
	if (!order)
		order = strcmp(x->name_space, y->name_space);
	return order ? order : strcmp(x->name, y->name);
}

/*
 * Two pods cannot share a uid, and so a cgroup. Whose own it is has it; of mirrors the older,
 * since nobody can know what a static pod will be called before there is one; else the first by
 * name (copied manifests).
 */
static void locals_unique(struct compilation *c)
{
	struct desired *desired = c->desired;
	size_t i, kept = 0;

	if (!desired->local_count)
		return;
	qsort(desired->locals, desired->local_count, sizeof(*desired->locals), local_compare);
	for (i = 1; i < desired->local_count; i++) {
		struct desired_local *local = &desired->locals[i];
		struct desired_local *last = &desired->locals[kept];
		struct object *pod;

		if (strcmp(last->uid, local->uid)) {
			desired->locals[++kept] = *local;
			continue;
		}
		pod = store_find(c->store, OBJECT_POD, local->name_space, local->name);
		finding_add(c->findings, pod,
			    local->claim == INT64_MIN ?
				    "metadata.uid" :
				    "metadata.annotations[kubernetes.io/config.mirror]",
			    "DuplicateUid",
			    "the pod is not governed: its processes are taken for the other's",
			    "pod %s/%s has the same uid", last->name_space, last->name);
		free(local->uid);
		free(local->name_space);
		free(local->name);
	}
	desired->local_count = kept + 1;
}

static void pod_compile(struct compilation *c, const struct pod *pod, struct scratch *scratch)
{
	struct realm *realm = compile_realm(c, pod->meta.name_space);
	struct weft_peer peer;
	size_t i, j;

	peer.flags = compile_pod_flags(c, realm, pod);
	peer.identity = pod_class(c, realm, pod, scratch)->identity;
	peer.workload = pod_workload(c, pod, scratch);
	for (i = 0; i < 2; i++) {
		if (address_is_zero(&pod->addresses[i]))
			continue;
		j = memory_grow(&c->addresses, &c->address_count, &c->address_capacity,
				sizeof(*c->addresses));
		c->addresses[j] =
			(struct pod_address){ .pod = pod, .addr = pod->addresses[i], .peer = peer };
	}
	if (is_local(c, pod))
		local_add(c, pod, &peer);
}

void compile_identities(struct compilation *c)
{
	struct scratch scratch = { 0 };
	size_t i;

	for (i = 0; i < c->pod_count; i++) {
		const struct pod *pod = (const struct pod *)c->pods[i];

		if (compile_pod_counts(pod))
			pod_compile(c, pod, &scratch);
	}
	locals_unique(c);
	free(scratch.uses.items);
	free(scratch.port_names.items);
	free(scratch.ports.items);
}
