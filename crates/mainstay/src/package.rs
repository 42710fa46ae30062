//! Whether a package manager owns a file of Mainstay's: what it put there is its own to replace and to remove.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where dpkg keeps the lists of what its packages hold.
const DPKG: &str = "/var/lib/dpkg/info";

/// A package, and the commands for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub package: String,
    pub upgrade: String,
    pub remove: String,
    /// Where the package manager has a word for "and all that it has made".
    pub purge: Option<String>,
}

/// `None`: no package owns it.
pub(crate) fn owner(path: &Path) -> Option<Owner> {
    if let Some(package) = of_dpkg(Path::new(DPKG), path) {
        return Some(Owner {
            upgrade: format!("apt-get install --only-upgrade {package}"),
            remove: format!("apt-get remove {package}"),
            purge: Some(format!("apt-get purge {package}")),
            package,
        });
    }
    let asked = [
        ("rpm", ["-qf", "--queryformat", "%{NAME}"].as_slice(), "dnf upgrade", "dnf remove"),
        ("pacman", ["-Qqo"].as_slice(), "pacman -Syu", "pacman -R"),
    ];
    asked.into_iter().find_map(|(tool, arguments, upgrade, remove)| {
        let package = said(tool, arguments, path)?;
        let command = |verb| format!("{verb} {package}");
        Some(Owner { upgrade: command(upgrade), remove: command(remove), purge: None, package })
    })
}

/// The package whose list names the file, by its own path or as it was called before `/bin` and others were moved below `/usr`.
fn of_dpkg(info: &Path, path: &Path) -> Option<String> {
    let before = path.strip_prefix("/usr").ok().map(|rest| Path::new("/").join(rest));
    let names: Vec<PathBuf> = [path.to_owned()].into_iter().chain(before).collect();
    let lists = fs::read_dir(info).ok()?.flatten().map(|entry| entry.path());
    let holds = |list: &PathBuf| {
        let Ok(file) = File::open(list) else { return false };
        let mut lines = BufReader::new(file).split(b'\n').map_while(Result::ok);
        lines.any(|line| names.iter().any(|name| name.as_os_str().as_bytes() == line))
    };
    let list = lists.filter(|path| path.extension().is_some_and(|end| end == "list")).find(holds)?;
    let name = list.file_stem()?.to_string_lossy().into_owned();
    // `libc6:amd64.list`: of several architectures.
    Some(name.split(':').next().unwrap_or_default().to_owned())
}

/// What a package manager calls the owner; `None`: it is not here, or nobody is.
fn said(tool: &str, arguments: &[&str], path: &Path) -> Option<String> {
    let mut command = Command::new(tool);
    command.args(arguments).arg(path).stdin(Stdio::null()).stderr(Stdio::null());
    let answer = command.output().ok().filter(|answer| answer.status.success())?;
    let name = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_package_is_known_by_either_of_its_names() {
        let info = tempfile::tempdir().expect("a folder");
        let list = |name: &str, text: &str| fs::write(info.path().join(name), text).expect("written");
        list("mainstay.list", "/.\n/usr\n/usr/bin\n/usr/bin/mainstay\n");
        list("tools:amd64.list", "/bin/tool\n");
        list("tools:amd64.md5sums", "/usr/local/bin/mainstay\n");
        let of = |path: &str| of_dpkg(info.path(), Path::new(path));
        assert_eq!(of("/usr/bin/mainstay").as_deref(), Some("mainstay"));
        assert_eq!(of("/usr/bin/tool").as_deref(), Some("tools"));
        assert_eq!(of("/usr/local/bin/mainstay"), None);
    }
}
