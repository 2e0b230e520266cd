/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node by hand: the suite runs in a child with a network namespace and a cgroup of its own;
 * pods are processes in further namespaces. Nothing touches the namespace of the machine, and
 * nothing outlives the test.
 */
#ifndef WEFT_TESTS_AGENT_NODE_H
#define WEFT_TESTS_AGENT_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { NODE_PATH_LEN = 512 };

/* The node's cgroup directory, "" where there is none. */
extern char node_cgroup[NODE_PATH_LEN];

/* Runs `suite` as described and returns main()'s status. */
int node_main(int (*suite)(void));

/* Prints why there can be no node here (SKIP:) and skips the test; else returns. */
void node_require(void);

/* Runs iproute2 or another command, which must succeed. */
void node_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A directory below the node's cgroup, its parents too. */
void node_make_cgroup(const char *path);
void node_remove_cgroup(const char *path);

/* The test itself joins such a directory: programs on the node's cgroup see its sockets. */
void node_join(const char *path);

enum node_network {
	NODE_NETWORK_OWN,  /* a new namespace */
	NODE_NETWORK_HOST, /* the node's */
	NODE_NETWORK_LATE, /* the node's; node_release() moves it to a new namespace */
};

/* A process in that cgroup (below the node's) that does nothing; killed with the test. */
pid_t node_start(const char *cgroup, enum node_network network);
void node_release(pid_t pid); /* returns when it has moved */
void node_stop(pid_t pid);

/* The calling thread in the namespace of `pid`, and back (0). */
void node_visit(pid_t pid);

/* Interfaces: in the node `host`, in the pod `pod`, both up. Returns the node's ifindex. */
uint32_t node_plumb(pid_t pid, const char *host, const char *pod);

double node_now_ms(void);
/* How long something may take here: WEFT_TEST_SLOWNESS (an emulated machine: 20) times as long. */
double node_limit_ms(double ms);
/* Waits for readability, at most so long. */
bool node_wait(int fd, int timeout_ms);

#endif /* WEFT_TESTS_AGENT_NODE_H */
