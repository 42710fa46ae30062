#!/bin/sh
# Makes the disk of the guests: Debian 12 with systemd, the agent that runs what the tests ask for, modules of faults.
# Runs in mounts of its own. Arguments: folder of the agent, the disk to write, folder of the kernel's modules, mirror.
set -eu
recipe=$1 disk=$2 modules=$3 mirror=$4
root=$recipe/root
mkdir -p "$root"
# In memory: dpkg syncs every file, which takes minutes on a disk.
mount -t tmpfs -o mode=755,size=2g none "$root"
packages=systemd-sysv,dbus,iproute2,curl,dmsetup,kmod,openssh-server,openssh-client,sudo
# Of the apps that people bring, and a CA for their names.
packages=$packages,nodejs,python3,python3-venv,pebble
debootstrap --variant=minbase --include="$packages" bookworm "$root" "$mirror"
# debootstrap leaves it mounted.
umount "$root/proc" 2>/dev/null || true

install -m 755 "$recipe/agent.sh" "$root/usr/local/sbin/guest-agent"
install -m 644 "$recipe/agent.service" "$root/etc/systemd/system/guest-agent.service"
mkdir -p "$root/share" "$root/usr/local/lib/guest"
for module in drivers/md/dm-mod drivers/md/dm-delay net/sched/sch_netem; do
    cp "$modules/kernel/$module.ko" "$root/usr/local/lib/guest/"
done
echo guest >"$root/etc/hostname"
: >"$root/etc/fstab"
# A journal on the disk would be most of what a guest writes.
mkdir -p "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=volatile\n' >"$root/etc/systemd/journald.conf.d/guest.conf"
rm -rf "$root/var/cache/apt/archives" "$root/var/lib/apt/lists" "$root/usr/share/doc" "$root/usr/share/locale"

chroot "$root" systemctl enable guest-agent.service
# What no guest needs, each some tenths of a second of its start.
chroot "$root" systemctl mask getty.target console-getty.service getty@.service modprobe@.service \
    systemd-journal-flush.service systemd-random-seed.service systemd-sysctl.service systemd-sysusers.service \
    systemd-modules-load.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
    systemd-machine-id-commit.service sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    ssh.service dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount \
    systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-networkd.service systemd-resolved.service

rm -f "$disk"
truncate -s 3G "$disk"
mkfs.ext4 -q -F -d "$root" "$disk"
