// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "policy/memory.h"
#include "user/node/hostlinks.h"
#include "user/node/netlink.h"

enum hostlinks_limit {
	HOSTLINKS_TRIES = 5, /* dumps that a change interrupted */
};

struct hostlinks_entry {
	int32_t number;
	uint32_t ifindex;
};

struct hostlinks_list {
	struct hostlinks_entry *items;
	size_t count, capacity;
};

struct hostlinks {
	int fd;
	struct hostlinks_list list; /* sorted by number, ifindex */
};

int hostlinks_new(struct hostlinks **out)
{
	struct hostlinks *links = memory_alloc(sizeof(*links));
	int fd;

	fd = netlink_open(NETLINK_ROUTE);
	if (fd < 0) {
		free(links);
		return fd;
	}
	links->fd = fd;
	*out = links;
	return 0;
}

void hostlinks_free(struct hostlinks *links)
{
	if (!links)
		return;
	close(links->fd);
	free(links->list.items);
	free(links);
}

static bool hostlinks_kind_is_pair(const struct nlattr *info)
{
	const struct nlattr *attr;
	const char *kind;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) != IFLA_INFO_KIND)
			continue;
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
			return false;
		kind = mnl_attr_get_str(attr);
		return !strcmp(kind, "veth") || !strcmp(kind, "netkit");
	}
	return false;
}

static void hostlinks_take(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct hostlinks_list *list = context;
	const struct nlattr *attr;
	struct hostlinks_entry *entry;
	bool pair = false;
	int32_t number = -1;

	if (message->nlmsg_type != RTM_NEWLINK ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*info) || info->ifi_index <= 0)
		return;
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_LINK_NETNSID:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
				number = (int32_t)mnl_attr_get_u32(attr);
			break;
		case IFLA_LINKINFO:
			pair = hostlinks_kind_is_pair(attr);
			break;
		}
	}
	if (!pair || number < 0)
		return;
	memory_grow(&list->items, &list->count, &list->capacity, sizeof(*list->items));
	entry = &list->items[list->count - 1];
	entry->number = number;
	entry->ifindex = (uint32_t)info->ifi_index;
}

static int hostlinks_compare(const void *a, const void *b)
{
	const struct hostlinks_entry *left = a, *right = b;

	if (left->number != right->number)
		return left->number < right->number ? -1 : 1;
	return left->ifindex < right->ifindex ? -1 : left->ifindex > right->ifindex;
}

static int hostlinks_dump(struct hostlinks *links, struct hostlinks_list *list)
{
	char buffer[NETLINK_REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;

	message->nlmsg_type = RTM_GETLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	list->count = 0;
	return netlink_talk(links->fd, message, hostlinks_take, list);
}

int hostlinks_read(struct hostlinks *links)
{
	struct hostlinks_list list = {};
	unsigned int tries = 0;
	int err;

	do {
		err = hostlinks_dump(links, &list);
	} while (err == -EINTR && ++tries < HOSTLINKS_TRIES);
	if (err) {
		free(list.items);
		return err == -EINTR ? -EAGAIN : err;
	}
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), hostlinks_compare);
	free(links->list.items);
	links->list = list;
	return 0;
}

static void hostlinks_take_number(const struct nlmsghdr *message, void *context)
{
	int32_t *number = context;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message,
			  sizeof(struct rtgenmsg)) if (mnl_attr_get_type(attr) == NETNSA_NSID &&
						       mnl_attr_validate(attr, MNL_TYPE_U32) >=
							       0) *number =
		(int32_t)mnl_attr_get_u32(attr);
}

int hostlinks_netns_number(struct hostlinks *links, int netns_fd, int32_t *number)
{
	char buffer[NETLINK_REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct rtgenmsg *general;
	int32_t found = -1;
	int err;

	message->nlmsg_type = RTM_GETNSID;
	message->nlmsg_flags = NLM_F_REQUEST;
	general = mnl_nlmsg_put_extra_header(message, sizeof(*general));
	general->rtgen_family = AF_UNSPEC;
	mnl_attr_put_u32(message, NETNSA_FD, (uint32_t)netns_fd);
	err = netlink_talk(links->fd, message, hostlinks_take_number, &found);
	if (err)
		return err;
	if (found < 0)
		return -ENOENT;
	*number = found;
	return 0;
}

size_t hostlinks_find(const struct hostlinks *links, int32_t number, uint32_t *ifindexes,
		      size_t size)
{
	size_t low = 0, high = links->list.count, middle, count = 0;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (links->list.items[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < links->list.count && links->list.items[low].number == number; low++)
		if (count < size)
			ifindexes[count++] = links->list.items[low].ifindex;
	return count;
}
