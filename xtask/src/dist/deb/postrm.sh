#!/bin/sh
# A removal keeps all data; a purge removes what `mainstay uninstall --purge` would.
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
[ "$1" = purge ] || exit 0

if [ -x /usr/bin/deb-systemd-helper ]; then
    deb-systemd-helper purge mainstay.service >/dev/null || true
fi
moved=$(sed -n 's/^[[:space:]]*data[[:space:]]*=[[:space:]]*"\([^"]*\)".*/\1/p' /etc/mainstay/machine.toml 2>/dev/null | head -n 1)
[ -z "$moved" ] || echo "mainstay: what is in $moved, the data folder of machine.toml, stays." >&2
rm -rf /var/lib/mainstay /var/lib/mainstay-login /etc/mainstay /run/mainstay || true
rm -rf /etc/systemd/system/mainstay.service.d /etc/systemd/system/mainstay-keeper.service.d
# Accounts that Mainstay makes, and no other of such a name.
getent passwd | while IFS=: read -r name _ _ _ _ home _; do
    case "$name:$home" in
    mainstay_login:* | mainstay-*:/nonexistent)
        userdel "$name" || true
        groupdel "$name" 2>/dev/null || true
        ;;
    esac
done
groupdel mainstay 2>/dev/null || true
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
