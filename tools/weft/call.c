// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/call.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/address.h"
#include "tools/weft/cli.h"

/* One end, as far as it is known: up to two addresses to choose from. */
struct end {
	struct weft_addr addrs[2]; /* all-zero = none */
	const struct service *service;
};

enum end_kind { END_ANY, END_POD, END_ACCOUNT, END_SERVICE };

static bool has_cluster_ip(const struct service *service)
{
	return service->cluster_ip_count && !service->headless && !service->external_name;
}

static bool is_running(const struct pod *pod)
{
	return !pod->finished && !pod->host_network;
}

static const struct pod *pod_of_address(const struct store *store, const struct weft_addr *addr)
{
	const struct object *object;

	for (object = store_first(store, OBJECT_POD); object; object = store_next(object)) {
		const struct pod *pod = (const struct pod *)object;

		if (is_running(pod) && (!address_compare(&pod->addresses[0], addr) ||
					!address_compare(&pod->addresses[1], addr)))
			return pod;
	}
	return NULL;
}

static const struct node *node_of_address(const struct store *store, const struct weft_addr *addr)
{
	const struct object *object;
	size_t i;

	for (object = store_first(store, OBJECT_NODE); object; object = store_next(object)) {
		const struct node *node = (const struct node *)object;

		for (i = 0; i < node->address_count; i++)
			if (!address_compare(&node->addresses[i], addr))
				return node;
	}
	return NULL;
}

static const struct service *service_of_address(const struct store *store,
						const struct weft_addr *addr)
{
	const struct object *object;
	size_t i;

	for (object = store_first(store, OBJECT_SERVICE); object; object = store_next(object)) {
		const struct service *service = (const struct service *)object;

		for (i = 0; has_cluster_ip(service) && i < service->cluster_ip_count; i++)
			if (!address_compare(&service->cluster_ips[i], addr))
				return service;
	}
	return NULL;
}

static bool is_own_address(const struct model *model, const struct weft_addr *addr)
{
	size_t i;

	for (i = 0; i < model->facts.host_address_count; i++)
		if (!address_compare(&model->host_addresses[i], addr))
			return true;
	return false;
}

const char *call_describe(const struct model *model, const struct weft_addr *addr,
			  char text[CALL_WHO_LEN])
{
	const struct service *service = service_of_address(model->store, addr);
	const struct node *node = node_of_address(model->store, addr);
	const struct pod *pod = pod_of_address(model->store, addr);

	if (node)
		snprintf(text, CALL_WHO_LEN, "Node %s", node->meta.name);
	else if (pod)
		snprintf(text, CALL_WHO_LEN, "Pod %s (ServiceAccount %s, node %s)", pod->meta.key,
			 pod->service_account, *pod->node_name ? pod->node_name : "none yet");
	else if (service)
		snprintf(text, CALL_WHO_LEN, "Service %s", service->meta.key);
	else if (is_own_address(model, addr))
		snprintf(text, CALL_WHO_LEN, "this node, %s", model->facts.node);
	else
		snprintf(text, CALL_WHO_LEN, "no known pod, node or service");
	return text;
}

/* The first pod that runs under a ServiceAccount. */
static const struct pod *pod_of_account(const struct store *store, const char *name_space,
					const char *name)
{
	const struct pod *found = NULL;
	struct object *const *pods;
	size_t i, count;

	pods = store_sorted(store, OBJECT_POD, &count);
	for (i = 0; i < count && !found; i++) {
		const struct pod *pod = (const struct pod *)pods[i];

		if (!strcmp(pod->meta.name_space, name_space) &&
		    !strcmp(pod->service_account, name) && is_running(pod))
			found = pod;
	}
	return found;
}

static enum end_kind take_kind(const char **text)
{
	static const struct {
		const char *prefix;
		enum end_kind kind;
	} kinds[] = { { "pod/", END_POD }, { "sa/", END_ACCOUNT }, { "svc/", END_SERVICE } };
	size_t i, length;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		length = strlen(kinds[i].prefix);
		/* A namespace may be called pod: only with two names behind it is it a kind. */
		if (!strncmp(*text, kinds[i].prefix, length) && strchr(*text + length, '/')) {
			*text += length;
			return kinds[i].kind;
		}
	}
	return END_ANY;
}

static bool end_of_pod(const struct pod *pod, const char *text, struct end *end)
{
	end->addrs[0] = pod->addresses[0];
	end->addrs[1] = pod->addresses[1];
	if (pod->finished)
		cli_fail("pod '%s' has ended", text);
	else if (pod->host_network)
		cli_fail("pod '%s' is in its node's network: name the node's address instead",
			 text);
	else if (address_is_zero(&end->addrs[0]) && address_is_zero(&end->addrs[1]))
		cli_fail("pod '%s' has no address yet", text);
	else
		return true;
	return false;
}

static bool end_of_service(const struct service *service, const char *text, struct end *end)
{
	size_t i;

	if (!has_cluster_ip(service)) {
		cli_fail("service '%s' has no cluster IP: name one of its pods", text);
		return false;
	}
	end->service = service;
	for (i = 0; i < service->cluster_ip_count && i < 2; i++)
		end->addrs[i] = service->cluster_ips[i];
	return true;
}

/* NAMESPACE/NAME of one kind, or of whatever there is by that name. */
static bool end_of_name(const struct store *store, enum end_kind kind, const char *text,
			bool may_be_service, struct end *end)
{
	const struct object *pod = NULL, *service = NULL;
	const char *slash = strchr(text, '/'), *name;
	char name_space[WEFT_NAMESPACE_LEN];

	if (!slash || slash - text >= (ptrdiff_t)sizeof(name_space)) {
		cli_fail("'%s' is neither an address nor NAMESPACE/NAME", text);
		return false;
	}
	snprintf(name_space, sizeof(name_space), "%.*s", (int)(slash - text), text);
	name = slash + 1;
	if (kind == END_ANY || kind == END_POD)
		pod = store_find(store, OBJECT_POD, name_space, name);
	if (!pod && may_be_service && (kind == END_ANY || kind == END_SERVICE))
		service = store_find(store, OBJECT_SERVICE, name_space, name);
	if (!pod && !service && (kind == END_ANY || kind == END_ACCOUNT)) {
		const struct pod *first = pod_of_account(store, name_space, name);

		pod = first ? &first->meta : NULL;
	}
	if (pod)
		return end_of_pod((const struct pod *)pod, text, end);
	if (service)
		return end_of_service((const struct service *)service, text, end);
	if (kind == END_SERVICE && !may_be_service)
		cli_fail("a service cannot be the source of a call: '%s'", text);
	else
		cli_fail("the agent's objects have no %s '%s'",
			 kind == END_POD     ? "pod" :
			 kind == END_ACCOUNT ? "running pod of ServiceAccount" :
			 kind == END_SERVICE ? "service" :
			 may_be_service	     ? "pod, service or pod's ServiceAccount" :
					       "pod or pod's ServiceAccount",
			 text);
	return false;
}

static bool end_parse(const struct store *store, const char *text, bool may_be_service,
		      struct end *end)
{
	enum end_kind kind;

	memset(end, 0, sizeof(*end));
	if (!address_parse(text, &end->addrs[0])) {
		/* As everywhere, an address of a node or of a pod is no cluster IP. */
		if (may_be_service && !node_of_address(store, &end->addrs[0]) &&
		    !pod_of_address(store, &end->addrs[0]))
			end->service = service_of_address(store, &end->addrs[0]);
		return true;
	}
	kind = take_kind(&text);
	return end_of_name(store, kind, text, may_be_service, end);
}

/* Two addresses of one family, IPv4 first; any two when there is no such pair. */
static void choose_family(const struct end *src, const struct end *dst, struct call *call)
{
	int family, s, d;

	for (family = 0; family < 2; family++)
		for (s = 0; s < 2; s++)
			for (d = 0; d < 2; d++) {
				call->src = src->addrs[s];
				call->dst = dst->addrs[d];
				if (!address_is_zero(&call->src) && !address_is_zero(&call->dst) &&
				    address_is_v4(&call->src) == !family &&
				    address_is_v4(&call->dst) == !family)
					return;
			}
	call->src = src->addrs[address_is_zero(&src->addrs[0])];
	call->dst = dst->addrs[address_is_zero(&dst->addrs[0])];
}

static bool parse_port(const char *text, struct call *call)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	call->proto = IPPROTO_TCP;
	if (!strcmp(end, "/udp"))
		call->proto = IPPROTO_UDP;
	else if (*end && strcmp(end, "/tcp"))
		port = 0;
	call->port = (uint16_t)port;
	return *text >= '0' && *text <= '9' && port > 0 && port <= 65535;
}

bool call_parse(const struct model *model, const char *src, const char *dst, const char *port,
		struct call *call)
{
	struct end from, to;

	memset(call, 0, sizeof(*call));
	if (!parse_port(port, call)) {
		cli_fail("'%s' is no PORT, PORT/tcp or PORT/udp", port);
		return false;
	}
	if (!end_parse(model->store, src, false, &from) || !end_parse(model->store, dst, true, &to))
		return false;
	call->service = to.service;
	choose_family(&from, &to, call);
	if (address_is_v4(&call->src) == address_is_v4(&call->dst))
		return true;
	cli_fail("%s and %s have no address of the same family", src, dst);
	return false;
}
