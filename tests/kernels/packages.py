# SPDX-License-Identifier: Apache-2.0
"""Kernels from Debian's archive: fetched as packages and unpacked, never installed.

apt works in a root of its own below the build folder, so that the machine's sources, lists and
packages stay as they are. Mirrors and proxies are those that the machine's own apt uses.
"""
import collections
import os
import pathlib
import re
import shutil
import subprocess

ARCHITECTURE = "amd64"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
META = "linux-image-" + ARCHITECTURE
# A kernel's image and modules; newer packages are split. Not linux-base and the initramfs tools.
PARTS = re.compile(r"linux-(image|binary|modules)-[0-9]")
APT_TIMEOUT_S = 300

# suites: in the order of trying, each (label of the archive, suite)
Kernel = collections.namedtuple("Kernel", "name suites")


class Unavailable(Exception):
    """A kernel that cannot be had here; the message says why and the remedy."""


def _run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          timeout=APT_TIMEOUT_S, **options)
    if done.returncode:
        last = (done.stderr + done.stdout).strip().splitlines()[-3:]
        raise Unavailable("%s: %s" % (" ".join(command[:2]), " ".join(last)))
    return done.stdout


def mirrors():
    """label of the archive ("Debian", "Debian-Security") -> URI, from the machine's sources."""
    lines = _run(["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)",
                  "Created-By: Packages", "Origin: Debian"]).splitlines()
    found = {}
    for line in lines:
        label, uri = line.split(" ", 1)
        found.setdefault(label, uri)
    return found


class Root:
    """apt with one suite, in a folder."""

    def __init__(self, folder, label, suite):
        self.folder = pathlib.Path(folder).resolve()
        uri = mirrors().get(label)
        if not uri:
            raise Unavailable("the machine's apt has no source labelled %s; remedy: apt-get update" % label)
        for name in ("lists/partial", "cache/archives/partial", "etc/preferences.d"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._write("status", "")
        self._write("sources.list", "deb [signed-by=%s arch=%s] %s %s main\n"
                    % (KEYRING, ARCHITECTURE, uri, suite))
        # how to reach the mirrors, but no hooks and no further indexes
        network = [line for line in _run(["apt-config", "dump"]).splitlines()
                   if line.startswith("Acquire::") and not line.startswith("Acquire::IndexTargets")]
        self._write("apt.conf", "\n".join(network + [
            'Dir::Etc "%s/etc";' % self.folder,
            'Dir::Etc::sourcelist "%s/sources.list";' % self.folder,
            'Dir::Etc::sourceparts "/dev/null";',
            'Dir::State "%s";' % self.folder,
            'Dir::State::lists "%s/lists";' % self.folder,
            'Dir::State::status "%s/status";' % self.folder,
            'Dir::Cache "%s/cache";' % self.folder,
            'APT::Architecture "%s";' % ARCHITECTURE,
            'APT::Architectures { "%s"; };' % ARCHITECTURE,
            'APT::Sandbox::User "root";' if os.geteuid() == 0 else "",
            'Acquire::Retries "1";',
            'Acquire::http::Timeout "20";',
            'Acquire::https::Timeout "20";', ""]))

    def _write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, *command, cwd=None):
        return _run(list(command), cwd=cwd, env=dict(
            os.environ, APT_CONFIG=str(self.folder / "apt.conf"), LC_ALL="C"))

    def update(self):
        self.run("apt-get", "update", "-q", "-o", "APT::Update::Error-Mode=any")

    def _show(self, package):
        """(version, names of the parts of the kernel that it needs)."""
        text = self.run("apt-cache", "show", "--no-all-versions", package)
        fields = dict(line.split(": ", 1) for line in text.splitlines() if re.match(r"[A-Z]\S*: ", line))
        wanted = [entry.split(" ")[0] for entry in re.split(r"[,|]\s*", fields.get("Depends", ""))]
        return fields["Version"], [name for name in wanted if PARTS.match(name)]

    def parts(self):
        """All packages of this suite's kernel, as name=version."""
        _, todo = self._show(META)
        found = {}
        while todo:
            name = todo.pop()
            if name not in found:
                found[name], more = self._show(name)
                todo += more
        if not found:
            raise Unavailable("%s names no kernel" % META)
        return sorted("%s=%s" % pair for pair in found.items())


class Image:
    """An unpacked kernel: `boot` is bootable, `modules` its modules, with dependencies."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        # newer packages have everything below /usr: one layout from here on
        if not (self.folder / "lib").exists() and (self.folder / "usr/lib/modules").is_dir():
            (self.folder / "lib").symlink_to("usr/lib")
        self.modules = next(iter(self.folder.glob("lib/modules/*")), None)
        boot = [*self.folder.glob("boot/vmlinuz-*"), *self.folder.glob("lib/modules/*/vmlinuz")]
        if not boot or not self.modules:
            raise Unavailable("%s holds no kernel and modules" % self.folder)
        self.boot, self.release = boot[0], self.modules.name
        if not (self.modules / "modules.dep").exists():
            _run(["/usr/sbin/depmod", "-b", str(self.folder), self.release])


def fetch(kernel, folder):
    """The unpacked kernel of the first suite that has one; reused while the suite names the
    same packages, or when the archive cannot be reached."""
    problems = []
    for label, suite in kernel.suites:
        place = pathlib.Path(folder, kernel.name)
        try:
            return _fetch(place, label, suite)
        except (Unavailable, subprocess.TimeoutExpired) as problem:
            problems.append("%s: %s" % (suite, problem))
    raise Unavailable("; ".join(problems))


def _fetch(place, label, suite):
    stamp = place / "packages"
    known = stamp.read_text(encoding="utf-8").split() if stamp.exists() else []
    try:
        root = Root(place / "apt", label, suite)
        root.update()
        wanted = root.parts()
        if wanted == known:
            return Image(place / "root")
        print("  fetching %s from %s" % (" ".join(wanted), suite), flush=True)
        shutil.rmtree(place / "debs", ignore_errors=True)
        (place / "debs").mkdir(parents=True)
        root.run("apt-get", "download", "-q", *wanted, cwd=place / "debs")
    except (Unavailable, subprocess.TimeoutExpired) as problem:
        if not known:
            raise
        print("  %s cannot be had (%s); using %s, fetched before" % (suite, problem, known[0]), flush=True)
        return Image(place / "root")
    # what was there before serves until here, should the archive fail
    stamp.unlink(missing_ok=True)
    shutil.rmtree(place / "root", ignore_errors=True)
    for deb in sorted((place / "debs").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(deb), str(place / "root")])
    shutil.rmtree(place / "debs")
    image = Image(place / "root")
    stamp.write_text("\n".join(wanted), encoding="utf-8")
    return image
