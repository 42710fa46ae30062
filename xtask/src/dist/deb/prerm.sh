#!/bin/sh
# What is open ends by its class, then everything is stopped. An upgrade stops nothing.
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop mainstay.service mainstay-keeper.service
fi
