//! Rules that the kernel took, told by the system's own programs, in a network of their own.

use std::process::{Command, Stdio};

use super::{
    Firewall, iptables,
    nft::{self, Tables},
};

/// What `script` prints in a network namespace of its own, where it is root.
fn in_a_network(script: &str) -> String {
    in_a_world(&[if machine::users::own_uid() == 0 { "-n" } else { "-rn" }], script)
}

/// The same where mounts and processes are its own too, as a program wants them that configures a machine. `folder` of the
/// machine is a copy there. Only for root, who may read what is copied.
fn on_a_machine(folder: &str, script: &str) -> String {
    let script = format!(
        "mount -t tmpfs none /run; mount -t tmpfs none /mnt; cp -a {folder} /mnt/copy; mount --bind /mnt/copy {folder}; ip link set lo up; {script}"
    );
    in_a_world(&["-nmp", "--fork", "--kill-child", "--mount-proc"], &script)
}

fn in_a_world(of: &[&str], script: &str) -> String {
    let mut unshare = Command::new("unshare");
    unshare
        .args(of)
        .args(["sh", "-ec", script])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null());
    let said = unshare.output().expect("util-linux is installed");
    assert!(said.status.success(), "{script}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).expect("text")
}

/// The chain `input` of a table for both families, with this policy and these rules.
fn nft(policy: &str, rules: &str) -> Firewall {
    let text = format!(
        "table inet f {{ chain input {{ type filter hook input priority 0; policy {policy}; {rules}\n}}\n}}\n"
    );
    let said = in_a_network(&format!("printf '%s' '{text}' | nft -f - && nft -j list ruleset"));
    nft::parse(&said, Tables::All).expect("as libnftables-json(5) says")
}

fn open(firewall: &Firewall) -> Vec<&str> {
    firewall.open.iter().map(String::as_str).collect()
}

const USUAL: &str = "ct state vmap { established : accept, related : accept, invalid : drop }; iif lo accept; meta l4proto { icmp, ipv6-icmp } accept;";

#[test]
fn what_a_real_nft_lets_in_is_what_is_told() {
    let told = nft(
        "drop",
        &format!("{USUAL} tcp dport {{ 22, 80, 443 }} accept; ip saddr 10.0.0.0/8 tcp dport 5432 accept;"),
    );
    assert!(told.closed_v4 && told.closed_v6 && told.opaque == 0, "{told:?}");
    assert_eq!(open(&told), ["tcp 22", "tcp 443", "tcp 80"]);
    // A port that is open to all, a range, and everything of one protocol.
    let told = nft("drop", &format!("{USUAL} tcp dport 3306 accept; udp dport 1000-2000 accept;"));
    assert_eq!(open(&told), ["tcp 3306", "udp 1000-2000"]);
    assert_eq!(open(&nft("drop", "meta l4proto tcp accept;")), ["all tcp"]);
    // By an interface of the world, and from everybody but one.
    assert_eq!(open(&nft("drop", "iifname \"eth0\" tcp dport 5432 accept;")), ["tcp 5432"]);
    assert_eq!(open(&nft("drop", "ip saddr != 10.0.0.1 tcp dport 5432 accept;")), ["tcp 5432"]);
    assert_eq!(
        open(&nft(
            "drop",
            "ip daddr 203.0.113.7 tcp dport 5432 accept; ip daddr 224.0.0.251 udp dport 5353 accept;"
        )),
        ["tcp 5432"]
    );
}

#[test]
fn a_chain_is_closed_by_its_policy_or_by_its_last_word() {
    assert!(!nft("accept", "tcp dport 22 accept;").closed_v4);
    assert!(nft("accept", "tcp dport 22 accept; reject;").closed_v4, "as firewalld does it");
    assert!(!nft("drop", "accept;").closed_v4, "everything is let in before the policy");
    let four = in_a_network(
        "nft add table ip f; nft add chain ip f i \"{ type filter hook input priority 0; policy drop; }\"; nft -j list ruleset",
    );
    let four = nft::parse(&four, Tables::All).expect("told");
    assert!(four.closed_v4 && !four.closed_v6, "the other family is open");
    let none = nft::parse(&in_a_network("nft -j list ruleset"), Tables::All).expect("told");
    assert!(!none.closed_v4 && !none.closed_v6 && none.open.is_empty());
    assert!(nft::parse("no JSON", Tables::All).is_err());
}

#[test]
fn what_a_chain_leads_to_is_followed_and_what_it_does_not_lead_to_is_not() {
    let script = "nft -f - <<'END' && nft -j list ruleset
table inet f {
  chain web { tcp dport 8080 accept; jump web2; }
  chain web2 { tcp dport 8081 accept; }
  chain unused { tcp dport 9999 accept; }
  chain input { type filter hook input priority 0; policy drop; jump web; }
}
END";
    let told = nft::parse(&in_a_network(script), Tables::All).expect("told");
    assert_eq!(open(&told), ["tcp 8080", "tcp 8081"]);
}

#[test]
fn rules_of_iptables_are_told_by_iptables() {
    let rules = "*filter\n:INPUT DROP [0:0]\n:extra - [0:0]\n-A INPUT -i lo -j ACCEPT\n\
        -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p tcp -m multiport --dports 22,443 -j ACCEPT\n\
        -A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 5432 -j ACCEPT\n-A INPUT -j extra\n-A extra -p tcp -m tcp --dport 3306 -j ACCEPT\nCOMMIT\n";
    let said = in_a_network(&format!("printf '{rules}' | iptables-restore && iptables-save -t filter"));
    let told = iptables::parse(&said, "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n");
    assert!(told.closed_v4 && !told.closed_v6 && told.opaque == 0, "{told:?}");
    assert_eq!(open(&told), ["tcp 22", "tcp 3306", "tcp 443"]);
    // nft sees that there is more than it can tell, and leaves them to iptables.
    let by_nft = in_a_network(&format!("printf '{rules}' | iptables-restore && nft -j list ruleset"));
    assert!(nft::parse(&by_nft, Tables::All).expect("told").opaque > 0);
    assert_eq!(nft::parse(&by_nft, Tables::NotOfIptables).expect("told").opaque, 0);
}

/// By nft, iptables-save and ip6tables-save, one after the other.
const ALL_SAVED: &str =
    "nft -j list ruleset; echo; echo --; iptables-save -t filter; echo --; ip6tables-save -t filter";

fn told_by_all(said: &str) -> Firewall {
    let parts: Vec<&str> = said.split("\n--\n").collect();
    let [by_nft, four, six] = parts[..] else { panic!("{said}") };
    super::told(by_nft, || Ok(iptables::parse(four, six))).expect("as they say")
}

#[test]
fn what_ufw_closes_and_opens_is_what_is_told() {
    if machine::users::own_uid() != 0 {
        return eprintln!("left out: ufw wants root");
    }
    let said = on_a_machine(
        "/etc/ufw",
        &format!(
            "{{ ufw default deny incoming; ufw allow 22/tcp; ufw limit 2222/tcp; ufw allow 80,443/tcp; ufw allow from 10.0.0.0/8 to any port 5432; ufw allow 3306/tcp; ufw --force enable; }} >&2; {ALL_SAVED}"
        ),
    );
    let told = told_by_all(&said);
    assert!(told.closed_v4 && told.closed_v6 && told.opaque == 0, "{told:?}");
    assert_eq!(open(&told), ["tcp 22", "tcp 2222", "tcp 3306", "tcp 443", "tcp 80"]);
}

/// Printed by the script below with firewalld 1.3.3 of Debian 12.
const BY_FIREWALLD: &str = include_str!("testdata/firewalld-1.3.json");

/// Of the packages that tests ask for it is none: installed, it closes a machine's ports at the next start.
#[test]
fn what_firewalld_closes_and_opens_is_what_is_told() {
    let script = "mkdir /run/dbus; dbus-daemon --system --fork; { firewalld --nofork --nopid & } >&2 2>&1
        for n in $(seq 60); do firewall-cmd --state >&2 && break; sleep 1; done
        { firewall-cmd --add-service=http; firewall-cmd --add-service=https; firewall-cmd --add-port=3306/tcp
        firewall-cmd --add-rich-rule='rule family=\"ipv4\" source address=\"10.0.0.0/8\" port port=\"5432\" protocol=\"tcp\" accept'; } >&2
        nft -j list ruleset";
    let is_here = machine::users::own_uid() == 0 && std::path::Path::new("/usr/sbin/firewalld").exists();
    let printed = if is_here { on_a_machine("/etc/firewalld", script) } else { BY_FIREWALLD.to_owned() };
    for said in [BY_FIREWALLD, &printed] {
        let told = nft::parse(said, Tables::All).expect("told");
        assert!(told.closed_v4 && told.closed_v6 && told.opaque == 0, "{told:?}");
        assert_eq!(open(&told), ["tcp 22", "tcp 3306", "tcp 443", "tcp 80"]);
    }
}
