// SPDX-License-Identifier: Apache-2.0
/* The edges of one resource: with whom it exchanged what. */
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/smi/smi_view_internal.h"

static void object_set(struct smi_object *object, const char *kind, const char *name_space,
		       const char *name)
{
	object->kind = memory_strdup(kind);
	object->name_space = memory_strdup(name_space);
	object->name = memory_strdup(name);
}

/*
 * What of the same kind the peer belongs to; else its workload, where pods of other nodes are not
 * told apart, or a workload of another kind is at the other end.
 */
static void object_of(const struct smi_view *view, enum smi_kind kind,
		      const struct traffic_end *peer, struct smi_object *object)
{
	/* The services of a peer are unknown, and may be many. */
	char *name = kind == SMI_SERVICE ? NULL : smi_name_of(view, kind, peer);

	if (name)
		object_set(object, smi_kinds[kind].kind,
			   smi_kinds[kind].is_namespaced ? peer->name_space : "", name);
	else if (*peer->name_space)
		object_set(object, peer->kind, peer->name_space, peer->name);
	else if (!strcmp(peer->name, "host"))
		object_set(object, "Node", "", "");
	else
		object_set(object, "", "", peer->name);
	free(name);
}

static void object_clear(struct smi_object *object)
{
	free(object->kind);
	free(object->name_space);
	free(object->name);
}

struct smi_edge *smi_edges_get(struct smi_edge **edges, const struct smi_view *view,
			       enum smi_kind kind, bool is_outbound, const struct traffic_end *peer)
{
	struct smi_object object;
	struct smi_edge *edge;
	char *key;

	object_of(view, kind, peer, &object);
	key = memory_printf("%d/%s/%s/%s", is_outbound, object.name_space, object.name,
			    object.kind);
	HASH_FIND_STR(*edges, key, edge);
	if (edge) {
		object_clear(&object);
		free(key);
		return edge;
	}
	edge = memory_alloc(sizeof(*edge));
	edge->key = key;
	edge->is_outbound = is_outbound;
	edge->peer = object;
	HASH_ADD_KEYPTR(hh, *edges, edge->key, strlen(edge->key), edge);
	return edge;
}

static int by_key(const struct smi_edge *a, const struct smi_edge *b)
{
	return strcmp(a->key, b->key);
}

void smi_edges_sort(struct smi_edge **edges)
{
	HASH_SORT(*edges, by_key);
}

void smi_edges_free(struct smi_edge *edges)
{
	struct smi_edge *edge, *next;

	HASH_ITER(hh, edges, edge, next) {
		HASH_DEL(edges, edge);
		smi_sum_clear(&edge->sum);
		object_clear(&edge->peer);
		free(edge->key);
		free(edge);
	}
}

struct connecting {
	const struct smi_view *view;
	enum smi_kind kind;
	const char *name_space, *name;
	char *const *pods; /* of a service */
	size_t pod_count;
	struct smi_edge *edges;
};

static int pod_compare(const void *a, const void *b)
{
	return strcmp(a, *(char *const *)b);
}

static bool is_subject(const struct connecting *connecting, const struct traffic_end *end)
{
	char *name = smi_name_of(connecting->view, connecting->kind, end);
	bool is;

	if (!name)
		return false;
	is = !smi_kinds[connecting->kind].is_namespaced ||
	     !strcmp(end->name_space, connecting->name_space);
	if (is && connecting->kind == SMI_SERVICE)
		is = connecting->pod_count && bsearch(name, connecting->pods, connecting->pod_count,
						      sizeof(*connecting->pods), pod_compare);
	else if (is)
		is = !strcmp(name, connecting->name);
	free(name);
	return is;
}

static void add_edge(void *context, const struct traffic_end *source,
		     const struct traffic_end *destination, const struct smi_sum *sum)
{
	struct connecting *connecting = context;
	struct smi_edge *edge;

	if (is_subject(connecting, destination)) {
		edge = smi_edges_get(&connecting->edges, connecting->view, connecting->kind, false,
				     source);
		smi_sum_add(&edge->sum, sum);
	}
	if (is_subject(connecting, source)) {
		edge = smi_edges_get(&connecting->edges, connecting->view, connecting->kind, true,
				     destination);
		smi_sum_add(&edge->sum, sum);
	}
}

struct smi_edge *smi_view_edges(const struct smi_view *view, enum smi_kind kind,
				const char *name_space, const char *name, char *const *pods,
				size_t pod_count)
{
	struct connecting connecting = { view, kind, name_space, name, pods, pod_count, NULL };

	smi_view_each(view, add_edge, &connecting);
	smi_edges_sort(&connecting.edges);
	return connecting.edges;
}
