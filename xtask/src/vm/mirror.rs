//! What apps are made of, fetched once: a guest reaches nobody, so it is lent a mirror of npm's registry and of PyPI's that has what its
//! apps ask for, as a folder of files that any server of files can serve.
//!
//! `app/` has the files of the apps that name packages, `npm.tgz` is npm itself.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::shell::{self, Doing, Error, Result};

const PACKAGE: &str = "{ \"name\": \"shop\", \"version\": \"1.0.0\", \"scripts\": { \"start\": \"node server.js\" }, \"dependencies\": { \"express\": \"5.1.0\" } }\n";
const REQUIREMENTS: &str = "fastapi==0.115.6\nuvicorn==0.34.0\n";
/// Of Debian the guest has node alone: its npm is some hundred packages more, this one brings everything along.
const NPM: &str = "npm@10.9.2";
/// Of the guest: Debian 12.
const PYTHON: &str = "3.11";
const PLATFORMS: [&str; 2] = ["manylinux_2_17_x86_64", "manylinux_2_28_x86_64"];

/// The mirror below `folder`, fetched if it is missing or of other packages than now.
pub(super) fn kept(folder: &Path) -> Result<PathBuf> {
    let wanted = format!("{PACKAGE}{REQUIREMENTS}{NPM} {PYTHON}");
    let (mirror, stamp) = (folder.join("mirror"), folder.join("mirror.recipe"));
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(mirror);
    }
    let _ = fs::remove_dir_all(&mirror);
    let app = mirror.join("app");
    fs::create_dir_all(&app).doing("making target/vm/mirror")?;
    fs::write(app.join("package.json"), PACKAGE).doing("writing package.json")?;
    fs::write(app.join("requirements.txt"), REQUIREMENTS).doing("writing requirements.txt")?;
    npm(&mirror, &app)?;
    pypi(&mirror, &app, &folder.join("pip"))?;
    fs::write(&stamp, wanted).doing("writing the mirror's recipe")?;
    Ok(mirror)
}

/// The lock file of the app, and each package of it where its line `resolved` says, on another host.
fn npm(mirror: &Path, app: &Path) -> Result<()> {
    let mut lock = Command::new("npm");
    // Without `resolved` npm would ask for the index of each package.
    lock.args(["install", "--package-lock-only", "--omit-lockfile-registry-resolved=false", "--no-audit"]);
    shell::run(lock.current_dir(app))?;
    let lock = app.join("package-lock.json");
    let text = fs::read_to_string(&lock).doing(lock.display())?;
    let locked: Value = serde_json::from_str(&text).doing(lock.display())?;
    let mut pack = Command::new("npm");
    pack.args(["pack", "--json", NPM]).args(packages(&locked)).current_dir(mirror);
    let packed = shell::output(&mut pack)?;
    let packed: Vec<Value> = serde_json::from_str(&packed).doing("reading what npm has packed")?;
    for one in &packed {
        let word =
            |key: &str| one[key].as_str().ok_or_else(|| Error(format!("npm packed without `{key}`: {one}")));
        let (name, version, file) = (word("name")?, word("version")?, word("filename")?);
        let place = match format!("{name}@{version}") == NPM {
            true => mirror.join("npm.tgz"),
            false => {
                let last = name.rsplit('/').next().unwrap_or(name);
                mirror.join(name).join(format!("-/{last}-{version}.tgz"))
            }
        };
        moved(&mirror.join(file), &place)?;
    }
    Ok(())
}

/// `name@version` of each package in a lock file, once.
fn packages(locked: &Value) -> BTreeSet<String> {
    let all = locked["packages"].as_object().into_iter().flatten();
    let named = all.filter_map(|(path, package)| {
        let (_, name) = path.rsplit_once("node_modules/")?;
        Some(format!("{name}@{}", package["version"].as_str()?))
    });
    named.collect()
}

/// Each wheel in the folder of its project, whose listing is what PyPI calls its simple index. `pip`: where that may be installed.
fn pypi(mirror: &Path, app: &Path, pip: &Path) -> Result<()> {
    if !pip.join("bin/pip").exists() {
        shell::run(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(pip))?;
    }
    let simple = mirror.join("simple");
    let mut download = Command::new(pip.join("bin/pip"));
    download.args(["download", "--quiet", "--only-binary=:all:", "--python-version", PYTHON]);
    PLATFORMS.iter().for_each(|platform| {
        download.args(["--platform", platform]);
    });
    download.arg("--dest").arg(&simple).arg("--requirement").arg(app.join("requirements.txt"));
    shell::run(&mut download)?;
    let wheels: Vec<_> = fs::read_dir(&simple).doing(simple.display())?.flatten().collect();
    for wheel in wheels {
        let file = wheel.file_name().to_string_lossy().into_owned();
        // A wheel's name has underscores where its project's has dashes.
        let project = file.split('-').next().unwrap_or(&file).to_lowercase().replace(['_', '.'], "-");
        moved(&wheel.path(), &simple.join(project).join(&file))?;
    }
    Ok(())
}

fn moved(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).doing(folder.display())?;
    }
    fs::rename(from, to).doing(to.display())
}
