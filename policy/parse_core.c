// SPDX-License-Identifier: Apache-2.0
/* Node, Service and EndpointSlice of Kubernetes (Namespace and ServiceAccount are metadata only).
 */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "policy/address.h"
#include "policy/memory.h"
#include "policy/parse.h"
#include "policy/store.h"

static const char ignored_address[] = "the address is left out";
static const char ignored_port[] = "the port is left out";

static void address_append(struct weft_addr **addresses, size_t *count, size_t *capacity,
			   const struct weft_addr *address)
{
	size_t i;

	for (i = 0; i < *count; i++)
		if (!address_compare(&(*addresses)[i], address))
			return;
	i = memory_grow(addresses, count, capacity, sizeof(**addresses));
	(*addresses)[i] = *address;
}

void node_parse(const struct parse *parse, const struct field *root)
{
	struct node *node = (struct node *)parse->object;
	struct field status = field_member(root, "status");
	struct field list = field_member(&status, "addresses");
	size_t count = 0, capacity = 0, i;
	struct weft_addr address;
	const char *type;

	if (field_read_map(parse, &status, ignored_address) < 0 ||
	    field_read_list(parse, &list, &count, ignored_address) < 0)
		return;
	for (i = 0; i < count; i++) {
		struct field entry = field_element(&list, i);
		struct field type_field = field_member(&entry, "type");
		struct field address_field = field_member(&entry, "address");

		if (field_read_map(parse, &entry, ignored_address) != 1 ||
		    field_read_string(parse, &type_field, &type, ignored_address) != 1)
			continue;
		/* Hostname, InternalDNS and ExternalDNS are names */
		if (strcmp(type, "InternalIP") && strcmp(type, "ExternalIP"))
			continue;
		if (field_read_address(parse, &address_field, &address, ignored_address) == 1)
			address_append(&node->addresses, &node->address_count, &capacity, &address);
	}
}

void node_free(struct object *object)
{
	free(((struct node *)object)->addresses);
}

/* One address or "None" of a service; an empty one is not assigned yet. */
static void service_parse_ip(const struct parse *parse, const struct field *field, size_t *capacity)
{
	static const char consequence[] = "connections to this cluster IP are not handled";
	struct service *service = (struct service *)parse->object;
	struct weft_addr address;
	const char *text;

	if (field_read_string(parse, field, &text, consequence) != 1 || !*text)
		return;
	if (!strcmp(text, "None"))
		service->headless = true;
	else if (field_read_address(parse, field, &address, consequence) == 1)
		address_append(&service->cluster_ips, &service->cluster_ip_count, capacity,
			       &address);
}

static void service_parse_ips(const struct parse *parse, const struct field *spec)
{
	struct service *service = (struct service *)parse->object;
	struct field first = field_member(spec, "clusterIP");
	struct field list = field_member(spec, "clusterIPs");
	size_t capacity = 0, count = 0, i;

	service_parse_ip(parse, &first, &capacity);
	if (field_read_list(parse, &list, &count, ignored_address) == 1) {
		for (i = 0; i < count; i++) {
			struct field entry = field_element(&list, i);

			service_parse_ip(parse, &entry, &capacity);
		}
	}
	/* a service is one or the other; without an address nothing can go wrong */
	if (service->headless)
		service->cluster_ip_count = 0;
}

static void service_parse_ports(const struct parse *parse, const struct field *spec)
{
	struct service *service = (struct service *)parse->object;
	struct field list = field_member(spec, "ports");
	size_t count = 0, i;

	if (field_read_list(parse, &list, &count, ignored_port) != 1)
		return;
	service->ports = memory_alloc(count * sizeof(*service->ports));
	for (i = 0; i < count; i++) {
		struct field entry = field_element(&list, i);
		struct field number = field_member(&entry, "port");
		struct field protocol = field_member(&entry, "protocol");
		struct field name = field_member(&entry, "name");
		struct service_port *port = &service->ports[service->port_count];
		const char *text = "";
		int64_t value = 0;
		uint8_t proto;

		if (field_read_map(parse, &entry, ignored_port) != 1 ||
		    field_read_integer(parse, &number, 1, UINT16_MAX, &value, ignored_port) != 1 ||
		    field_read_protocol(parse, &protocol, &proto, ignored_port) != 1 || !proto ||
		    field_read_string(parse, &name, &text, ignored_port) < 0)
			continue;
		port->port = (uint16_t)value;
		port->proto = proto;
		port->name = memory_strdup(text);
		service->port_count++;
	}
}

static void service_parse_affinity(const struct parse *parse, const struct field *spec)
{
	enum { TIMEOUT_DEFAULT = 10800, TIMEOUT_MAX = 86400 };
	static const char consequence[] = "connections are balanced without affinity";
	static const char default_timeout[] = "the default of 10800 seconds is used";
	struct service *service = (struct service *)parse->object;
	struct field affinity = field_member(spec, "sessionAffinity");
	struct field config = field_member(spec, "sessionAffinityConfig");
	struct field client_ip = field_member(&config, "clientIP");
	struct field timeout = field_member(&client_ip, "timeoutSeconds");
	int64_t seconds = TIMEOUT_DEFAULT;
	const char *text;

	if (field_read_string(parse, &affinity, &text, consequence) != 1 || !strcmp(text, "None"))
		return;
	if (strcmp(text, "ClientIP")) {
		field_finding(parse, &affinity, "InvalidField", consequence,
			      "ClientIP and None are the affinities there are");
		return;
	}
	if (field_read_map(parse, &config, default_timeout) == 1 &&
	    field_read_map(parse, &client_ip, default_timeout) == 1)
		field_read_integer(parse, &timeout, 1, TIMEOUT_MAX, &seconds, default_timeout);
	service->affinity_seconds = (uint32_t)seconds;
}

void service_parse(const struct parse *parse, const struct field *root)
{
	static const char consequence[] = "the service has no port and no address";
	struct service *service = (struct service *)parse->object;
	struct field spec = field_member(root, "spec");
	struct field type = field_member(&spec, "type");
	const char *text = "";

	if (field_read_map(parse, &spec, consequence) != 1)
		return;
	if (field_read_string(parse, &type, &text, "counts as ClusterIP") == 1)
		service->external_name = !strcmp(text, "ExternalName");
	service_parse_ips(parse, &spec);
	service_parse_ports(parse, &spec);
	service_parse_affinity(parse, &spec);
}

void service_free(struct object *object)
{
	struct service *service = (struct service *)object;
	size_t i;

	for (i = 0; i < service->port_count; i++)
		free(service->ports[i].name);
	free(service->ports);
	free(service->cluster_ips);
}

/* ready (absent is true: unknown is to be taken as ready) and not terminating */
static bool slice_parse_usable(const struct parse *parse, const struct field *endpoint)
{
	static const char consequence[] = "the endpoint is not used";
	struct field conditions = field_member(endpoint, "conditions");
	struct field ready_field = field_member(&conditions, "ready");
	struct field terminating_field = field_member(&conditions, "terminating");
	bool ready = true, terminating = false;

	if (field_read_map(parse, &conditions, consequence) < 0 ||
	    field_read_bool(parse, &ready_field, &ready, consequence) < 0 ||
	    field_read_bool(parse, &terminating_field, &terminating, consequence) < 0)
		return false;
	return ready && !terminating;
}

static void slice_parse_endpoints(const struct parse *parse, const struct field *root, bool v4)
{
	static const char consequence[] = "the endpoint is left out";
	struct endpoint_slice *slice = (struct endpoint_slice *)parse->object;
	struct field list = field_member(root, "endpoints");
	size_t count = 0, addresses, i;

	if (field_read_list(parse, &list, &count, consequence) != 1)
		return;
	slice->endpoints = memory_alloc(count * sizeof(*slice->endpoints));
	for (i = 0; i < count; i++) {
		struct field entry = field_element(&list, i);
		struct field address_list = field_member(&entry, "addresses");
		struct slice_endpoint *endpoint = &slice->endpoints[slice->endpoint_count];

		if (field_read_map(parse, &entry, consequence) != 1 ||
		    field_read_list(parse, &address_list, &addresses, consequence) != 1 ||
		    !addresses)
			continue;
		/* several are interchangeable: the first, as kube-proxy does */
		struct field address = field_element(&address_list, 0);

		if (field_read_address(parse, &address, &endpoint->address, consequence) != 1)
			continue;
		if (address_is_v4(&endpoint->address) != v4) {
			field_finding(parse, &address, "InvalidAddress", consequence,
				      "the address is not of the slice's family");
			continue;
		}
		/* A call to a service must not end at the caller's own loopback. */
		if (address_is_special(&endpoint->address)) {
			field_finding(parse, &address, "InvalidAddress", consequence,
				      "no endpoint has a loopback, link-local, multicast or "
				      "unspecified address");
			continue;
		}
		endpoint->usable = slice_parse_usable(parse, &entry);
		slice->endpoint_count++;
	}
}

static void slice_parse_ports(const struct parse *parse, const struct field *root)
{
	struct endpoint_slice *slice = (struct endpoint_slice *)parse->object;
	struct field list = field_member(root, "ports");
	size_t count = 0, i;

	if (field_read_list(parse, &list, &count, ignored_port) != 1)
		return;
	slice->ports = memory_alloc(count * sizeof(*slice->ports));
	for (i = 0; i < count; i++) {
		struct field entry = field_element(&list, i);
		struct field number = field_member(&entry, "port");
		struct field protocol = field_member(&entry, "protocol");
		struct field name = field_member(&entry, "name");
		struct slice_port *port = &slice->ports[slice->port_count];
		const char *text = "";
		int64_t value = 0;
		uint8_t proto;

		/* without a number it means all ports, which no service makes use of */
		if (field_read_map(parse, &entry, ignored_port) != 1 ||
		    field_read_integer(parse, &number, 1, UINT16_MAX, &value, ignored_port) != 1 ||
		    field_read_protocol(parse, &protocol, &proto, ignored_port) != 1 || !proto ||
		    field_read_string(parse, &name, &text, ignored_port) < 0)
			continue;
		port->port = (uint16_t)value;
		port->proto = proto;
		port->name = memory_strdup(text);
		slice->port_count++;
	}
}

void endpoint_slice_parse(const struct parse *parse, const struct field *root)
{
	static const char consequence[] = "the slice has no endpoints";
	struct endpoint_slice *slice = (struct endpoint_slice *)parse->object;
	const char *service = labels_get(&slice->meta.labels, "kubernetes.io/service-name");
	struct field type = field_member(root, "addressType");
	const char *text = "";
	int ret;

	slice->service = memory_strdup(service ? service : "");
	slice_parse_ports(parse, root);
	ret = field_read_string(parse, &type, &text, consequence);
	if (ret < 0 || !strcmp(text, "FQDN"))
		return;
	if (strcmp(text, "IPv4") && strcmp(text, "IPv6")) {
		field_finding(parse, &type, ret ? "InvalidField" : "MissingField", consequence,
			      "IPv4, IPv6 and FQDN are the address types there are");
		return;
	}
	slice_parse_endpoints(parse, root, !strcmp(text, "IPv4"));
}

void endpoint_slice_free(struct object *object)
{
	struct endpoint_slice *slice = (struct endpoint_slice *)object;
	size_t i;

	for (i = 0; i < slice->port_count; i++)
		free(slice->ports[i].name);
	free(slice->ports);
	free(slice->endpoints);
	free(slice->service);
}
