// SPDX-License-Identifier: Apache-2.0
/*
 * Pods of this node that have an address but cannot be found: the agent looks below the wrong
 * cgroup, or in another pid namespace. What is not found is not governed, so users are told.
 */
#include <stdlib.h>
#include <string.h>
#include "policy/address.h"
#include "policy/memory.h"
#include "user/agent/agent_state.h"

static bool is_missing(const struct agent *agent, const struct desired_local *local)
{
	const struct pod_place *place = agent_place(agent, local);
	const struct object *object;

	if (place && place->netns_cookie && place->ifindex)
		return false;
	if (address_is_zero(&local->local.addr[0]) && address_is_zero(&local->local.addr[1]))
		return false;
	object = store_find(agent->store, OBJECT_POD, local->name_space, local->name);
	return object && !object->deleting;
}

static void missing_free(struct missing_pod *pods, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		free(pods[i].uid);
	free(pods);
}

/* The entry of the former list, which is sorted by uid as the local pods are. */
static const struct missing_pod *missing_find(const struct agent *agent, const char *uid,
					      size_t *from)
{
	int order = 1;

	while (*from < agent->missing_count && (order = strcmp(agent->missing[*from].uid, uid)) < 0)
		(*from)++;
	return *from < agent->missing_count && !order ? &agent->missing[*from] : NULL;
}

bool missing_update(struct agent *agent)
{
	struct missing_pod *pods = memory_alloc(agent->desired.local_count * sizeof(*pods));
	size_t count = 0, from = 0, told = 0, still = 0, i;
	uint64_t now = agent_clock_ns();
	bool news = false;

	for (i = 0; i < agent->missing_count; i++)
		told += agent->missing[i].told;
	for (i = 0; i < agent->desired.local_count; i++) {
		const struct desired_local *local = &agent->desired.locals[i];
		const struct missing_pod *before = missing_find(agent, local->uid, &from);
		struct missing_pod *pod = &pods[count];

		if (!is_missing(agent, local))
			continue;
		pod->uid = memory_strdup(local->uid);
		pod->since_ns = before ? before->since_ns : now;
		pod->told = now - pod->since_ns >= AGENT_PATIENCE_NS;
		still += before && before->told;
		news |= pod->told && !(before && before->told);
		count++;
	}
	missing_free(agent->missing, agent->missing_count);
	agent->missing = pods;
	agent->missing_count = count;
	return news || still != told;
}

bool missing_is_waiting(const struct agent *agent)
{
	size_t i;

	for (i = 0; i < agent->missing_count; i++)
		if (!agent->missing[i].told)
			return true;
	return false;
}

void missing_report(const struct agent *agent, struct findings *findings)
{
	size_t i, from = 0;

	for (i = 0; i < agent->desired.local_count; i++) {
		const struct desired_local *local = &agent->desired.locals[i];
		const struct missing_pod *pod = missing_find(agent, local->uid, &from);
		const struct object *object;

		if (!pod || !pod->told)
			continue;
		object = store_find(agent->store, OBJECT_POD, local->name_space, local->name);
		if (object)
			finding_add(findings, object, "", "PodNotFound",
				    "Unless it was found before, the pod is not governed.",
				    "no process or no interface of it was found below %s",
				    agent->cgroup);
	}
}

void missing_clear(struct agent *agent)
{
	missing_free(agent->missing, agent->missing_count);
	agent->missing = NULL;
	agent->missing_count = 0;
}
