// SPDX-License-Identifier: Apache-2.0
/* weft verify: the attach points. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/loader.h"
#include "policy/memory.h"
#include "tools/weft/cli.h"
#include "tools/weft/output.h"
#include "tools/weft/verify.h"

/* Everything that is pinned as a link. */
struct pinned {
	struct loader_link *links;
	bool *wanted; /* by link: something asks for it */
	size_t count, capacity;
};

static int take_link(const struct loader_link *link, void *context)
{
	struct pinned *pinned = context;
	size_t i = memory_grow(&pinned->links, &pinned->count, &pinned->capacity,
			       sizeof(*pinned->links));

	pinned->links[i] = *link;
	return 0;
}

static void want_link(struct verify *verify, struct pinned *pinned, const char *name)
{
	size_t i;

	verify->compared++;
	for (i = 0; i < pinned->count; i++)
		if (!strcmp(pinned->links[i].name, name))
			break;
	if (i == pinned->count) {
		verify_differs(verify, "links", name, "not attached");
		return;
	}
	pinned->wanted[i] = true;
	if (!pinned->links[i].alive)
		verify_differs(verify, "links", name, "its target is gone");
	else if (!pinned->links[i].current)
		verify_differs(verify, "links", name, "another program is attached");
}

static void want_cgroup_links(struct verify *verify, struct pinned *pinned)
{
	static const char *const names[] = {
		"cg_weft_connect4",  "cg_weft_connect6",  "cg_weft_sendmsg4",
		"cg_weft_sendmsg6",  "cg_weft_recvmsg4",  "cg_weft_recvmsg6",
		"cg_weft_peername4", "cg_weft_peername6", "cg_weft_sockops",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		want_link(verify, pinned, names[i]);
}

/* Both directions of every pod's interface. */
static void want_pod_links(struct verify *verify, struct pinned *pinned)
{
	static const char *const directions[] = { "to_pod", "from_pod" };
	char name[64];
	size_t i, d;

	for (i = 0; i < verify->want.local_count; i++) {
		struct json_object *pod = verify_pod(verify, verify->want.locals[i].uid);
		uint64_t ifindex = json_object_get_uint64(json_member(pod, "ifindex"));

		for (d = 0; ifindex && d < 2; d++) {
			snprintf(name, sizeof(name), "tc_%" PRIu64 "_%s", ifindex, directions[d]);
			want_link(verify, pinned, name);
		}
	}
}

static bool is_guard(const struct verify *verify, const struct loader_link *link)
{
	struct weft_local local;

	return link->ifindex && !maps_get(&verify->maps, MAP_IFACE, &link->ifindex, &local) &&
	       verify_is_guard(&local);
}

bool verify_links(struct verify *verify)
{
	struct pinned pinned = { 0 };
	int err = loader_each_link(verify->cli->root, take_link, &pinned);
	size_t i;

	if (err && err != -ENOENT) {
		cli_fail("cannot read the links at %s: %s", verify->cli->root, strerror(-err));
		free(pinned.links);
		return false;
	}
	pinned.wanted = memory_alloc((pinned.count + 1) * sizeof(*pinned.wanted));
	want_cgroup_links(verify, &pinned);
	want_pod_links(verify, &pinned);
	for (i = 0; i < pinned.count; i++)
		if (!pinned.wanted[i] && !is_guard(verify, &pinned.links[i]))
			verify_differs(verify, "links", pinned.links[i].name,
				       "attached, but no pod of this node is there");
	free(pinned.links);
	free(pinned.wanted);
	return true;
}
