/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answers over a netlink socket; for rtnetlink and sock_diag alike. */
#ifndef WEFT_USER_NETLINK_H
#define WEFT_USER_NETLINK_H

#include <libmnl/libmnl.h>

enum {
	NETLINK_REQUEST_SIZE = 512, /* room for any request made here */
};

/* A NETLINK_* socket of this namespace; receiving times out after 2 s. Negative errno. */
int netlink_open(int protocol);
/* The same time-out for a socket that was opened elsewhere. */
int netlink_limit_wait(int fd);

/*
 * Sends `request` (its sequence number is filled in) and calls back for each message that
 * answers it, until the dump is over, the acknowledgement is here (NLM_F_ACK), or the one
 * answer is. Returns 0, the kernel's -errno, -EINTR when a dump was inconsistent because
 * things changed meanwhile (it was read to its end: ask again), -ETIMEDOUT. Answers to
 * earlier requests that were given up are skipped.
 */
int netlink_talk(int fd, struct nlmsghdr *request,
		 void (*callback)(const struct nlmsghdr *message, void *context), void *context);

#endif /* WEFT_USER_NETLINK_H */
