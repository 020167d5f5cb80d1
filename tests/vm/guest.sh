#!/bin/bash
# guest.sh: process 1 of the virtual machine.  Does what machine.py says on the second serial line:
#   number base64(command)      -> number exit-code base64(output)
# A command that is to stay runs in the background with its own output.
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mkdir -p /run/log
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
ip link set lo up
for block in /sys/block/nvme*n*; do
    read -r serial <"$block/device/serial"
    if [ "${serial// /}" = log ]; then mount "/dev/${block##*/}" /run/log; fi
done
exec 6<>/dev/ttyS1
stty raw -echo <&6
echo "hello $(uname -r)" >&6
while read -r -u 6 number command; do
    output=$(bash -c "$(base64 -d <<<"$command")" 2>&1 </dev/null 6>&- | base64 -w0
        exit "${PIPESTATUS[0]}")
    echo "$number $? $output" >&6
done
