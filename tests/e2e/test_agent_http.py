# SPDX-License-Identifier: Apache-2.0
"""The agent's side of HTTP rules: what lies in the kernel, and what a change does to live
connections."""
import json
import subprocess
import time

import pytest

import http_mesh
from http_mesh import SPACE, HttpMesh, Keeper, get, group, permission
from mesh import wait_until

SERVER = "python"
ALL = {"name": "all", "pathRegex": "/", "methods": ["*"]}


@pytest.fixture(scope="module")
def scene():
    with HttpMesh(SERVER) as made:
        yield made


@pytest.fixture(autouse=True)
def restored(scene):
    assert_verified(scene)
    yield
    scene.apply(http_mesh.namespace(), *http_mesh.rules())
    assert_verified(scene)


def assert_verified(scene):
    for node in ("node-a", "node-b"):
        code, answer, said = scene.mesh.weft_json(node, "verify")
        assert code == 0, (node, answer, said)


def keeper(scene, place, path="/ok/kept"):
    """A caller with one connection that has asked once."""
    made = Keeper(scene, place)
    assert made.open("kept", SERVER) is True
    assert made.status("kept", path) == 200
    return made


def bpftool(scene, node, *arguments):
    root = scene.mesh.node(node)["bpffs"]
    done = subprocess.run(["bpftool", "-j", *(word.replace("ROOT", root) for word in arguments)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return json.loads(done.stdout.strip() or "null")


def dump(scene, name, node="node-a"):
    return bpftool(scene, node, "map", "dump", "pinned", "ROOT/" + name)


def placed(scene):
    """Destinations with a program: {identity: (generation, offset)}."""
    return {one["formatted"]["key"]: (one["formatted"]["value"]["generation"], one["formatted"]["value"]["http"])
            for one in dump(scene, "weft_dest") if one["formatted"]["value"]["http"]}


def test_rules_by_name(scene):
    rows = scene.mesh.weft_json("node-a", "get", "policies")[1]
    rules = {row["route"] for row in rows if row["action"] == "http" and row["source"] == SPACE + "/caller"}
    assert rules == {"pages/" + match["name"] for match in http_mesh.MATCHES}, rows
    assert {row["traffic_target"] for row in rows if row["action"] == "http"} == {SPACE + "/callers"}
    assert not any("route" in row for row in rows if row["action"] == "allow")


def test_fill_of_the_arena(scene):
    maps = {row["name"]: row for row in scene.mesh.weft_json("node-a", "status")[1]["maps"]}
    assert maps["weft_http"]["entries"] == 1 and 0 < maps["weft_http"]["fill"] < 0.2, maps
    kept = keeper(scene, "caller")
    maps = {row["name"]: row for row in scene.mesh.weft_json("node-a", "status")[1]["maps"]}
    assert maps["weft_http_flow"]["entries"] >= 1
    assert kept.status("kept", "/ok/again") == 200


def test_the_next_request_is_judged_by_the_new_rules(scene):
    kept = keeper(scene, "caller")
    before = placed(scene)
    scene.apply(http_mesh.pages({"name": "other", "pathRegex": "/other", "methods": ["*"]}))
    after = placed(scene)
    assert before.keys() == after.keys() and before != after
    assert kept.status("kept", "/other/x") == 200
    assert kept.status("kept", "/ok/x") == "weft"
    # without any rule for it left, the connection itself is cut
    kept = keeper(scene, "caller", "/other/y")
    scene.apply(permission("callers", ["stranger"], ("HTTPRouteGroup", "pages")))
    assert kept.status("kept", "/other/y") in ("ECONNRESET", "EPIPE", "ECONNABORTED")


def test_a_connection_older_than_http_rules_is_cut_once(scene):
    kept = keeper(scene, "direct", "/anything")
    scene.apply(group("everything", [ALL]),
                permission("direct", ["direct"], ("HTTPRouteGroup", "everything")))
    assert kept.status("kept", "/anything") in ("ECONNRESET", "EPIPE", "ECONNABORTED")
    kept = keeper(scene, "direct", "/anything")
    # from then on it is read, and goes on under whatever rules
    scene.apply(group("everything", [ALL, {"name": "more", "pathRegex": "/more"}]))
    assert kept.status("kept", "/anything") == 200
    # rules of L4 let it go on, too
    scene.apply(permission("direct", ["direct"], ("TCPRoute", "any")))
    assert kept.status("kept", "/anything") == 200
    # and what passed by them unread is cut once again
    scene.apply(permission("direct", ["direct"], ("HTTPRouteGroup", "everything")))
    assert kept.status("kept", "/anything") in ("ECONNRESET", "EPIPE", "ECONNABORTED")


def test_a_permissive_namespace_cuts_nothing(scene):
    kept = keeper(scene, "direct", "/anything")
    scene.apply(http_mesh.namespace("permissive"), group("everything", [ALL]),
                permission("direct", ["direct"], ("HTTPRouteGroup", "everything")))
    time.sleep(0.5)
    assert kept.status("kept", "/anything") == 200


@pytest.mark.parametrize("how", ("stop", "kill"))
def test_an_agent_that_comes_back_changes_nothing(scene, how):
    kept = keeper(scene, "caller")
    before = placed(scene)
    scene.mesh.agent("node-a", how)
    assert kept.status("kept", "/ok/without-agent") == 200
    assert kept.status("kept", "/ok/still") == 200
    scene.mesh.agent("node-a", "start")
    assert placed(scene) == before
    assert_verified(scene)
    assert kept.status("kept", "/ok/with-agent") == 200
    assert kept.status("kept", "/secret") == "weft"


def test_a_change_while_the_agent_is_down(scene):
    kept = keeper(scene, "caller")
    scene.mesh.agent("node-a", "kill")
    scene.apply(http_mesh.pages({"name": "other", "pathRegex": "/other", "methods": ["*"]}))
    assert kept.status("kept", "/ok/x") == 200
    scene.mesh.agent("node-a", "start")
    assert kept.status("kept", "/other/x") == 200
    assert kept.status("kept", "/ok/x") == "weft"


def test_an_identity_changes_under_load(scene):
    """Its requests are allowed by the rules of both, so none may fail."""
    pod = scene.mesh.manifest("Pod", "caller", SPACE)
    scene.apply(permission("both", ["stranger"], ("HTTPRouteGroup", "pages")))
    busy = Keeper(scene, "caller")
    busy.busy([(SERVER, False, "/ok/busy")], 4)
    for round_ in range(6):
        changed = dict(pod[1], spec=dict(pod[1]["spec"], serviceAccountName=("stranger", "caller")[round_ % 2]))
        scene.mesh.write_manifest(pod[0], changed)
        time.sleep(0.1)
    result = busy.rest()
    scene.mesh.delete(http_mesh.as_text(permission("both", ["stranger"], ("HTTPRouteGroup", "pages"))))
    assert result["requests"] > 50 and not result["failures"], result


def test_tampering_is_told_and_mended(scene):
    entry = next(one for one in dump(scene, "weft_policy") if one["formatted"]["value"]["mask"])
    mask = list(entry["value"])
    mask[4] = "0x%02x" % (int(mask[4], 16) ^ 1)
    bpftool(scene, "node-a", "map", "update", "pinned", "ROOT/weft_policy", "key", *entry["key"], "value", *mask)
    dest = next(one for one in dump(scene, "weft_dest") if one["formatted"]["value"]["http"])
    value = list(dest["value"])
    value[8] = "0x%02x" % (int(value[8], 16) ^ 0x40)
    bpftool(scene, "node-a", "map", "update", "pinned", "ROOT/weft_dest", "key", *dest["key"], "value", *value)
    code, answer, _ = scene.mesh.weft_json("node-a", "verify")
    assert code == 1
    found = {(one["where"], one["key"]) for one in answer["differences"]}
    assert ("weft_http", "HTTP rules of %s/server" % SPACE) in found, answer
    assert any(where == "weft_policy" and key.startswith(SPACE + "/caller ->") for where, key in found), answer
    scene.mesh.agent("node-a", "stop")
    scene.mesh.agent("node-a", "start")
    assert_verified(scene)
    assert keeper(scene, "caller").status("kept", "/secret") == "weft"


def test_what_is_withdrawn_is_free_again(scene):
    """Back and forth for longer than a range rests: the arena does not fill up."""
    offsets = set()
    for round_ in range(12):
        scene.apply(http_mesh.pages({"name": "r%d" % (round_ % 2), "pathRegex": "/r%d" % (round_ % 2)}))
        offsets |= {offset for _, offset in placed(scene).values()}
        time.sleep(0.4)
    assert len(offsets) < 12, offsets
    interface = [one["formatted"]["value"]["peer"]["flags"] for one in dump(scene, "weft_iface")]
    assert any(flags & 32 for flags in interface), interface
    scene.apply(permission("callers", ["caller"], ("TCPRoute", "any")))
    assert not placed(scene)
    wait_until(lambda: not any(one["formatted"]["value"]["peer"]["flags"] & 32
                               for one in dump(scene, "weft_iface")), 3, "interfaces without HTTP rules")
