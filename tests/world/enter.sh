#!/bin/bash
# A machine of its own for a test: namespaces, and an overlay of / whose changes vanish with it.
# Usage: enter.sh KIND SHARE
# KIND is a script beside this one that turns the overlay into its kind of machine and becomes
# PID 1. SHARE is a directory that the machine sees as /share. Changes are seen in /run/upper.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kind=$1 share=$2 stage=${3:-namespaces}

case $stage in
namespaces)
    exec unshare --mount "$0" "$kind" "$share" cgroup
    ;;
cgroup)
    mount --make-rprivate /
    # A group of its own below whichever one this is, as systemd wants one.
    mount -t tmpfs -o mode=0755 world /mnt
    mkdir /mnt/cgroup /mnt/upper /mnt/work /mnt/root
    mount -t cgroup2 none /mnt/cgroup
    group=/mnt/cgroup/caddy-test-$$
    mkdir "$group"
    echo $$ >"$group/cgroup.procs"
    unshare --cgroup --pid --mount --net --uts --ipc --fork --kill-child \
        "$0" "$kind" "$share" root &
    machine=$!
    echo $$ >/mnt/cgroup/cgroup.procs
    # PID 1 goes with unshare, and with PID 1 all the others.
    trap 'kill -KILL $machine' TERM
    wait $machine || code=$?
    trap - TERM
    wait $machine || :
    for _ in {1..50}; do
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
        sleep 0.1
    done
    exit "${code-0}"
    ;;
esac

umount /mnt/cgroup
root=/mnt/root
# Submounts of / stay out of the overlay, so what the tests need comes in by /share.
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mkdir -p "$root/sys/fs/cgroup"
mount -t cgroup2 none "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=0755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t tmpfs -o mode=0755 dev "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/run/lock" "$root/run/upper" "$root/share"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount --bind /mnt/upper "$root/run/upper"
mount --bind "$share" "$root/share"
touch "$share/console" "$root/dev/console"
mount --bind "$share/console" "$root/dev/console"
cp -R "$here" "$root/run/world"
ip link set lo up

cd "$root"
mkdir -p run/old
pivot_root . run/old
umount -l run/old
touch /share/entered
exec env -i PATH=/sbin:/usr/sbin:/bin:/usr/bin container=unshare "/run/world/$kind" </dev/null >>/dev/console 2>&1
