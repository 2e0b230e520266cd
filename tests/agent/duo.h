/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two pods joined by a veth pair; this process makes the sockets of both. The real sockops
 * program records who opened what.
 *
 *   client 10.88.0.1 fd88::1  -- c0 ==== s0 --  server 10.88.0.2 fd88::2
 *
 * What the server sends to the client's other address, 10.88.0.9, goes astray, and so does what
 * the client sends to 10.88.0.77.
 */
#ifndef WEFT_TESTS_AGENT_DUO_H
#define WEFT_TESTS_AGENT_DUO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct maps;
struct weft_bpf;
struct bpf_link;

enum end { CLIENT, SERVER, ENDS };

struct duo {
	struct weft_bpf *skel;
	struct bpf_link *link; /* of the sockops program */
	pid_t pid[ENDS];
	int diag[ENDS]; /* sock_diag sockets inside */
	uint64_t cookie[ENDS];
	const char *obstacle; /* why there are no pods */
};

extern struct duo duo;

/* cmocka's fixtures of the group. */
int duo_setup(void **state);
int duo_teardown(void **state);

/* Skips the test, saying why, where the pods cannot be had. */
void duo_require(void);
void duo_require_mptcp(void);

/* The sockops program on the node's cgroup; duo.link. */
bool duo_attach_sockops(void);

/* Where that program notes who opened what; the others are not open. */
const struct maps *duo_maps(void);

/* A way to address the server. */
struct duo_kind {
	int family;
	const char *server, *client, *client_sees; /* text of the 16-byte forms */
};

enum { DUO_KINDS = 3 };

/* IPv4, IPv6, IPv4 through an IPv6 socket. */
extern const struct duo_kind duo_kinds[DUO_KINDS];

/* Sockets wait for at most 2 s. Protocol 0 or IPPROTO_MPTCP. */
int duo_socket(enum end end, int family, int protocol);
int duo_listen(uint16_t port, int protocol); /* of the server, both families */
int duo_connect(const struct duo_kind *kind, uint16_t port, int protocol);
/* Starts to connect from an address, without waiting. */
int duo_start_connecting(const char *from, const char *to, uint16_t port);

struct duo_pair {
	int client, server;
};

struct duo_pair duo_pair_make(const struct duo_kind *kind, int listener, uint16_t port,
			      int protocol);
void duo_pair_close(const struct duo_pair *pair);
void duo_pair_assert_alive(const struct duo_pair *pair);
/* Receiving fails with that error. */
void duo_assert_error(int fd, int expected);

#endif /* WEFT_TESTS_AGENT_DUO_H */
