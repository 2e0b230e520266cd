// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "policy/address.h"
#include "policy/memory.h"
#include "user/node/hostnet.h"
#include "user/node/netlink.h"

enum hostnet_limit {
	HOSTNET_BUFFER_SIZE = 32768,
	HOSTNET_QUEUE_SIZE = 1 << 20, /* notifications that may wait: hundreds of pods at once */
	HOSTNET_TRIES = 5,	      /* dumps that a change interrupted */
};

struct hostnet_list {
	struct weft_addr *items;
	size_t count, capacity;
};

struct hostnet {
	int events_fd; /* subscribed, non-blocking */
	int query_fd;
	bool suspect; /* the list may be outdated */
	struct hostnet_list addresses;
};

/* What a dump of addresses fills. */
struct hostnet_dump {
	struct hostnet_list list;
};

static int hostnet_subscribe(void)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR };
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int size = HOSTNET_QUEUE_SIZE, fd, err;
	size_t i;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	/* A small queue is no error: what is lost is read again. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	/* A socket without a port is passed over by the kernel's notifications. */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		goto fail;
	for (i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])))
			goto fail;
	return fd;
fail:
	err = -errno;
	close(fd);
	return err;
}

/* A tentative address is not used yet; a notification tells when it is. */
static bool hostnet_flags_are_usable(uint32_t flags)
{
	return !(flags & IFA_F_DADFAILED) &&
	       (!(flags & IFA_F_TENTATIVE) || flags & IFA_F_OPTIMISTIC);
}

static bool hostnet_address_from_attr(const struct nlattr *attr, unsigned int family,
				      struct weft_addr *address)
{
	size_t length = mnl_attr_get_payload_len(attr);

	memset(address, 0, sizeof(*address));
	if (family == AF_INET6 && length == sizeof(address->b)) {
		memcpy(address->b, mnl_attr_get_payload(attr), length);
		return true;
	}
	if (family != AF_INET || length != sizeof(struct in_addr))
		return false;
	address->b[10] = 0xff;
	address->b[11] = 0xff;
	memcpy(address->b + 12, mnl_attr_get_payload(attr), length);
	return true;
}

static void hostnet_take_address(const struct nlmsghdr *message, void *context)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	struct hostnet_dump *dump = context;
	struct weft_addr address = {}, local = {};
	struct hostnet_list *list = &dump->list;
	const struct nlattr *attr;
	bool found = false, has_local = false;
	uint32_t flags;

	if (message->nlmsg_type != RTM_NEWADDR ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*info))
		return;
	flags = info->ifa_flags;
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFA_ADDRESS:
			found = hostnet_address_from_attr(attr, info->ifa_family, &address);
			break;
		case IFA_LOCAL:
			has_local = hostnet_address_from_attr(attr, info->ifa_family, &local);
			break;
		case IFA_FLAGS:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
				flags = mnl_attr_get_u32(attr);
			break;
		}
	}
	/* On point-to-point links IFA_ADDRESS is the other end. */
	if ((!found && !has_local) || !hostnet_flags_are_usable(flags))
		return;
	/* A routed node's own address may stand on lo; what never leaves the node does not count.
	 */
	if (address_is_loopback(has_local ? &local : &address))
		return;
	memory_grow(&list->items, &list->count, &list->capacity, sizeof(*list->items));
	list->items[list->count - 1] = has_local ? local : address;
}

static int hostnet_compare(const void *a, const void *b)
{
	return address_compare(a, b);
}

static void hostnet_list_sort(struct hostnet_list *list)
{
	size_t i, kept = 0;

	if (!list->count)
		return;
	qsort(list->items, list->count, sizeof(*list->items), hostnet_compare);
	for (i = 1; i < list->count; i++)
		if (address_compare(&list->items[kept], &list->items[i]))
			list->items[++kept] = list->items[i];
	list->count = kept + 1;
}

static int hostnet_dump(int fd, struct hostnet_dump *dump)
{
	char buffer[NETLINK_REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *info;

	message->nlmsg_type = RTM_GETADDR;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->ifa_family = AF_UNSPEC;
	dump->list.count = 0;
	return netlink_talk(fd, message, hostnet_take_address, dump);
}

/* *changed: the list is another one now. On -errno the former one stays. */
static int hostnet_read_addresses(struct hostnet *hostnet, bool *changed)
{
	struct hostnet_list *list = &hostnet->addresses;
	struct hostnet_dump dump = {};
	unsigned int tries = 0;
	int err;

	do {
		err = hostnet_dump(hostnet->query_fd, &dump);
	} while (err == -EINTR && ++tries < HOSTNET_TRIES);
	if (err) {
		free(dump.list.items);
		return err == -EINTR ? -EAGAIN : err;
	}
	hostnet_list_sort(&dump.list);
	*changed = dump.list.count != list->count ||
		   (list->count &&
		    memcmp(dump.list.items, list->items, list->count * sizeof(*list->items)));
	free(list->items);
	*list = dump.list;
	return 0;
}

int hostnet_new(struct hostnet **out)
{
	struct hostnet *hostnet = memory_alloc(sizeof(*hostnet));
	bool changed;
	int err;

	hostnet->query_fd = -1;
	/* Subscribed before reading, so that nothing falls in between. */
	err = hostnet->events_fd = hostnet_subscribe();
	if (err < 0)
		goto fail;
	err = hostnet->query_fd = netlink_open(NETLINK_ROUTE);
	if (err < 0)
		goto fail;
	err = hostnet_read_addresses(hostnet, &changed);
	if (err)
		goto fail;
	*out = hostnet;
	return 0;
fail:
	hostnet_free(hostnet);
	return err;
}

void hostnet_free(struct hostnet *hostnet)
{
	if (!hostnet)
		return;
	if (hostnet->events_fd >= 0)
		close(hostnet->events_fd);
	if (hostnet->query_fd >= 0)
		close(hostnet->query_fd);
	free(hostnet->addresses.items);
	free(hostnet);
}

int hostnet_fd(const struct hostnet *hostnet)
{
	return hostnet->events_fd;
}

static void hostnet_take_event(const struct nlmsghdr *message, bool *links, bool *addresses)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);

	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		/* A bridge tells of its ports' states as well. */
		if (mnl_nlmsg_get_payload_len(message) >= sizeof(*info) &&
		    info->ifi_family != AF_BRIDGE)
			*links = true;
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		*addresses = true;
		break;
	}
}

/* Reads until nothing waits. *addresses: they may have changed. */
static int hostnet_receive(struct hostnet *hostnet, bool *links, bool *addresses)
{
	char buffer[HOSTNET_BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *message;
	struct sockaddr_nl sender;
	socklen_t sender_length;
	ssize_t received;
	int length;

	for (;;) {
		sender_length = sizeof(sender);
		received = recvfrom(hostnet->events_fd, buffer, sizeof(buffer), 0,
				    (struct sockaddr *)&sender, &sender_length);
		if (received < 0 && errno == EINTR)
			continue;
		if (received < 0 && errno != ENOBUFS)
			return errno == EAGAIN ? 0 : -errno;
		/* Notifications were lost: anything may have happened. */
		if (received < 0) {
			*links = *addresses = true;
			continue;
		}
		if (sender.nl_pid)
			continue;
		length = (int)received;
		for (message = (const struct nlmsghdr *)buffer; mnl_nlmsg_ok(message, length);
		     message = mnl_nlmsg_next(message, &length))
			hostnet_take_event(message, links, addresses);
	}
}

int hostnet_drain(struct hostnet *hostnet, bool *links, bool *addresses)
{
	int err;

	*links = *addresses = false;
	err = hostnet_receive(hostnet, links, &hostnet->suspect);
	if (err || !hostnet->suspect)
		return err;
	err = hostnet_read_addresses(hostnet, addresses);
	/* After a failure the next call tries again. */
	hostnet->suspect = err != 0;
	return err;
}

const struct weft_addr *hostnet_addresses(const struct hostnet *hostnet, size_t *count)
{
	*count = hostnet->addresses.count;
	return hostnet->addresses.items;
}
