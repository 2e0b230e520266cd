# SPDX-License-Identifier: Apache-2.0
"""SMI objects written with kubectl, judged by what clients in pods experience."""
import collections
import json
import time

import pytest

from installed import HERE, PYTHON, SPACE, deployment, pod, service, thing
from mesh import wait_until

WHOAMI = [PYTHON, str(HERE / "whoami.py")]
ACCESS, SPECS, SPLIT = "access.smi-spec.io/", "specs.smi-spec.io/", "split.smi-spec.io/"


def account(name):
    return {"kind": "ServiceAccount", "name": name, "namespace": SPACE}


def target(version="v1alpha3", rules=(("TCPRoute", "web"),), name="web"):
    """One caller, one destination, as each version writes it."""
    rules = [{"kind": kind, "name": rule} for kind, rule in rules]
    body = {"destination": account("web"), "sources": [account("client")]}
    if version == "v1alpha1":
        return thing("TrafficTarget", name, ACCESS + version, **body, specs=rules)
    return thing("TrafficTarget", name, ACCESS + version, spec={**body, "rules": rules})


def tcp_route(version="v1alpha4"):
    return thing("TCPRoute", "web", SPECS + version, spec={"matches": {"ports": [8080]}})


def http_group(version="v1alpha4"):
    matches = [{"name": "reads", "methods": ["GET"], "pathRegex": "/public/.*"}]
    if version in ("v1alpha1", "v1alpha2"):
        return thing("HTTPRouteGroup", "web", SPECS + version, matches=matches)
    return thing("HTTPRouteGroup", "web", SPECS + version, spec={"matches": matches})


def split(version="v1alpha4"):
    weights = ("900m", "300m") if version == "v1alpha1" else (75, 25)
    return thing("TrafficSplit", "web", SPLIT + version, spec={
        "service": "web", "backends": [{"service": name, "weight": weight}
                                       for name, weight in zip(("web-1", "web-2"), weights)]})


@pytest.fixture(scope="module", autouse=True)
def shop(kube):
    objects = [thing("Namespace", SPACE, space=None, metadata={"labels": {"weft.dev/mesh": "enforce"}}),
               *(thing("ServiceAccount", name) for name in ("web", "client", "intruder"))]
    kube.apply(*objects)
    pods = [pod("client", node="a"), pod("intruder", node="b")]
    for name in ("web-1", "web-2"):
        one = deployment(name, [*WHOAMI, name], labels={"tier": "web"})
        one["spec"]["template"]["spec"]["serviceAccountName"] = "web"
        pods += [one, service(name, {"app": name}, 8080)]
    kube.apply(*pods, service("web", {"tier": "web"}, 8080))
    kube.await_pods(6)
    yield
    kube.delete(objects[0])
    kube.kubectl("wait", "--for=delete", "namespace/" + SPACE, "--timeout=60s")


@pytest.fixture(autouse=True)
def nothing_allowed(kube, shop):  # pylint: disable=redefined-outer-name,unused-argument
    yield
    for kind in ("traffictargets", "tcproutes", "httproutegroups", "trafficsplits"):
        kube.kubectl("delete", "-n", SPACE, kind, "--all")


def urls(kube, path="/public/x"):
    return ["http://[%s]:8080%s" % (address, path) if ":" in address else "http://%s:8080%s" % (address, path)
            for address in kube.addresses(tier="web")]


def experience(kube, where, *options, path="/public/x"):
    return set(kube.fetch_all(where, urls(kube, path), *options))


def await_experience(kube, wanted, where="client", *options, path="/public/x"):
    wait_until(lambda: experience(kube, where, *options, path=path) == wanted, 5, "%s" % wanted)


def test_access(kube):
    """Denied, allowed on both families and both nodes, denied again."""
    assert experience(kube, "client") == experience(kube, "intruder") == {"000"}
    kube.apply(tcp_route(), target())
    await_experience(kube, {"200"})
    assert experience(kube, "intruder") == {"000"}
    kube.delete(target())
    await_experience(kube, {"000"})


def test_requests(kube):
    kube.apply(http_group(), target(rules=[("HTTPRouteGroup", "web")]))
    await_experience(kube, {"200"})
    assert experience(kube, "client", "-X", "POST") == {"403"}
    assert experience(kube, "client", path="/private") == {"403"}
    assert experience(kube, "intruder") == {"000"}


def shares(kube, count=200):
    """Who answers calls to the service, on both of its addresses."""
    script = ("for i in $(seq %d); do for a in %s; do curl -g -s -m 3 http://$a:8080/public/; echo; done; done"
              % (count, " ".join("[%s]" % one if ":" in one else one for one in kube.cluster_ips("web"))))
    return collections.Counter(kube.exec("client", "sh", "-c", script).split())


def test_split(kube):
    kube.apply(tcp_route(), target(), split())
    await_experience(kube, {"200"})

    def divided():
        return abs(shares(kube, 20)["web-2"] - 10) < 8
    wait_until(divided, 5, "the split")
    answers = shares(kube)
    assert set(answers) == {"web-1", "web-2"} and sum(answers.values()) == 400
    # 100 are expected; five standard deviations.
    assert 57 < answers["web-2"] < 143


VERSIONS = {
    "TrafficTarget": (target, ("v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"), ACCESS),
    "TCPRoute": (tcp_route, ("v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"), SPECS),
    "HTTPRouteGroup": (http_group, ("v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"), SPECS),
    "TrafficSplit": (split, ("v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"), SPLIT),
}


@pytest.mark.parametrize("kind,version", [(kind, version) for kind, (_, versions, _) in VERSIONS.items()
                                          for version in versions])
def test_versions(kube, kind, version):
    """What is written in one version means the same to weft, and is the same in every other."""
    make, versions, group = VERSIONS[kind]
    written = make(version)
    rules = [("HTTPRouteGroup", "web")] if kind == "HTTPRouteGroup" else [("TCPRoute", "web")]
    kube.apply(*{one["kind"]: one for one in (tcp_route(), target(rules=rules), written)}.values())
    await_experience(kube, {"200"})
    if kind == "HTTPRouteGroup":
        assert experience(kube, "client", "-X", "POST") == {"403"}
    if kind == "TrafficSplit":
        wait_until(lambda: 2 <= shares(kube, 20)["web-2"] <= 18, 5, "the split")
    body = {name: value for name, value in written.items() if name not in ("apiVersion", "kind", "metadata")}
    for other in versions:
        read = kube.get("%s.%s.%s" % (kind.lower(), other, group.strip("/")), "-n", SPACE, "web")
        assert {name: read[name] for name in body} == body, (version, other)
        assert read["apiVersion"] == group + other


def test_wrong_objects(kube):
    """The server refuses what is of the wrong type; what it lets through, weft finds."""
    wrong = tcp_route()
    wrong["spec"]["matches"]["ports"] = ["http"]
    with pytest.raises(RuntimeError, match="ports"):
        kube.apply(wrong)
    misspelt = tcp_route()
    misspelt["spec"]["matches"] = {"prots": [8080]}
    kube.apply(misspelt, target())
    wait_until(lambda: any(one["object"]["kind"] == "TCPRoute" for one in kube.weft("a", "status")["findings"]
                           if "object" in one), 5, "a finding")
    assert experience(kube, "client") == {"000"}


def test_explain(kube):
    """The schemas are there for people, too; what kubectl explain reads, since that of Debian 12 reads less."""
    assert "RE2" in kube.kubectl("get", "--raw", "/openapi/v3/apis/specs.smi-spec.io/v1alpha4")


def test_how_fast(kube):
    """From kubectl's answer to the first call that is let through."""
    kube.apply(tcp_route())
    url = urls(kube)[0]
    begin = time.monotonic()
    kube.apply(target())
    wait_until(lambda: kube.fetch("client", url) == "200", 3, "enforcement")
    assert time.monotonic() - begin < 2.0, json.dumps(kube.weft("a", "status")["agent"])
