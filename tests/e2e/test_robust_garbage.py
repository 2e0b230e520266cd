# SPDX-License-Identifier: Apache-2.0
"""Garbage in the manifest folder: told as a finding, and nothing else changes.

All the time one pod calls what it may call and another what it may not; at the end no call of the
first has failed, none of the second got through, and the agent is the same process."""
import os
import time

import pytest

import garbage
from mesh import wait_until
from robust import (Asker, Load, assert_all_ok, assert_all_refused, assert_held, cluster_of, namespace,
                    node, pod, received_from, route, target, text)

VICTIM = "victim.yaml"
# Generous: sanitizers, and another test may share the machine.
SECONDS = 10.0


@pytest.fixture(scope="module")
def cluster():
    with cluster_of(
            node("a"), namespace(),
            lambda mesh: pod("web", "a", command=mesh.server_command(
                "web", "tcp:80", "tcp:81", "tcp:82")),
            pod("caller", "a"), pod("intruder", "a"), route("web", 80),
            target("web", "web", ["caller"], [("TCPRoute", "web")]),
    ) as made:
        made.mesh.run("wait")
        with Asker(made.mesh, "caller") as made.caller:
            yield made


@pytest.fixture(scope="module", autouse=True)
def steady_traffic(cluster):
    mesh, pid = cluster.mesh, cluster.pid("a")
    with Load(mesh, "caller", "call", cluster.of("web", 80), pause=0.01) as allowed, \
            Load(mesh, "intruder", "call", cluster.of("web", 80), pause=0.01) as denied, \
            Load(mesh, "caller", "hold", cluster.of("web", 80), pause=0.05) as held:
        yield
        assert_all_ok(allowed.stop())
        assert_all_refused(denied.stop())
        assert_held(held.stop())
    assert received_from(mesh, "web", cluster.addresses("intruder")) == []
    assert cluster.pid("a") == pid, "the agent was replaced"
    cluster.assert_sane()
    cluster.assert_verified()


def granted(name, port):
    """A manifest that admits the caller to one more port."""
    return text(route(name, port), target(name, "web", ["caller"], [("TCPRoute", name)]))


def reaches(cluster, port):
    return [answer == "ok" for answer in cluster.caller.ask(cluster.of("web", port))]


def findings_of(cluster, name):
    return [one for one in cluster.findings("a") if one.get("file") == name]


def wait_read(cluster, name, seconds=SECONDS):
    """Until the present version of a file is in force."""
    version = os.stat(cluster.manifests / name)

    def is_read():
        file = cluster.status("a")["source"]["files"].get(name, {})
        return (file.get("inode"), file.get("mtime_ns")) == (version.st_ino, version.st_mtime_ns)
    wait_until(is_read, seconds, "reading " + name)


def assert_others_work(cluster):
    """Another file's change takes effect as ever, in both directions."""
    cluster.write("others.yaml", granted("others", 81))
    wait_read(cluster, "others.yaml")
    assert reaches(cluster, 81) == [True, True]
    cluster.remove("others.yaml")
    wait_until(lambda: "others.yaml" not in cluster.status("a")["source"]["files"], SECONDS)
    assert reaches(cluster, 81) == [False, False]


def assert_told(cluster, name):
    found = wait_until(lambda: findings_of(cluster, name), SECONDS, "a finding about " + repr(name))
    for one in found:
        assert one["reason"] in ("InvalidManifest", "Unreadable"), found
        assert one["message"] and one["consequence"], found
    return found[0]


@pytest.mark.parametrize("name", [*garbage.CONTENTS, *garbage.SPECIAL])
def test_garbage_instead_of_a_good_file(cluster, name):
    """The file's last good content stays in force; the next good version counts again."""
    cluster.write(VICTIM, granted("victim", 82))
    wait_read(cluster, VICTIM)
    if name in garbage.CONTENTS:
        cluster.write(VICTIM, garbage.CONTENTS[name])
    else:
        garbage.SPECIAL[name](cluster.manifests / ".special")
        if name == "directory":
            # A directory cannot take a file's place at once.
            os.rename(cluster.manifests / VICTIM, cluster.manifests / ".gone")
        os.rename(cluster.manifests / ".special", cluster.manifests / VICTIM)
    found = assert_told(cluster, VICTIM)
    shown = cluster.mesh.weft("a", "status").stdout
    assert VICTIM in shown, shown
    assert VICTIM in cluster.log("a")
    if name != "directory":
        assert reaches(cluster, 82) == [True, True]
    assert_others_work(cluster)
    if name == "directory":
        os.rmdir(cluster.manifests / VICTIM)
    cluster.write(VICTIM, "")
    wait_until(lambda: not findings_of(cluster, VICTIM), SECONDS, "recovery")
    wait_read(cluster, VICTIM)
    assert reaches(cluster, 82) == [False, False]
    cluster.remove(VICTIM)


def test_names_of_files(cluster):
    """A bad file of any name is told, in JSON that is valid; a good one counts."""
    for name in garbage.NAMES:
        cluster.write(name[:240] + ".yaml", "kind: [\n")
    names = [name[:240] + ".yaml" for name in garbage.NAMES]
    # What is no UTF-8 cannot be in JSON as it is.
    shown = [os.fsencode(name).decode("utf-8", "replace") for name in names]
    for name in shown:
        assert_told(cluster, name)
    done = cluster.mesh.weft("a", "status")
    assert done.returncode == 0, done
    assert "\x1b" not in done.stdout and "new\nline" not in done.stdout, done.stdout
    assert all(line.startswith("time=") for line in cluster.log("a").splitlines())
    for name in names:
        cluster.write(name, "")
    wait_until(lambda: not cluster.findings("a"), SECONDS)
    for name in names:
        cluster.write(name, granted("named", 82))
        wait_until(lambda: all(reaches(cluster, 82)), what="port 82 by " + repr(name))
        cluster.remove(name)
        wait_until(lambda: not any(reaches(cluster, 82)), what="no port 82 by " + repr(name))


def test_editors_temporary_files_do_not_count(cluster):
    before = cluster.findings("a")
    names = [".web.yaml.swp", "web.yaml~", "#web.yaml#", "web.yaml.tmp", "web.yaml.bak",
             "web.yaml.orig", "4913", ".#web.yaml", "web.yaml.swp", ".web.yaml", "README",
             "web.yaml.1700000000~", "web.YAML.part"]
    evil = text(target("evil", "web", ["intruder"], [("TCPRoute", "web")]))
    for name in names:
        (cluster.manifests / name).write_text(evil)
    assert_others_work(cluster)
    assert cluster.findings("a") == before
    for name in names:
        cluster.remove(name)


def test_unknown_kinds_and_things_without_a_kind(cluster):
    """Told per object; the object beside them counts."""
    cluster.write("kinds.yaml", text(
        {"apiVersion": "v1", "kind": "Nonsense", "metadata": {"name": "x"}},
        {"apiVersion": "access.smi-spec.io/v1alpha99", "kind": "TrafficTarget",
         "metadata": {"name": "x"}}, {"kind": "Pod"}, {}, [1, None], 42, "text") + "---\n" +
        granted("beside", 82))
    wait_read(cluster, "kinds.yaml")
    assert reaches(cluster, 82) == [True, True]
    found = findings_of(cluster, "kinds.yaml")
    assert len(found) >= 4, found
    assert all(one["message"] for one in found)
    cluster.remove("kinds.yaml")
    wait_until(lambda: not findings_of(cluster, "kinds.yaml"), SECONDS)


def test_of_two_files_with_the_same_object_the_first_counts(cluster):
    evil = text(target("web", "web", ["intruder", "caller"], [("TCPRoute", "web")]))
    cluster.write("zz-duplicate.yaml", evil)
    found = wait_until(lambda: findings_of(cluster, "zz-duplicate.yaml"), SECONDS)
    assert [one["reason"] for one in found] == ["Duplicate"], found
    assert_others_work(cluster)
    cluster.remove("zz-duplicate.yaml")
    wait_until(lambda: not findings_of(cluster, "zz-duplicate.yaml"), SECONDS)
    # And the other way round: the file that comes first takes over, and gives back.
    more = text(route("both", 80, 82), target("web", "web", ["caller"], [("TCPRoute", "both")]))
    cluster.write("aa-first.yaml", more)
    wait_read(cluster, "aa-first.yaml")
    assert reaches(cluster, 82) == [True, True]
    assert any(one["reason"] == "Duplicate" and one["object"]["name"] == "web"
               for one in cluster.findings("a"))
    cluster.remove("aa-first.yaml")
    wait_until(lambda: not any(reaches(cluster, 82)))
    assert not cluster.findings("a")


def test_wrong_types_in_every_field_of_every_kind(cluster):
    files = garbage.wrong_files(100)
    rounds = [files[i:i + 26] for i in range(0, len(files), 26)]
    for contents in rounds:
        for index, content in enumerate(contents):
            cluster.write("wrong-%02d.yaml" % index, content)
        for index in range(len(contents)):
            wait_read(cluster, "wrong-%02d.yaml" % index, 30)
        assert len(cluster.findings("a")) > 100
    assert_others_work(cluster)
    assert cluster.mesh.weft("a", "status").returncode == 0
    for path in cluster.manifests.glob("wrong-*.yaml"):
        path.unlink()
    wait_until(lambda: not cluster.findings("a"), 30)


def test_two_thousand_files_at_once(cluster):
    begin = time.monotonic()
    for index in range(2000):
        cluster.write("many-%04d.yaml" % index, text(
            target("many-%04d" % index, "web", ["guest-%d" % index], [("TCPRoute", "web")])))
    wait_until(lambda: "many-1999.yaml" in cluster.status("a")["source"]["files"], 30)
    wait_until(lambda: len(cluster.status("a")["source"]["files"]) > 2000, 30)
    print("2000 files read after %.1f s" % (time.monotonic() - begin))
    assert_others_work(cluster)
    for path in cluster.manifests.glob("many-*.yaml"):
        path.unlink()
    wait_until(lambda: len(cluster.status("a")["source"]["files"]) < 100, 30)
    assert not cluster.findings("a")


def test_a_file_replaced_five_hundred_times(cluster):
    for count in range(500):
        cluster.write("flips.yaml", granted("flips", 81 + count % 2))
    wait_read(cluster, "flips.yaml")
    assert (reaches(cluster, 81), reaches(cluster, 82)) == ([False] * 2, [True] * 2)
    cluster.remove("flips.yaml")
    wait_until(lambda: not any(reaches(cluster, 82)))


def test_a_slow_writer(cluster):
    """While somebody writes it, the file's last content stays; half of the new one parses, too."""
    cluster.write("slow.yaml", granted("slow", 82))
    wait_read(cluster, "slow.yaml")
    content = granted("slow", 82) + granted("more", 81)
    with open(cluster.manifests / "slow.yaml", "w", encoding="utf-8") as file:
        for begin in range(0, len(content), 60):
            file.write(content[begin:begin + 60])
            file.flush()
            time.sleep(3.5 / (len(content) / 60))
            assert reaches(cluster, 82) == [True, True], begin
            assert reaches(cluster, 81) == [False, False], begin
    wait_read(cluster, "slow.yaml")
    assert (reaches(cluster, 81), reaches(cluster, 82)) == ([True] * 2, [True] * 2)
    cluster.remove("slow.yaml")
    wait_until(lambda: not any(reaches(cluster, 81) + reaches(cluster, 82)))
