# SPDX-License-Identifier: Apache-2.0
"""`weft verify` against a kernel that somebody tampered with."""
import json
import os
import socket
import struct
import subprocess

import pytest

from mesh import wait_until
from robust import (Asker, cluster_of, namespace, node, pod, route, service, target, text)

EQUAL, DIFFERS, UNKNOWN = 0, 1, 2


@pytest.fixture(scope="module")
def cluster():
    with cluster_of(
            node("a"), namespace(),
            lambda mesh: pod("web", "a", app="web", command=mesh.server_command("web", "tcp:80")),
            pod("caller", "a"), pod("intruder", "a"),
            service("web", {"app": "web"}, ("tcp", 80)), route("web", 80),
            target("web", "web", ["caller"], [("TCPRoute", "web")]),
    ) as made:
        made.mesh.run("wait")
        yield made
        made.assert_sane()


@pytest.fixture(autouse=True)
def repaired(cluster):
    """The agent trusts what it wrote and does not look at the maps again while it runs; the next
    one reads them, and makes them right. That is what tampering is answered with."""
    cluster.assert_verified()
    yield
    cluster.mesh.agent("a", "stop")
    cluster.mesh.agent("a", "start")
    cluster.assert_verified()


def bpftool(*arguments):
    done = subprocess.run(["bpftool", "-j", *arguments], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return json.loads(done.stdout.strip() or "null")


def pin(cluster, name):
    return os.path.join(cluster.nodes["a"]["bpffs"], name)


def entries(cluster, name):
    """[(key, value)] of a pinned map, as lists of hexadecimal bytes."""
    return [(one["key"], one["value"]) for one in bpftool("map", "dump", "pinned",
                                                          pin(cluster, name))]


def update(cluster, name, key, value):
    bpftool("map", "update", "pinned", pin(cluster, name), "key", *key, "value", *value)


def delete(cluster, name, key):
    bpftool("map", "delete", "pinned", pin(cluster, name), "key", *key)


def differences(cluster):
    """{(where, problem): [keys]}; the exit code must say the same."""
    code, answer, said = cluster.mesh.weft_json("a", "verify")
    assert code == DIFFERS, (code, answer, said)
    assert answer["compared"] > len(answer["differences"]) > 0
    found = {}
    for one in answer["differences"]:
        found.setdefault((one["where"], one["problem"]), []).append(one["key"])
    return found


def flip(value, index=0):
    return value[:index] + ["0x%02x" % (int(value[index], 16) ^ 0xff)] + value[index + 1:]


def is_address(key, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    raw = socket.inet_pton(family, address)
    raw = raw if len(raw) == 16 else b"\0" * 10 + b"\xff\xff" + raw
    return bytes(int(byte, 16) for byte in key[:16]) == raw


def test_a_changed_entry_of_every_map(cluster):
    """One entry of each: each is listed, each under its map."""
    addresses = cluster.pods["web"]["addresses"]
    key, value = next(one for one in entries(cluster, "weft_ident")
                      if is_address(one[0], addresses[0]))
    update(cluster, "weft_ident", key, flip(value))
    for name in ("weft_iface", "weft_netns", "weft_service"):
        key, value = entries(cluster, name)[0]
        update(cluster, name, key, flip(value))
    key, _ = entries(cluster, "weft_policy")[0]
    update(cluster, "weft_policy", key, ["0x02"] + ["0x00"] * 7)
    found = differences(cluster)
    assert found["weft_ident", "differs"] == [addresses[0]], found
    for name in ("weft_iface", "weft_netns", "weft_service", "weft_policy"):
        assert len([key for key in found if key[0] == name]) == 1, (name, found)
    shown = cluster.mesh.weft("a", "verify")
    assert shown.returncode == DIFFERS
    for (where, problem), keys in found.items():
        assert all(word in shown.stdout for word in (where, problem, *keys)), shown.stdout


def test_missing_and_foreign_entries(cluster):
    web, caller = cluster.pods["web"]["addresses"], cluster.pods["caller"]["addresses"]
    for key, value in entries(cluster, "weft_ident"):
        if is_address(key, web[1]):
            delete(cluster, "weft_ident", key)
        if is_address(key, caller[0]):
            stranger = key[:15] + ["0xfe"]
            update(cluster, "weft_ident", stranger, value)
    for key, _ in entries(cluster, "weft_policy"):
        delete(cluster, "weft_policy", key)
    found = differences(cluster)
    assert found["weft_ident", "missing in the kernel"] == [web[1]], found
    assert found["weft_ident", "in the kernel, but no object asks for it"] == \
        [caller[0].rsplit(".", 1)[0] + ".254"], found
    assert [key for key in found if key[0] == "weft_policy"], found


def test_a_rule_that_was_smuggled_in_is_listed_and_goes_with_the_next_agent(cluster):
    """The intruder's identity gets the caller's rule: it really gets in, verify really says so."""
    who = {one["address"]: one["identity"]
           for one in cluster.mesh.weft_json("a", "get", "identities")[1]}
    intruder = who[cluster.pods["intruder"]["addresses"][0]]
    key, value = entries(cluster, "weft_policy")[0]
    smuggled = key[:8] + ["0x%02x" % byte for byte in struct.pack("=I", intruder)] + key[12:]
    with Asker(cluster.mesh, "intruder") as asker:
        assert asker.ask(cluster.of("web", 80)) == ["EACCES"] * 2
        update(cluster, "weft_policy", smuggled, value)
        assert asker.ask(cluster.of("web", 80)) == ["ok"] * 2
        assert [key for key in differences(cluster) if key[0] == "weft_policy"]
        cluster.mesh.agent("a", "stop")
        cluster.mesh.agent("a", "start")
        assert asker.ask(cluster.of("web", 80)) == ["EACCES"] * 2


def link_names(cluster):
    return sorted(os.listdir(pin(cluster, "links")))


def test_links_that_were_detached(cluster):
    """Of a cgroup hook and of a pod's interface; and one whose pin was removed."""
    names = link_names(cluster)
    gone = [next(one for one in names if one.startswith("tc_") and one.endswith("_to_pod")),
            "cg_weft_connect4"]
    for name in gone:
        bpftool("link", "detach", "pinned", pin(cluster, "links/" + name))
    os.unlink(pin(cluster, "links/cg_weft_sockops"))
    found = differences(cluster)
    listed = [key for keys in found.values() for key in keys]
    assert sorted(listed) == sorted(gone + ["cg_weft_sockops"]), found
    assert {where for where, _ in found} == {"links"}


def test_without_an_agent_it_cannot_tell(cluster):
    cluster.mesh.agent("a", "stop")
    done = cluster.mesh.weft("a", "verify")
    assert done.returncode == UNKNOWN and "agent" in done.stderr and not done.stdout, done
    assert len(done.stderr.splitlines()) == 1
    done = cluster.mesh.weft("a", "--bpffs", "/sys/fs/bpf/nobody", "verify")
    assert done.returncode == UNKNOWN and "/sys/fs/bpf/nobody" in done.stderr, done
    cluster.mesh.agent("a", "start")


def test_an_object_that_changes_meanwhile_is_no_difference(cluster):
    """Verify looks while rules come and go; what it lists must not be a change on its way."""
    for count in range(6):
        cluster.write("zz-moving.yaml", text(target("moving", "web", ["intruder"],
                                                    [("TCPRoute", "web")])))
        if count % 2:
            cluster.remove("zz-moving.yaml")
        assert cluster.mesh.weft("a", "verify").returncode == EQUAL
    cluster.remove("zz-moving.yaml")
    wait_until(lambda: "zz-moving.yaml" not in cluster.status("a")["source"]["files"])
