/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod with a server, a client that connects to it all the time, and one who looks at the hooks
 * all the time: none of them may ever notice that builds replace each other.
 *
 *	client in the test's cgroup -- pod0 (both TC programs) == pod1 -- server
 *	10.78.0.1 fd78::1                                       10.78.0.2 fd78::2
 */
#ifndef WEFT_TESTS_LOADER_TRAFFIC_H
#define WEFT_TESTS_LOADER_TRAFFIC_H

#include <sys/types.h>
#include "place.h"

/* What the helpers count; shared with them. */
struct traffic {
	volatile uint32_t connections, failures, looks, vanished;
	volatile int stop;
};

/* Once per process, between place_enter() and place_leave(); false: no memory. */
bool traffic_init(struct place *place);
/* Before and after each test: the pod; an agent is open and its interface attached. */
int traffic_setup(void **state);
int traffic_teardown(void **state);

uint32_t traffic_ifindex(void);
/* One connection of this process and one byte there and back. */
bool traffic_exchange(int family);

/* The pod is of nobody who is enforced. */
struct weft_local traffic_local(void);
/* Tells the programs so, and attaches them. */
void traffic_attach(void);

void traffic_start(void);
void traffic_stop(void);
/* Nothing failed, nothing vanished, and at least so much was tried. */
void traffic_check(uint32_t least);

/* Runs it in a child, and kills that after a while. */
void traffic_kill_after(void (*work)(void), unsigned int microseconds);

#endif /* WEFT_TESTS_LOADER_TRAFFIC_H */
