// SPDX-License-Identifier: Apache-2.0
/* connect, sendmsg, recvmsg and getpeername with real UDP sockets. */
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

static __u64 denied(struct podnet *pods, enum weft_hook hook, enum weft_reason reason)
{
	return podnet_verdicts(pods, hook, reason, WEFT_VERDICT_DENY);
}

static void test_unconnected(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct dgram talk = dgram_open(pods, kind, ENDPOINTS);
		int endpoint = dgram_exchange(&talk);

		for (int i = 0; i < 20; i++)
			assert_int_equal(dgram_exchange(&talk), endpoint);
		dgram_close(&talk);
	}
	/* Datagrams that pass are not counted per hook. */
	assert_int_equal(podnet_verdicts(pods, WEFT_HOOK_SENDMSG, WEFT_REASON_POLICY,
					 WEFT_VERDICT_ALLOW),
			 0);
}

static void test_connected(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct dgram talk = dgram_open(pods, kind, ENDPOINTS);
		int first = -1, endpoint;
		char text[16];

		assert_int_equal(podnet_connect(talk.client, kind->family, kind->vip, 53), 0);
		dgram_assert_shown(podnet_peername(talk.client), kind->vip, 53);
		for (int i = 0; i < 10; i++) {
			assert_int_equal(send(talk.client, "ask", 3, 0), 3);
			endpoint = dgram_answer(&talk);
			first = i ? first : endpoint;
			assert_int_equal(endpoint, first);
			dgram_assert_shown(podnet_receive(talk.client, text, sizeof(text)),
					   kind->vip, 53);
		}
		dgram_close(&talk);
	}
	assert_int_equal(podnet_verdicts(pods, WEFT_HOOK_CONNECT, WEFT_REASON_POLICY,
					 WEFT_VERDICT_ALLOW),
			 PODNET_KINDS);
}

/* An AF_INET6 socket may name an AF_INET address; the answer is shown v4-mapped. */
static void test_v4_address_on_v6_socket(void **state)
{
	struct podnet *pods = podnet_require(state);
	struct dgram talk = dgram_open(pods, &podnet_kinds[2], 1);
	char text[16];

	assert_int_equal(podnet_send(talk.client, AF_INET, talk.kind->vip, 53, "ask"), 0);
	dgram_answer(&talk);
	dgram_assert_shown(podnet_receive(talk.client, text, sizeof(text)), talk.kind->vip, 53);
	assert_int_equal(podnet_connect(talk.client, AF_INET, talk.kind->vip, 53), 0);
	dgram_assert_shown(podnet_peername(talk.client), talk.kind->vip, 53);
	assert_int_equal(send(talk.client, "ask", 3, 0), 3);
	dgram_answer(&talk);
	dgram_assert_shown(podnet_receive(talk.client, text, sizeof(text)), talk.kind->vip, 53);
	dgram_close(&talk);
}

static void test_two_services_on_one_socket(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct dgram talk = dgram_open(pods, kind, 1);
		struct weft_service other = { .service = 80, .first = 8, .count = 1 };
		struct podnet_slot slot = { kind->endpoint[1], 5353, 1, 81 };
		char text[16];

		podnet_set_service(pods, kind->vip, 54, IPPROTO_UDP, &other, &slot);
		assert_int_equal(dgram_send(&talk, kind->vip, 53), 0);
		assert_int_equal(dgram_answer(&talk), 0);
		assert_int_equal(dgram_send(&talk, kind->vip, 54), 0);
		assert_int_equal(dgram_answer(&talk), 1);
		dgram_assert_shown(podnet_receive(talk.client, text, sizeof(text)), kind->vip, 53);
		dgram_assert_shown(podnet_receive(talk.client, text, sizeof(text)), kind->vip, 54);
		dgram_close(&talk);
	}
}

/* The same endpoint addressed directly and through the service: the last use shows. */
static void test_direct_use_of_endpoint(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct dgram talk = dgram_open(pods, kind, 1);
		char text[16];

		dgram_exchange(&talk);
		assert_int_equal(dgram_send(&talk, kind->endpoint[0], 5353), 0);
		dgram_answer(&talk);
		dgram_assert_shown(podnet_receive(talk.client, text, sizeof(text)),
				   kind->endpoint[0], 5353);
		dgram_exchange(&talk);
		/* The same by connect. */
		assert_int_equal(podnet_connect(talk.client, kind->family, kind->endpoint[0], 5353),
				 0);
		dgram_assert_shown(podnet_peername(talk.client), kind->endpoint[0], 5353);
		assert_int_equal(send(talk.client, "ask", 3, 0), 3);
		dgram_answer(&talk);
		dgram_assert_shown(podnet_receive(talk.client, text, sizeof(text)),
				   kind->endpoint[0], 5353);
		dgram_close(&talk);
	}
}

static void test_disconnect(void **state)
{
	struct podnet *pods = podnet_require(state);
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct dgram talk = dgram_open(pods, kind, 1);
		char text[16];
		char errno_text[16];

		assert_int_equal(podnet_connect(talk.client, kind->family, kind->vip, 53), 0);
		assert_int_equal(connect(talk.client, &nobody, sizeof(nobody)), 0);
		snprintf(errno_text, sizeof(errno_text), "errno %d", ENOTCONN);
		assert_string_equal(podnet_peername(talk.client), errno_text);
		/* The old connection does not colour what comes from its endpoint now. */
		assert_int_equal(dgram_send(&talk, kind->endpoint[0], 5353), 0);
		dgram_answer(&talk);
		dgram_assert_shown(podnet_receive(talk.client, text, sizeof(text)),
				   kind->endpoint[0], 5353);
		dgram_exchange(&talk);
		dgram_close(&talk);
	}
}

/* A connect that is refused leaves the socket with the peer that it had. */
static void test_refused_reconnect_keeps_peer(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct dgram talk = dgram_open(pods, kind, 1);
		char text[16];

		assert_int_equal(podnet_connect(talk.client, kind->family, kind->vip, 53), 0);
		assert_int_equal(podnet_connect(talk.client, kind->family, kind->vip, 99),
				 -ECONNREFUSED);
		dgram_assert_shown(podnet_peername(talk.client), kind->vip, 53);
		assert_int_equal(send(talk.client, "ask", 3, 0), 3);
		dgram_answer(&talk);
		dgram_assert_shown(podnet_receive(talk.client, text, sizeof(text)), kind->vip, 53);
		dgram_close(&talk);
	}
}

static void test_refusals(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct weft_addr dst = podnet_addr(kind->endpoint[0]);
		struct dgram talk = dgram_open(pods, kind, 1);
		struct weft_service none = { .service = 90 };

		podnet_set_service_only(pods, kind->vip, 60, IPPROTO_UDP, &none);
		assert_int_equal(dgram_send(&talk, kind->vip, 60), -ECONNREFUSED);
		assert_int_equal(podnet_connect(talk.client, kind->family, kind->vip, 60),
				 -ECONNREFUSED);
		assert_int_equal(dgram_send(&talk, kind->vip, 61), -ECONNREFUSED);
		podnet_drop_rule(pods, SERVER_IDENTITY, CLIENT_IDENTITY, IPPROTO_UDP,
				 WEFT_ANY_PORT);
		podnet_poll_events(pods);
		assert_int_equal(dgram_send(&talk, kind->vip, 53), -EACCES);
		podnet_poll_events(pods);
		assert_int_equal(pods->event_count, 1);
		assert_int_equal(pods->events[0].hook, WEFT_HOOK_SENDMSG);
		assert_int_equal(pods->events[0].proto, IPPROTO_UDP);
		assert_int_equal(pods->events[0].reason, WEFT_REASON_NO_RULE);
		assert_int_equal(pods->events[0].dst_port, 5353);
		assert_int_equal(pods->events[0].service, SERVICE);
		assert_int_equal(pods->events[0].backend, BACKEND);
		assert_memory_equal(&pods->events[0].dst, &dst, sizeof(dst));
		assert_int_equal(dgram_send(&talk, kind->endpoint[0], 5353), -EACCES);
		/* Sends nothing yet. */
		assert_int_equal(podnet_connect(talk.client, kind->family, kind->vip, 53), 0);
		podnet_set_rule(pods, SERVER_IDENTITY, CLIENT_IDENTITY, IPPROTO_UDP, WEFT_ANY_PORT);
		dgram_close(&talk);
	}
	assert_int_equal(denied(pods, WEFT_HOOK_SENDMSG, WEFT_REASON_NO_ENDPOINT), PODNET_KINDS);
	assert_int_equal(denied(pods, WEFT_HOOK_SENDMSG, WEFT_REASON_UNKNOWN_SERVICE_PORT),
			 PODNET_KINDS);
	assert_int_equal(denied(pods, WEFT_HOOK_SENDMSG, WEFT_REASON_NO_RULE), 2 * PODNET_KINDS);
	assert_int_equal(denied(pods, WEFT_HOOK_CONNECT, WEFT_REASON_NO_RULE), 0);
}

static void test_permissive(void **state)
{
	struct podnet *pods = podnet_require(state);
	struct dgram talk = dgram_open(pods, &podnet_kinds[1], 1);

	podnet_drop_rule(pods, SERVER_IDENTITY, CLIENT_IDENTITY, IPPROTO_UDP, WEFT_ANY_PORT);
	podnet_set_server_flags(pods, WEFT_PEER_PERMISSIVE);
	dgram_exchange(&talk);
	assert_int_equal(podnet_verdicts(pods, WEFT_HOOK_SENDMSG, WEFT_REASON_NO_RULE,
					 WEFT_VERDICT_WOULD_DENY),
			 1);
	dgram_close(&talk);
}

/* What a server sends back is no call of its own: TC's record says who opened the exchange. */
static void test_answers_need_no_rule(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct weft_addr server = podnet_addr(kind->endpoint[0]);
		struct weft_addr client = podnet_addr(kind->client);
		int family = strchr(kind->client, ':') ? AF_INET6 : AF_INET;
		struct dgram talk = dgram_open(pods, kind, 1);
		__u16 port = (__u16)(4000 + 10 * (kind - podnet_kinds));
		int fd = talk.server[0];

		podnet_drop_rule(pods, CLIENT_IDENTITY, SERVER_IDENTITY, IPPROTO_UDP,
				 WEFT_ANY_PORT);
		assert_int_equal(podnet_send(fd, family, kind->client, port, "hi"), -EACCES);
		podnet_set_udp_flow(pods, &server, 5353, &client, port, WEFT_DIRECTION_OUTBOUND, 0);
		assert_int_equal(podnet_send(fd, family, kind->client, port, "hi"), -EACCES);
		podnet_set_udp_flow(pods, &server, 5353, &client, port, WEFT_DIRECTION_INBOUND,
				    200);
		assert_int_equal(podnet_send(fd, family, kind->client, port, "hi"), -EACCES);
		podnet_set_udp_flow(pods, &server, 5353, &client, port, WEFT_DIRECTION_INBOUND, 0);
		assert_int_equal(podnet_send(fd, family, kind->client, port, "hi"), 0);
		assert_int_equal(podnet_send(fd, family, kind->client, (__u16)(port + 1), "hi"),
				 -EACCES);
		/* Servers that connect back, as DTLS and QUIC ones do. */
		assert_int_equal(podnet_connect(fd, family, kind->client, port), 0);
		podnet_set_rule(pods, CLIENT_IDENTITY, SERVER_IDENTITY, IPPROTO_UDP, WEFT_ANY_PORT);
		dgram_close(&talk);
	}
}

static void test_host_process_is_untouched(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct dgram talk = dgram_open(pods, kind, 1);
		int server = podnet_bind(pods, POD_STRANGER, SOCK_DGRAM, kind->vip, 53);
		int client = podnet_socket(pods, POD_STRANGER, kind->family, SOCK_DGRAM, 0);

		assert_int_equal(podnet_send(client, kind->family, kind->vip, 53, "ask"), 0);
		assert_true(podnet_waiting(server, 1000));
		/* Neither is one whose namespace is not known yet. */
		assert_int_equal(podnet_send(client, kind->family, kind->vip, 99, "ask"), 0);
		close(client);
		close(server);
		dgram_close(&talk);
	}
}

static void test_unmeshed_client(void **state)
{
	struct podnet *pods = podnet_require(state);

	podnet_set_local(pods, POD_CLIENT, 0);
	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct dgram talk = dgram_open(pods, kind, 1);

		assert_int_equal(dgram_send(&talk, kind->vip, 53), -ENETUNREACH);
		assert_int_equal(dgram_send(&talk, kind->endpoint[0], 5353), 0);
		dgram_answer(&talk);
		dgram_close(&talk);
	}
	/* TC keeps no record of its flows: the receiver's side tells calls from answers. */
	podnet_drop_rule(pods, SERVER_IDENTITY, CLIENT_IDENTITY, IPPROTO_UDP, WEFT_ANY_PORT);
	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct dgram talk = dgram_open(pods, kind, 1);

		assert_int_equal(dgram_send(&talk, kind->endpoint[0], 5353), 0);
		dgram_answer(&talk);
		assert_int_equal(podnet_connect(talk.client, kind->family, kind->endpoint[0], 5353),
				 0);
		dgram_close(&talk);
	}
	assert_int_equal(denied(pods, WEFT_HOOK_SENDMSG, WEFT_REASON_NO_RULE), 0);
}

/* UDP-Lite shares UDP's hooks; its packets would not get past TC. */
static void test_udp_lite(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct dgram talk = dgram_open(pods, kind, 1);

		close(talk.client);
		talk.client =
			podnet_socket(pods, POD_CLIENT, kind->family, SOCK_DGRAM, IPPROTO_UDPLITE);
		if (talk.client < 0) {
			dgram_close(&talk);
			print_message("SKIP: no UDP-Lite in this kernel; use one before 7.1\n");
			skip();
		}
		assert_int_equal(dgram_send(&talk, kind->vip, 53), -ECONNREFUSED);
		assert_int_equal(dgram_send(&talk, kind->endpoint[0], 5353), -EACCES);
		dgram_close(&talk);
	}
	assert_int_equal(denied(pods, WEFT_HOOK_SENDMSG, WEFT_REASON_IP_PROTOCOL), PODNET_KINDS);
}

static int suite(void)
{
#define UDP_TEST(name) cmocka_unit_test_setup(name, podnet_test_setup)
	const struct CMUnitTest tests[] = {
		UDP_TEST(test_unconnected),
		UDP_TEST(test_connected),
		UDP_TEST(test_v4_address_on_v6_socket),
		UDP_TEST(test_two_services_on_one_socket),
		UDP_TEST(test_direct_use_of_endpoint),
		UDP_TEST(test_disconnect),
		UDP_TEST(test_refused_reconnect_keeps_peer),
		UDP_TEST(test_refusals),
		UDP_TEST(test_permissive),
		UDP_TEST(test_answers_need_no_rule),
		UDP_TEST(test_host_process_is_untouched),
		UDP_TEST(test_unmeshed_client),
		UDP_TEST(test_udp_lite),
	};

	return cmocka_run_group_tests_name("socket_udp", tests, podnet_group_setup,
					   podnet_group_teardown);
}

int main(void)
{
	return podnet_main(suite);
}
