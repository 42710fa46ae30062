//! A Debian package: an `ar` archive of the format's version, what describes it, and the files (deb(5)).

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use tar::{Builder, EntryType, Header};

use crate::shell::{self, Doing, Result};

/// What dpkg runs, in the order of its life.
const SCRIPTS: [(&str, &str); 4] = [
    ("preinst", include_str!("deb/preinst.sh")),
    ("postinst", include_str!("deb/postinst.sh")),
    ("prerm", include_str!("deb/prerm.sh")),
    ("postrm", include_str!("deb/postrm.sh")),
];
const DOC: &str = "usr/share/doc/mainstay";

pub(crate) struct Package<'a> {
    pub(crate) version: String,
    /// dpkg's name.
    pub(crate) architecture: &'static str,
    pub(crate) binary: Vec<u8>,
    /// The folder that `mainstay install --stage` has filled.
    pub(crate) staged: &'a Path,
}

/// A file of the package: its path from the root, its mode, its bytes.
type Member = (PathBuf, u32, Vec<u8>);

/// Writes `mainstay_VERSION_ARCHITECTURE.deb` into `folder`.
///
/// # Errors
/// What is staged cannot be read, or the file not be written.
pub(crate) fn write(package: &Package<'_>, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(format!("mainstay_{}_{}.deb", package.version, package.architecture));
    let time = time()?;
    let members = members(package)?;
    let bytes: usize = members.iter().map(|(_, _, bytes)| bytes.len()).sum();
    let description = described(package, bytes);
    let mut control = vec![(PathBuf::from("control"), 0o644, description.into_bytes())];
    control.extend(SCRIPTS.map(|(name, text)| (name.into(), 0o755, text.as_bytes().to_vec())));
    let archives = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", archive(&control, time).doing("control.tar.gz")?),
        ("data.tar.gz", archive(&members, time).doing("data.tar.gz")?),
    ];
    let mut file = b"!<arch>\n".to_vec();
    for (name, bytes) in archives {
        // ar(5): name, time, uid, gid, mode, size; each member at an even place.
        file.extend(
            format!("{name:<16}{time:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, "100644", bytes.len()).bytes(),
        );
        file.extend(&bytes);
        file.extend((bytes.len() % 2 == 1).then_some(b'\n'));
    }
    fs::write(&path, file).doing(path.display())?;
    Ok(path)
}

/// Of every file in it, so that the same source gives the same package (reproducible-builds.org, SOURCE_DATE_EPOCH).
fn time() -> Result<u64> {
    if let Ok(said) = std::env::var("SOURCE_DATE_EPOCH") {
        return said.parse().doing("SOURCE_DATE_EPOCH");
    }
    let mut log = std::process::Command::new("git");
    log.current_dir(shell::root()).args(["log", "-1", "--format=%ct"]);
    shell::output(&mut log)?.trim().parse().doing("the time of the last commit")
}

fn described(package: &Package<'_>, bytes: usize) -> String {
    format!(
        "Package: mainstay\nVersion: {}\nArchitecture: {}\nMaintainer: {}\nInstalled-Size: {}\n\
         Depends: init-system-helpers (>= 1.54~), passwd\nSection: httpd\nPriority: optional\n\
         Description: puts a web app into production on a machine of yours, and keeps it there\n \
         Mainstay is one binary: the edge that takes requests, the supervisor that keeps\n \
         processes alive, and the deploy machine that replaces a release without a user\n noticing.\n",
        package.version,
        package.architecture,
        maintainer(),
        bytes.div_ceil(1024),
    )
}

/// Who builds it, by the variables of Debian's own tools (debchange(1)).
fn maintainer() -> String {
    let said = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let name = said("DEBFULLNAME").unwrap_or_else(|| "Mainstay".to_owned());
    let mail = said("DEBEMAIL").unwrap_or_else(|| "mainstay@localhost".to_owned());
    format!("{name} <{mail}>")
}

fn members(package: &Package<'_>) -> Result<Vec<Member>> {
    let mut members = vec![(PathBuf::from("usr/bin/mainstay"), 0o755, package.binary.clone())];
    collect(package.staged, package.staged, &mut members)?;
    let text = |name: &str| fs::read(shell::root().join(name)).doing(name);
    members.push((Path::new(DOC).join("copyright"), 0o644, text("LICENSE")?));
    members.push((
        Path::new(DOC).join("changelog.gz"),
        0o644,
        packed(&text("CHANGELOG.md")?).doing("CHANGELOG.md")?,
    ));
    members.sort();
    Ok(members)
}

/// Manual pages are compressed in packages (Debian Policy, 12.1).
fn collect(folder: &Path, root: &Path, members: &mut Vec<Member>) -> Result<()> {
    for entry in fs::read_dir(folder).doing(folder.display())? {
        let path = entry.doing(folder.display())?.path();
        if path.is_dir() {
            collect(&path, root, members)?;
            continue;
        }
        let bytes = fs::read(&path).doing(path.display())?;
        let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
        members.push(match name.starts_with("usr/share/man") {
            true => (format!("{}.gz", name.display()).into(), 0o644, packed(&bytes).doing(path.display())?),
            false => (name, 0o644, bytes),
        });
    }
    Ok(())
}

/// As `gzip -9n`.
fn packed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    gzip.finish()
}

/// With the folders above each member, all root's.
fn archive(members: &[Member], time: u64) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    let mut made: Vec<PathBuf> = Vec::new();
    for (path, mode, bytes) in members {
        let mut above: Vec<_> = path.ancestors().skip(1).filter(|one| !one.as_os_str().is_empty()).collect();
        above.reverse();
        for folder in above {
            if !made.iter().any(|known| known == folder) {
                append(
                    &mut tar,
                    &format!("./{}/", folder.display()),
                    (EntryType::Directory, 0o755),
                    &[],
                    time,
                )?;
                made.push(folder.to_owned());
            }
        }
        append(&mut tar, &format!("./{}", path.display()), (EntryType::Regular, *mode), bytes, time)?;
    }
    tar.into_inner()?.finish()
}

fn append(
    tar: &mut Builder<impl io::Write>,
    name: &str,
    (kind, mode): (EntryType, u32),
    bytes: &[u8],
    time: u64,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(time);
    header.set_size(bytes.len() as u64);
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root")?;
    header.set_groupname("root")?;
    tar.append_data(&mut header, name, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeMap, io::Read as _};

    /// The members of an `ar` archive, by name.
    fn unpacked(mut file: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut members = BTreeMap::new();
        file = file.strip_prefix(b"!<arch>\n").expect("an archive");
        while !file.is_empty() {
            let head = std::str::from_utf8(&file[..60]).expect("text");
            let size: usize = head[48..58].trim().parse().expect("a size");
            assert!(head.ends_with("`\n"), "{head}");
            members.insert(head[..16].trim().to_owned(), file[60..60 + size].to_vec());
            file = &file[60 + size + size % 2..];
        }
        members
    }

    fn listed(archive: &[u8]) -> BTreeMap<String, (u32, String)> {
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(archive));
        let read = |entry: io::Result<tar::Entry<'_, _>>| {
            let mut entry = entry.expect("an entry");
            let mut text = Vec::new();
            entry.read_to_end(&mut text).expect("read");
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            (name, (entry.header().mode().expect("a mode"), String::from_utf8_lossy(&text).into_owned()))
        };
        tar.entries().expect("entries").map(read).collect()
    }

    #[test]
    fn a_package_has_what_was_staged_and_says_for_whom_it_is() {
        let staged = tempfile::tempdir().expect("a folder");
        let put = |name: &str| {
            let path = staged.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, name).expect("written");
        };
        put("usr/lib/systemd/system/mainstay.service");
        put("usr/share/man/man1/mainstay.1");
        let package = Package {
            version: "1.2.3".to_owned(),
            architecture: "arm64",
            binary: b"the program".to_vec(),
            staged: staged.path(),
        };
        let out = tempfile::tempdir().expect("a folder");
        let path = write(&package, out.path()).expect("written");
        assert!(path.ends_with("mainstay_1.2.3_arm64.deb"));
        let members = unpacked(&fs::read(&path).expect("there"));
        assert_eq!(members["debian-binary"], b"2.0\n");
        let control = listed(&members["control.tar.gz"]);
        assert!(
            control["control"].1.contains("Architecture: arm64\n")
                && control["control"].1.contains("Version: 1.2.3\n")
        );
        assert!(["preinst", "postinst", "prerm", "postrm"].iter().all(|name| control[*name].0 == 0o755));
        let data = listed(&members["data.tar.gz"]);
        assert_eq!(data["usr/bin/mainstay"], (0o755, "the program".to_owned()));
        assert_eq!(data["usr/lib/systemd/system/mainstay.service"].0, 0o644);
        assert!(
            data.contains_key("usr/lib/systemd/") && data.contains_key("usr/share/doc/mainstay/copyright")
        );
        assert!(data.contains_key("usr/share/man/man1/mainstay.1.gz"), "{:?}", data.keys());
        let again = fs::read(write(&package, out.path()).expect("written")).expect("there");
        assert_eq!(unpacked(&again), members, "the same source gives the same package");
    }
}
