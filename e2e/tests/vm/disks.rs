//! Disks that are slow, and that fail, under everything that Mainstay keeps.

use std::time::{Duration, Instant};

use crate::{
    guest::Guest,
    service::{self, App},
};

/// Device mapper over the second disk: linear until it is told to be slow or to fail.
const MAP: &str = "set -e
insmod /usr/local/lib/guest/dm-mod.ko; insmod /usr/local/lib/guest/dm-delay.ko
size=$(blockdev --getsz /dev/ubdb)
echo \"0 $size linear /dev/ubdb 0\" | dmsetup --noudevsync create data
dmsetup --noudevsync mknodes
mkfs.ext4 -q /dev/mapper/data
mkdir -p /var/lib/mainstay /etc/mainstay; mount /dev/mapper/data /var/lib/mainstay
echo 'disk_reserve = \"1MiB\"' >/etc/mainstay/machine.toml";

/// A flush of the disk's cache, of which each fsync needs one, takes a second.
const SLOW: &str = "delay /dev/ubdb 0 0 /dev/ubdb 0 0 /dev/ubdb 0 1000";
/// Every read and write fails.
const FAILS: &str = "error";
const WELL: &str = "linear /dev/ubdb 0";
/// What an fsync takes, in milliseconds.
const FSYNC_MS: &str = "set -e; began=$(date +%s%N)
dd if=/dev/zero of=/var/lib/mainstay/synced bs=4k count=1 conv=fsync status=none
echo $((($(date +%s%N) - began) / 1000000))";
/// Bound: of a deploy when each fsync takes a second, one after the other.
const SLOW_DEPLOY_WITHIN: Duration = Duration::from_secs(150);

/// From now on the disk does what `target` says.
fn turns(target: &str) -> String {
    format!(
        "set -e
echo \"0 $(blockdev --getsz /dev/ubdb) {target}\" | dmsetup --noudevsync load data
dmsetup --noudevsync suspend --noflush --nolockfs data; dmsetup --noudevsync resume data"
    )
}

/// What a person does once the disk is well again. Both units are named, because `stop` waits for those that are.
const MEND: &str = "set -e
systemctl stop mainstay mainstay-keeper; umount /var/lib/mainstay
e2fsck -fy /dev/mapper/data >/dev/null || test $? -lt 4
mount /dev/mapper/data /var/lib/mainstay; systemctl start mainstay";

#[test]
fn a_slow_disk_holds_up_deploys_and_a_failing_one_refuses_them_and_neither_ends_an_app() {
    let guest = Guest::boot_with_second_disk();
    guest.ok(MAP);
    service::install(&guest);
    let app = App::default();
    app.deploy(&guest, "one");
    deploys_go_on_and_nothing_fails_while_the_disk_is_slow(&guest, &app);
    deploys_are_refused_in_words_while_the_disk_fails(&guest, &app);
}

fn deploys_go_on_and_nothing_fails_while_the_disk_is_slow(guest: &Guest, app: &App) {
    let judge = service::judge(guest, 0);
    guest.ok(&turns(SLOW));
    let fsync_ms: u64 = guest.ok(FSYNC_MS).trim().parse().expect("a number");
    assert!(fsync_ms >= 1000, "the disk is slow: {fsync_ms}");
    app.place(guest, "two");
    let began = Instant::now();
    let said = guest.start(service::DEPLOY).end(SLOW_DEPLOY_WITHIN);
    println!("an fsync takes {fsync_ms} ms, and a deploy {:?}", began.elapsed());
    assert_eq!(said.status, 0, "{said}");
    assert_eq!(service::serving(guest), 2);
    guest.ok(&turns(WELL));
    service::enough(guest, judge);
}

fn deploys_are_refused_in_words_while_the_disk_fails(guest: &Guest, app: &App) {
    app.place(guest, "three");
    guest.ok(&turns(FAILS));
    let said = guest.start(service::DEPLOY).end(Duration::from_secs(90));
    assert_ne!(said.status, 0, "{said}");
    assert!(said.text.contains("error: ") && said.text.contains("caused by: "), "it is told: {said}");
    // Nothing of what runs needs the disk: requests are answered.
    assert!(service::answer(guest).contains("release=2 "));
    assert_eq!(service::serving(guest), 2);

    guest.ok(&turns(WELL));
    let mended = guest.start(MEND).end(Duration::from_secs(90));
    assert_eq!(mended.status, 0, "{mended}");
    service::serves_by_itself(guest, 2);
    app.deploy(guest, "three");
    assert!(service::serving(guest) > 2);
}
