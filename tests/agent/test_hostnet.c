// SPDX-License-Identifier: Apache-2.0
/* The node's addresses as they come and go, and the loss of notifications. */
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "node.h"
#include "policy/address.h"
#include "user/node/hostnet.h"

static struct hostnet *new_hostnet(void)
{
	struct hostnet *hostnet;

	node_require();
	assert_int_equal(hostnet_new(&hostnet), 0);
	return hostnet;
}

/* Drains until it has been quiet for 60 ms; what happened in all. */
static void drain(struct hostnet *hostnet, bool *links, bool *addresses)
{
	bool more_links, more_addresses;

	*links = *addresses = false;
	while (node_wait(hostnet_fd(hostnet), 60)) {
		assert_int_equal(hostnet_drain(hostnet, &more_links, &more_addresses), 0);
		*links |= more_links;
		*addresses |= more_addresses;
	}
}

static bool has(const struct hostnet *hostnet, const char *text)
{
	const struct weft_addr *addresses;
	struct weft_addr wanted;
	size_t count, i;

	assert_int_equal(address_parse(text, &wanted), 0);
	addresses = hostnet_addresses(hostnet, &count);
	for (i = 0; i < count; i++)
		if (!address_compare(&addresses[i], &wanted))
			return true;
	return false;
}

static size_t count_of(const struct hostnet *hostnet)
{
	const struct weft_addr *addresses;
	size_t count, i;

	addresses = hostnet_addresses(hostnet, &count);
	for (i = 1; i < count; i++)
		assert_true(address_compare(&addresses[i - 1], &addresses[i]) < 0);
	return count;
}

static void test_empty(void **state)
{
	struct hostnet *hostnet = new_hostnet();
	bool links, addresses;

	(void)state;
	assert_int_equal(count_of(hostnet), 0);
	assert_int_equal(hostnet_drain(hostnet, &links, &addresses), 0);
	assert_false(links || addresses);
	hostnet_free(hostnet);
	hostnet_free(NULL);
}

static void test_come_and_go(void **state)
{
	struct hostnet *hostnet = new_hostnet();
	bool links, addresses;

	(void)state;
	node_run("ip link set lo up && ip address add 10.99.0.1/32 dev lo");
	drain(hostnet, &links, &addresses);
	/* a routed node's own address may stand on lo; 127.0.0.1 and ::1 there do not count */
	assert_true(links && addresses);
	assert_true(has(hostnet, "10.99.0.1"));
	assert_int_equal(count_of(hostnet), 1);

	node_run("ip link add come0 type veth peer name come1");
	drain(hostnet, &links, &addresses);
	assert_true(links);
	assert_false(addresses);

	node_run("ip address add 10.1.0.1/24 dev come0");
	node_run("ip address add fd01::1/64 dev come0 nodad");
	drain(hostnet, &links, &addresses);
	assert_false(links);
	assert_true(addresses);
	assert_true(has(hostnet, "10.1.0.1") && has(hostnet, "fd01::1"));
	assert_int_equal(count_of(hostnet), 3);

	/* one address on two interfaces is one address until both are gone */
	node_run("ip address add 10.1.0.1/32 dev come1");
	drain(hostnet, &links, &addresses);
	assert_false(addresses);
	node_run("ip address del 10.1.0.1/24 dev come0");
	drain(hostnet, &links, &addresses);
	assert_false(addresses);
	assert_true(has(hostnet, "10.1.0.1"));

	/* point-to-point: ours counts, not the other end's */
	node_run("ip address add 10.2.0.1 peer 10.2.0.2/32 dev come0");
	drain(hostnet, &links, &addresses);
	assert_true(addresses);
	assert_true(has(hostnet, "10.2.0.1"));
	assert_false(has(hostnet, "10.2.0.2"));

	node_run("ip link del come0");
	drain(hostnet, &links, &addresses);
	assert_true(links && addresses);
	assert_int_equal(count_of(hostnet), 1);
	node_run("ip address del 10.99.0.1/32 dev lo");
	drain(hostnet, &links, &addresses);
	assert_true(addresses);
	assert_int_equal(count_of(hostnet), 0);
	hostnet_free(hostnet);
}

static void test_link_local_and_tentative(void **state)
{
	struct hostnet *hostnet = new_hostnet();
	bool links, addresses;
	double start;

	(void)state;
	node_run("ip link add tent0 type veth peer name tent1");
	node_run("ip link set tent0 addrgenmode none && ip link set tent1 addrgenmode none");
	/* of this namespace only */
	node_run("echo 0 > /proc/sys/net/ipv6/conf/tent0/router_solicitation_delay");
	node_run("ip link set tent0 up && ip link set tent1 up");
	node_run("ip address add fe80::7/64 dev tent0 nodad");
	node_run("ip address add fd02::1/64 dev tent0");
	assert_true(node_wait(hostnet_fd(hostnet), 1000));
	assert_int_equal(hostnet_drain(hostnet, &links, &addresses), 0);
	assert_true(links && addresses);
	assert_true(has(hostnet, "fe80::7"));
	assert_false(has(hostnet, "fd02::1"));
	start = node_now_ms();
	while (!has(hostnet, "fd02::1") && node_now_ms() - start < 5000)
		drain(hostnet, &links, &addresses);
	assert_true(has(hostnet, "fd02::1"));

	/* the same address at the other end: duplicate address detection fails */
	node_run("ip address add fd02::2/64 dev tent1 nodad");
	node_run("ip address add fd02::2/64 dev tent0");
	start = node_now_ms();
	while (system("ip -6 address show dev tent0 dadfailed | grep -q fd02::2") &&
	       node_now_ms() - start < 5000)
		usleep(20000);
	node_run("ip address del fd02::2/64 dev tent1");
	drain(hostnet, &links, &addresses);
	assert_false(has(hostnet, "fd02::2"));
	assert_true(has(hostnet, "fd02::1"));
	node_run("ip link del tent0");
	drain(hostnet, &links, &addresses);
	assert_int_equal(count_of(hostnet), 0);
	hostnet_free(hostnet);
}

/* More notifications than the queue holds: what is true in the end is known anyway. */
static void test_loss(void **state)
{
	struct hostnet *hostnet = new_hostnet();
	bool links, addresses;
	int size = 1;

	(void)state;
	node_run("ip link add loss0 type veth peer name loss1");
	drain(hostnet, &links, &addresses);
	assert_int_equal(
		setsockopt(hostnet_fd(hostnet), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	node_run("for i in $(seq 250); do echo address add 10.3.0.$i/32 dev loss0; done | "
		 "ip -batch -");
	assert_int_equal(hostnet_drain(hostnet, &links, &addresses), 0);
	/* links: only loss reports what did not happen */
	assert_true(links && addresses);
	assert_int_equal(count_of(hostnet), 250);
	node_run("ip link del loss0");
	drain(hostnet, &links, &addresses);
	assert_int_equal(count_of(hostnet), 0);
	hostnet_free(hostnet);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_come_and_go),
		cmocka_unit_test(test_link_local_and_tentative),
		cmocka_unit_test(test_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return node_main(run);
}
