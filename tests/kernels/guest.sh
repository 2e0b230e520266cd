#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
#
# Process 1 of a guest, in the host's root file system: mounts what a machine has, runs the
# program that the host named, and switches the machine off. The environment comes from /guest of
# the initramfs, by switch_root.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TMPDIR=/run/tmp

mkdir -p /dev/pts /dev/shm /run/tmp /run/netns
mount -t devpts devpts /dev/pts
mount -t tmpfs memory /dev/shm
ln -sf /proc/self/fd /dev/fd
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/lib/modules/$(uname -r)"
mount --bind "$GUEST_MODULES" "/lib/modules/$(uname -r)"
ip link set lo up
hostname guest

cd "$GUEST_TOP" || poweroff -f
# as a child: process 1 must stay to take in orphans
/usr/bin/python3 tests/kernels/inside.py --build "$GUEST_BUILD" --results /run/results \
	"$GUEST_PLAN" >/run/results/output 2>&1
echo $? >/run/results/status
dmesg >/run/results/dmesg
sync
busybox poweroff -f
