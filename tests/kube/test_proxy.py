# SPDX-License-Identifier: Apache-2.0
"""Beside kube-proxy: weft's services stay weft's, everybody else's are kube-proxy's, and what is denied
stays denied whichever way it takes."""
import time

import pytest

from installed import SPACE, pod, service, thing
from proxy import Proxies
from test_policy import (WHOAMI, await_experience, nothing_allowed, shop, target, tcp_route,  # noqa: F401  pylint: disable=unused-import
                         test_access, test_split)

PLAIN = "plain"
NODE_PORTS = {"open": 30080, "fenced": 30081}


@pytest.fixture(scope="module", autouse=True, params=["iptables", "nftables"])
def proxies(request, kube):
    with Proxies(kube.cluster, request.param) as started:
        yield started


def placed(space, name, command=("sleep", "infinity"), node="a", account="web", **spec):
    """A pod with a label of its name."""
    one = pod(name, command, node)
    one["metadata"].update(namespace=space, labels={"app": name})
    one["spec"].update(serviceAccountName=account, **spec)
    return one


def exposed(space, name):
    one = service(name, {"app": name}, 8080)
    one["metadata"]["namespace"] = space
    one["spec"].update(type="NodePort")
    one["spec"]["ports"][0]["nodePort"] = NODE_PORTS[name]
    return one


@pytest.fixture(scope="module", autouse=True)
def outsiders(kube, shop):  # noqa: F811  pylint: disable=redefined-outer-name,unused-argument
    """A namespace without weft that has a server, a client, and one in its node's network; and a server
    in weft's on the other node."""
    space = thing("Namespace", PLAIN, space=None)
    kube.apply(space, thing("ServiceAccount", "web", space=PLAIN))
    kube.apply(placed(PLAIN, "open", [*WHOAMI, "open"], node="b"), placed(PLAIN, "caller"),
               placed(PLAIN, "host", hostNetwork=True), exposed(PLAIN, "open"),
               placed(SPACE, "fenced", [*WHOAMI, "fenced"], node="b"), exposed(SPACE, "fenced"))
    kube.await_pods(3, space=PLAIN)
    kube.await_pods(7)
    yield
    kube.delete(space)


def url(address, port=8080):
    return ("http://[%s]:%d/" if ":" in address else "http://%s:%d/") % (address, port)


def doors(kube, name, space):
    """A service's cluster addresses, and its port on both nodes."""
    return ([url(address) for address in kube.cluster_ips(name, space)] +
            [url(address, NODE_PORTS[name]) for node in kube.cluster.nodes for address in node.addresses])


def seen(kube, where, urls):
    return {one: kube.fetch(where, one, space=PLAIN) for one in urls}


def await_all(kube, where, urls, status):
    """What somebody outside experiences, once it has settled."""
    end = time.monotonic() + 5
    while (found := seen(kube, where, urls)) != dict.fromkeys(urls, status) and time.monotonic() < end:
        time.sleep(0.1)
    assert found == dict.fromkeys(urls, status), where


def translated(kube, source, address):
    """Connections that something on the way translated: from a pod, to an address that is nobody's."""
    return [line for node in kube.cluster.nodes
            for line in node.run("conntrack", "-L", "-f", "ipv6" if ":" in address else "ipv4", "-s", source, "-d",
                                 address, check=False).splitlines()]


def addresses(kube, name, space):
    return [one["ip"] for one in kube.get("pod", "-n", space, name)["status"]["podIPs"]]


def test_weft_is_first(kube):
    """Connections of meshed pods have their endpoint before kube-proxy could give them one."""
    kube.apply(tcp_route(), target())
    await_experience(kube, {"200"})
    for source, address in zip(addresses(kube, "client", SPACE), kube.cluster_ips("web")):
        assert kube.fetch("client", url(address)) == "200"
        assert not translated(kube, source, address)


def test_services_without_weft(kube):
    """Cluster addresses and node ports, for a pod and for a node."""
    ways = doors(kube, "open", PLAIN)
    for where in ("caller", "host"):
        await_all(kube, where, ways, "200")
    for source, address in zip(addresses(kube, "caller", PLAIN), kube.cluster_ips("open", PLAIN)):
        assert translated(kube, source, address)
        # A meshed pod calls it as well, and so does weft.
        assert kube.fetch("client", url(address)) == "200"


def test_denied_whichever_way(kube):
    """DNAT and masquerade do not make a permission of none."""
    kube.apply(tcp_route(), target())
    await_experience(kube, {"200"})
    for where in ("caller", "host"):
        await_all(kube, where, doors(kube, "fenced", SPACE), "000")
    await_all(kube, "caller", [url(one) for one in kube.cluster_ips("web")], "000")


@pytest.mark.parametrize("annotation,opened", [("weft.dev/hosts=cluster", slice(0, 4)),
                                               ("weft.dev/external=allow", slice(4, None))])
def test_annotated_ways(kube, annotation, opened):
    """Each annotation opens what it says. What a node's port leads to another node comes from the node; what
    it leads to a pod of its own has lost its source."""
    ways = doors(kube, "fenced", SPACE)[opened]
    kube.kubectl("annotate", "namespace", SPACE, annotation)
    try:
        await_all(kube, "host", ways, "200")
        await_all(kube, "caller", [url(one) for one in kube.cluster_ips("fenced")], "000")
    finally:
        kube.kubectl("annotate", "namespace", SPACE, annotation.split("=", maxsplit=1)[0] + "-")
    await_all(kube, "host", ways, "000")
