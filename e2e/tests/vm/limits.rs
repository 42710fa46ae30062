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

/// A service that forks more than it may, and says how far it came.
const FORKS: &str = r#"
[service.forks]
command = ["perl", "-e", "$| = 1; for (1..40) { my $pid = fork; last unless defined $pid; $pid or exit sleep 600; } print qq(refused\\n); sleep 600"]
limits = { memory_high = "64MiB", memory_max = "80MiB", tasks_max = 16, cpu_weight = 50, nofile = 512 }
[service.debugger]
command = ["perl", "-e", "$| = 1; print 'ptrace ', syscall(101, 0, 0, 0, 0), qq(\\n); sleep 600"]
"#;

#[test]
fn limits_are_the_kernels_and_a_kernel_without_landlock_runs_apps_and_is_found() {
    let guest = Guest::boot();
    service::install(&guest);
    App { tables: FORKS.to_owned(), ..App::default() }.deploy(&guest, "one");
    let group =
        "$(ls -d /sys/fs/cgroup/system.slice/mainstay.service/mainstay/*/fake.production/forks.*/app)";
    let files = ["memory.high", "memory.max", "pids.max", "cpu.weight"].map(|file| format!("{group}/{file}"));
    let limits = guest.ok(&format!("cat {}", files.join(" ")));
    assert_eq!(limits, format!("{}\n{}\n16\n50", 64 << 20, 80 << 20));
    guest.until(
        "the kernel has refused a fork",
        Duration::from_secs(30),
        &format!("grep -v 'max 0' {group}/pids.events && test $(cat {group}/pids.current) -le 16"),
    );
    let forks = guest.ok(&format!("head -1 {group}/cgroup.procs"));
    assert!(guest.ok(&format!("grep 'open files' /proc/{}/limits", forks.trim())).contains("512"));
    let found = |id: &str| {
        guest
            .run(&format!("cd {} && mainstay check --live --json | grep '\"id\":\"{id}\"'", service::APP))
            .text
    };
    assert!(found("limits").contains("\"state\":\"passed\""), "{}", found("limits"));
    let sandbox = found("sandbox");
    assert!(
        sandbox.contains("\"state\":\"found\"") && sandbox.contains("the kernel has no landlock"),
        "{sandbox}"
    );
    let status = guest.ok("mainstay status --machine");
    assert!(status.contains("not here: the kernel has no landlock"), "{status}");
    // What this kernel has holds all the same.
    let edge = guest.ok("grep -h -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/$(pidof -s fakeapp)/status");
    println!("a process of the app: {edge}");
    assert!(edge.contains("CapBnd:\t0000000000000000") && edge.contains("NoNewPrivs:\t1"), "{edge}");
    let said = guest.ok("mainstay --app fake logs debugger");
    let has_seccomp = edge.contains("Seccomp:\t2");
    assert_eq!(said.contains("ptrace -1"), has_seccomp, "{said}");
    assert_eq!(sandbox.contains("no seccomp"), !has_seccomp, "{sandbox}");
}
