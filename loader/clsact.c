// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <bpf/libbpf.h>
#include "loader/clsact.h"

enum {
	CLSACT_HANDLE = 0x77656674, /* "weft" */
	CLSACT_PRIORITY = 1,	    /* before all others, whose TC_ACT_OK would end the chain */
};

#define CLSACT_HOOK(name, index, egress)                        \
	LIBBPF_OPTS(bpf_tc_hook, name, .ifindex = (int)(index), \
		    .attach_point = (egress) ? BPF_TC_EGRESS : BPF_TC_INGRESS)

int clsact_attach(uint32_t ifindex, bool egress, int program_fd, bool *made)
{
	CLSACT_HOOK(hook, ifindex, egress);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE,
		    .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	int err = bpf_tc_hook_create(&hook);

	*made = !err;
	if (err && err != -EEXIST)
		return err;
	return bpf_tc_attach(&hook, &opts);
}

int clsact_query(uint32_t ifindex, bool egress, uint32_t *program_id)
{
	CLSACT_HOOK(hook, ifindex, egress);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);

	if (bpf_tc_query(&hook, &opts))
		return -ENOENT;
	*program_id = opts.prog_id;
	return 0;
}

static int clsact_count_one(const struct clsact_filter *filter, void *context)
{
	unsigned int *count = context;

	(void)filter;
	(*count)++;
	return 0;
}

static int clsact_drop_qdisc(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	unsigned int count = 0;
	int err;

	err = clsact_each(ifindex, false, clsact_count_one, &count);
	if (!err)
		err = clsact_each(ifindex, true, clsact_count_one, &count);
	return err || count ? err : bpf_tc_hook_destroy(&hook);
}

int clsact_detach(uint32_t ifindex, bool egress, bool drop_qdisc)
{
	CLSACT_HOOK(hook, ifindex, egress);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	uint32_t program_id;
	int err = 0;

	if (!clsact_query(ifindex, egress, &program_id))
		err = bpf_tc_detach(&hook, &opts);
	if (!err && drop_qdisc)
		err = clsact_drop_qdisc(ifindex);
	return err;
}

struct clsact_walk {
	int (*callback)(const struct clsact_filter *filter, void *context);
	void *context;
	int result;
};

static int clsact_read_option(const struct nlattr *attr, void *data)
{
	struct clsact_filter *filter = data;

	if (mnl_attr_get_type(attr) == TCA_BPF_ID && !mnl_attr_validate(attr, MNL_TYPE_U32))
		filter->program_id = mnl_attr_get_u32(attr);
	else if (mnl_attr_get_type(attr) == TCA_BPF_NAME &&
		 !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
		snprintf(filter->name, sizeof(filter->name), "%s", mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

static int clsact_read_attr(const struct nlattr *attr, void *data)
{
	struct clsact_filter *filter = data;

	if (mnl_attr_get_type(attr) == TCA_KIND && !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
		snprintf(filter->name, sizeof(filter->name), "%s", mnl_attr_get_str(attr));
	else if (mnl_attr_get_type(attr) == TCA_OPTIONS && !strcmp(filter->name, "bpf"))
		mnl_attr_parse_nested(attr, clsact_read_option, filter);
	return MNL_CB_OK;
}

static int clsact_read_message(const struct nlmsghdr *message, void *data)
{
	struct clsact_walk *walk = data;
	struct clsact_filter filter = { 0 };
	const struct tcmsg *tc;

	if (message->nlmsg_type != RTM_NEWTFILTER || message->nlmsg_len < NLMSG_LENGTH(sizeof(*tc)))
		return MNL_CB_OK;
	tc = mnl_nlmsg_get_payload(message);
	/* each priority also reports itself, without a handle */
	if (!tc->tcm_handle)
		return MNL_CB_OK;
	filter.handle = tc->tcm_handle;
	filter.priority = (uint16_t)(TC_H_MAJ(tc->tcm_info) >> 16);
	filter.ours = filter.handle == CLSACT_HANDLE && filter.priority == CLSACT_PRIORITY;
	mnl_attr_parse(message, sizeof(*tc), clsact_read_attr, &filter);
	if (!walk->result)
		walk->result = walk->callback(&filter, walk->context);
	return MNL_CB_OK;
}

static int clsact_dump(struct mnl_socket *socket, struct clsact_walk *walk, uint32_t ifindex,
		       bool egress)
{
	char buffer[16384];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct tcmsg *tc;
	ssize_t length;
	int more;

	request->nlmsg_type = RTM_GETTFILTER;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = 1;
	tc = mnl_nlmsg_put_extra_header(request, sizeof(*tc));
	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = (int)ifindex;
	tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (length < 0)
			return -errno;
		more = mnl_cb_run(buffer, (size_t)length, 1, mnl_socket_get_portid(socket),
				  clsact_read_message, walk);
	} while (more > 0);
	return more < 0 ? -errno : walk->result;
}

int clsact_each(uint32_t ifindex, bool egress,
		int (*callback)(const struct clsact_filter *filter, void *context), void *context)
{
	struct clsact_walk walk = { .callback = callback, .context = context };
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int err;

	if (!socket)
		return -errno;
	err = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (!err)
		err = clsact_dump(socket, &walk, ifindex, egress);
	mnl_socket_close(socket);
	return err;
}
