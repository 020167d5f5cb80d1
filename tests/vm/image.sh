#!/usr/bin/env bash
# image.sh FOLDER PROGRAM...: a Debian 12 for a virtual machine: FOLDER/vmlinuz, FOLDER/root.img.
#
# It has what the programs were linked with, drivers of DPDK for the emulated cards, and the tools
# that our start errors name.  The programs themselves come on a disk of their own.
# FOLDER/key says what the image was made of; made of the same, it is left as it is.
#   image.sh --ready FOLDER PROGRAM...   only asks: exit code 0 when there is nothing to do
set -euo pipefail
ask=0
if [ "${1:-}" = --ready ]; then ask=1; shift; fi
[ $# -ge 2 ] || { sed -n '2,7s/^# \?//p' "$0" >&2; exit 2; }
self=$(readlink -f "$0") folder=$1; shift
SUITE=bookworm
TOOLS=iproute2,kmod,pciutils,procps,python3-minimal,util-linux,e2fsprogs,dpdk
DRIVERS=librte-net-virtio23,librte-net-e1000-23,librte-net-vmxnet3-23,librte-mempool-ring23
DRIVERS+=,librte-bus-pci23,librte-bus-vdev23

libraries() { # the packages of the shared libraries of programs
    ldd "$@" | awk '$3 ~ /^\// {print $3}' | sort -u | while read -r path; do
        dpkg -S "$path" 2>/dev/null || dpkg -S "/usr$path" 2>/dev/null ||
            dpkg -S "$(readlink -f "$path")" 2>/dev/null || echo "image.sh: whose is $path?" >&2
    done | sed 's/:.*//' | sort -u | paste -sd,
}

packages=$TOOLS,$DRIVERS,$(libraries "$@")
key=$(cat "$self" - <<<"$packages" | sha256sum | cut -d' ' -f1)
if [ -e "$folder/root.img" ] && [ "$(cat "$folder/key" 2>/dev/null)" = "$key" ]; then exit 0; fi
if [ $ask = 1 ]; then exit 1; fi

mkdir -p "$folder"
rm -f "$folder/key" # whatever happens now, it is no whole image any more
work=$(mktemp -d "$folder/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root kernel=$work/kernel

mkdir "$kernel"
package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
[ -n "$package" ] || { echo "image.sh: apt knows no linux-image-cloud-amd64" >&2; exit 1; }
(cd "$kernel" && apt-get -q -o APT::Sandbox::User=root download "$package" >&2 &&
    dpkg-deb -x ./*.deb . && rm ./*.deb)

sources=()
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}; do
    if [ -s "$list" ]; then sources+=("$list"); fi
done
mmdebstrap --quiet --variant=minbase --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    "$SUITE" "$root" "${sources[@]}"

# The modules that matter; the disk and its file system are in the kernel itself.
release=$(ls "$kernel/lib/modules") to=$root/lib/modules/$(ls "$kernel/lib/modules")
mkdir -p "$to"
cp "$kernel/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} "$to"
(cd "$kernel/lib/modules/$release" &&
    for part in kernel/drivers/{virtio,vfio,uio} kernel/virt/lib kernel/net/core \
        kernel/drivers/net/{virtio_net.ko,net_failover.ko,vmxnet3,ethernet/intel}; do
        if [ -e "$part" ]; then cp -r --parents "$part" "$to"; fi
    done)
chroot "$root" depmod "$release"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*

# The first program: mounts the disk with the programs, and what it has of ours goes on.
cat >"$root/init-vm" <<'INIT'
#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null
for block in /sys/block/nvme*n*; do
    read -r serial <"$block/device/serial"
    if [ "${serial// /}" = payload ]; then mount -o ro "/dev/${block##*/}" /mnt; fi
done
exec /mnt/guest.sh
INIT
chmod 755 "$root/init-vm"

# One partition from 1 MiB on: the kernel finds it by its identity, whatever its disk is called.
megabytes=$(($(du -sm "$root" | cut -f1) * 5 / 4 + 64))
rm -f "$work/root.img"
truncate -s $((megabytes + 1))M "$work/root.img"
mke2fs -q -t ext4 -O ^has_journal -E offset=1048576,root_owner=0:0 -d "$root" "$work/root.img" \
    "${megabytes}M"
python3 - "$work/root.img" "$megabytes" <<'PYTHON'
import struct
import sys
with open(sys.argv[1], "r+b") as image:
    image.seek(440)
    image.write(struct.pack("<I2xB3sB3sII48x", 0xDEADBEEF, 0, b"\0\2\0", 0x83, b"\xff" * 3, 2048,
                            int(sys.argv[2]) * 2048) + b"\x55\xaa")
PYTHON
cp "$kernel"/boot/vmlinuz* "$folder/vmlinuz"
mv "$work/root.img" "$folder/root.img"
echo "$key" >"$folder/key"
echo "image.sh: $folder/root.img has $megabytes MiB" >&2
