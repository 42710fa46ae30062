#!/bin/sh
# Accounts and folders by the program itself; what systemd has to know by Debian's own tools, which respect what an
# administrator has disabled, masked or stopped.
set -e
case "$1" in
configure | abort-upgrade | abort-deconfigure | abort-remove) ;;
*) exit 0 ;;
esac

/usr/bin/mainstay install --packaged

deb-systemd-helper unmask mainstay.service >/dev/null || true
if deb-systemd-helper --quiet was-enabled mainstay.service; then
    deb-systemd-helper enable mainstay.service >/dev/null || true
else
    deb-systemd-helper update-state mainstay.service >/dev/null || true
fi

if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    if [ -z "$2" ] || [ -e /run/mainstay-installed ]; then
        deb-systemd-invoke start mainstay.service || true
    else
        # The next keeper starts an edge of its own build beside the one that serves: nothing fails. One that was
        # stopped stays stopped.
        deb-systemd-invoke restart mainstay-keeper.service || true
    fi
fi
rm -f /run/mainstay-installed
