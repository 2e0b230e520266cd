# SPDX-License-Identifier: Apache-2.0
"""OCI images without a registry or a daemon, by umoci."""
import json
import pathlib
import subprocess
import tempfile


def run(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError("%s: %s" % (" ".join(map(str, command)), done.stderr.strip()))


def build(archive, name, fill, config):
    """Writes the archive of the image `name` (with its tag). `fill(rootfs)` puts its files in place;
    `config`: arguments of umoci config."""
    repository, tag = name.rsplit(":", 1)
    with tempfile.TemporaryDirectory(prefix="weft-image-") as work:
        layout, bundle = pathlib.Path(work, "layout"), pathlib.Path(work, "bundle")
        image = "%s:%s" % (layout, tag)
        run("umoci", "init", "--layout", layout)
        run("umoci", "new", "--image", image)
        run("umoci", "unpack", "--image", image, bundle)
        fill(bundle / "rootfs")
        run("umoci", "repack", "--image", image, bundle)
        run("umoci", "config", "--image", image, *config)
        index = layout / "index.json"
        document = json.loads(index.read_text(encoding="utf-8"))
        for manifest in document["manifests"]:
            manifest["annotations"] = {"io.containerd.image.name": name,
                                       "org.opencontainers.image.ref.name": tag}
        index.write_text(json.dumps(document), encoding="utf-8")
        run("tar", "-cf", archive, "-C", layout, ".")
    return repository
