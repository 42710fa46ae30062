//! Security updates come by themselves, did lately, and the machine runs them: unattended-upgrades of Debian and Ubuntu,
//! dnf-automatic of Fedora and its kin.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use api::checks::{Severity, State};
use model::Explain;

use super::{Host, Known, OnHost, judged, program, text};
use crate::finding::{Check, found_if, not_run};

pub(super) const AUTOMATIC: Check<OnHost> = Check {
    id: "automatic-updates",
    title: "security updates are installed by themselves",
    severity: Severity::Warning,
    sources: &["CHK-09i", "SEC-01", "SEC-02", "MAINT-05"],
    run: automatic,
};

pub(super) const UPDATED: Check<OnHost> = Check {
    id: "system-updated",
    title: "the operating system and its packages are up to date",
    severity: Severity::Warning,
    sources: &["CHK-09i", "SEC-02", "SEC-05"],
    run: updated,
};

#[derive(Debug, Default)]
pub(crate) struct Updates {
    /// Who installs them.
    by: &'static str,
    /// Why it does not.
    off: Vec<String>,
    /// Since it last did; `None`: it never did, or does not say it.
    last: Option<Duration>,
    /// The system says that it wants to be started again.
    wants_reboot: bool,
}

/// `Dir` of apt.conf(5).
const APT_ROOT: &str = "etc/apt/root.conf";

const DAY: Duration = Duration::from_secs(24 * 3600);
/// It runs once a day.
const LAST_MAX: Duration = DAY.saturating_mul(7);

pub(super) fn read(root: &Path) -> Known<Updates> {
    let wants_reboot =
        ["run/reboot-required", "var/run/reboot-required"].iter().any(|file| root.join(file).exists());
    let updates = match () {
        () if root.join("etc/apt").is_dir() => apt(root)?,
        () if root.join("etc/dnf").is_dir() => dnf(root),
        () => return Err("this system has neither apt nor dnf".to_owned()),
    };
    Ok(Updates { wants_reboot, ..updates })
}

fn apt(root: &Path) -> Known<Updates> {
    let mut off = Vec::new();
    if !root.join("usr/bin/unattended-upgrade").exists() {
        off.push("the package unattended-upgrades is not installed".to_owned());
    }
    // A root that is not `/` says in this file where its own configuration lies.
    let moved = root.join(APT_ROOT).display().to_string();
    let environment = [("APT_CONFIG", moved.as_str())];
    let environment = if root == Path::new("/") { &[][..] } else { &environment };
    off.extend(switched_off(&program::printed_with("apt-config", &["dump"], environment)?));
    off.extend(timer(root, &["apt-daily-upgrade.timer"]));
    let last = age(root, "var/lib/apt/periodic/unattended-upgrades-stamp");
    Ok(Updates { by: "unattended-upgrades", off, last, wants_reboot: false })
}

/// What `apt-config dump` says against it; apt.conf(5): `0` and `""` are never.
fn switched_off(dump: &str) -> Vec<String> {
    let value = |key: &str| {
        let mut lines =
            dump.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(" \"")?.strip_suffix("\";"));
        lines.next_back().unwrap_or_default().to_owned()
    };
    let is_never = |value: &str| ["", "0", "false", "no"].contains(&value);
    let mut off = Vec::new();
    for key in ["APT::Periodic::Update-Package-Lists", "APT::Periodic::Unattended-Upgrade"] {
        if is_never(&value(key)) {
            off.push(format!("{key} is not set"));
        }
    }
    if value("APT::Periodic::Enable") == "0" {
        off.push("APT::Periodic::Enable is 0".to_owned());
    }
    off
}

fn dnf(root: &Path) -> Updates {
    let config = text(root, "etc/dnf/automatic.conf");
    let applies = config.as_ref().is_ok_and(|text| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines
            .any(|(key, value)| key.trim() == "apply_updates" && ["yes", "true", "1"].contains(&value.trim()))
    });
    let mut off = Vec::new();
    match config {
        Err(_) => off.push("dnf-automatic is not installed".to_owned()),
        Ok(_) if !applies => off.push("`apply_updates` is not `yes` in /etc/dnf/automatic.conf".to_owned()),
        Ok(_) => {}
    }
    off.extend(timer(root, &["dnf-automatic.timer", "dnf-automatic-install.timer"]));
    Updates { by: "dnf-automatic", off, last: None, wants_reboot: false }
}

/// Why nothing starts it: systemd has none of its timers enabled.
fn timer(root: &Path, names: &[&str]) -> Option<String> {
    let folder = root.join("etc/systemd/system/timers.target.wants");
    // A link that leads nowhere below this root is one all the same.
    let is_enabled = names.iter().any(|name| folder.join(name).symlink_metadata().is_ok());
    (!is_enabled).then(|| format!("{} is not enabled", names.join(" or ")))
}

fn age(root: &Path, file: &str) -> Option<Duration> {
    let touched = std::fs::metadata(root.join(file)).ok()?.modified().ok()?;
    Some(SystemTime::now().duration_since(touched).unwrap_or_default())
}

fn automatic(context: &Host<'_>) -> State {
    judged(&context.facts.updates, |updates| {
        let explain = Explain::new("updates-by-hand", "security updates wait for somebody who installs them").help(match updates.by {
            "dnf-automatic" => "`dnf install dnf-automatic`, `apply_updates = yes` in /etc/dnf/automatic.conf, `systemctl enable --now dnf-automatic.timer`",
            _ => "`apt-get install unattended-upgrades`, then `dpkg-reconfigure -plow unattended-upgrades`",
        });
        found_if(updates.off.clone(), explain, format!("by {}", updates.by))
    })
}

fn updated(context: &Host<'_>) -> State {
    judged(&context.facts.updates, |updates| {
        let mut wrong = Vec::new();
        let days = updates.last.map(|last| last.as_secs() / DAY.as_secs());
        if updates.wants_reboot {
            wrong.push("an update waits for a reboot".to_owned());
        }
        if let Some(days) = days.filter(|_| updates.last > Some(LAST_MAX)) {
            wrong.push(format!("{} last ran {days} days ago", updates.by));
        }
        if let (None, true) = (days, wrong.is_empty()) {
            return not_run(format!("not known: {} does not say when it last ran", updates.by));
        }
        let explain = Explain::new("system-not-updated", "the system is not what its last updates make it")
            .help("install what waits (`apt-get update && apt-get upgrade`, or `dnf upgrade`) and reboot: Mainstay brings back what served");
        found_if(wrong, explain, format!("{} ran {} days ago", updates.by, days.unwrap_or(0)))
    })
}

#[cfg(test)]
mod tests {
    use super::switched_off;

    #[test]
    fn updates_are_on_where_apt_says_so_and_nowhere_else() {
        let on = "APT::Periodic \"\";\nAPT::Periodic::Update-Package-Lists \"1\";\nAPT::Periodic::Unattended-Upgrade \"1\";\n";
        assert!(switched_off(on).is_empty());
        assert_eq!(switched_off("").len(), 2);
        assert_eq!(switched_off(&on.replace("Upgrade \"1\"", "Upgrade \"0\"")).len(), 1);
        // The last word counts.
        assert_eq!(switched_off(&format!("{on}APT::Periodic::Enable \"0\";\n")).len(), 1);
    }
}
