//! Whether a package manager owns the binary: what it put there is its own to replace.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use model::Explain;

/// Where dpkg keeps the lists of what its packages hold.
const DPKG: &str = "/var/lib/dpkg/info";

/// A package, and what upgrades it.
#[derive(Debug, PartialEq, Eq)]
struct Owner {
    package: String,
    command: String,
}

/// # Errors
/// A package owns it.
pub(super) fn refuse_owned(path: &Path) -> Result<(), Explain> {
    let Some(Owner { package, command }) = owner(path) else { return Ok(()) };
    Err(Explain::new("upgrade-of-a-package", format!("{} belongs to the package {package}", path.display()))
        .now("nothing was changed")
        .help(format!("upgrade it by `{command}`, then `systemctl restart mainstay-keeper`")))
}

fn owner(path: &Path) -> Option<Owner> {
    let named = |package: String, command: String| Owner { package, command };
    if let Some(package) = of_dpkg(Path::new(DPKG), path) {
        let command = format!("apt-get install --only-upgrade {package}");
        return Some(named(package, command));
    }
    let asked = [
        ("rpm", ["-qf", "--queryformat", "%{NAME}"].as_slice(), "dnf upgrade"),
        ("pacman", ["-Qqo"].as_slice(), "pacman -Syu"),
    ];
    asked.into_iter().find_map(|(tool, arguments, upgrade)| {
        let package = said(tool, arguments, path)?;
        let command = format!("{upgrade} {package}");
        Some(named(package, command))
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
