//! Whether the account of an app can run a program: looked at with that account's eyes, whoever looks.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use machine::{
    access::{Barrier, to_execute},
    users::Account,
};

/// Bound: of a program's first line, which is where a script names its interpreter; the kernel reads 256.
const FIRST_LINE_BYTES: usize = 256;

/// From where a program is looked for, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The working folder: the release. Absolute.
    pub dir: &'a Path,
    /// The release is copied from `dir` to where the account can read it; `false`: it runs there.
    pub is_copied: bool,
    /// `PATH` of the process.
    pub path: &'a str,
    pub account: &'a Account,
}

/// Why a program will not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    pub why: String,
    /// What to do, where more is known than that something is missing.
    pub help: Option<String>,
}

impl Obstacle {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// What keeps the account from running `program`; `None`: nothing that can be seen from here.
pub fn obstacle(look: &Look<'_>, program: &str) -> Option<Obstacle> {
    // What lies in the shared folder is only known on the machine.
    let shared = |text: &str| look.is_copied && text.contains("{shared_dir}");
    if shared(program) {
        return None;
    }
    match look.find(program) {
        _ if !program.contains('/') && look.path.split(':').any(shared) => None,
        Ok(file) => look.interpreter(&file),
        Err(None) => Some(Obstacle::new(format!("`{program}` is not found in {}", look.path))),
        Err(Some(barrier)) => look.words(program, barrier),
    }
}

impl Look<'_> {
    /// The file that is executed; else what stands before it, if it is anywhere.
    fn find(&self, program: &str) -> Result<PathBuf, Option<Barrier>> {
        if program.contains('/') {
            return self.reach(&self.in_release(program)).map_err(Some);
        }
        let mut before = None;
        for folder in self.path.split(':').filter(|folder| !folder.is_empty()) {
            match self.reach(&self.in_release(folder).join(program)) {
                Ok(file) => return Ok(file),
                Err(Barrier::Missing(_)) => {}
                Err(barrier) => before = before.or(Some(barrier)),
            }
        }
        Err(before)
    }

    /// A path as a process sees it whose working folder is the release, and as a person writes it: without `/./`.
    fn in_release(&self, path: &str) -> PathBuf {
        self.dir.join(path.replace("{release_dir}", &self.dir.to_string_lossy())).components().collect()
    }

    fn reach(&self, file: &Path) -> Result<PathBuf, Barrier> {
        if !self.is_copied || !file.starts_with(self.dir) {
            return to_execute(file, self.account);
        }
        // What travels is reached, wherever it lies here: only what it leads to outside stays where it is.
        let real = file.canonicalize().map_err(|_| Barrier::Missing(file.to_owned()))?;
        if self.dir.canonicalize().is_ok_and(|dir| !real.starts_with(dir)) {
            return to_execute(&real, self.account);
        }
        let found = fs::metadata(&real).map_err(|_| Barrier::Missing(file.to_owned()))?;
        let runnable = found.is_file() && found.permissions().mode() & 0o111 != 0;
        if runnable { Ok(real) } else { Err(Barrier::NotExecutable(file.to_owned())) }
    }

    /// A script needs its interpreter, which it names by its full path, or by `env`.
    fn interpreter(&self, file: &Path) -> Option<Obstacle> {
        let line = first_line(file)?;
        let mut words = line.strip_prefix("#!")?.split_ascii_whitespace();
        let named = words.next().filter(|named| named.starts_with('/'))?;
        let by_env = words.next().filter(|word| named.ends_with("/env") && !word.starts_with('-'));
        let barrier = match by_env {
            Some(name) => self.find(name).err()?.unwrap_or(Barrier::Missing(name.into())),
            None => to_execute(Path::new(named), self.account).err()?,
        };
        let wanted = by_env.unwrap_or(named);
        let obstacle = self.words(wanted, barrier)?;
        let why = format!("{} begins with `{line}`: {}", file.display(), obstacle.why);
        let help = obstacle.help.unwrap_or_else(|| {
            "make its environment anew where it will run: scripts of a venv name their interpreter by its full path"
                .to_owned()
        });
        Some(Obstacle::new(why).help(help))
    }

    fn words(&self, program: &str, barrier: Barrier) -> Option<Obstacle> {
        let who = &self.account.name;
        Some(match barrier {
            Barrier::Unseen(_) => return None,
            Barrier::Missing(path) => Obstacle::new(format!("{} is not there", path.display())),
            Barrier::NotExecutable(path) => {
                Obstacle::new(format!("{} is no file that may be executed ({})", path.display(), rights(&path)))
                    .help(format!("if it is a program: `chmod +x {}`", path.display()))
            }
            Barrier::Closed(dir) => Obstacle::new(format!(
                "`{program}` lies beyond {}, which the account {who} cannot enter ({})",
                dir.display(),
                rights(&dir)
            ))
            .help(format!(
                "put it where every account can enter, like /opt or the release itself (`python3 -m venv /opt/NAME`), or \
                 open the folder: `chmod o+x {}`",
                dir.display()
            )),
            Barrier::NotForThem(path) => {
                Obstacle::new(format!("{} is not for the account {who} ({})", path.display(), rights(&path)))
                    .help(format!("`chmod o+rx {}`", path.display()))
            }
            Barrier::NoExec(path) => {
                Obstacle::new(format!("{} lies on a file system that is mounted `noexec`", path.display()))
                    .help("move it, or mount that file system without `noexec`")
            }
        })
    }
}

/// `mode 0700, of root`
fn rights(path: &Path) -> String {
    let Ok(found) = fs::metadata(path) else { return "its rights cannot be seen".to_owned() };
    let owner = machine::users::by_uid(found.uid()).ok().flatten();
    let owner = owner.map_or_else(|| format!("uid {}", found.uid()), |account| account.name);
    format!("mode {:04o}, of {owner}", found.mode() & 0o7777)
}

fn first_line(file: &Path) -> Option<String> {
    let mut head = Vec::with_capacity(FIRST_LINE_BYTES);
    File::open(file).ok()?.take(FIRST_LINE_BYTES as u64).read_to_end(&mut head).ok()?;
    let line = head.split(|byte| *byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line).trim().to_owned())
}
