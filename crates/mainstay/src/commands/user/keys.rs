//! `authorized_keys` (sshd(8)): the lines that are ours, each a key under a forced command. What others wrote there stays as it is.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use api::access::{Grant, KeyName};
use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_STANDARD_NO_PAD};
use model::Explain;
use sha2::{Digest as _, Sha256};

/// Bound: some thousand keys.
const FILE_BYTES_MAX: usize = 1 << 20;
/// The kinds that sshd of today takes; DSA is none of them.
const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// A public key: its kind, and the blob that begins with it (RFC 4253, 6.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicKey {
    kind: &'static str,
    blob: Vec<u8>,
}

/// A key and what it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub grant: Grant,
    pub key: PublicKey,
}

pub(super) struct File(PathBuf);

impl PublicKey {
    /// The key and its comment. One line and nothing else: options that somebody wrote before a key would be obeyed.
    ///
    /// # Errors
    /// It is no public key.
    pub(super) fn parse(text: &str) -> Result<(Self, String), Explain> {
        let refused = |cause: &str| {
            Explain::new("no-public-key", "this is no public key of ssh")
                .caused_by(cause)
                .now("nothing was added")
                .help(
                    "give the file that ends with .pub, as ssh-keygen wrote it: `ssh-ed25519 AAAA… comment`",
                )
        };
        if text.contains("PRIVATE KEY") {
            return Err(refused("it is a private key, which never leaves its machine"));
        }
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let (Some(only), None) = (lines.next(), lines.next()) else {
            return Err(refused("it has no line, or several"));
        };
        let mut words = only.split_ascii_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let kind = KINDS.into_iter().find(|kind| *kind == first);
        let kind =
            kind.ok_or_else(|| refused(&format!("it does not begin with one of {}", KINDS.join(", "))))?;
        let blob = BASE64_STANDARD.decode(second).map_err(|error| refused(&error.to_string()))?;
        let inner = blob.strip_prefix(&u32::try_from(kind.len()).unwrap_or(0).to_be_bytes());
        if !inner.is_some_and(|inner| inner.starts_with(kind.as_bytes()) && inner.len() > kind.len() + 4) {
            return Err(refused("what follows the kind is no key of it"));
        }
        Ok((Self { kind, blob }, words.collect::<Vec<_>>().join(" ")))
    }

    /// As `ssh-keygen -l` shows it.
    pub(super) fn fingerprint(&self) -> String {
        format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(&self.blob)))
    }
}

impl Entry {
    /// `restrict` takes away what sshd would allow besides: a terminal, forwarding, an rc file.
    fn line(&self, program: &str) -> String {
        let Self { grant: Grant { role, site, key: name }, key } = self;
        let blob = BASE64_STANDARD.encode(&key.blob);
        format!(
            "restrict,command=\"{program} proxy --role {role} --app {site} --key {name}\" {} {blob} {name}",
            key.kind
        )
    }

    /// What a line says; `None`: it is not ours.
    fn parse(line: &str) -> Option<Self> {
        let (command, rest) = line.strip_prefix("restrict,command=\"")?.split_once("\" ")?;
        let (_, words) = command.split_once(" proxy --role ")?;
        let mut words = words.split(' ');
        let role = words.next()?.parse().ok()?;
        let mut value = |name: &str| (words.next()? == name).then(|| words.next()).flatten();
        let site = value("--app")?.parse().ok()?;
        let name = value("--key")?.parse().ok()?;
        let (key, _) = PublicKey::parse(rest).ok()?;
        Some(Self { grant: Grant { role, site, key: name }, key })
    }

    /// For programs.
    pub(super) fn told(&self) -> serde_json::Value {
        let Grant { role, site, key } = &self.grant;
        serde_json::json!({ "key": key, "role": role, "site": site, "fingerprint": self.key.fingerprint() })
    }
}

impl File {
    pub(super) fn of(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Ours, in their order.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, Explain> {
        Ok(self.read()?.lines().filter_map(Entry::parse).collect())
    }

    /// # Errors
    /// Its name, or the key itself, is there already; the file cannot be read or written.
    pub(super) fn add(&self, entry: &Entry, program: &str) -> Result<(), Explain> {
        let mut text = self.read()?;
        for known in text.lines().filter_map(Entry::parse) {
            let is_named = known.grant.key == entry.grant.key;
            // sshd takes the first line with a key: a second one would never be looked at.
            if is_named || known.key == entry.key {
                let Grant { role, site, key } = &known.grant;
                return Err(Explain::new("key-there", format!("there is a key {key} already"))
                    .caused_by(format!("it may {role} {site}: {}", known.key.fingerprint()))
                    .now("nothing was added")
                    .help(format!("give another `--name` to another key, or take that one away: `mainstay user remove-key {key}`")));
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&entry.line(program));
        text.push('\n');
        self.write(&text)
    }

    /// # Errors
    /// There is none of that name; the file cannot be read or written.
    pub(super) fn remove(&self, name: &KeyName) -> Result<Entry, Explain> {
        let text = self.read()?;
        let is_it = |line: &str| Entry::parse(line).filter(|entry| entry.grant.key == *name);
        let removed = text.lines().find_map(is_it).ok_or_else(|| {
            Explain::new("no-such-key", format!("no key is called {name}"))
                .now("nothing was removed")
                .help("`mainstay user list-keys` shows them")
        })?;
        let kept: String =
            text.lines().filter(|line| is_it(line).is_none()).map(|line| format!("{line}\n")).collect();
        self.write(&kept)?;
        Ok(removed)
    }

    fn read(&self) -> Result<String, Explain> {
        match machine::fs::read_text(&self.0, FILE_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => read.map_err(|error| crate::session::unreadable(&self.0, &error)),
        }
    }

    /// Whoever owns it goes on owning it. A new one belongs to who makes it; the account that it is for only reads it, when it is
    /// the login's.
    fn write(&self, text: &str) -> Result<(), Explain> {
        let found = fs::metadata(&self.0).ok();
        let owner = found.as_ref().map(|found| (found.uid(), found.gid()));
        let mode = found.map_or(0o644, |found| found.mode() & 0o777);
        machine::fs::write_atomic_for(owner, &self.0, text.as_bytes(), mode).map_err(|error| {
            Explain::new("keys-unwritable", format!("cannot write {}", self.0.display()))
                .because(&error)
                .now("nothing was changed")
                .help("it belongs to root where it is the login's: use sudo")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAC6KaBHgTDpZSvkIy/u6Y3HqpOBLP0WGqclNj3hS6OL";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAM+pPT0XgH8U+F+F0O9Gx1SJTSxcNr8pCb8O4I2JyxP";

    fn entry(key: &str, name: &str) -> Entry {
        let grant = Grant {
            role: api::access::Role::Deploy,
            site: "shop/production".parse().expect("a site"),
            key: name.parse().expect("a name"),
        };
        Entry { grant, key: PublicKey::parse(key).expect("a key").0 }
    }

    fn file(text: &str) -> (tempfile::TempDir, File) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("authorized_keys");
        fs::write(&path, text).expect("written");
        (folder, File::of(path))
    }

    #[test]
    fn a_line_says_what_sshd_runs_and_is_read_again() {
        let entry = entry(KEY, "ci");
        let line = entry.line("mainstay");
        let forced = "restrict,command=\"mainstay proxy --role deploy --app shop/production --key ci\" ssh-ed25519 AAAA";
        assert!(line.starts_with(forced) && line.ends_with(" ci"), "{line}");
        assert_eq!(Entry::parse(&line), Some(entry));
    }

    #[test]
    fn what_others_wrote_stays_and_only_ours_is_listed_and_removed() {
        let others = format!("# ana's\n{OTHER} ana\ncommand=\"id\" {OTHER}");
        let (_folder, file) = file(&others);
        file.add(&entry(KEY, "ci"), "mainstay").expect("added");
        assert_eq!(file.entries().expect("read"), [entry(KEY, "ci")]);
        assert_eq!(file.add(&entry(OTHER, "ci"), "mainstay").expect_err("the name").code, "key-there");
        assert_eq!(file.add(&entry(KEY, "again"), "mainstay").expect_err("the key").code, "key-there");
        let unknown = "ana".parse().expect("a name");
        assert_eq!(file.remove(&unknown).expect_err("not ours").code, "no-such-key");
        file.remove(&"ci".parse().expect("a name")).expect("removed");
        assert_eq!(file.read().expect("read"), format!("{others}\n"));
    }

    #[test]
    fn nothing_but_one_public_key_is_taken() {
        let (key, comment) = PublicKey::parse(&format!("{KEY} ana at home\n")).expect("a key");
        assert_eq!((key.kind, comment.as_str()), ("ssh-ed25519", "ana at home"));
        // As `ssh-keygen -l` has it.
        assert_eq!(key.fingerprint(), "SHA256:E13ByWHLCJ415WdvfHjNVg4TgS/bzzj6Copbt8dn2wE");
        for text in [
            "",
            "-----BEGIN OPENSSH PRIVATE KEY-----\n",
            &format!("command=\"id\" {KEY}"),
            &format!("{KEY}\n{OTHER}"),
            &format!("{KEY}\nrestrict {OTHER}"),
            "ssh-ed25519 AAAA",
            "ssh-dss AAAAB3NzaC1kc3M=",
            &KEY.replace("ssh-ed25519", "ssh-rsa"),
            "ssh-ed25519 not*base64",
        ] {
            assert_eq!(PublicKey::parse(text).expect_err(text).code, "no-public-key", "{text}");
        }
    }
}
