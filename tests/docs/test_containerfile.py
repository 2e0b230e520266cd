# SPDX-License-Identifier: Apache-2.0
"""The Containerfile says what the tree has, and makes the image that `make image` makes."""
import importlib.util
import json
import pathlib
import re
import subprocess

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
STEPS = [line.split(" ", 1) for line in (TOP / "Containerfile").read_text(encoding="utf-8").splitlines()
         if line and not line.startswith("#")]


def steps(kind):
    return [rest for word, rest in STEPS if word == kind]


def collector():
    """tools/image/build.py"""
    spec = importlib.util.spec_from_file_location("build", TOP / "tools/image/build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_steps_are_known():
    assert {word for word, _ in STEPS} == {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "LABEL", "ENTRYPOINT"}
    bases = [base.split(" AS ") for base in steps("FROM")]
    assert bases == [["debian:12", "build"], ["scratch"]]


def test_copies_exist():
    for source, _ in (copy.split() for copy in steps("COPY") if not copy.startswith("--")):
        assert (TOP / source).exists(), source
    assert "--from=build /rootfs /" in steps("COPY")


def test_commands_are_the_trees():
    setup, make, collect = steps("RUN")
    groups = setup.split()[1:]
    known = subprocess.run([TOP / "scripts/setup.sh", "--list", *groups], capture_output=True, text=True, check=False)
    assert setup.split()[0] == "scripts/setup.sh" and known.returncode == 0, known.stderr
    assert all(re.search("(?m)^  %s - " % group, known.stdout) for group in groups)
    assert make == 'make -j"$(nproc)" all'
    program, build, folder = collect.split()
    assert (TOP / program).exists() and build == "build" and folder == "/rootfs"


def test_settings_are_the_images():
    image = collector()
    assert steps("ENV") == [image.ENVIRONMENT] and steps("LABEL") == [image.LABEL]
    assert [json.loads(one) for one in steps("ENTRYPOINT")] == [[image.ENTRYPOINT]]


def test_files_are_the_programs(tmp_path):
    """The collection itself, of programs that are there in any case."""
    image = collector()
    build = tmp_path / "build"
    build.mkdir()
    for name in image.PROGRAMS:
        (build / name).write_bytes(pathlib.Path("/bin/true").read_bytes())
        (build / name).chmod(0o755)
    image.fill(build, tmp_path / "root")
    for name, folder in image.PROGRAMS.items():
        assert (tmp_path / "root" / folder / name).stat().st_mode & 0o111
        for library in image.libraries(build / name):
            assert (tmp_path / "root" / library.lstrip("/")).exists(), library
