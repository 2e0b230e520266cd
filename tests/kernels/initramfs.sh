#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
#
# First program of a guest: mounts the host's root, read-only below a layer of memory, and goes
# on there with guest.sh. /guest and /modules come from guest.py.
/bin/busybox --install -s /bin
export PATH=/bin

stop() {
	echo "guest: $1"
	poweroff -f
}

mount -t proc proc /proc
mount -t devtmpfs dev /dev
while read -r module; do
	insmod "/modules/$module" || stop "cannot load $module"
done </modules/order
# shellcheck source=/dev/null
. /guest

mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 root /lower ||
	stop "cannot mount the host's root"
mount -t tmpfs -o size=50% memory /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/lower,upperdir=/memory/upper,workdir=/memory/work overlay /root ||
	stop "cannot mount the overlay"
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 results /results ||
	stop "cannot mount the folder of results"

mount -t proc proc /root/proc
mount -t sysfs sys /root/sys
mount -t devtmpfs dev /root/dev
mount -t tmpfs memory /root/run
mkdir /root/run/results
mount --move /results /root/run/results
umount /dev /proc
exec switch_root /root /bin/busybox sh "$GUEST_TOP/tests/kernels/guest.sh" || stop "cannot go on"
