/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two pods and a stranger for tests of the cgroup programs: network namespaces
 * of this process, which sits in a cgroup of its own with the programs attached.
 * A socket belongs to the namespace in which it was made, so one thread plays all.
 *
 *   POD_CLIENT  10.77.0.1 fd77::1      -- veth --      POD_SERVER  10.77.0.2 .. .6
 *   identity 300, workload 1300                        fd77::2 .. ::6
 *   POD_STRANGER                                       identity 400, workload 1400
 *   10.96.0.10 fd96::10 on lo; not in weft_netns
 */
#ifndef WEFT_TESTS_BPF_PODNET_H
#define WEFT_TESTS_BPF_PODNET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include "bpf/weft_abi.h"

struct weft_bpf;

enum podnet_member {
	POD_CLIENT,
	POD_SERVER,
	POD_STRANGER,
	POD_COUNT,
};

enum podnet_number {
	CLIENT_IDENTITY = 300,
	CLIENT_WORKLOAD = 1300,
	SERVER_IDENTITY = 400,
	SERVER_WORKLOAD = 1400,
	PODNET_EVENTS = 64,
	PODNET_KINDS = 3,
	PODNET_LINKS = 16,
};

struct podnet {
	struct weft_bpf *skel;
	struct ring_buffer *ring;
	struct bpf_link *links[PODNET_LINKS];
	int ns[POD_COUNT];
	__u64 cookie[POD_COUNT];
	struct weft_event events[PODNET_EVENTS]; /* filled by podnet_poll_events() */
	size_t event_count;
};

/* One way to address an IPv4 or IPv6 peer. */
struct podnet_kind {
	const char *name;
	int family; /* of the socket */
	const char *vip;
	const char *client;
	const char *endpoint[3]; /* addresses of POD_SERVER */
};

/* v4, v6, and IPv4 through an AF_INET6 socket; an entry without a name ends them. */
extern const struct podnet_kind podnet_kinds[PODNET_KINDS + 1];

/* Every known address of POD_SERVER, NULL at the end. It also has .254, which nobody knows. */
extern const char *const podnet_server_addrs[];

/* An endpoint of a service under test. */
struct podnet_slot {
	const char *addr;
	__u16 port;
	__u64 weight;
	__u32 backend;
};

/*
 * Runs `suite` in a child that sits in a test cgroup; removes the cgroup however
 * the child ends, and those that killed runs left behind. Returns main()'s status.
 */
int podnet_main(int (*suite)(void));

/* cmocka fixtures: *state is the struct podnet. Setup fills the maps afresh per test. */
int podnet_group_setup(void **state);
int podnet_group_teardown(void **state);
int podnet_test_setup(void **state);

/* Why the pods cannot be had here is printed (SKIP:) and the test skipped; else the pods. */
struct podnet *podnet_require(void **state);

/* Empty maps but for the pods, both VIPs and rules: TCP and UDP to the server, UDP back. */
void podnet_maps_reset(struct podnet *pods);

/* Map entries; they fail the test when they cannot be written. */
void podnet_set_local(struct podnet *pods, enum podnet_member pod, __u32 flags);
void podnet_forget_local(struct podnet *pods, enum podnet_member pod);
void podnet_set_peer(struct podnet *pods, const char *addr, __u32 identity, __u32 workload,
		     __u32 flags);
void podnet_forget_peer(struct podnet *pods, const char *addr);
void podnet_set_server_flags(struct podnet *pods, __u32 flags);
void podnet_set_rule(struct podnet *pods, __u32 dst, __u32 src, __u8 proto, __u16 port);
void podnet_drop_rule(struct podnet *pods, __u32 dst, __u32 src, __u8 proto, __u16 port);
/* Writes slots from `first` on, the alias table of their weights, and then switches the service to
 * them. */
void podnet_set_service(struct podnet *pods, const char *vip, __u16 port, __u8 proto,
			const struct weft_service *service, const struct podnet_slot *slots);
void podnet_set_service_only(struct podnet *pods, const char *vip, __u16 port, __u8 proto,
			     const struct weft_service *service);
/* What TC would have seen of a UDP exchange, last so many seconds ago. */
void podnet_set_udp_flow(struct podnet *pods, const struct weft_addr *pod, __u16 pod_port,
			 const struct weft_addr *peer, __u16 peer_port,
			 enum weft_direction direction, __u32 seconds_ago);
/* Makes every kept endpoint look unused for so many seconds more; forgets them all. */
void podnet_age_sticky(struct podnet *pods, __u32 seconds);
void podnet_clear_sticky(struct podnet *pods);
__u64 podnet_verdicts(struct podnet *pods, enum weft_hook hook, enum weft_reason reason,
		      enum weft_verdict_action action);
struct weft_edge podnet_edge(struct podnet *pods, const struct weft_edge_key *key);
/* How many edges there are; forget them; leave room for none but the all-zero key. */
size_t podnet_count_edges(struct podnet *pods);
void podnet_clear_edges(struct podnet *pods);
void podnet_fill_edges(struct podnet *pods);
/* Slots of weft_conn that are not this cookie's; 0 = that are not free. */
size_t podnet_count_conns(struct podnet *pods, __u64 but);
void podnet_fill_conns(struct podnet *pods, const struct weft_conn_slot *slot);
/* The time until which the closes told so far are paid for. */
void podnet_set_pace(struct podnet *pods, __u64 paid_ns);
__u64 podnet_stat(struct podnet *pods, enum weft_stat stat);
/* Takes in what the ring buffer has; events from before are forgotten. */
void podnet_poll_events(struct podnet *pods);

/* "::ffff:a.b.c.d" form for IPv4 text. */
struct weft_addr podnet_addr(const char *text);

/* The network namespace that the calling thread is in. */
int podnet_namespace_open(void);

/* Sockets: blocking with a time-out of two seconds, made in the pod's namespace. */
int podnet_socket(struct podnet *pods, enum podnet_member pod, int family, int type, int protocol);
/* 0 or -errno */
int podnet_connect(int fd, int family, const char *addr, __u16 port);
int podnet_send(int fd, int family, const char *addr, __u16 port, const char *text);
/* A socket of POD_SERVER (or another) bound to the address; listening if SOCK_STREAM. */
int podnet_bind(struct podnet *pods, enum podnet_member pod, int type, const char *addr,
		__u16 port);
/* "addr:port" as the application sees it, IPv4 plainly; static storage, or "errno N". */
const char *podnet_peername(int fd);
/* Receives a datagram; returns its sender as above. */
const char *podnet_receive(int fd, char *text, size_t size);
/* Which socket has a connection or datagram within this time (the first that does), or -1. */
int podnet_first_waiting(const int *fds, int count, int milliseconds);
bool podnet_waiting(int fd, int milliseconds);

#endif /* WEFT_TESTS_BPF_PODNET_H */
