// SPDX-License-Identifier: Apache-2.0
/*
 * Programs on pods' interfaces. An entry in weft_iface comes before the program and goes before
 * it too: a program without an entry lets everything pass, so it is never attached
 * first; and what has an entry is never detached.
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/agent/agent_state.h"
#include "user/log.h"

/* A fresh attachment costs the kernel milliseconds; the loop must not stand still for hundreds. */
#define ATTACH_BUDGET_NS UINT64_C(40000000)

static int attachment_compare(const void *a, const void *b)
{
	const struct attachment *x = a, *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

static struct attachment *attachment_find(const struct agent *agent, uint32_t ifindex)
{
	struct attachment key = { .ifindex = ifindex };

	return agent->attachment_count ? bsearch(&key, agent->attachments, agent->attachment_count,
						 sizeof(*agent->attachments), attachment_compare) :
					 NULL;
}

const struct attachment *attachments_find(const struct agent *agent, uint32_t ifindex)
{
	return attachment_find(agent, ifindex);
}

static struct attachment *attachment_get(struct agent *agent, uint32_t ifindex)
{
	struct attachment *found = attachment_find(agent, ifindex);
	size_t i;

	if (found)
		return found;
	i = memory_grow(&agent->attachments, &agent->attachment_count, &agent->attachment_capacity,
			sizeof(*agent->attachments));
	agent->attachments[i].ifindex = ifindex;
	qsort(agent->attachments, agent->attachment_count, sizeof(*agent->attachments),
	      attachment_compare);
	return attachment_find(agent, ifindex);
}

static int take_link(const struct loader_link *link, void *context)
{
	if (link->ifindex)
		attachment_get(context, link->ifindex);
	return 0;
}

void attachments_load(struct agent *agent)
{
	loader_each_link(agent->config->bpffs, take_link, agent);
}

void attachments_want(struct agent *agent, const struct reconcile_place *places, size_t count)
{
	size_t i;

	for (i = 0; i < agent->attachment_count; i++)
		agent->attachments[i].wanted = false;
	for (i = 0; i < count; i++)
		if (places[i].ifindex)
			attachment_get(agent, places[i].ifindex)->wanted = true;
}

static bool link_exists(uint32_t ifindex)
{
	char name[IF_NAMESIZE];

	return if_indextoname(ifindex, name) != NULL;
}

/* Is the entry that of a pod that cannot be located at this moment? It keeps it anyway. */
static bool is_unplaced(const struct agent *agent, const struct weft_local *entry)
{
	static const struct weft_addr none[2];
	const struct pod_place *place;
	size_t i;

	if (!memcmp(entry->addr, none, sizeof(none)))
		return false;
	for (i = 0; i < agent->desired.local_count; i++) {
		const struct desired_local *local = &agent->desired.locals[i];

		place = agent_place(agent, local);
		if ((!place || !place->ifindex_count) &&
		    !memcmp(local->local.addr, entry->addr, sizeof(entry->addr)))
			return true;
	}
	return false;
}

/* What the entry of an interface without a pod begins with; false: it needs none. */
static bool get_guarded(const struct agent *agent, uint32_t ifindex, struct weft_local *entry)
{
	if (reconcile_get_interface(agent->reconcile, ifindex, entry))
		return !is_unplaced(agent, entry);
	/* Of interfaces in the maps of another ABI version only their links tell. */
	*entry = (struct weft_local){ .peer.flags = WEFT_PEER_ENFORCE, .nsid = -1 };
	return loader_staged_from(agent->loader) != 0;
}

struct reconcile_place *attachments_guard(struct agent *agent, struct reconcile_place *places,
					  size_t *count, size_t *capacity)
{
	struct weft_local entry;
	size_t i, at;

	for (i = 0; i < agent->attachment_count; i++) {
		struct attachment *attachment = &agent->attachments[i];

		attachment->guard = false;
		if (attachment->wanted || !get_guarded(agent, attachment->ifindex, &entry) ||
		    !link_exists(attachment->ifindex))
			continue;
		memset(entry.addr, 0, sizeof(entry.addr));
		at = memory_grow(&places, count, capacity, sizeof(*places));
		places[at] =
			(struct reconcile_place){ .ifindex = attachment->ifindex, .local = entry };
		attachment->wanted = attachment->guard = true;
	}
	return places;
}

bool attachments_have_guards(const struct agent *agent)
{
	size_t i;

	for (i = 0; i < agent->attachment_count; i++)
		if (agent->attachments[i].guard)
			return true;
	return false;
}

bool attachments_guard_is_over(const struct agent *agent)
{
	size_t i;

	for (i = 0; i < agent->attachment_count; i++)
		if (agent->attachments[i].guard && !link_exists(agent->attachments[i].ifindex))
			return true;
	return false;
}

bool attachments_attach(struct agent *agent)
{
	uint64_t end = agent_clock_ns() + ATTACH_BUDGET_NS;
	char error[LOADER_ERROR_LEN];
	size_t i;
	int err;

	agent->attach_error[0] = '\0';
	for (i = 0; i < agent->attachment_count; i++) {
		struct attachment *attachment = &agent->attachments[i];

		if (!attachment->wanted || attachment->attached ||
		    !reconcile_has_interface(agent->reconcile, attachment->ifindex))
			continue;
		if (agent_clock_ns() > end)
			return false;
		error[0] = '\0';
		err = loader_attach_interface(agent->loader, attachment->ifindex, error);
		if (!err) {
			attachment->attached = attachment->fresh = true;
			log_debug("interface attached", "ifindex",
				  log_format_value("%u", attachment->ifindex));
		} else if (err == -ENODEV) {
			/* Gone since it was found: the next look will say where the pod is. */
			agent->want_locate = true;
		} else if (!agent->attach_error[0]) {
			memcpy(agent->attach_error, error, sizeof(error));
		}
	}
	return true;
}

void attachments_detach(struct agent *agent)
{
	size_t i, kept = 0;
	int err;

	for (i = 0; i < agent->attachment_count; i++) {
		struct attachment attachment = agent->attachments[i];

		if (!attachment.wanted &&
		    !reconcile_has_interface(agent->reconcile, attachment.ifindex)) {
			err = loader_detach_interface(agent->loader, attachment.ifindex);
			if (!err)
				continue;
			log_warn("interface cannot be detached", "ifindex",
				 log_format_value("%u", attachment.ifindex), "error",
				 strerror(-err));
			/* Should it be wanted again, it has to be looked at again. */
			attachment.attached = false;
		}
		agent->attachments[kept++] = attachment;
	}
	agent->attachment_count = kept;
}
