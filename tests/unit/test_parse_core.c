// SPDX-License-Identifier: Apache-2.0
/* Node, Pod, Service, EndpointSlice. */
#include <netinet/in.h>
#include "objects.h"
#include "policy/address.h"

static void assert_address(const struct weft_addr *address, const char *expected)
{
	char text[ADDRESS_TEXT_LEN];

	assert_string_equal(address_format(address, text), expected);
}

static void test_node(void **state)
{
	struct findings findings = { 0 };
	struct node *node;

	(void)state;
	node = (struct node *)object_from("apiVersion: v1\n"
					  "kind: Node\n"
					  "metadata: {name: n1}\n"
					  "status:\n"
					  "  addresses:\n"
					  "  - {type: InternalIP, address: 10.0.0.1}\n"
					  "  - {type: InternalIP, address: fd00::1}\n"
					  "  - {type: ExternalIP, address: 192.0.2.1}\n"
					  "  - {type: Hostname, address: n1}\n"
					  "  - {type: InternalIP, address: 10.0.0.1}\n",
					  &findings);
	assert_no_finding(&findings);
	assert_int_equal(node->address_count, 3);
	assert_address(&node->addresses[1], "fd00::1");
	assert_address(&node->addresses[2], "192.0.2.1");
	object_free(&node->meta);
	node = (struct node *)object_from(
		"{apiVersion: v1, kind: Node, metadata: {name: n1}, status: "
		"{addresses: [{type: InternalIP, address: x}, {type: "
		"InternalIP, address: '::'}, {type: InternalIP, address: "
		"0.0.0.0}, {type: InternalIP, address: 10.0.0.2}]}}",
		&findings);
	assert_int_equal(node->address_count, 1);
	assert_int_equal(findings.count, 3);
	assert_non_null(finding_about(&findings, "status.addresses[0].address", "InvalidAddress"));
	findings_clear(&findings);
	object_free(&node->meta);
}

static struct pod *pod_from(const char *rest, struct findings *findings)
{
	char text[2048];

	snprintf(text, sizeof(text), "apiVersion: v1\nkind: Pod\n%s%s",
		 strstr(rest, "metadata:") ? "" : "metadata: {name: p}\n", rest);
	return (struct pod *)object_from(text, findings);
}

static void test_pod(void **state)
{
	struct findings findings = { 0 };
	struct pod *pod;

	(void)state;
	pod = pod_from("spec:\n"
		       "  nodeName: n1\n"
		       "  serviceAccountName: web\n"
		       "  hostNetwork: true\n"
		       "  containers:\n"
		       "  - ports:\n"
		       "    - {name: http, containerPort: 8080}\n"
		       "    - {name: dns, containerPort: 53, protocol: UDP}\n"
		       "    - {containerPort: 9, protocol: SCTP}\n"
		       "    - {containerPort: 10}\n"
		       "  - {name: no-ports}\n"
		       "  initContainers:\n"
		       "  - {ports: [{name: once, containerPort: 1}]}\n"
		       "  - {restartPolicy: Always, ports: [{name: side, containerPort: 2}]}\n"
		       "status:\n"
		       "  phase: Running\n"
		       "  podIP: fd00::5\n"
		       "  podIPs: [{ip: fd00::5}, {ip: 10.0.0.5}]\n"
		       "  conditions: [{type: Initialized, status: 'False'}, {type: Ready, status: "
		       "'True'}]\n",
		       &findings);
	assert_no_finding(&findings);
	assert_string_equal(pod->node_name, "n1");
	assert_string_equal(pod->service_account, "web");
	assert_true(pod->host_network);
	assert_true(pod->ready);
	assert_false(pod->finished);
	assert_address(&pod->addresses[0], "10.0.0.5");
	assert_address(&pod->addresses[1], "fd00::5");
	assert_int_equal(pod->port_count, 4);
	assert_string_equal(pod->ports[0].name, "http");
	assert_int_equal(pod->ports[0].port, 8080);
	assert_int_equal(pod->ports[0].proto, IPPROTO_TCP);
	assert_int_equal(pod->ports[1].proto, IPPROTO_UDP);
	assert_string_equal(pod->ports[2].name, "");
	assert_string_equal(pod->ports[3].name, "side");
	assert_string_equal(pod->owner_kind, "Pod");
	assert_string_equal(pod->owner_name, "p");
	object_free(&pod->meta);
}

static void test_pod_defaults(void **state)
{
	struct findings findings = { 0 };
	struct pod *pod;

	(void)state;
	pod = pod_from("", &findings);
	assert_string_equal(pod->service_account, "default");
	assert_string_equal(pod->node_name, "");
	assert_false(pod->host_network || pod->ready || pod->finished);
	assert_true(address_is_zero(&pod->addresses[0]) && address_is_zero(&pod->addresses[1]));
	object_free(&pod->meta);
	pod = pod_from("spec: {serviceAccountName: '', serviceAccount: old}\n"
		       "status: {phase: Succeeded, podIP: 'fd00::1', conditions: [{type: Ready, "
		       "status: 'False'}]}",
		       &findings);
	assert_string_equal(pod->service_account, "old");
	assert_true(pod->finished);
	assert_false(pod->ready);
	assert_address(&pod->addresses[0], "fd00::1");
	assert_true(address_is_zero(&pod->addresses[1]));
	object_free(&pod->meta);
	pod = pod_from("status: {phase: Failed, podIP: ''}", &findings);
	assert_true(pod->finished);
	object_free(&pod->meta);
	assert_no_finding(&findings);
}

/* A pod whose account cannot be read must not be taken for the default one. */
static void test_pod_bad(void **state)
{
	static const struct {
		const char *yaml, *field;
		const char *account;
	} samples[] = {
		{ "spec: [x]", "spec", "" },
		{ "spec: {serviceAccountName: 5}", "spec.serviceAccountName", "" },
		{ "spec: {serviceAccountName: a/b}", "spec.serviceAccountName", "" },
		{ "spec: {serviceAccount: [a]}", "spec.serviceAccount", "" },
		{ "spec: {nodeName: 1}", "spec.nodeName", "default" },
		{ "spec: {hostNetwork: 'true'}", "spec.hostNetwork", "default" },
		{ "spec: {containers: x}", "spec.containers", "default" },
		{ "spec: {containers: [x]}", "spec.containers[0]", "default" },
		{ "spec: {containers: [{ports: {}}]}", "spec.containers[0].ports", "default" },
		{ "spec: {containers: [{ports: [{containerPort: 0}]}]}",
		  "spec.containers[0].ports[0].containerPort", "default" },
		{ "spec: {containers: [{ports: [{containerPort: 65536}]}]}",
		  "spec.containers[0].ports[0].containerPort", "default" },
		{ "spec: {containers: [{ports: [{containerPort: '80'}]}]}",
		  "spec.containers[0].ports[0].containerPort", "default" },
		{ "spec: {containers: [{ports: [{containerPort: 80, protocol: ICMP}]}]}",
		  "spec.containers[0].ports[0].protocol", "default" },
		{ "status: 5", "status", "default" },
		{ "status: {podIPs: [10.0.0.1]}", "status.podIPs[0]", "default" },
		{ "status: {conditions: {}}", "status.conditions", "default" },
		{ "status: {conditions: [{type: Ready, status: true}]}",
		  "status.conditions[0].status", "default" },
	};
	struct findings findings = { 0 };
	struct pod *pod;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		pod = pod_from(samples[i].yaml, &findings);
		assert_string_equal(pod->service_account, samples[i].account);
		assert_int_equal(pod->port_count, 0);
		assert_false(pod->ready);
		assert_finding(&findings, samples[i].field, "InvalidField");
		object_free(&pod->meta);
	}
	pod = pod_from("status: {podIP: 10.0.0.300, podIPs: [{ip: 10.0.0.1}, {ip: 10.0.0.2}]}",
		       &findings);
	assert_address(&pod->addresses[0], "10.0.0.1");
	assert_finding(&findings, "status.podIP", "InvalidAddress");
	object_free(&pod->meta);
}

static void test_pod_owner(void **state)
{
	static const struct {
		const char *hash, *kind, *name, *controller;
		const char *owner_kind, *owner_name;
	} samples[] = {
		{ "5d4f", "ReplicaSet", "web-5d4f", "true", "Deployment", "web" },
		{ "5d4f", "ReplicaSet", "web-v2-5d4f", "true", "Deployment", "web-v2" },
		{ "5d4f", "ReplicaSet", "web-other", "true", "ReplicaSet", "web-other" },
		{ "5d4f", "ReplicaSet", "web5d4f", "true", "ReplicaSet", "web5d4f" },
		{ "5d4f", "ReplicaSet", "5d4f", "true", "ReplicaSet", "5d4f" },
		{ "", "ReplicaSet", "web-", "true", "Pod", "p" },
		{ "", "ReplicaSet", "web-5d4f", "true", "ReplicaSet", "web-5d4f" },
		{ "5d4f", "StatefulSet", "db-5d4f", "true", "StatefulSet", "db-5d4f" },
		{ "5d4f", "Job", "backup-123", "true", "Job", "backup-123" },
		{ "5d4f", "ReplicaSet", "web-5d4f", "false", "Pod", "p" },
		{ "5d4f", "ReplicaSet", "web-5d4f", "null", "Pod", "p" },
		{ "5d4f", "Bad/Kind", "web", "true", "Pod", "p" },
		{ "5d4f", "DaemonSet", "../web", "true", "Pod", "p" },
	};
	struct findings findings = { 0 };
	struct pod *pod;
	char text[512];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		snprintf(text, sizeof(text),
			 "metadata:\n  name: p\n  labels: {pod-template-hash: '%s'}\n"
			 "  ownerReferences: [{kind: Other, name: o}, {kind: %s, name: %s, "
			 "controller: %s}]\n",
			 samples[i].hash, samples[i].kind, samples[i].name, samples[i].controller);
		pod = pod_from(text, &findings);
		assert_string_equal(pod->owner_kind, samples[i].owner_kind);
		assert_string_equal(pod->owner_name, samples[i].owner_name);
		object_free(&pod->meta);
	}
	assert_int_equal(findings.count, 3);
	findings_clear(&findings);
}

static struct service *service_from(const char *spec, struct findings *findings)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: %s}", spec);
	return (struct service *)object_from(text, findings);
}

static void test_mirror_pod(void **state)
{
	static const struct {
		const char *uid, *controller, *node;
		bool counts;
	} samples[] = {
		{ "0b26f0a1c9e8d7c6b5a4f3e2d1c0b9a8", "kind: Node, name: n1", "n1", true },
		{ "by-hand", "kind: Node, name: n1", "n1", true },
		/* what a pod's creator might try */
		{ "11111111-aaaa-4bbb-8ccc-0123456789ab", "kind: Node, name: n1", "n1", false },
		{ "11111111-AAAA-4bbb-8ccc-0123456789ab", "kind: Node, name: n1", "n1", false },
		{ "0b26f0a1", "kind: Node, name: n2", "n1", false },
		{ "0b26f0a1", "kind: ReplicaSet, name: n1", "n1", false },
		{ "../a", "kind: Node, name: n1", "n1", false },
		{ "''", "kind: Node, name: n1", "n1", false },
	};
	struct findings findings = { 0 };
	struct pod *pod;
	char text[512];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		snprintf(text, sizeof(text),
			 "metadata:\n  name: p\n  uid: own\n"
			 "  annotations: {kubernetes.io/config.mirror: %s}\n"
			 "  ownerReferences: [{%s, controller: true}]\nspec: {nodeName: %s}\n",
			 samples[i].uid, samples[i].controller, samples[i].node);
		pod = pod_from(text, &findings);
		assert_int_equal(pod->mirror, samples[i].counts);
		assert_string_equal(pod->cgroup_uid, samples[i].counts ? samples[i].uid : "own");
		assert_int_equal(findings.count, !samples[i].counts);
		if (samples[i].counts) {
			assert_string_equal(pod->owner_kind, "Pod");
			assert_string_equal(pod->owner_name, "p");
		} else {
			assert_string_equal(findings.items[0].reason, "InvalidMirror");
		}
		findings_clear(&findings);
		object_free(&pod->meta);
	}
}

static void test_service(void **state)
{
	struct findings findings = { 0 };
	struct service *service;

	(void)state;
	service = service_from(
		"{clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00::1'], ports: "
		"[{port: 80}, {name: dns, port: 53, protocol: UDP}, {port: 1, protocol: "
		"SCTP}], sessionAffinity: ClientIP}",
		&findings);
	assert_no_finding(&findings);
	assert_int_equal(service->cluster_ip_count, 2);
	assert_address(&service->cluster_ips[1], "fd00::1");
	assert_int_equal(service->port_count, 2);
	assert_int_equal(service->ports[0].port, 80);
	assert_int_equal(service->ports[0].proto, IPPROTO_TCP);
	assert_string_equal(service->ports[1].name, "dns");
	assert_int_equal(service->ports[1].proto, IPPROTO_UDP);
	assert_int_equal(service->affinity_seconds, 10800);
	assert_false(service->headless || service->external_name);
	object_free(&service->meta);

	service = service_from("{clusterIP: None, clusterIPs: [None], sessionAffinity: None}",
			       &findings);
	assert_true(service->headless);
	assert_int_equal(service->cluster_ip_count, 0);
	assert_int_equal(service->affinity_seconds, 0);
	object_free(&service->meta);
	service =
		service_from("{type: ExternalName, externalName: x.org, clusterIP: ''}", &findings);
	assert_true(service->external_name);
	assert_false(service->headless);
	object_free(&service->meta);
	service = service_from("{sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: "
			       "{timeoutSeconds: 30}}}",
			       &findings);
	assert_int_equal(service->affinity_seconds, 30);
	object_free(&service->meta);
	assert_no_finding(&findings);
}

static void test_service_bad(void **state)
{
	static const struct {
		const char *spec, *field;
	} samples[] = {
		{ "x", "spec" },
		{ "{type: 5}", "spec.type" },
		{ "{clusterIPs: {}}", "spec.clusterIPs" },
		{ "{clusterIPs: [5]}", "spec.clusterIPs[0]" },
		{ "{ports: x}", "spec.ports" },
		{ "{ports: [80]}", "spec.ports[0]" },
		{ "{ports: [{port: 70000}]}", "spec.ports[0].port" },
		{ "{ports: [{port: 80.5}]}", "spec.ports[0].port" },
		{ "{ports: [{port: 80, name: 1}]}", "spec.ports[0].name" },
		{ "{sessionAffinity: Cookie}", "spec.sessionAffinity" },
	};
	struct findings findings = { 0 };
	struct service *service;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		service = service_from(samples[i].spec, &findings);
		assert_int_equal(service->port_count + service->cluster_ip_count, 0);
		assert_int_equal(service->affinity_seconds, 0);
		assert_finding(&findings, samples[i].field, "InvalidField");
		object_free(&service->meta);
	}
	service = service_from("{sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: "
			       "{timeoutSeconds: 0}}}",
			       &findings);
	assert_int_equal(service->affinity_seconds, 10800);
	assert_finding(&findings, "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
		       "InvalidField");
	object_free(&service->meta);
	service = service_from("{clusterIPs: [10.96.0.1, x]}", &findings);
	assert_int_equal(service->cluster_ip_count, 1);
	assert_finding(&findings, "spec.clusterIPs[1]", "InvalidAddress");
	object_free(&service->meta);
}

static struct endpoint_slice *slice_from(const char *rest, struct findings *findings)
{
	char text[1024];

	snprintf(
		text, sizeof(text),
		"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s, labels: "
		"{kubernetes.io/service-name: web}}, %s}",
		rest);
	return (struct endpoint_slice *)object_from(text, findings);
}

static void test_slice(void **state)
{
	struct findings findings = { 0 };
	struct endpoint_slice *slice;

	(void)state;
	slice = slice_from(
		"addressType: IPv4, endpoints: [{addresses: [10.0.0.1]}, {addresses: "
		"[10.0.0.2], conditions: {ready: true, terminating: false}}, {addresses: "
		"[10.0.0.3], conditions: {ready: false}}, {addresses: [10.0.0.4], conditions: "
		"{ready: true, terminating: true}}, {addresses: [10.0.0.5, 10.0.0.6], "
		"conditions: {ready: null}}, {addresses: []}], ports: [{name: '', port: 80}, "
		"{name: null, port: 53, protocol: UDP}, {name: all}]",
		&findings);
	assert_no_finding(&findings);
	assert_string_equal(slice->service, "web");
	assert_int_equal(slice->endpoint_count, 5);
	assert_true(slice->endpoints[0].usable);
	assert_true(slice->endpoints[1].usable);
	assert_false(slice->endpoints[2].usable);
	assert_false(slice->endpoints[3].usable);
	assert_true(slice->endpoints[4].usable);
	assert_address(&slice->endpoints[4].address, "10.0.0.5");
	assert_int_equal(slice->port_count, 2);
	assert_int_equal(slice->ports[1].proto, IPPROTO_UDP);
	object_free(&slice->meta);
	slice = slice_from("addressType: FQDN, endpoints: [{addresses: [a.b]}]", &findings);
	assert_int_equal(slice->endpoint_count, 0);
	object_free(&slice->meta);
	slice = slice_from("addressType: IPv6, endpoints: [{addresses: ['fd00::1']}]", &findings);
	assert_int_equal(slice->endpoint_count, 1);
	object_free(&slice->meta);
	assert_no_finding(&findings);
}

static void test_slice_bad(void **state)
{
	static const struct {
		const char *rest, *field, *reason;
	} samples[] = {
		{ "endpoints: [{addresses: [10.0.0.1]}]", "addressType", "MissingField" },
		{ "addressType: IPv5", "addressType", "InvalidField" },
		{ "addressType: 4", "addressType", "InvalidField" },
		{ "addressType: IPv4, endpoints: x", "endpoints", "InvalidField" },
		{ "addressType: IPv4, endpoints: [x]", "endpoints[0]", "InvalidField" },
		{ "addressType: IPv4, endpoints: [{addresses: x}]", "endpoints[0].addresses",
		  "InvalidField" },
		{ "addressType: IPv4, endpoints: [{addresses: ['fd00::1']}]",
		  "endpoints[0].addresses[0]", "InvalidAddress" },
		{ "addressType: IPv4, endpoints: [{addresses: [127.0.0.1]}]",
		  "endpoints[0].addresses[0]", "InvalidAddress" },
		{ "addressType: IPv4, endpoints: [{addresses: [169.254.169.254]}]",
		  "endpoints[0].addresses[0]", "InvalidAddress" },
		{ "addressType: IPv4, endpoints: [{addresses: [255.255.255.255]}]",
		  "endpoints[0].addresses[0]", "InvalidAddress" },
		{ "addressType: IPv4, endpoints: [{addresses: ['::ffff:127.0.0.1']}]",
		  "endpoints[0].addresses[0]", "InvalidAddress" },
		{ "addressType: IPv6, endpoints: [{addresses: ['::1']}]",
		  "endpoints[0].addresses[0]", "InvalidAddress" },
		{ "addressType: IPv6, endpoints: [{addresses: ['fe80::1']}]",
		  "endpoints[0].addresses[0]", "InvalidAddress" },
		{ "addressType: IPv4, ports: [{port: -1}]", "ports[0].port", "InvalidField" },
	};
	struct findings findings = { 0 };
	struct endpoint_slice *slice;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		slice = slice_from(samples[i].rest, &findings);
		assert_int_equal(slice->endpoint_count + slice->port_count, 0);
		assert_finding(&findings, samples[i].field, samples[i].reason);
		object_free(&slice->meta);
	}
	slice = slice_from("addressType: IPv4, endpoints: [{addresses: [10.0.0.1], conditions: "
			   "{ready: 'true'}}]",
			   &findings);
	assert_false(slice->endpoints[0].usable);
	assert_finding(&findings, "endpoints[0].conditions.ready", "InvalidField");
	object_free(&slice->meta);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_node),	     cmocka_unit_test(test_pod),
		cmocka_unit_test(test_pod_defaults), cmocka_unit_test(test_pod_bad),
		cmocka_unit_test(test_pod_owner),    cmocka_unit_test(test_mirror_pod),
		cmocka_unit_test(test_service),	     cmocka_unit_test(test_service_bad),
		cmocka_unit_test(test_slice),	     cmocka_unit_test(test_slice_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
