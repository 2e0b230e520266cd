/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client, a node and a pod for tests of the TC programs with real sockets:
 * three network namespaces of this process, gone when it ends.
 *
 *   client --- veth --- node --- veth (the programs) --- pod
 *
 *   routed   10.1.0.2  fd01::2      10.1.0.1  fd01::1 | 10.2.0.1  fd02::1      10.2.0.2  fd02::2
 *   bridge   10.2.0.3  fd02::3      10.2.0.1  fd02::1 (the bridge)             10.2.0.2  fd02::2
 *
 * A socket belongs to the namespace in which it was made, so one thread plays all.
 */
#ifndef WEFT_TESTS_BPF_TCNET_H
#define WEFT_TESTS_BPF_TCNET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include "bpf/weft_abi.h"

struct weft_bpf;

enum tcnet_place { NET_CLIENT, NET_NODE, NET_POD, NET_PLACES };

/*
 * Who computes the checksums of what is sent. With OFFLOAD_ENDS an answer made
 * of a packet whose checksum was still due is completed in software on its way.
 */
enum tcnet_offload { OFFLOAD_ALL, OFFLOAD_NONE, OFFLOAD_ENDS };

enum tcnet_number {
	NET_CLIENT_IDENTITY = 300,
	NET_POD_IDENTITY = 400,
	NET_TEXT = 256,
};

struct tcnet {
	struct weft_bpf *skel;
	int home; /* where the process came from */
	int ns[NET_PLACES];
	int ifindex; /* of the pod's host-side interface */
	bool bridged;
	bool hooked;		 /* clsact is there */
	char obstacle[NET_TEXT]; /* why there is no net; empty = there is */
};

/* 0, or negative with `obstacle` filled in. tcnet_close() is due either way. */
int tcnet_open(struct tcnet *net, bool bridged, enum tcnet_offload offload);
void tcnet_close(struct tcnet *net);

void tcnet_enter(struct tcnet *net, enum tcnet_place place);
/* Text of the place's address as the pod sees it (the pod's own for NET_POD). */
const char *tcnet_address(const struct tcnet *net, enum tcnet_place place, int family);
struct sockaddr_storage tcnet_sockaddr(const struct tcnet *net, enum tcnet_place place, int family,
				       __u16 port, socklen_t *len);
/* A blocking socket of this place, receive time-out one second; bound if port is not 0. */
int tcnet_socket(struct tcnet *net, enum tcnet_place place, int family, int type, __u16 port);
/* One rule for the client, or none. */
void tcnet_set_rule(struct tcnet *net, __u8 proto, __u16 port, bool allowed);
/* Attaches or detaches weft_to_pod. */
void tcnet_guard(struct tcnet *net, bool on);
__u64 tcnet_verdicts(struct tcnet *net, enum weft_hook hook, enum weft_reason reason);
/* Sum of all checksum error counters of the place. */
long tcnet_checksum_errors(struct tcnet *net, enum tcnet_place place);

#endif /* WEFT_TESTS_BPF_TCNET_H */
