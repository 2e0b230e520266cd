// SPDX-License-Identifier: Apache-2.0
/* Pod of Kubernetes. */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "policy/address.h"
#include "policy/memory.h"
#include "policy/parse.h"
#include "policy/store.h"
#include "policy/syntax.h"

#define MIRROR_KEY "kubernetes.io/config.mirror"

/* A name in the pod's spec; NULL when absent, "" - nobody's name - when it is not legal. */
static char *pod_read_name(const struct parse *parse, const struct field *spec, const char *member,
			   const char *consequence)
{
	struct field field = field_member(spec, member);
	char excerpt[FIELD_EXCERPT_LEN];
	const char *text;
	int ret;

	ret = field_read_string(parse, &field, &text, consequence);
	if (!ret || (ret == 1 && !*text))
		return NULL;
	if (ret == 1 && !syntax_is_subdomain(text)) {
		field_finding(parse, &field, "InvalidField", consequence,
			      "\"%s\" is not a legal name", field_excerpt(text, excerpt));
		ret = -EINVAL;
	}
	return memory_strdup(ret == 1 ? text : "");
}

static void pod_parse_names(const struct parse *parse, const struct field *spec)
{
	static const char no_account[] = "it has no ServiceAccount, so nothing is granted to it";
	struct pod *pod = (struct pod *)parse->object;
	bool legible = field_read_map(parse, spec, no_account) >= 0;

	pod->node_name = pod_read_name(parse, spec, "nodeName", "the pod counts as not scheduled");
	if (!pod->node_name)
		pod->node_name = memory_strdup("");
	pod->service_account = pod_read_name(parse, spec, "serviceAccountName", no_account);
	/* the name this field had in old versions of the API */
	if (!pod->service_account)
		pod->service_account = pod_read_name(parse, spec, "serviceAccount", no_account);
	if (!pod->service_account)
		pod->service_account = memory_strdup(legible ? "default" : "");
}

static void pod_parse_port(const struct parse *parse, const struct field *entry, size_t *capacity)
{
	static const char consequence[] = "the port has no name that rules can use";
	struct pod *pod = (struct pod *)parse->object;
	struct field number = field_member(entry, "containerPort");
	struct field protocol = field_member(entry, "protocol");
	struct field name = field_member(entry, "name");
	struct container_port *port;
	const char *text = "";
	int64_t value = 0;
	uint8_t proto;
	size_t i;

	if (field_read_map(parse, entry, consequence) != 1 ||
	    field_read_integer(parse, &number, 1, UINT16_MAX, &value, consequence) != 1 ||
	    field_read_protocol(parse, &protocol, &proto, consequence) != 1 || !proto ||
	    field_read_string(parse, &name, &text, consequence) < 0)
		return;
	if (*text && !syntax_is_port_name(text)) {
		field_finding(parse, &name, "InvalidField", consequence,
			      "this is not a legal port name");
		text = "";
	}
	i = memory_grow(&pod->ports, &pod->port_count, capacity, sizeof(*pod->ports));
	port = &pod->ports[i];
	port->name = memory_strdup(text);
	port->port = (uint16_t)value;
	port->proto = proto;
}

/* Init containers with restartPolicy Always are sidecars: they serve as long as the pod lives. */
static bool container_serves(const struct parse *parse, const struct field *container, bool init)
{
	struct field policy = field_member(container, "restartPolicy");
	const char *text = "";

	if (!init)
		return true;
	return field_read_string(parse, &policy, &text, "its ports have no names") == 1 &&
	       !strcmp(text, "Always");
}

static void pod_parse_containers(const struct parse *parse, const struct field *spec,
				 const char *member, bool init, size_t *capacity)
{
	static const char consequence[] = "its ports have no names that rules can use";
	struct field list = field_member(spec, member);
	size_t containers, ports, i, j;

	if (field_read_list(parse, &list, &containers, consequence) != 1)
		return;
	for (i = 0; i < containers; i++) {
		struct field container = field_element(&list, i);
		struct field port_list = field_member(&container, "ports");

		if (field_read_map(parse, &container, consequence) != 1 ||
		    !container_serves(parse, &container, init) ||
		    field_read_list(parse, &port_list, &ports, consequence) != 1)
			continue;
		for (j = 0; j < ports; j++) {
			struct field entry = field_element(&port_list, j);

			pod_parse_port(parse, &entry, capacity);
		}
	}
}

/* The first address of each family counts. */
static void pod_parse_address(const struct parse *parse, const struct field *field,
			      struct weft_addr found[2])
{
	struct weft_addr address, *slot;

	if (field_read_address(parse, field, &address, "the pod is not known by this address") != 1)
		return;
	slot = &found[address_is_v4(&address) ? 0 : 1];
	if (address_is_zero(slot))
		*slot = address;
}

static void pod_parse_addresses(const struct parse *parse, const struct field *status)
{
	static const char consequence[] = "the pod is not known by these addresses";
	struct pod *pod = (struct pod *)parse->object;
	struct field single = field_member(status, "podIP");
	struct field list = field_member(status, "podIPs");
	struct weft_addr found[2] = { 0 };
	const char *text = "";
	size_t count = 0, i;

	if (field_read_list(parse, &list, &count, consequence) == 1) {
		for (i = 0; i < count; i++) {
			struct field entry = field_element(&list, i);
			struct field ip = field_member(&entry, "ip");

			if (field_read_map(parse, &entry, consequence) == 1)
				pod_parse_address(parse, &ip, found);
		}
	}
	/* empty as long as there is none */
	if (field_read_string(parse, &single, &text, consequence) == 1 && *text)
		pod_parse_address(parse, &single, found);
	i = 0;
	if (!address_is_zero(&found[0]))
		pod->addresses[i++] = found[0];
	pod->addresses[i] = found[1];
}

static bool pod_parse_ready(const struct parse *parse, const struct field *status)
{
	static const char consequence[] = "the pod counts as not ready";
	struct field list = field_member(status, "conditions");
	const char *type, *value;
	size_t count = 0, i;

	if (field_read_list(parse, &list, &count, consequence) != 1)
		return false;
	for (i = 0; i < count; i++) {
		struct field entry = field_element(&list, i);
		struct field type_field = field_member(&entry, "type");
		struct field value_field = field_member(&entry, "status");

		if (field_read_map(parse, &entry, consequence) == 1 &&
		    field_read_string(parse, &type_field, &type, consequence) == 1 &&
		    !strcmp(type, "Ready") &&
		    field_read_string(parse, &value_field, &value, consequence) == 1)
			return !strcmp(value, "True");
	}
	return false;
}

static void pod_parse_status(const struct parse *parse, const struct field *root)
{
	static const char consequence[] = "the pod counts as not running yet";
	struct pod *pod = (struct pod *)parse->object;
	struct field status = field_member(root, "status");
	struct field phase = field_member(&status, "phase");
	const char *text = "";

	if (field_read_map(parse, &status, consequence) != 1)
		return;
	field_read_string(parse, &phase, &text, consequence);
	pod->finished = !strcmp(text, "Succeeded") || !strcmp(text, "Failed");
	pod->ready = pod_parse_ready(parse, &status);
	pod_parse_addresses(parse, &status);
}

/* Kind and name of the controller among the owners; false without one. */
static bool pod_find_controller(const struct parse *parse, const struct field *root,
				const char **kind, const char **name)
{
	static const char consequence[] = "the pod counts as its own workload";
	struct field metadata = field_member(root, "metadata");
	struct field list = field_member(&metadata, "ownerReferences");
	size_t count = 0, i;

	if (field_read_list(parse, &list, &count, consequence) != 1)
		return false;
	for (i = 0; i < count; i++) {
		struct field entry = field_element(&list, i);
		struct field controller = field_member(&entry, "controller");
		struct field kind_field = field_member(&entry, "kind");
		struct field name_field = field_member(&entry, "name");
		bool is_controller = false;

		if (field_read_map(parse, &entry, consequence) != 1 ||
		    field_read_bool(parse, &controller, &is_controller, consequence) != 1 ||
		    !is_controller ||
		    field_read_string(parse, &kind_field, kind, consequence) != 1 ||
		    field_read_string(parse, &name_field, name, consequence) != 1)
			continue;
		/* a kind is a label but for its capitals; both become labels of metrics */
		if (syntax_is_label_value(*kind) && **kind && syntax_is_subdomain(*name))
			return true;
		field_finding(parse, &entry, "InvalidField", consequence,
			      "this is not a legal kind and name");
	}
	return false;
}

/* A ReplicaSet made by a Deployment is named after it and the hash of the template. */
static size_t deployment_length(const struct pod *pod, const char *kind, const char *name)
{
	const char *hash = labels_get(&pod->meta.labels, "pod-template-hash");
	size_t length = strlen(name), hash_length;

	if (strcmp(kind, "ReplicaSet") || !hash || !*hash)
		return 0;
	hash_length = strlen(hash);
	if (length < hash_length + 2 || strcmp(name + length - hash_length, hash) ||
	    name[length - hash_length - 1] != '-')
		return 0;
	return length - hash_length - 1;
}

/* A node owns the mirrors of its static pods, each a workload by itself: true when it is such. */
static bool pod_parse_owner(const struct parse *parse, const struct field *root)
{
	struct pod *pod = (struct pod *)parse->object;
	const char *kind, *name;
	size_t length;
	bool node;

	if (!pod_find_controller(parse, root, &kind, &name)) {
		kind = "Pod";
		name = pod->meta.name;
	}
	node = !strcmp(kind, "Node") && !strcmp(name, pod->node_name);
	if (node) {
		kind = "Pod";
		name = pod->meta.name;
	}
	length = deployment_length(pod, kind, name);
	pod->owner_kind = memory_strdup(length ? "Deployment" : kind);
	pod->owner_name = memory_strdup(name);
	if (length)
		pod->owner_name[length] = '\0';
	return node;
}

static const char *mirror_fault(const char *uid, bool of_node)
{
	if (!of_node)
		return "its controller is not the node that it is on";
	if (!syntax_is_uid(uid))
		return "this is not a legal uid";
	if (syntax_is_uuid(uid))
		return "this is what an API server makes: it may be the uid of another pod";
	return NULL;
}

/*
 * A static pod runs under a uid of the kubelet's, the hash of its manifest. The API server has
 * its mirror, with a uid of its own, which names the other here. Nodes may make no other pods
 * and no pod becomes a mirror later, but whoever may create pods may create one that looks like
 * it. So what it names must not be the uid of a pod that the API server knows; of two mirrors
 * of the same the older counts (locals_unique()), and a kubelet removes those it did not make.
 */
static void pod_parse_cgroup_uid(const struct parse *parse, bool of_node)
{
	struct pod *pod = (struct pod *)parse->object;
	const char *uid = labels_get(&pod->meta.annotations, MIRROR_KEY);
	const char *fault = uid ? mirror_fault(uid, of_node) : NULL;

	if (fault)
		finding_add(parse->findings, &pod->meta, "metadata.annotations[" MIRROR_KEY "]",
			    "InvalidMirror", "its processes are looked for by metadata.uid", "%s",
			    fault);
	pod->mirror = uid && !fault;
	pod->cgroup_uid = memory_strdup(pod->mirror ? uid : pod->meta.uid);
}

void pod_parse(const struct parse *parse, const struct field *root)
{
	struct pod *pod = (struct pod *)parse->object;
	struct field spec = field_member(root, "spec");
	struct field host_network = field_member(&spec, "hostNetwork");
	size_t capacity = 0;

	pod_parse_names(parse, &spec);
	field_read_bool(parse, &host_network, &pod->host_network, "counts as false");
	pod_parse_containers(parse, &spec, "containers", false, &capacity);
	pod_parse_containers(parse, &spec, "initContainers", true, &capacity);
	pod_parse_status(parse, root);
	pod_parse_cgroup_uid(parse, pod_parse_owner(parse, root));
}

void pod_free(struct object *object)
{
	struct pod *pod = (struct pod *)object;
	size_t i;

	for (i = 0; i < pod->port_count; i++)
		free(pod->ports[i].name);
	free(pod->ports);
	free(pod->node_name);
	free(pod->service_account);
	free(pod->owner_kind);
	free(pod->owner_name);
	free(pod->cgroup_uid);
}
