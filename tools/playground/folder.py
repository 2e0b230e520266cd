# SPDX-License-Identifier: Apache-2.0
"""The manifests folder that the agents read: one file per object, replaced atomically."""
import contextlib
import os

from . import manifests, objects


class Folder:
    """Keeps the files of one folder equal to the published objects."""

    def __init__(self, path):
        self.path = path
        self._written = {}

    def publish(self, key, document):
        """Write the object unless the file already says exactly this."""
        rendered = manifests.dump(document)
        name = objects.file_name(key)
        if self._written.get(name) == rendered:
            return False
        temporary = f"{self.path}/.{name}.tmp"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(rendered)
        os.rename(temporary, f"{self.path}/{name}")
        self._written[name] = rendered
        return True

    def withdraw(self, key):
        name = objects.file_name(key)
        self._written.pop(name, None)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.path}/{name}")

    def versions(self):
        """{file name: (inode, mtime in ns, size)} of what an agent should have taken in; read
        from the disk, because tests put files of their own beside ours."""
        result = {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                if entry.name.startswith(".") or \
                        not entry.name.endswith((".yaml", ".yml", ".json")):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_file():
                        stat = entry.stat()
                        result[entry.name] = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        return result
