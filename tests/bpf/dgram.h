/* SPDX-License-Identifier: Apache-2.0 */
/* A UDP service, its endpoints and one caller, for tests of the datagram hooks. */
#ifndef WEFT_TESTS_BPF_DGRAM_H
#define WEFT_TESTS_BPF_DGRAM_H

#include "podnet.h"

enum dgram_number {
	SERVICE = 70,
	BACKEND = 71,
	ENDPOINTS = 3,
};

/* A service on VIP:53 and its endpoints on port 5353. */
struct dgram {
	struct podnet *pods;
	const struct podnet_kind *kind;
	struct weft_service service;
	struct podnet_slot slots[ENDPOINTS];
	int server[ENDPOINTS];
	int client;
};

/* Makes the service with so many of the endpoints; all of them listen. */
struct dgram dgram_open(struct podnet *pods, const struct podnet_kind *kind, __u32 endpoints);
void dgram_close(struct dgram *talk);

/* Replaces the table: by weights of 0, an endpoint stays in it without being picked. */
void dgram_reweigh(struct dgram *talk, __u64 a, __u64 b, __u64 c);

/* 0 or -errno */
int dgram_send(struct dgram *talk, const char *addr, __u16 port);
/* Which endpoint has the datagram; it is taken and answered. */
int dgram_answer(struct dgram *talk);
/* Sends to the service; returns the endpoint; the answer must come from the VIP. */
int dgram_exchange(struct dgram *talk);
/* Compares what the application was shown with addr:port. */
void dgram_assert_shown(const char *shown, const char *addr, int port);

#endif /* WEFT_TESTS_BPF_DGRAM_H */
