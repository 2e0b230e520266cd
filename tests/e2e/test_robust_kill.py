# SPDX-License-Identifier: Apache-2.0
"""Agents die at any moment: nothing that is allowed breaks, nothing that is denied gets in."""
import pathlib
import random
import threading
import time

import pytest

from mesh import wait_until
from robust import (CUTS, Load, assert_all_ok, assert_all_refused, assert_held, cluster_of,
                    namespace, node, pod, received_from, route, service, target, text, traffic,
                    weftd)

KILLS = 16
# One second (SEMANTICS "Changes") counts from the moment at which the agent says it is ready.
RETURN_S = 1.0
INTRUDERS = ("intruder-a", "intruder-b")


@pytest.fixture(scope="module")
def cluster():
    with cluster_of(
            node("a"), node("b"), namespace(),
            lambda mesh: pod("web", "a", app="web", command=mesh.server_command(
                "web", "tcp:80", "tcp:81", "udp:53")),
            lambda mesh: pod("other", "b", command=mesh.server_command("other", "tcp:80")),
            pod("caller-a", "a", "caller"), pod("caller-b", "b", "caller"),
            pod("intruder-a", "a", "intruder"), pod("intruder-b", "b", "intruder"),
            service("web", {"app": "web"}, ("tcp", 80), ("udp", 53)),
            route("web", 80), route("dns", 53, kind="UDPRoute"),
            target("web", "web", ["caller"], [("TCPRoute", "web"), ("UDPRoute", "dns")]),
    ) as made:
        made.mesh.run("wait")
        yield made
        made.assert_sane()


@pytest.fixture(autouse=True)
def running_agents(cluster):
    """Every test begins and ends with agents that run, whatever it did to them."""
    yield
    for name in cluster.nodes:
        cluster.mesh.agent(name, "start")


def served(cluster):
    return cluster.of("web", 80) + [["tcp", address, 80] for address in cluster.services["web"]]


def datagrams(cluster):
    return cluster.of("web", 53, "udp") + [["udp", one, 53] for one in cluster.services["web"]]


def load_on_everything(cluster):
    """Allowed calls, denied ones, connections that stay; from both nodes."""
    mesh, allowed, denied = cluster.mesh, [], []
    for where in ("caller-a", "caller-b"):
        allowed.append(Load(mesh, where, "call", served(cluster) + datagrams(cluster), pause=0.004))
    for where in INTRUDERS:
        denied.append(Load(mesh, where, "call", served(cluster) + datagrams(cluster) +
                           cluster.of("web", 81), pause=0.004, timeout=0.5))
    held = [Load(mesh, where, "hold", served(cluster), pause=0.01)
            for where in ("caller-a", "caller-b")]
    return allowed, denied, held


def assert_unharmed(cluster, allowed, denied, held):
    for load in allowed:
        assert_all_ok(load.stop())
    for load in denied:
        assert_all_refused(load.stop())
    for load in held:
        assert_held(load.stop())
    print([load.result["ok"] for load in allowed], [load.result["tried"] for load in denied],
          "calls", [one["exchanges"] for load in held for one in load.result], "exchanges")
    assert received_from(cluster.mesh, "web", cluster.addresses(*INTRUDERS)) == []
    cluster.assert_verified()


def kill_at_random(cluster, where, chance):
    """The agent dies, and the one that comes after it too, while it starts: while it adopts
    what is pinned, or - half of the time - loads all programs anew, as another version would."""
    time.sleep(chance.uniform(0, 0.1))
    cluster.mesh.agent(where, "kill")
    if chance.random() < 0.5:
        pathlib.Path(cluster.nodes[where]["bpffs"], "build").unlink(missing_ok=True)
    second = weftd(cluster.mesh, where)
    time.sleep(chance.uniform(0.05, 0.4))
    second.kill()
    said, _ = second.communicate()
    assert "Sanitizer" not in said and "runtime error" not in said, said


def test_kill_at_any_moment_under_load(cluster):
    """Also before the agent has read anything: `kill` meets it in every phase of its start."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    print("seed", seed)
    allowed, denied, held = load_on_everything(cluster)
    with traffic(*allowed, *denied, *held):
        for count in range(KILLS // 2):
            where = "ab"[count % 2]
            kill_at_random(cluster, where, chance)
            cluster.mesh.agent(where, "start")
        assert_unharmed(cluster, allowed, denied, held)


def change_policy(cluster, stop):
    """Rules of the very destination under load change all the time, and so do others; the rule
    that admits the caller is among them at every moment."""
    count = 0
    while not stop.is_set():
        count += 1
        sources = ["caller"] + ["guest%d" % i for i in range(count % 7)]
        rules = [("TCPRoute", "web"), ("UDPRoute", "dns")] + [("TCPRoute", "more")] * (count % 2)
        cluster.write("burst.yaml", text(
            route("more", *range(1000, 1000 + count % 50 + 1)),
            target("other", "other", sources, [("TCPRoute", "more")]),
            target("web-too", "web", sources, rules)))
        time.sleep(0.002)
    cluster.remove("burst.yaml")


def test_kill_during_bursts_of_changes(cluster):
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    print("seed", seed)
    allowed, denied, held = load_on_everything(cluster)
    stop = threading.Event()
    writer = threading.Thread(target=change_policy, args=(cluster, stop))
    with traffic(*allowed, *denied, *held):
        writer.start()
        try:
            for count in range(KILLS // 2):
                where = "ab"[count % 2]
                time.sleep(chance.uniform(0, 0.15))
                cluster.mesh.agent(where, "kill")
                cluster.mesh.agent(where, "start")
        finally:
            stop.set()
            writer.join()
        wait_until(lambda: not any("burst.yaml" in cluster.status(name)["source"]["files"]
                                   for name in cluster.nodes), what="the end of the burst")
        assert_unharmed(cluster, allowed, denied, held)


def both(cluster, verb):
    for name in cluster.nodes:
        cluster.mesh.agent(name, verb)


def test_rule_removed_while_no_agent_ran(cluster):
    """Enforced when the agents are back: new calls are refused, live ones cut on both ends."""
    mesh, port = cluster.mesh, cluster.of("web", 81)
    mesh.apply(text(route("extra", 81), target("extra", "web", ["caller"],
                                               [("TCPRoute", "extra")])))
    calls = [Load(mesh, where, "call", port) for where in ("caller-a", "caller-b")]
    lives = [Load(mesh, where, "hold", port) for where in ("caller-a", "caller-b")]
    with traffic(*calls, *lives):
        both(cluster, "kill")
        mesh.delete(text(target("extra", "web", ["caller"], [("TCPRoute", "extra")])))
        time.sleep(0.2)
        both(cluster, "start")
        returned = time.monotonic()
        time.sleep(RETURN_S + 0.2)
        for load in calls:
            result = load.stop()
            assert set(result["failures"]) <= {"ECONNREFUSED", "EACCES"} | CUTS, result
            assert result["last_ok"] < returned + RETURN_S, (result, returned)
            print("calls refused %+.3f s after the return" % (result["last_ok"] - returned))
        for load in lives:
            for result in load.stop():
                assert result["broken"] in CUTS, result
                assert result["broken_at"] < returned + RETURN_S, (result, returned)
    left = mesh.exec("web", "ss", "-Htn", "state", "established", "sport", "= 81")
    assert not left.strip(), left
    cluster.assert_verified()


def test_rule_added_while_no_agent_ran(cluster):
    mesh, port = cluster.mesh, cluster.of("web", 81)
    calls = [Load(mesh, where, "call", port) for where in ("caller-a", "caller-b")]
    with traffic(*calls):
        both(cluster, "kill")
        cluster.write("added.yaml", text(route("added", 81), target(
            "added", "web", ["caller"], [("TCPRoute", "added")])))
        time.sleep(0.2)
        both(cluster, "start")
        returned = time.monotonic()
        time.sleep(RETURN_S + 0.2)
        for load in calls:
            result = load.stop()
            assert result["last_failed"] < returned + RETURN_S, (result, returned)
            assert result["ok"], result
    cluster.remove("added.yaml")
    wait_until(lambda: not any("added.yaml" in cluster.status(name)["source"]["files"]
                               for name in cluster.nodes))


def moved(cluster, old, new):
    """`old` is deleted and `new` gets its address, while no agent runs on the old one's node."""
    mesh = cluster.mesh
    before = mesh.pod(old["metadata"]["name"])["addresses"]
    mesh.delete(text(old))
    mesh.apply(text(new))
    assert mesh.pod(new["metadata"]["name"])["addresses"] == before, "the address was not reused"
    return before


@pytest.mark.parametrize("down", ["ab", "b"])
def test_address_of_a_source_taken_over_while_no_agent_ran(cluster, down):
    """A caller's identity is its address's, at the destination. Where the destination's agent
    runs, it knows of the new pod at once: the pod's own node, without an agent, does not matter.
    Where none runs, the address goes on to mean the old pod, also in its new owner's hands, until
    an agent is back - a pod that starts while its node's agent is down is not governed."""
    mesh = cluster.mesh
    heir = pod("heir", "b", "heir")
    with traffic(Load(mesh, "intruder-b", "call", cluster.of("web", 80))) as (others,):
        for name in down:
            mesh.agent(name, "kill")
        addresses = moved(cluster, pod("caller-b", "b", "caller"), heir)
        with traffic(Load(mesh, "heir", "call", cluster.of("web", 80))) as (calls,):
            time.sleep(0.2)
            with traffic(Load(mesh, "heir", "hold", cluster.of("web", 80))) if down == "ab" else \
                    traffic() as lives:
                for name in down:
                    mesh.agent(name, "start")
                returned = time.monotonic()
                time.sleep(RETURN_S)
                for result in [one for live in lives for one in live.stop()]:
                    assert result["broken"] in CUTS, result
                    assert result["broken_at"] < returned + RETURN_S, (result, returned)
            result = calls.stop()
        print("the heir got in %d times before the agents were back" % result["ok"])
        assert result["last_ok"] is None or result["last_ok"] < returned, (result, returned)
        assert down == "ab" or not result["ok"], result
        assert_all_refused(others.stop())
    known = mesh.weft_json("a", "get", "identities")[1]
    names = {row["address"]: row["name"] for row in known if row["address"] in addresses}
    assert set(names.values()) == {"default/heir"}, known
    cluster.assert_verified()
    mesh.delete(text(heir))
    mesh.apply(text(pod("caller-b", "b", "caller")))


def test_address_of_a_destination_taken_over_while_no_agent_ran(cluster):
    """What the old pod's callers were allowed says nothing about the new pod."""
    mesh = cluster.mesh
    vault = pod("vault", "b", command=mesh.server_command("vault", "tcp:80"))
    old = pod("other", "b", command=mesh.server_command("other", "tcp:80"))
    cluster.write("other.yaml", text(target("other", "other", ["caller"], [("TCPRoute", "web")])))
    wait_until(lambda: all("other.yaml" in cluster.status(name)["source"]["files"]
                           for name in cluster.nodes))
    port = cluster.of("other", 80)
    with traffic(Load(mesh, "caller-a", "call", port)) as (calls,):
        both(cluster, "kill")
        moved(cluster, old, vault)
        with traffic(Load(mesh, "caller-a", "hold", port)) as (lives,):
            both(cluster, "start")
            returned = time.monotonic()
            time.sleep(RETURN_S + 0.1)
            for result in lives.stop():
                assert result["broken"] in CUTS and result["broken_at"] < returned + RETURN_S, \
                    (result, returned)
        assert calls.stop()["last_ok"] < returned, (calls.result, returned)
    cluster.assert_verified()
