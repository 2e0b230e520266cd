// SPDX-License-Identifier: Apache-2.0
/* Client, node and pod as network namespaces, with the TC programs between. */
#include "tests/bpf/tcnet.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>
#include "weft.skel.h"

enum { GENERATION = 1 };

static int obstacle(struct tcnet *net, int err, const char *what)
{
	snprintf(net->obstacle, sizeof(net->obstacle), "%s: %s", what, strerror(-err));
	return err;
}

void tcnet_enter(struct tcnet *net, enum tcnet_place place)
{
	if (setns(net->ns[place], CLONE_NEWNET))
		abort();
}

static int shell(struct tcnet *net, enum tcnet_place place, const char *commands)
{
	char line[1024];

	tcnet_enter(net, place);
	snprintf(line, sizeof(line), "set -e; %s", commands);
	return system(line) ? obstacle(net, -EIO, commands) : 0;
}

static const char *const addresses[2][NET_PLACES][2] = {
	{ { "10.1.0.2", "fd01::2" }, { "10.2.0.1", "fd02::1" }, { "10.2.0.2", "fd02::2" } },
	{ { "10.2.0.3", "fd02::3" }, { "10.2.0.1", "fd02::1" }, { "10.2.0.2", "fd02::2" } },
};

const char *tcnet_address(const struct tcnet *net, enum tcnet_place place, int family)
{
	return addresses[net->bridged][place][family == AF_INET6];
}

static int make_namespaces(struct tcnet *net)
{
	for (int i = 0; i < NET_PLACES; i++) {
		if (unshare(CLONE_NEWNET))
			return obstacle(net, -errno, "unshare(CLONE_NEWNET)");
		net->ns[i] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (net->ns[i] < 0)
			return obstacle(net, -errno, "/proc/self/ns/net");
		if (shell(net, i,
			  "ip link set lo up; "
			  "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad; "
			  "echo 0 > /proc/sys/net/ipv4/conf/default/rp_filter"))
			return -EIO;
	}
	return 0;
}

/* veth `node_dev` in the node, `dev` at the place. */
static int make_veth(struct tcnet *net, const char *node_dev, const char *dev,
		     enum tcnet_place place)
{
	char line[512];

	snprintf(line, sizeof(line),
		 "ip link add %s type veth peer name %s; "
		 "ip link set %s netns /proc/%d/fd/%d; ip link set %s up",
		 node_dev, dev, dev, getpid(), net->ns[place], node_dev);
	return shell(net, NET_NODE, line);
}

static int make_links(struct tcnet *net)
{
	if (make_veth(net, "toclient", "eth0", NET_CLIENT) ||
	    make_veth(net, "topod", "eth0", NET_POD))
		return -EIO;
	net->ifindex = (int)if_nametoindex("topod");
	if (net->bridged)
		return shell(net, NET_NODE,
			     "ip link add br0 type bridge; ip link set toclient master br0; "
			     "ip link set topod master br0; ip addr add 10.2.0.1/24 dev br0; "
			     "ip addr add fd02::1/64 dev br0; ip link set br0 up") ||
		       shell(net, NET_CLIENT,
			     "ip addr add 10.2.0.3/24 dev eth0; ip addr add fd02::3/64 dev eth0; "
			     "ip link set eth0 up") ||
		       shell(net, NET_POD,
			     "ip addr add 10.2.0.2/24 dev eth0; ip addr add fd02::2/64 dev eth0; "
			     "ip link set eth0 up");
	return shell(net, NET_NODE,
		     "echo 1 > /proc/sys/net/ipv4/ip_forward; "
		     "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; "
		     "ip addr add 10.1.0.1/24 dev toclient; ip addr add fd01::1/64 dev toclient; "
		     "ip addr add 10.2.0.1/24 dev topod; ip addr add fd02::1/64 dev topod") ||
	       shell(net, NET_CLIENT,
		     "ip addr add 10.1.0.2/24 dev eth0; ip addr add fd01::2/64 dev eth0; "
		     "ip link set eth0 up; ip route add default via 10.1.0.1; "
		     "ip -6 route add default via fd01::1") ||
	       shell(net, NET_POD,
		     "ip addr add 10.2.0.2/24 dev eth0; ip addr add fd02::2/64 dev eth0; "
		     "ip link set eth0 up; ip route add default via 10.2.0.1; "
		     "ip -6 route add default via fd02::1");
}

static int set_offload(struct tcnet *net, enum tcnet_place place, const char *dev, bool on)
{
	struct ethtool_value value = { .cmd = ETHTOOL_STXCSUM, .data = on };
	struct ifreq request = { .ifr_data = (void *)&value };
	int fd, err = 0;

	tcnet_enter(net, place);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", dev);
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request))
		err = obstacle(net, -errno, "ETHTOOL_STXCSUM");
	if (fd >= 0)
		close(fd);
	return err;
}

static int load_programs(struct tcnet *net)
{
	struct bpf_program *program;
	int err;

	net->skel = weft_bpf__open();
	if (!net->skel)
		return obstacle(net, -errno, "open the skeleton");
	bpf_object__for_each_program(program, net->skel->obj)
		bpf_program__set_autoload(program,
					  program == net->skel->progs.weft_to_pod ||
						  program == net->skel->progs.weft_from_pod);
	err = weft_bpf__load(net->skel);
	return err ? obstacle(net, err, "load the programs") : 0;
}

/* clsact: what kernels before tcx have, and newer ones too. */
static int attach(struct tcnet *net, enum bpf_tc_attach_point point, int program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = net->ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program, .handle = 1, .priority = 1);
	int err;

	tcnet_enter(net, NET_NODE);
	err = net->hooked ? 0 : bpf_tc_hook_create(&hook);
	net->hooked = true;
	if (err)
		return obstacle(net, err, "clsact");
	err = bpf_tc_attach(&hook, &opts);
	return err ? obstacle(net, err, "attach to the pod's interface") : 0;
}

static struct weft_addr abi_address(const char *text)
{
	struct weft_addr addr = {};

	if (strchr(text, ':')) {
		inet_pton(AF_INET6, text, addr.b);
	} else {
		addr.b[10] = addr.b[11] = 0xff;
		inet_pton(AF_INET, text, &addr.b[12]);
	}
	return addr;
}

static int update(struct bpf_map *map, const void *key, const void *value)
{
	return bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY);
}

static int fill_maps(struct tcnet *net)
{
	struct weft_peer peers[NET_PLACES] = {
		[NET_CLIENT] = { .identity = NET_CLIENT_IDENTITY },
		[NET_NODE] = { .identity = WEFT_ID_HOST, .flags = WEFT_PEER_LOCAL_HOST },
		[NET_POD] = { .identity = NET_POD_IDENTITY, .flags = WEFT_PEER_ENFORCE },
	};
	struct weft_local local = { .peer = peers[NET_POD] };
	struct weft_dest dest = { .generation = GENERATION };
	__u32 identity = NET_POD_IDENTITY, ifindex = (__u32)net->ifindex;
	struct weft_addr addr;
	int err = 0;

	for (int i = 0; i < NET_PLACES; i++) {
		addr = abi_address(addresses[net->bridged][i][0]);
		err |= update(net->skel->maps.weft_ident, &addr, &peers[i]);
		addr = abi_address(addresses[net->bridged][i][1]);
		err |= update(net->skel->maps.weft_ident, &addr, &peers[i]);
	}
	local.addr[0] = abi_address(addresses[net->bridged][NET_POD][0]);
	local.addr[1] = abi_address(addresses[net->bridged][NET_POD][1]);
	err |= update(net->skel->maps.weft_iface, &ifindex, &local);
	err |= update(net->skel->maps.weft_dest, &identity, &dest);
	return err ? obstacle(net, -EIO, "fill the maps") : 0;
}

int tcnet_open(struct tcnet *net, bool bridged, enum tcnet_offload offload)
{
	static const struct {
		enum tcnet_place place;
		const char *name;
	} devices[] = { { NET_CLIENT, "eth0" },
			{ NET_NODE, "toclient" },
			{ NET_NODE, "topod" },
			{ NET_POD, "eth0" } };
	int err;

	memset(net, 0, sizeof(*net));
	memset(net->ns, -1, sizeof(net->ns));
	net->bridged = bridged;
	net->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (net->home < 0)
		return obstacle(net, -errno, "/proc/self/ns/net");
	err = make_namespaces(net);
	if (!err)
		err = make_links(net) ? -EIO : 0;
	for (size_t i = 0; !err && i < sizeof(devices) / sizeof(devices[0]); i++)
		err = set_offload(net, devices[i].place, devices[i].name,
				  offload == OFFLOAD_ALL || (offload == OFFLOAD_ENDS &&
							     devices[i].place != NET_NODE));
	if (!err)
		err = load_programs(net);
	if (!err)
		err = fill_maps(net);
	if (!err)
		err = attach(net, BPF_TC_INGRESS, bpf_program__fd(net->skel->progs.weft_from_pod));
	if (!err)
		err = attach(net, BPF_TC_EGRESS, bpf_program__fd(net->skel->progs.weft_to_pod));
	return err;
}

void tcnet_close(struct tcnet *net)
{
	if (net->home >= 0 && setns(net->home, CLONE_NEWNET))
		abort();
	for (int i = 0; i < NET_PLACES; i++)
		if (net->ns[i] >= 0)
			close(net->ns[i]);
	if (net->home >= 0)
		close(net->home);
	weft_bpf__destroy(net->skel);
	net->skel = NULL;
}

struct sockaddr_storage tcnet_sockaddr(const struct tcnet *net, enum tcnet_place place, int family,
				       __u16 port, socklen_t *len)
{
	const char *text = tcnet_address(net, place, family);
	struct sockaddr_storage storage = { .ss_family = (sa_family_t)family };

	if (family == AF_INET) {
		struct sockaddr_in *in = (void *)&storage;

		in->sin_port = htons(port);
		inet_pton(AF_INET, text, &in->sin_addr);
		*len = sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (void *)&storage;

		in6->sin6_port = htons(port);
		inet_pton(AF_INET6, text, &in6->sin6_addr);
		*len = sizeof(*in6);
	}
	return storage;
}

int tcnet_socket(struct tcnet *net, enum tcnet_place place, int family, int type, __u16 port)
{
	struct timeval second = { .tv_sec = 1 };
	struct sockaddr_storage addr;
	int fd, one = 1;
	socklen_t len;

	tcnet_enter(net, place);
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		abort();
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (port) {
		addr = tcnet_sockaddr(net, place, family, port, &len);
		if (bind(fd, (void *)&addr, len) || (type == SOCK_STREAM && listen(fd, 8))) {
			perror("bind and listen");
			abort();
		}
	}
	return fd;
}

void tcnet_set_rule(struct tcnet *net, __u8 proto, __u16 port, bool allowed)
{
	struct weft_policy_key key = {
		.dst_identity = NET_POD_IDENTITY,
		.generation = GENERATION,
		.src_identity = NET_CLIENT_IDENTITY,
		.port = port,
		.proto = proto,
	};
	struct weft_policy policy = { .action = WEFT_POLICY_ALLOW };

	if (allowed)
		update(net->skel->maps.weft_policy, &key, &policy);
	else
		bpf_map_delete_elem(bpf_map__fd(net->skel->maps.weft_policy), &key);
}

void tcnet_guard(struct tcnet *net, bool on)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = net->ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);

	if (on) {
		if (attach(net, BPF_TC_EGRESS, bpf_program__fd(net->skel->progs.weft_to_pod)))
			abort();
		return;
	}
	tcnet_enter(net, NET_NODE);
	if (bpf_tc_detach(&hook, &opts))
		abort();
}

__u64 tcnet_verdicts(struct tcnet *net, enum weft_hook hook, enum weft_reason reason)
{
	int fd = bpf_map__fd(net->skel->maps.weft_verdict), cpus = libbpf_num_possible_cpus();
	static struct weft_verdict values[1024];
	struct weft_verdict_key key, *last = NULL;
	__u64 count = 0;

	while (!bpf_map_get_next_key(fd, last, &key)) {
		last = &key;
		if (key.hook != hook || key.reason != reason ||
		    bpf_map_lookup_elem(fd, &key, values))
			continue;
		for (int i = 0; i < cpus; i++)
			count += values[i].count;
	}
	return count;
}

/* /proc/net/snmp has a line of names and a line of numbers per protocol. */
static long snmp_errors(void)
{
	char names[2048], numbers[2048], *name, *number, *at_name, *at_number;
	FILE *file = fopen("/proc/thread-self/net/snmp", "re");
	long sum = 0;

	if (!file)
		abort();
	while (fgets(names, sizeof(names), file) && fgets(numbers, sizeof(numbers), file)) {
		name = strtok_r(names, " \n", &at_name);
		number = strtok_r(numbers, " \n", &at_number);
		while (name && number) {
			if (!strcmp(name, "InCsumErrors"))
				sum += atol(number);
			name = strtok_r(NULL, " \n", &at_name);
			number = strtok_r(NULL, " \n", &at_number);
		}
	}
	fclose(file);
	return sum;
}

static long snmp6_errors(void)
{
	FILE *file = fopen("/proc/thread-self/net/snmp6", "re");
	char name[128];
	long value, sum = 0;

	if (!file)
		abort();
	while (fscanf(file, "%127s %ld", name, &value) == 2)
		if (strstr(name, "InCsumErrors"))
			sum += value;
	fclose(file);
	return sum;
}

long tcnet_checksum_errors(struct tcnet *net, enum tcnet_place place)
{
	tcnet_enter(net, place);
	return snmp_errors() + snmp6_errors();
}
