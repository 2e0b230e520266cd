#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""weft's image: weftd, weft and the libraries that they are linked to, nothing else.

    build.py BUILD NAME:TAG ARCHIVE   an OCI layout in a tar file, for `ctr image import`, `podman load`
                                      or `skopeo copy`
    build.py BUILD FOLDER             its files alone, for the Containerfile"""
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import oci  # noqa: E402  pylint: disable=wrong-import-position

PROGRAMS = {"weftd": "usr/sbin", "weft": "usr/bin"}
ENTRYPOINT = "/usr/sbin/weftd"
ENVIRONMENT = "PATH=/usr/sbin:/usr/bin"
LABEL = "org.opencontainers.image.title=weft"


def libraries(program):
    """What the loader would load for it, the loader itself included."""
    listing = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"(/\S+) \(0x", listing))


def fill(build, root):
    for name in ("usr/sbin", "usr/bin", "usr/lib", "etc", "proc", "sys", "run", "tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    # As Debian 12 has them: libraries are looked for below /lib.
    for name in ("lib", "lib64"):
        (root / name).symlink_to("usr/" + name)
    (root / "usr/lib64").mkdir()
    for name, folder in PROGRAMS.items():
        shutil.copy2(build / name, root / folder / name)
        subprocess.run(["strip", root / folder / name], check=True)
        for library in libraries(build / name):
            place = root / (library if library.startswith("/usr") else "/usr" + library).lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(library, place)  # what a link leads to, under the link's name


def main():
    build = pathlib.Path(sys.argv[1])
    if len(sys.argv) == 3:
        fill(build, pathlib.Path(sys.argv[2]))
        return
    name, archive = sys.argv[2], pathlib.Path(sys.argv[3])
    archive.parent.mkdir(parents=True, exist_ok=True)
    oci.build(archive, name, lambda root: fill(build, root), [
        "--config.entrypoint", ENTRYPOINT, "--config.env", ENVIRONMENT, "--config.label", LABEL])
    print("%s: %s, %.1f MB" % (archive, name, archive.stat().st_size / 1e6))


if __name__ == "__main__":
    main()
