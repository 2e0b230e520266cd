// SPDX-License-Identifier: Apache-2.0
/* How long callers keep the endpoint that they were given: exchanges and ClientIP affinity. */
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

/* Different sockets are different exchanges: together they use all endpoints. */
static void test_sockets_are_spread(void **state)
{
	struct podnet *pods = podnet_require(state);
	struct dgram talk = dgram_open(pods, &podnet_kinds[0], ENDPOINTS);
	bool used[ENDPOINTS] = {};

	for (int i = 0; i < 40; i++) {
		close(talk.client);
		talk.client = podnet_socket(pods, POD_CLIENT, AF_INET, SOCK_DGRAM, 0);
		used[dgram_exchange(&talk)] = true;
	}
	assert_true(used[0] && used[1] && used[2]);
	dgram_close(&talk);
}

static void test_endpoint_is_kept_while_used(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct dgram talk = dgram_open(pods, kind, ENDPOINTS);

		dgram_reweigh(&talk, 1, 0, 0);
		assert_int_equal(dgram_exchange(&talk), 0);
		dgram_reweigh(&talk, 0, 1, 0);
		for (int i = 0; i < 3; i++) {
			/* Each use starts the minute anew. */
			podnet_age_sticky(pods, 58);
			assert_int_equal(dgram_exchange(&talk), 0);
		}
		podnet_age_sticky(pods, 61);
		assert_int_equal(dgram_exchange(&talk), 1);
		dgram_close(&talk);
	}
}

/* A changed table: an endpoint that is still in it is kept, another is left at once. */
static void test_table_changes(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct dgram talk = dgram_open(pods, kind, ENDPOINTS);

		dgram_reweigh(&talk, 1, 0, 0);
		assert_int_equal(dgram_exchange(&talk), 0);
		talk.service.generation = 2;
		talk.service.first = 100;
		dgram_reweigh(&talk, 0, 1, 0);
		assert_int_equal(dgram_exchange(&talk), 0);
		/* Gone from the table: slots 1 and 2 only. */
		talk.service.generation = 3;
		talk.service.first = 101;
		talk.service.count = 2;
		podnet_set_service_only(pods, kind->vip, 53, IPPROTO_UDP, &talk.service);
		assert_int_not_equal(dgram_exchange(&talk), 0);
		dgram_close(&talk);
	}
}

static void test_client_affinity(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct dgram talk = dgram_open(pods, kind, ENDPOINTS);
		int endpoint;
		char text[16];

		talk.service.affinity_seconds = 10800;
		podnet_set_service_only(pods, kind->vip, 53, IPPROTO_UDP, &talk.service);
		endpoint = dgram_exchange(&talk);
		for (int i = 0; i < 12; i++) {
			close(talk.client);
			talk.client = podnet_socket(pods, POD_CLIENT, kind->family, SOCK_DGRAM, 0);
			/* Far beyond an exchange's minute; connected sockets count too. */
			podnet_age_sticky(pods, 10000);
			if (i % 2) {
				assert_int_equal(podnet_connect(talk.client, kind->family,
								kind->vip, 53),
						 0);
				assert_int_equal(send(talk.client, "ask", 3, 0), 3);
				assert_int_equal(dgram_answer(&talk), endpoint);
				podnet_receive(talk.client, text, sizeof(text));
			} else {
				assert_int_equal(dgram_exchange(&talk), endpoint);
			}
		}
		dgram_close(&talk);
	}
}

static int suite(void)
{
#define KEEP_TEST(name) cmocka_unit_test_setup(name, podnet_test_setup)
	const struct CMUnitTest tests[] = {
		KEEP_TEST(test_sockets_are_spread),
		KEEP_TEST(test_endpoint_is_kept_while_used),
		KEEP_TEST(test_table_changes),
		KEEP_TEST(test_client_affinity),
	};

	return cmocka_run_group_tests_name("socket_keep", tests, podnet_group_setup,
					   podnet_group_teardown);
}

int main(void)
{
	return podnet_main(suite);
}
