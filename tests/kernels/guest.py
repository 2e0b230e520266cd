# SPDX-License-Identifier: Apache-2.0
"""A machine of QEMU that runs one program of this tree on another kernel.

It sees the host's root file system read-only (9p) below a layer of memory; of what it writes,
only the folder of results comes back. It has no network and no disk.
"""
import lzma
import os
import pathlib
import shutil
import stat
import subprocess
import zlib

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
BUSYBOX = pathlib.Path("/bin/busybox")
QEMU = "qemu-system-x86_64"
MEMORY_MB = 2048
# KVM is not taken unasked: a /dev/kvm that cannot be used (nested) ends QEMU without a way back.
# Both processors in one thread: in two, QEMU 7.2 now and then runs an instruction that the other
# processor is just patching, and newer kernels die of it.
ACCELERATOR = os.environ.get("QEMU_ACCEL", "tcg,thread=single")
# What must be there before the host's root is: found by name, built-in ones are left out.
EARLY_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
FOLDERS = ("bin", "dev", "proc", "modules", "lower", "memory", "root", "results")


class GuestError(Exception):
    """The guest did not come to its end; the message says what it said last. `died`: by itself,
    not by the time limit."""

    def __init__(self, message, died):
        super().__init__(message)
        self.died = died


def _gunzip(data):
    return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data)


def _unxz(data):
    return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data)


def _unzstd(data):
    # complains about what follows the frame, after having written all of it
    return subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=False).stdout


UNPACKERS = ((b"\xfd7zXZ\x00", _unxz), (b"\x28\xb5\x2f\xfd", _unzstd), (b"\x1f\x8b\x08", _gunzip))


def unpack_kernel(boot, target):
    """The ELF image inside a vmlinuz: without KVM, unpacking it in the guest takes longer than
    everything else of the boot."""
    data = boot.read_bytes()
    for magic, unpack in UNPACKERS:
        start = data.find(magic)
        while start >= 0:
            try:
                image = unpack(data[start:])
            except (lzma.LZMAError, zlib.error):
                image = b""
            if image.startswith(b"\x7fELF"):
                target.write_bytes(image)
                return target
            start = data.find(magic, start + 1)
    return boot


def early_modules(image):
    """Files of the modules in the order of loading, each after what it needs."""
    needs, files = {}, {}
    for line in (image.modules / "modules.dep").read_text(encoding="utf-8").splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
        files[pathlib.Path(path).name.split(".")[0]] = path
    order = []

    def add(path):
        for need in needs[path]:
            add(need)
        if path not in order:
            order.append(path)
    for name in EARLY_MODULES:
        if name in files:
            add(files[name])
    return [image.modules / path for path in order]


def _module_bytes(path):
    data = path.read_bytes()
    for magic, unpack in UNPACKERS:
        if data.startswith(magic):
            return unpack(data)
    return data


class Archive:
    """A cpio archive (newc), as the kernel unpacks it into its first root."""

    def __init__(self):
        self.parts = []

    def add(self, name, mode, data=b"", device=(0, 0)):
        name = name.encode() + b"\0"
        fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
        for piece in (head, data):
            self.parts.append(piece + b"\0" * (-len(piece) % 4))

    def bytes(self):
        self.add("TRAILER!!!", 0)
        return b"".join(self.parts)


def write_initramfs(target, image, environment):
    archive = Archive()
    for folder in FOLDERS:
        archive.add(folder, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("bin/busybox", stat.S_IFREG | 0o755, BUSYBOX.read_bytes())
    archive.add("init", stat.S_IFREG | 0o755, (HERE / "initramfs.sh").read_bytes())
    order = []
    for module in early_modules(image):
        order.append(module.name)
        archive.add("modules/" + module.name, stat.S_IFREG | 0o644, _module_bytes(module))
    archive.add("modules/order", stat.S_IFREG | 0o644, "".join(o + "\n" for o in order).encode())
    archive.add("guest", stat.S_IFREG | 0o644, "".join(
        "export %s='%s'\n" % pair for pair in environment.items()).encode())
    target.write_bytes(archive.bytes())
    return target


def _share(tag, path, *options):
    return ["-fsdev", ",".join(["local", "id=" + tag, "path=%s" % path, "security_model=none", *options]),
            "-device", "virtio-9p-pci,fsdev=%s,mount_tag=%s" % (tag, tag)]


def run(image, build, work, plan, timeout_s):
    """Runs a plan of inside.py on this kernel. The folder of its results."""
    work, results = pathlib.Path(work), pathlib.Path(work, "results")
    shutil.rmtree(work, ignore_errors=True)
    results.mkdir(parents=True)
    initramfs = write_initramfs(work / "initramfs", image, {
        "GUEST_TOP": TOP, "GUEST_BUILD": build, "GUEST_MODULES": image.modules.resolve(),
        "GUEST_PLAN": plan})
    console = work / "console"
    command = [
        # it must not outlive this program, however that ends
        "setpriv", "--pdeathsig", "KILL",
        QEMU, "-machine", "q35", "-accel", ACCELERATOR, "-cpu", "max",
        "-m", str(MEMORY_MB), "-smp", str(min(2, os.cpu_count() or 1)), "-no-user-config",
        "-nodefaults", "-no-reboot", "-display", "none", "-serial", "file:%s" % console,
        "-kernel", str(unpack_kernel(image.boot, work / "vmlinux")), "-initrd", str(initramfs),
        "-append", "console=ttyS0 quiet panic=-1 mitigations=off",
        *_share("root", "/", "readonly=on", "multidevs=remap"), *_share("results", results)]
    with open(work / "qemu", "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            code = process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            process.kill()
            process.wait()
            for name in ("vmlinux", "initramfs"):
                (work / name).unlink(missing_ok=True)
    if code != 0 or not (results / "status").exists():
        raise GuestError("%s\n%s" % (
            "no end within %d s" % timeout_s if code is None else "QEMU ended early, with %d" % code,
            "\n".join(_tail(path) for path in (work / "qemu", console, results / "output"))),
            died=code is not None)
    return results


def _tail(path):
    if not path.exists():
        return ""
    return path.read_text(encoding="utf-8", errors="replace")[-3000:]
