// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "dgram.h"

struct dgram dgram_open(struct podnet *pods, const struct podnet_kind *kind, __u32 endpoints)
{
	struct dgram talk = {
		.pods = pods,
		.kind = kind,
		.service = { .service = SERVICE, .count = endpoints, .generation = 1 },
	};

	for (int i = 0; i < ENDPOINTS; i++) {
		talk.slots[i] = (struct podnet_slot){ kind->endpoint[i], 5353, 1, BACKEND };
		talk.server[i] = podnet_bind(pods, POD_SERVER, SOCK_DGRAM, kind->endpoint[i], 5353);
	}
	podnet_set_service(pods, kind->vip, 53, IPPROTO_UDP, &talk.service, talk.slots);
	talk.client = podnet_socket(pods, POD_CLIENT, kind->family, SOCK_DGRAM, 0);
	assert_true(talk.client >= 0);
	return talk;
}

void dgram_close(struct dgram *talk)
{
	for (int i = 0; i < ENDPOINTS; i++)
		close(talk->server[i]);
	close(talk->client);
	podnet_clear_sticky(talk->pods);
}

void dgram_reweigh(struct dgram *talk, __u64 a, __u64 b, __u64 c)
{
	const __u64 weights[ENDPOINTS] = { a, b, c };

	for (int i = 0; i < ENDPOINTS; i++)
		talk->slots[i].weight = weights[i];
	podnet_set_service(talk->pods, talk->kind->vip, 53, IPPROTO_UDP, &talk->service,
			   talk->slots);
}

int dgram_send(struct dgram *talk, const char *addr, __u16 port)
{
	return podnet_send(talk->client, talk->kind->family, addr, port, "ask");
}

int dgram_answer(struct dgram *talk)
{
	int at = podnet_first_waiting(talk->server, ENDPOINTS, 1000);
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	struct sockaddr *to = (struct sockaddr *)&from;
	char text[16];

	if (at < 0)
		fail_msg("no endpoint got the datagram");
	assert_int_equal(recvfrom(talk->server[at], text, sizeof(text), 0, to, &size), 3);
	assert_int_equal(sendto(talk->server[at], "answer", 6, 0, to, size), 6);
	return at;
}

void dgram_assert_shown(const char *shown, const char *addr, int port)
{
	char expected[64];

	snprintf(expected, sizeof(expected), "%s:%d", addr, port);
	assert_string_equal(shown, expected);
}

int dgram_exchange(struct dgram *talk)
{
	char text[16];
	int endpoint;

	assert_int_equal(dgram_send(talk, talk->kind->vip, 53), 0);
	endpoint = dgram_answer(talk);
	dgram_assert_shown(podnet_receive(talk->client, text, sizeof(text)), talk->kind->vip, 53);
	assert_string_equal(text, "answer");
	return endpoint;
}
