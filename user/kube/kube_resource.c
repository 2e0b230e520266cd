// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_resource.h"

#include <json-c/json.h>
#include <string.h>

/* Who owns a pod names its workload. */
#define METADATA                                                                            \
	"\"apiVersion\":true,\"kind\":true,\"metadata\":{\"name\":true,\"namespace\":true," \
	"\"uid\":true,\"labels\":true,\"annotations\":{\"*\":true,"                         \
	"\"kubectl.kubernetes.io/last-applied-configuration\":false},"                      \
	"\"creationTimestamp\":true,"                                                       \
	"\"deletionTimestamp\":true,\"ownerReferences\":{\"kind\":true,\"name\":true,"      \
	"\"controller\":true}}"

#define CONTAINERS "{\"name\":true,\"ports\":true,\"restartPolicy\":true}"

static const char metadata_only[] = "{" METADATA "}";

static const char pod[] = "{" METADATA ",\"spec\":{\"nodeName\":true,\"serviceAccountName\":true,"
			  "\"serviceAccount\":true,\"hostNetwork\":true,\"containers\":" CONTAINERS
			  ",\"initContainers\":" CONTAINERS "},"
			  "\"status\":{\"phase\":true,\"podIP\":true,\"podIPs\":true,"
			  "\"conditions\":{\"type\":true,\"status\":true}}}";

/* Nothing else of it: agents themselves annotate Nodes, which is to be no news. */
static const char node[] =
	"{\"apiVersion\":true,\"kind\":true,\"metadata\":{\"name\":true,\"uid\":true},"
	"\"status\":{\"addresses\":true}}";

static const char service[] = "{" METADATA
			      ",\"spec\":{\"type\":true,\"clusterIP\":true,\"clusterIPs\":true,"
			      "\"ports\":true,\"selector\":true,\"sessionAffinity\":true,"
			      "\"sessionAffinityConfig\":true}}";

static const char slice[] = "{" METADATA ",\"addressType\":true,\"ports\":true,"
			    "\"endpoints\":{\"addresses\":true,\"conditions\":true}}";

/* Versions differ in where they have what, and have no status. */
static const char smi[] = "{" METADATA ",\"*\":true,\"status\":false}";

#define SMI(plural, smi_group, smi_kind)                                          \
	{                                                                         \
		.name = plural, .group = smi_group, .kind = smi_kind, .mask = smi \
	}

const struct kube_resource kube_resources[] = {
	{ "namespaces", "", "v1", OBJECT_NAMESPACE, metadata_only },
	{ "nodes", "", "v1", OBJECT_NODE, node },
	{ "pods", "", "v1", OBJECT_POD, pod },
	{ "services", "", "v1", OBJECT_SERVICE, service },
	{ "serviceaccounts", "", "v1", OBJECT_SERVICE_ACCOUNT, metadata_only },
	{ "endpointslices", "discovery.k8s.io", "v1", OBJECT_ENDPOINT_SLICE, slice },
	SMI("traffictargets", "access.smi-spec.io", OBJECT_TRAFFIC_TARGET),
	SMI("identitybindings", "access.smi-spec.io", OBJECT_IDENTITY_BINDING),
	SMI("tcproutes", "specs.smi-spec.io", OBJECT_TCP_ROUTE),
	SMI("udproutes", "specs.smi-spec.io", OBJECT_UDP_ROUTE),
	SMI("httproutegroups", "specs.smi-spec.io", OBJECT_HTTP_ROUTE_GROUP),
	SMI("trafficsplits", "split.smi-spec.io", OBJECT_TRAFFIC_SPLIT),
};

const size_t kube_resource_count = sizeof(kube_resources) / sizeof(*kube_resources);

struct json_object *kube_resource_keep(struct json_object *object, struct json_object *mask)
{
	struct json_object *kept, *part, *others = NULL;
	size_t i, count;

	if (!json_object_is_type(mask, json_type_object))
		return json_object_get(object);
	if (json_object_is_type(object, json_type_array)) {
		count = json_object_array_length(object);
		kept = json_object_new_array_ext((int)count);
		for (i = 0; i < count; i++)
			json_object_array_add(
				kept,
				kube_resource_keep(json_object_array_get_idx(object, i), mask));
		return kept;
	}
	if (!json_object_is_type(object, json_type_object))
		return json_object_get(object);
	json_object_object_get_ex(mask, "*", &others);
	kept = json_object_new_object();
	json_object_object_foreach(object, name, member) {
		if (!json_object_object_get_ex(mask, name, &part))
			part = others;
		if (json_object_is_type(part, json_type_object) || json_object_get_boolean(part))
			json_object_object_add(kept, name, kube_resource_keep(member, part));
	}
	return kept;
}
