//! `authorized_keys` (sshd(8)): the lines that are ours, each a key under a forced command. What others wrote there stays as it is.

use std::{
    fs::{self, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use api::access::{Grant, KeyName};
use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_STANDARD_NO_PAD};
use model::Explain;
use sha2::{Digest as _, Sha256};

/// Bound: some thousand keys.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Bound: another command that writes the file is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(10);
const LOCK_LOOK: Duration = Duration::from_millis(20);
/// Below it a key of RSA can be found out (NIST SP 800-131A).
const RSA_BITS_MIN: usize = 2048;
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
        if let Some(bits) = rsa_bits(kind, &blob).filter(|bits| *bits < RSA_BITS_MIN) {
            return Err(Explain::new("weak-key", format!("a key of RSA with {bits} bits is too weak"))
                .now("nothing was added")
                .help("`ssh-keygen -t ed25519` makes one that is not; one of RSA needs 2048 bits"));
        }
        Ok((Self { kind, blob }, words.collect::<Vec<_>>().join(" ")))
    }

    /// As `ssh-keygen -l` shows it.
    pub(super) fn fingerprint(&self) -> String {
        format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(&self.blob)))
    }
}

/// Length of the modulus (RFC 4253, 6.6: kind, exponent, modulus); `None`: it is none of RSA, or no whole one.
fn rsa_bits(kind: &str, blob: &[u8]) -> Option<usize> {
    let field = |rest: &mut &[u8]| -> Option<usize> {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (field, behind) = behind.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        *rest = behind;
        let zeros = field.iter().take_while(|byte| **byte == 0).count();
        let first = field.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize);
        Some((field.len() - zeros) * 8 - first)
    };
    let mut rest = blob;
    let (_kind, _exponent) = (field(&mut rest)?, field(&mut rest)?);
    let bits = field(&mut rest)?;
    (kind == "ssh-rsa").then_some(bits)
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
    /// A link is followed, as sshd does: what it leads to is read and written.
    pub(super) fn of(path: PathBuf) -> Self {
        Self(fs::canonicalize(&path).unwrap_or(path))
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
        let _alone = self.alone()?;
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
        if let Some(number) = text.lines().position(|line| holds(line, &entry.key)) {
            return Err(self.stands_plain(number + 1, &entry.key));
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
        let _alone = self.alone()?;
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

    fn stands_plain(&self, number: usize, key: &PublicKey) -> Explain {
        let path = self.0.display();
        Explain::new("key-there", format!("line {number} of {path} lets this key in already"))
            .caused_by(format!(
                "sshd takes the first line with {}: the role would mean nothing",
                key.fingerprint()
            ))
            .now("nothing was added")
            .help(format!(
                "take line {number} out, or make the CI a key of its own: `ssh-keygen -t ed25519 -f ci`"
            ))
    }

    /// Nobody else of ours writes the file until it is dropped. The lock is the folder's, so that it leaves nothing behind.
    fn alone(&self) -> Result<fs::File, Explain> {
        let folder =
            self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let opened = fs::File::open(folder).map_err(|error| self.unwritable(&error))?;
        let until = Instant::now() + LOCK_WAIT;
        loop {
            match opened.try_lock() {
                Ok(()) => return Ok(opened),
                Err(TryLockError::Error(error)) => return Err(self.unwritable(&error)),
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_LOOK),
                Err(TryLockError::WouldBlock) => {
                    return Err(Explain::new(
                        "keys-busy",
                        format!("{} is written by another command", self.0.display()),
                    )
                    .caused_by(format!("it did not end within {} s", LOCK_WAIT.as_secs()))
                    .now("nothing was changed")
                    .help("try again when it has ended"));
                }
            }
        }
    }

    fn unwritable(&self, error: &io::Error) -> Explain {
        let told = Explain::new("keys-unwritable", format!("cannot write {}", self.0.display()))
            .because(error)
            .now("nothing was changed");
        match error.kind() {
            io::ErrorKind::PermissionDenied => {
                told.help("it belongs to root where it is the login's: use sudo")
            }
            io::ErrorKind::NotFound => {
                told.help("make its folder first, with the mode 700: `mkdir -m 700 ~/.ssh`")
            }
            _ => told.help("see the folder's file system: its room, and whether it may be written"),
        }
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
        machine::fs::write_atomic_for(owner, &self.0, text.as_bytes(), mode)
            .map_err(|error| self.unwritable(&error))
    }
}

/// Whether a line that is not ours is about this key: alone, or behind options of its own.
fn holds(line: &str, key: &PublicKey) -> bool {
    let is_it = |word: &str| {
        let decoded = BASE64_STANDARD.decode(word).or_else(|_| BASE64_STANDARD_NO_PAD.decode(word));
        decoded.is_ok_and(|blob| blob == key.blob)
    };
    !line.trim_start().starts_with('#') && line.split_ascii_whitespace().any(is_it)
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
    fn a_key_that_stands_there_without_a_role_is_refused_with_its_line() {
        for plain in [format!("{KEY} ana"), format!("command=\"id me\",no-pty {KEY}")] {
            let text = format!("# ana's\n#{KEY}\n{OTHER}\n{plain}\n");
            let (_folder, file) = file(&text);
            let refused = file.add(&entry(KEY, "ci"), "mainstay").expect_err("it would mean nothing");
            assert!(refused.code == "key-there" && refused.message.starts_with("line 4 of"), "{refused}");
            assert_eq!(file.read().expect("read"), text);
        }
        let (_folder, file) = file(&format!("#{KEY}\n{OTHER}\n"));
        file.add(&entry(KEY, "ci"), "mainstay").expect("a comment lets nobody in");
    }

    #[test]
    fn keys_that_are_added_at_the_same_time_all_stand_there() {
        let (_folder, file) = file("");
        std::thread::scope(|scope| {
            for n in 0..8_u8 {
                let mut blob = PublicKey::parse(KEY).expect("a key").0.blob;
                *blob.last_mut().expect("bytes") = n;
                let key = format!("ssh-ed25519 {}", BASE64_STANDARD.encode(&blob));
                let file = &file;
                scope.spawn(move || file.add(&entry(&key, &format!("ci{n}")), "mainstay").expect("added"));
            }
        });
        assert_eq!(file.entries().expect("read").len(), 8);
    }

    #[test]
    fn a_link_stays_one_and_a_missing_folder_is_said() {
        let (folder, real) = file("# kept\n");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(real.path(), &link).expect("linked");
        File::of(link.clone()).add(&entry(KEY, "ci"), "mainstay").expect("added");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert!(real.read().expect("read").starts_with("# kept\nrestrict,"));
        let missing = File::of(folder.path().join("none/authorized_keys"));
        let refused = missing.add(&entry(KEY, "ci"), "mainstay").expect_err("no folder");
        assert!(refused.help.iter().any(|help| help.contains("make its folder")), "{refused}");
    }

    #[test]
    fn a_weak_key_of_rsa_is_refused() {
        let of = |bits: usize| {
            let field = |bytes: &[u8]| {
                [&u32::try_from(bytes.len()).expect("short").to_be_bytes()[..], bytes].concat()
            };
            let modulus = [&[0_u8][..], &vec![0xff; bits / 8]].concat();
            let blob = [field(b"ssh-rsa"), field(&[1, 0, 1]), field(&modulus)].concat();
            PublicKey::parse(&format!("ssh-rsa {} ci", BASE64_STANDARD.encode(blob)))
        };
        assert_eq!(of(1024).expect_err("weak").code, "weak-key");
        of(2048).expect("strong");
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
