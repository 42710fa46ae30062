#!/bin/sh
# Before the files are there: nothing may be put beside a Mainstay that no package knows.
set -e
if [ "$1" = install ]; then
    if grep -qs '^# Written by `mainstay install`' /etc/systemd/system/mainstay.service; then
        echo "mainstay: this machine has a Mainstay that no package has put there; nothing was changed." >&2
        echo "mainstay: \`/usr/local/bin/mainstay uninstall\` takes it away and keeps all data; then install this again." >&2
        exit 1
    fi
    # For postinst, which is told the same by dpkg for an upgrade as for what comes after a removal.
    mkdir -p /run && : >/run/mainstay-installed
fi
