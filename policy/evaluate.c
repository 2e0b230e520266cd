// SPDX-License-Identifier: Apache-2.0
/*
 * Deliberately slow and plain: every question is answered by walking the
 * objects. Nothing here may use the compiler or its data, or the two could be
 * wrong together.
 */
#include "policy/evaluate.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/address.h"
#include "policy/evaluate_internal.h"
#include "policy/memory.h"

enum mesh_mode {
	MESH_DISABLED,
	MESH_PERMISSIVE,
	MESH_ENFORCE,
};

void evaluate_step(struct question *q, const struct object *object, int allows, const char *format,
		   ...)
{
	struct evaluation *evaluation = q->evaluation;
	struct evaluation_step *step;
	va_list arguments;
	size_t i;

	i = memory_grow(&evaluation->steps, &evaluation->step_count, &evaluation->step_capacity,
			sizeof(*evaluation->steps));
	step = &evaluation->steps[i];
	step->kind = memory_strdup(object_kind_name(object->kind));
	step->name_space = memory_strdup(object->name_space);
	step->name = memory_strdup(object->name);
	step->allows = allows;
	va_start(arguments, format);
	if (vasprintf(&step->text, format, arguments) < 0)
		abort(); /* as memory_alloc(): nothing but memory can be missing */
	va_end(arguments);
}

void evaluation_clear(struct evaluation *evaluation)
{
	size_t i;

	for (i = 0; i < evaluation->step_count; i++) {
		free(evaluation->steps[i].kind);
		free(evaluation->steps[i].name_space);
		free(evaluation->steps[i].name);
		free(evaluation->steps[i].text);
		free(evaluation->steps[i].rule);
	}
	free(evaluation->steps);
	*evaluation = (struct evaluation){ 0 };
}

static const struct node *find_node(const struct question *q, const struct weft_addr *addr,
				    bool *own)
{
	const struct node *found = NULL;
	struct object *object;
	size_t i;

	for (object = store_first(q->store, OBJECT_NODE); object; object = store_next(object)) {
		const struct node *node = (const struct node *)object;

		for (i = 0; i < node->address_count; i++) {
			if (address_compare(&node->addresses[i], addr))
				continue;
			found = node;
			*own |= !strcmp(object->name, q->facts->node);
		}
	}
	return found;
}

static bool is_interface(const struct question *q, const struct weft_addr *addr)
{
	size_t i;

	for (i = 0; i < q->facts->host_address_count; i++)
		if (!address_compare(&q->facts->host_addresses[i], addr))
			return true;
	return false;
}

static bool is_cluster_ip(const struct question *q, const struct weft_addr *addr)
{
	struct object *object;
	size_t i;

	for (object = store_first(q->store, OBJECT_SERVICE); object; object = store_next(object)) {
		const struct service *service = (const struct service *)object;

		for (i = 0; i < service->cluster_ip_count; i++)
			if (!service->headless && !service->external_name &&
			    !address_compare(&service->cluster_ips[i], addr))
				return true;
	}
	return false;
}

/* Does pod `a` have a better claim to an address than `b`? */
static bool pod_outranks(const struct object *a, const struct object *b)
{
	if (a->deleting != b->deleting)
		return b->deleting;
	if (a->created != b->created)
		return a->created > b->created;
	return strcmp(a->key, b->key) < 0;
}

static const struct pod *find_pod(const struct question *q, const struct weft_addr *addr)
{
	const struct pod *best = NULL;
	struct object *object;

	for (object = store_first(q->store, OBJECT_POD); object; object = store_next(object)) {
		const struct pod *pod = (const struct pod *)object;

		if (pod->host_network || pod->finished)
			continue;
		if (address_compare(&pod->addresses[0], addr) &&
		    address_compare(&pod->addresses[1], addr))
			continue;
		if (!best || pod_outranks(object, &best->meta))
			best = pod;
	}
	return best;
}

/* Node objects, then this node's interfaces - unless it is a plain cluster IP - then pods. */
static struct party find_party(const struct question *q, const struct weft_addr *addr)
{
	struct party party = { 0 };
	const struct pod *pod;
	bool own = false;

	if (address_is_zero(addr))
		return party;
	pod = find_pod(q, addr);
	party.node = find_node(q, addr, &own);
	if (party.node) {
		party.kind = PARTY_HOST;
		party.local_host = own || is_interface(q, addr);
	} else if (!pod && is_cluster_ip(q, addr)) {
		party.kind = PARTY_SERVICE;
	} else if (is_interface(q, addr)) {
		party.kind = PARTY_HOST;
		party.local_host = true;
	} else if (pod) {
		party.kind = PARTY_POD;
		party.pod = pod;
	}
	return party;
}

static bool has_value(const struct labels *labels, const char *key, const char *value)
{
	const char *found = labels_get(labels, key);

	return found && !strcmp(found, value);
}

static enum mesh_mode find_mode(struct question *q, const struct pod *pod,
				const struct object *namespace)
{
	const char *mesh = namespace ? labels_get(&namespace->labels, "weft.dev/mesh") : NULL;

	if (!mesh || !strcmp(mesh, "disabled")) {
		if (namespace)
			evaluate_step(
				q, namespace, 1, "the destination's namespace is not meshed: %s",
				mesh ? "weft.dev/mesh is disabled" : "no label weft.dev/mesh");
		else
			evaluate_step(q, &pod->meta, 1,
				      "namespace %s is unknown, so it is not meshed",
				      pod->meta.name_space);
		return MESH_DISABLED;
	}
	if (has_value(&pod->meta.annotations, "weft.dev/mesh", "disabled")) {
		evaluate_step(q, &pod->meta, 1,
			      "the destination's annotation weft.dev/mesh is disabled");
		return MESH_DISABLED;
	}
	if (!strcmp(mesh, "permissive")) {
		evaluate_step(
			q, namespace, 0,
			"weft.dev/mesh is permissive: what no rule allows passes and is counted");
		return MESH_PERMISSIVE;
	}
	evaluate_step(q, namespace, 0, "weft.dev/mesh is %s: only what a rule allows may pass",
		      mesh);
	return MESH_ENFORCE;
}

static void conclude(struct question *q, enum mesh_mode mode, enum weft_reason reason)
{
	q->evaluation->reason = reason;
	if (reason < WEFT_REASON_FIRST_DENY)
		q->evaluation->action = WEFT_VERDICT_ALLOW;
	else
		q->evaluation->action = mode == MESH_PERMISSIVE ? WEFT_VERDICT_WOULD_DENY :
								  WEFT_VERDICT_DENY;
}

/* A host: its own pods always, other nodes' by annotation; no TrafficTarget can name one. */
static enum weft_reason judge_host(struct question *q, const struct object *namespace)
{
	const struct object *node = q->src.node ? &q->src.node->meta : NULL;

	if (q->src.local_host) {
		evaluate_step(q, node ? node : namespace, 1,
			      "the source is this node itself, which may always reach its pods");
		return WEFT_REASON_LOCAL_HOST;
	}
	if (has_value(&namespace->annotations, "weft.dev/hosts", "cluster")) {
		evaluate_step(q, namespace, 1,
			      "the source is a node, and the annotation weft.dev/hosts is cluster");
		return WEFT_REASON_CLUSTER_HOST;
	}
	evaluate_step(
		q, namespace, 0,
		"the source is another node, and the annotation weft.dev/hosts is not cluster");
	return WEFT_REASON_REMOTE_HOST;
}

static enum weft_reason judge_unknown(struct question *q, const struct object *namespace)
{
	if (has_value(&q->dst.pod->meta.annotations, "weft.dev/external", "allow")) {
		evaluate_step(
			q, &q->dst.pod->meta, 1,
			"the source is no known pod, and the annotation weft.dev/external is allow");
		return WEFT_REASON_EXTERNAL_ALLOWED;
	}
	if (has_value(&namespace->annotations, "weft.dev/external", "allow")) {
		evaluate_step(
			q, namespace, 1,
			"the source is no known pod, and the annotation weft.dev/external is allow");
		return WEFT_REASON_EXTERNAL_ALLOWED;
	}
	evaluate_step(q, namespace, 0,
		      "the source is no known pod, and no annotation weft.dev/external admits it");
	return WEFT_REASON_UNKNOWN_SOURCE;
}

static enum weft_reason judge(struct question *q, const struct object *namespace)
{
	switch (q->src.kind) {
	case PARTY_HOST:
		return judge_host(q, namespace);
	case PARTY_UNKNOWN:
		return judge_unknown(q, namespace);
	case PARTY_POD:
		return evaluate_targets(q);
	case PARTY_SERVICE:
		break; /* a cluster IP sends nothing and has no identity that a rule could name */
	}
	return WEFT_REASON_NO_RULE;
}

void evaluate_question(struct question *q, const struct weft_addr *src, const struct weft_addr *dst)
{
	const struct object *namespace;
	enum mesh_mode mode;

	*q->evaluation = (struct evaluation){ 0 };
	q->src = find_party(q, src);
	q->dst = find_party(q, dst);
	if (q->dst.kind != PARTY_POD) {
		conclude(q, MESH_DISABLED, WEFT_REASON_UNMESHED);
		return;
	}
	if (q->src.kind == PARTY_POD && q->src.pod == q->dst.pod) {
		evaluate_step(q, &q->dst.pod->meta, 1,
			      "the source and the destination are one pod");
		conclude(q, MESH_DISABLED, WEFT_REASON_OWN_POD);
		return;
	}
	namespace = store_find(q->store, OBJECT_NAMESPACE, "", q->dst.pod->meta.name_space);
	mode = find_mode(q, q->dst.pod, namespace);
	if (mode == MESH_DISABLED)
		conclude(q, mode, WEFT_REASON_UNMESHED);
	else
		conclude(q, mode, judge(q, namespace));
}

void evaluate_connection(const struct store *store, const struct node_facts *facts,
			 const struct weft_addr *src, const struct weft_addr *dst, uint8_t proto,
			 uint16_t port, struct evaluation *evaluation)
{
	struct question q = {
		.store = store,
		.facts = facts,
		.proto = proto,
		.port = port,
		.evaluation = evaluation,
	};

	evaluate_question(&q, src, dst);
}

static enum mesh_mode mode_of(const struct store *store, const struct node_facts *facts,
			      const struct weft_addr *addr)
{
	struct evaluation evaluation = { 0 };
	struct question q = { .store = store, .facts = facts, .evaluation = &evaluation };
	struct party party = find_party(&q, addr);
	enum mesh_mode mode = MESH_DISABLED;

	if (party.kind == PARTY_POD)
		mode = find_mode(&q, party.pod,
				 store_find(store, OBJECT_NAMESPACE, "",
					    party.pod->meta.name_space));
	evaluation_clear(&evaluation);
	return mode;
}

bool evaluate_is_meshed(const struct store *store, const struct node_facts *facts,
			const struct weft_addr *addr)
{
	return mode_of(store, facts, addr) != MESH_DISABLED;
}

enum weft_verdict_action evaluate_malformed(const struct store *store,
					    const struct node_facts *facts,
					    const struct weft_addr *dst)
{
	return mode_of(store, facts, dst) == MESH_PERMISSIVE ? WEFT_VERDICT_WOULD_DENY :
							       WEFT_VERDICT_DENY;
}

bool evaluate_ambiguous_paths(const struct store *store, const struct node_facts *facts,
			      const struct weft_addr *dst)
{
	struct question q = { .store = store, .facts = facts };
	const struct object *namespace;

	q.dst = find_party(&q, dst);
	if (q.dst.kind != PARTY_POD)
		return false;
	namespace = store_find(store, OBJECT_NAMESPACE, "", q.dst.pod->meta.name_space);
	return namespace && has_value(&namespace->annotations, "weft.dev/ambiguous-paths", "allow");
}
