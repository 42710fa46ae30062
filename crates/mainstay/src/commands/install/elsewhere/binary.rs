//! Which binary another machine gets: the one that is named, the one of its architecture that lies beside this program, or this
//! program.

use std::{
    env::consts::ARCH,
    io,
    path::{Path, PathBuf},
};

use api::remote::Host;
use model::Explain;
use sha2::{Digest as _, Sha256};

/// Bound: the largest binary that is sent.
const BYTES_MAX: usize = 1 << 30;
/// By `uname -m`, and as elf(5) numbers it (`e_machine`).
const MACHINES: [(&str, u16); 2] = [("x86_64", 62), ("aarch64", 183)];

pub(super) struct Binary {
    pub path: PathBuf,
    /// SHA-256, in lower case.
    pub digest: String,
}

impl Binary {
    pub(super) fn unreadable(&self, error: &io::Error) -> Explain {
        unread(&self.path, error)
    }
}

/// # Errors
/// There is none for that architecture, or the one that is named is for another.
pub(super) fn choose(named: Option<&Path>, architecture: &str, host: &Host) -> Result<Binary, Explain> {
    let own = std::env::current_exe().ok();
    let path = match named {
        Some(named) => named.to_owned(),
        None => found(own.as_deref(), architecture).ok_or_else(|| none(architecture, host))?,
    };
    let bytes = machine::fs::read_regular(&path, BYTES_MAX).map_err(|error| unread(&path, &error))?;
    let of = of(&bytes);
    if of != Some(architecture) {
        return Err(other(&path, of, architecture, host));
    }
    let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Binary { path, digest })
}

fn unread(path: &Path, error: &dyn std::fmt::Display) -> Explain {
    Explain::new("no-binary", format!("cannot read {}", path.display()))
        .caused_by(error.to_string())
        .now("nothing was sent")
        .help("`--binary` names the program of a release, a file that you may read")
}

/// As `cargo xtask dist` names them.
fn found(own: Option<&Path>, architecture: &str) -> Option<PathBuf> {
    let beside = own?.with_file_name(format!("mainstay-{architecture}"));
    if beside.is_file() {
        return Some(beside);
    }
    (architecture == ARCH).then(|| own.map(Path::to_owned)).flatten()
}

/// The architecture that an executable is for, where it is one that has a name here.
fn of(bytes: &[u8]) -> Option<&'static str> {
    // elf(5): four bytes by which it is known, 64 bits and little endian in the next two, `e_machine` at 18.
    let head = bytes.get(..20)?;
    let number = u16::from_le_bytes([*head.get(18)?, *head.get(19)?]);
    let is_elf = head.starts_with(b"\x7fELF\x02\x01");
    MACHINES.iter().find(|(_, known)| is_elf && *known == number).map(|(name, _)| *name)
}

fn none(architecture: &str, host: &Host) -> Explain {
    Explain::new("no-binary", format!("there is no Mainstay for {architecture} here, and {host} needs one"))
        .now("nothing was sent")
        .help(format!(
            "put the release's mainstay-{architecture} beside this program, or name it by `--binary FILE`"
        ))
}

fn other(path: &Path, of: Option<&str>, architecture: &str, host: &Host) -> Explain {
    let is = of.map_or_else(|| "no executable that is known here".to_owned(), |of| format!("for {of}"));
    Explain::new("other-architecture", format!("{} is {is}, and {host} is {architecture}", path.display()))
        .now("nothing was sent")
        .help(format!("the release has a mainstay-{architecture}: name that by `--binary FILE`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_says_for_which_machine_it_is() {
        let own = std::fs::read("/proc/self/exe").expect("this test");
        assert_eq!(of(&own), Some(ARCH));
        let mut arm = own[..20].to_vec();
        arm[18..].copy_from_slice(&183_u16.to_le_bytes());
        assert_eq!(of(&arm), Some("aarch64"));
        for bytes in [&b"#!/bin/sh\necho\n# more than twenty bytes\n"[..], b"", b"\x7fELF"] {
            assert_eq!(of(bytes), None);
        }
    }

    #[test]
    fn the_one_beside_the_program_is_taken_and_another_architecture_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join("mainstay");
        assert_eq!(found(Some(&own), ARCH), Some(own.clone()), "this program itself");
        assert_eq!(found(Some(&own), "riscv64"), None);
        let beside = folder.path().join("mainstay-riscv64");
        std::fs::write(&beside, "").expect("written");
        assert_eq!(found(Some(&own), "riscv64"), Some(beside.clone()));
        let host: Host = "live".parse().expect("a host");
        let refused = choose(Some(&beside), ARCH, &host).err().expect("it is no executable");
        assert_eq!(refused.code, "other-architecture");
        let missing = choose(Some(Path::new("/bin/nosuch")), "x86_64", &host).err().expect("it is not there");
        assert!(missing.help.as_deref().is_some_and(|help| help.contains("--binary")), "{missing}");
        assert_eq!(choose(None, "riscv64", &host).err().expect("none is there").code, "no-binary");
    }
}
