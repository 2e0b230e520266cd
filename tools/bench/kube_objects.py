# SPDX-License-Identifier: Apache-2.0
"""Objects as a cluster of some size has them, as large as those of a real one."""

NODES, NAMESPACES = 100, 20


def _meta(name, namespace, **more):
    return {"name": name, "namespace": namespace, "uid": "6f1c0b7e-%s" % name[-24:].rjust(24, "0"),
            "creationTimestamp": "2026-01-01T00:00:00Z", **more}


def _container(name, port):
    return {"name": name, "image": "registry.example/shop/%s:v1.2.3" % name,
            "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
            "env": [{"name": "SETTING_%d" % i, "value": "a value of some length, number %d" % i}
                    for i in range(12)],
            "resources": {"limits": {"cpu": "1", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "64Mi"}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": port, "scheme": "HTTP"},
                              "periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3},
            "terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "IfNotPresent",
            "volumeMounts": [{"name": "kube-api-access", "readOnly": True,
                              "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]}


def addresses(number):
    """Of a pod, both families."""
    return ["10.%d.%d.%d" % (128 + number // 62500, number // 250 % 250, number % 250 + 2),
            "fd00:128::%x" % (number + 2)]


def pod(number, namespaces):
    name, account = "app-%d-7d4b9c6f5-%05d" % (number // 5, number), "app-%d" % (number // 5)
    ips = addresses(number)
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": _meta(name, "scale-%d" % (number // 5 % namespaces),
                              labels={"app": account, "pod-template-hash": "7d4b9c6f5", "tier": "backend"},
                              ownerReferences=[{"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": True,
                                                "name": account + "-7d4b9c6f5", "uid": "owner", "blockOwnerDeletion": True}]),
            "spec": {"nodeName": "far-%d" % (number % NODES), "serviceAccountName": account,
                     "containers": [_container("app", 8080), _container("helper", 9090)],
                     "volumes": [{"name": "kube-api-access", "projected": {"sources": [
                         {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}]}}],
                     "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists",
                                      "effect": "NoExecute", "tolerationSeconds": 300}]},
            "status": {"phase": "Running", "hostIP": "192.0.2.1", "podIP": ips[0],
                       "podIPs": [{"ip": ip} for ip in ips],
                       "conditions": [{"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
                                      for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")],
                       "containerStatuses": [{"name": name, "ready": True, "restartCount": 0, "started": True,
                                              "imageID": "sha256:" + 64 * "0", "containerID": "containerd://" + 64 * "1",
                                              "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
                                             for name in ("app", "helper")]}}


def service(number, namespaces):
    name = "app-%d" % number
    ips = ["10.96.%d.%d" % (number // 250, number % 250 + 2), "fd00:96::%x" % (number + 2)]
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": _meta(name, "scale-%d" % (number % namespaces), labels={"app": name}),
            "spec": {"type": "ClusterIP", "clusterIP": ips[0], "clusterIPs": ips, "selector": {"app": name},
                     "ipFamilies": ["IPv4", "IPv6"], "sessionAffinity": "None",
                     "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]}}


def slices(number, namespaces, endpoints):
    """Those of both families; `endpoints`: numbers of pods."""
    name = "app-%d" % number
    return [{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
             "metadata": _meta("%s-v%d" % (name, 4 + 2 * family), "scale-%d" % (number % namespaces),
                               labels={"kubernetes.io/service-name": name,
                                       "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}),
             "addressType": "IPv6" if family else "IPv4",
             "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
             "endpoints": [{"addresses": [addresses(one)[family]], "nodeName": "far-%d" % (one % NODES),
                            "conditions": {"ready": True, "serving": True, "terminating": False},
                            "targetRef": {"kind": "Pod", "name": "app-%d-7d4b9c6f5-%05d" % (one // 5, one),
                                          "namespace": "scale-%d" % (number % namespaces), "uid": "u"}}
                           for one in endpoints]} for family in (0, 1)]


def namespace(number):
    return {"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "scale-%d" % number, "labels": {"weft.dev/mesh": "enforce"}}}


def cluster(pods, services, endpoints, namespaces=NAMESPACES):
    """All objects: `endpoints` spread evenly over the services and families, as many to each as there
    are, over pods."""
    each = endpoints // services // 2 or 1
    yield from map(namespace, range(namespaces))
    yield from (pod(number, namespaces) for number in range(pods))
    for number in range(services):
        yield service(number, namespaces)
        yield from slices(number, namespaces, [(number * 5 + i) % pods for i in range(each)])
