//! Limits that only cgroup v2 with its controllers can hold.

use std::time::Duration;

use crate::{
    guest::Guest,
    service::{self, App},
};

/// A service beside the web one that takes memory without end when it is told.
const HOG: &str = r#"
[service.hog]
command = ["/bin/sh", "-c", "until rm $GO 2>/dev/null; do sleep 0.2; done; exec tail /dev/zero"]
env = { GO = "{shared_dir}/state/go" }
limits = { memory_max = "48MiB", tasks_max = 16 }
"#;

#[test]
fn an_app_that_runs_out_of_memory_dies_alone_and_status_says_why() {
    let guest = Guest::boot();
    service::install(&guest);
    App { tables: HOG.to_owned(), ..App::default() }.deploy(&guest, "one");
    let group = "/sys/fs/cgroup/system.slice/mainstay.service/mainstay/*/fake.production/hog.*/app";
    let limits = guest.ok(&format!("cat {group}/memory.max {group}/pids.max"));
    assert_eq!(limits, format!("{}\n16", 48 << 20));
    let web = guest.ok("pidof fakeapp");
    let judge = service::judge(&guest, 1);
    guest.ok("touch /var/lib/mainstay/apps/fake/production/shared/state/go");
    let told = guest.until(
        "status says that the hog ran out of memory",
        Duration::from_secs(60),
        "mainstay --app fake status --json | grep 'out of memory'",
    );
    service::enough(&guest, judge);
    assert_eq!(guest.ok("pidof fakeapp"), web, "its neighbours live: {told}");
    assert_eq!(guest.ok("systemctl is-active mainstay mainstay-keeper"), "active\nactive");
    guest.until(
        "the hog runs again",
        Duration::from_secs(30),
        &format!("test $(cat {group}/cgroup.procs | wc -l) -ge 1"),
    );
}
