// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "user/node/netlink.h"

enum netlink_limit {
	NETLINK_BUFFER_SIZE = 65536, /* the kernel fills up to 32 KB when it sees such a reader */
	NETLINK_TIMEOUT_S = 2,
};

struct netlink_exchange {
	const struct nlmsghdr *request;
	void (*callback)(const struct nlmsghdr *message, void *context);
	void *context;
	bool over, interrupted;
	int error;
};

int netlink_limit_wait(int fd)
{
	struct timeval timeout = { .tv_sec = NETLINK_TIMEOUT_S };

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ? -errno : 0;
}

int netlink_open(int protocol)
{
	int fd, err;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return -errno;
	err = netlink_limit_wait(fd);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/* The error code at the start of NLMSG_ERROR and NLMSG_DONE. */
static int netlink_status(const struct nlmsghdr *message)
{
	int status = 0;

	if (mnl_nlmsg_get_payload_len(message) >= sizeof(status))
		memcpy(&status, mnl_nlmsg_get_payload(message), sizeof(status));
	return status;
}

static void netlink_take(struct netlink_exchange *exchange, const struct nlmsghdr *message)
{
	if (message->nlmsg_seq != exchange->request->nlmsg_seq)
		return;
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		exchange->interrupted = true;
	switch (message->nlmsg_type) {
	case NLMSG_ERROR:
	case NLMSG_DONE:
		exchange->error = netlink_status(message);
		exchange->over = true;
		return;
	case NLMSG_NOOP:
		return;
	}
	if (exchange->callback)
		exchange->callback(message, exchange->context);
	exchange->over = !(message->nlmsg_flags & NLM_F_MULTI) &&
			 !(exchange->request->nlmsg_flags & NLM_F_ACK);
}

static int netlink_receive(int fd, struct netlink_exchange *exchange)
{
	char buffer[NETLINK_BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct iovec vector = { buffer, sizeof(buffer) };
	struct sockaddr_nl sender = {};
	struct msghdr header = {
		.msg_name = &sender,
		.msg_namelen = sizeof(sender),
		.msg_iov = &vector,
		.msg_iovlen = 1,
	};
	const struct nlmsghdr *message;
	ssize_t received;
	int length;

	do {
		received = recvmsg(fd, &header, 0);
	} while (received < 0 && errno == EINTR);
	if (received < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (header.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	/* In a pod's namespace its processes could write to this socket; only the kernel counts. */
	if (sender.nl_pid)
		return 0;
	length = (int)received;
	for (message = (const struct nlmsghdr *)buffer;
	     !exchange->over && mnl_nlmsg_ok(message, length);
	     message = mnl_nlmsg_next(message, &length))
		netlink_take(exchange, message);
	return 0;
}

int netlink_talk(int fd, struct nlmsghdr *request,
		 void (*callback)(const struct nlmsghdr *message, void *context), void *context)
{
	struct netlink_exchange exchange = {
		.request = request,
		.callback = callback,
		.context = context,
	};
	static uint32_t sequence;
	int err = 0;

	request->nlmsg_seq = ++sequence;
	if (send(fd, request, request->nlmsg_len, 0) < 0)
		return -errno;
	while (!exchange.over && !err)
		err = netlink_receive(fd, &exchange);
	if (!err)
		err = exchange.error;
	return !err && exchange.interrupted ? -EINTR : err;
}
