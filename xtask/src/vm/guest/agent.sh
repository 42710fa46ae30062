#!/bin/sh
# The tests' hand in the guest. Reads a number from the console, runs /share/run/NUMBER beside everything else, and
# writes its lines as `@NUMBER> line` and its end as `@NUMBER= status`.
stty -echo -onlcr
mount -t hostfs none /share
echo "@up $(cat /proc/sys/kernel/random/boot_id)"
while read -r number; do
    {
        sh "/share/run/$number" 2>&1 </dev/null
        # The last line may have had no end.
        printf '\n\001%s\n' "$?"
    } | sed -u "s/^\x01/@$number= /; t; s/^/@$number> /" >/dev/console &
done
