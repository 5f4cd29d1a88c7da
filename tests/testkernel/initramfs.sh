#!/bin/sh
# First process of the QEMU guest: mounts the host's tree through 9p and goes on with guest.sh from the run directory.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
# In the order of their dependencies; what a kernel has built in is not in the initramfs.
for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci 9pnet netfs fscache 9p 9pnet_virtio; do
  [ -e /modules/$module.ko ] && $b insmod /modules/$module.ko
done
options=trans=virtio,version=9p2000.L,msize=262144
run=$($b sed -n 's/.*TESTKERNEL_RUN=\([^ ]*\).*/\1/p' /proc/cmdline)
# The run directory is mounted once more without a cache, so that output and status reach the host at once.
$b mount -t 9p -o $options,cache=loose host /root || exit 1
$b mount -t 9p -o $options run "/root$run" || exit 1
$b mount --move /dev /root/dev
$b mount --move /proc /root/proc
export TESTKERNEL_RUN="$run"
exec $b switch_root /root /bin/bash "$run/guest.sh"
