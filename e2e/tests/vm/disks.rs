//! A disk that fails under everything that Mainstay keeps.

use std::time::Duration;

use crate::{
    guest::Guest,
    service::{self, App},
};

/// Device mapper over the second disk: linear until it is told to fail.
const MAP: &str = "set -e
insmod /usr/local/lib/guest/dm-mod.ko; insmod /usr/local/lib/guest/dm-flakey.ko
size=$(blockdev --getsz /dev/ubdb)
echo \"0 $size linear /dev/ubdb 0\" | dmsetup --noudevsync create data
dmsetup --noudevsync mknodes
mkfs.ext4 -q /dev/mapper/data
mkdir -p /var/lib/mainstay /etc/mainstay; mount /dev/mapper/data /var/lib/mainstay
echo 'disk_reserve = \"1MiB\"' >/etc/mainstay/machine.toml";

/// From now on every read and write of the disk fails.
const FAIL: &str = "set -e
echo \"0 $(blockdev --getsz /dev/ubdb) error\" | dmsetup --noudevsync load data
dmsetup --noudevsync suspend --noflush --nolockfs data; dmsetup --noudevsync resume data";

/// The disk is well again; what a person does then. Both units are named, because `stop` waits for those that are.
const MEND: &str = "set -e
echo \"0 $(blockdev --getsz /dev/ubdb) linear /dev/ubdb 0\" | dmsetup --noudevsync load data
dmsetup --noudevsync suspend --noflush --nolockfs data; dmsetup --noudevsync resume data
systemctl stop mainstay mainstay-keeper; umount /var/lib/mainstay
e2fsck -fy /dev/mapper/data >/dev/null || test $? -lt 4
mount /dev/mapper/data /var/lib/mainstay; systemctl start mainstay";

#[test]
fn a_disk_that_answers_with_errors_ends_no_app_and_refuses_deploys_in_words() {
    let guest = Guest::boot_with_second_disk();
    guest.ok(MAP);
    service::install(&guest);
    let app = App::default();
    app.deploy(&guest, "one");
    app.place(&guest, "two");
    guest.ok(FAIL);
    let said = guest.start(service::DEPLOY).end(Duration::from_secs(90));
    assert_ne!(said.status, 0, "{said}");
    assert!(said.text.contains("error: ") && said.text.contains("caused by: "), "it is told: {said}");
    // Nothing of what runs needs the disk: requests are answered.
    assert!(service::answer(&guest).contains("release=1 "));
    assert_eq!(service::serving(&guest), 1);

    let mended = guest.start(MEND).end(Duration::from_secs(90));
    assert_eq!(mended.status, 0, "{mended}");
    service::serves_by_itself(&guest, 1);
    app.deploy(&guest, "two");
    assert!(service::serving(&guest) > 1);
}
