//! Package managers: by which files an app's is known, how it builds a release, how a pipeline builds, tests and audits it.
//!
//! The one place that knows them, for `init` and for `export ci`. Looks at names and texts of files, and runs nothing.

use std::path::Path;

use model::manifest::BuildPlace;
use serde::Serialize;
use serde_json::Value;

/// Bound: a file that describes an app's packages is smaller; a longer one tells nothing here.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Commands in sh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packages {
    /// The file that it is known by.
    pub(super) file: &'static str,
    /// For a pipeline: with everything that tests need.
    pub(super) build: String,
    pub(super) test: String,
    pub(super) audit: String,
    /// What is interpreted is built where it runs; `None`: it compiles to one file, and whoever knows its name says how.
    pub(super) release: Option<Build>,
}

/// What stands in `[release.build]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Build {
    pub(crate) place: BuildPlace,
    /// In sh.
    pub(crate) command: String,
    pub(crate) env: Vec<(String, String)>,
    /// The folder that it makes, which is not sent.
    pub(crate) makes: Option<&'static str>,
    /// What else a server needs for it, and what is worth knowing.
    pub(crate) because: Vec<String>,
}

type Recogniser = fn(&Path) -> Option<Packages>;

/// The first that knows the folder counts: a lock file says more than the list that it is of.
const RECOGNISERS: [Recogniser; 11] =
    [pnpm, yarn, bun, npm_locked, npm, uv, poetry, requirements, cargo, go, pyproject];

pub(super) fn of(folder: &Path) -> Option<Packages> {
    RECOGNISERS.iter().find_map(|recognise| recognise(folder))
}

/// Where virtual environments are: they hold their own path, and stay where they are made.
pub(super) const VENV: &str = ".venv";
const NODE_MODULES: &str = "node_modules";

fn read(path: &Path) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    (metadata.is_file() && metadata.len() <= FILE_BYTES_MAX).then(|| std::fs::read_to_string(path).ok())?
}

/// How one of Node's is called, and what each step is in its words.
struct Node<'a> {
    file: &'static str,
    /// With what tests need.
    all: &'a str,
    /// Without.
    production: &'a str,
    /// Takes away what only the build needed.
    prune: &'a str,
    /// Runs a script of package.json.
    run: &'a str,
    audit: &'a str,
    env: &'a [(&'a str, &'a str)],
}

fn node(folder: &Path, with: &Node<'_>, because: &[&str]) -> Option<Packages> {
    let package: Value = serde_json::from_str(&read(&folder.join("package.json"))?).ok()?;
    let has = |script: &str| package.pointer(&format!("/scripts/{script}")).is_some_and(Value::is_string);
    let Node { all, production, prune, run, .. } = with;
    let built = |then: &str| format!("{all} && {run} build{then}");
    let release = match has("build") {
        true => built(&format!(" && {prune}")),
        false => (*production).to_owned(),
    };
    Some(Packages {
        file: with.file,
        build: if has("build") { built("") } else { (*all).to_owned() },
        test: if has("test") { format!("{run} test") } else { untested() },
        audit: with.audit.to_owned(),
        release: Some(Build {
            place: BuildPlace::Server,
            command: release,
            env: with.env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            makes: Some(NODE_MODULES),
            because: because.iter().map(|why| (*why).to_owned()).collect(),
        }),
    })
}

/// A pipeline that tests nothing and is green would lie.
pub(super) fn untested() -> String {
    "echo 'say what tests the app: `mainstay export ci --test COMMAND --force`' >&2; exit 1".to_owned()
}

const NPM_AUDIT: &str = "npm audit --omit=dev --audit-level=high";

fn npm_locked(folder: &Path) -> Option<Packages> {
    if !folder.join("package-lock.json").is_file() && !folder.join("npm-shrinkwrap.json").is_file() {
        return None;
    }
    let npm = Node {
        file: "package-lock.json",
        all: "npm ci",
        production: "npm ci --omit=dev",
        prune: "npm prune --omit=dev",
        run: "npm run",
        audit: NPM_AUDIT,
        env: &[],
    };
    node(folder, &npm, &[])
}

fn npm(folder: &Path) -> Option<Packages> {
    let npm = Node {
        file: "package.json",
        all: "npm install --include=dev",
        production: "npm install --omit=dev",
        prune: "npm prune --omit=dev",
        run: "npm run",
        audit: NPM_AUDIT,
        env: &[],
    };
    let loose = "there is no lock file: each build may get other versions; `npm install --package-lock-only` makes one";
    node(folder, &npm, &[loose])
}

/// A major version that package.json asks for by `packageManager`, else the one that writes such lock files.
fn major(folder: &Path, name: &str, otherwise: &str) -> String {
    let package =
        read(&folder.join("package.json")).and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let said = package.as_ref().and_then(|package| package.get("packageManager")).and_then(Value::as_str);
    let version = said.and_then(|said| said.strip_prefix(name)?.strip_prefix('@'));
    let major: String = version.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
    if major.is_empty() { otherwise.to_owned() } else { major }
}

/// Got by npm itself, into the cache of builds: a server with Node has that, and seldom more.
const BY_NPX: &str = "npx gets the package manager itself: the server needs Node with npm, and no more";

/// Its links are inside of the release; files are copied out of the store, which is not sealed.
fn pnpm(folder: &Path) -> Option<Packages> {
    let lock = read(&folder.join("pnpm-lock.yaml"))?;
    let is_old = lock.starts_with("lockfileVersion: '6") || lock.starts_with("lockfileVersion: 5");
    let pnpm = format!("npx --yes pnpm@{}", major(folder, "pnpm", if is_old { "8" } else { "9" }));
    let copied = "--package-import-method copy";
    let node_of = Node {
        file: "pnpm-lock.yaml",
        all: &format!("{pnpm} install --frozen-lockfile {copied}"),
        production: &format!("{pnpm} install --frozen-lockfile --prod {copied}"),
        prune: &format!("{pnpm} install --frozen-lockfile --prod {copied}"),
        run: &format!("{pnpm} run"),
        audit: &format!("{pnpm} audit --prod --audit-level high"),
        // It asks nobody whether it may begin node_modules anew.
        env: &[("CI", "true")],
    };
    node(folder, &node_of, &[BY_NPX])
}

/// From version 2 on it would have every program started through it; `node-modules` is what plain `node` finds.
fn yarn(folder: &Path) -> Option<Packages> {
    let lock = read(&folder.join("yarn.lock"))?;
    if !lock.contains("__metadata:") {
        let classic = Node {
            file: "yarn.lock",
            all: "npx --yes yarn@1 install --frozen-lockfile --production=false",
            production: "npx --yes yarn@1 install --frozen-lockfile --production",
            prune: "npx --yes yarn@1 install --frozen-lockfile --production --ignore-scripts --prefer-offline",
            run: "npx --yes yarn@1 run",
            // Its own tells the severity in bits of the exit code: 8 and 16 are high and critical.
            audit: "code=0; npx --yes yarn@1 audit --groups dependencies || code=$?; test \"$code\" -lt 8",
            env: &[],
        };
        return node(folder, &classic, &[BY_NPX]);
    }
    let yarn = format!("npx --yes -p @yarnpkg/cli-dist@{} yarn", major(folder, "yarn", "4"));
    let all = format!("{yarn} install --immutable");
    let production = format!("{all} && {yarn} workspaces focus --all --production");
    let berry = Node {
        file: "yarn.lock",
        all: &all,
        production: &production,
        prune: &format!("{yarn} workspaces focus --all --production"),
        run: &format!("{yarn} run"),
        audit: &format!("{yarn} npm audit --environment production --severity high"),
        env: &[("YARN_NODE_LINKER", "node-modules"), ("YARN_ENABLE_TELEMETRY", "0")],
    };
    node(
        folder,
        &berry,
        &[BY_NPX, "`node-modules` is yarn's linker for the release: plain `node` finds its packages there"],
    )
}

fn bun(folder: &Path) -> Option<Packages> {
    if !folder.join("bun.lock").is_file() && !folder.join("bun.lockb").is_file() {
        return None;
    }
    let bun = format!("npx --yes bun@{}", major(folder, "bun", "1"));
    let node_of = Node {
        file: "bun.lock",
        all: &format!("{bun} install --frozen-lockfile --backend=copyfile"),
        production: &format!("{bun} install --frozen-lockfile --production --backend=copyfile"),
        prune: &format!(
            "rm -rf {NODE_MODULES} && {bun} install --frozen-lockfile --production --backend=copyfile"
        ),
        run: &format!("{bun} run"),
        audit: &format!("{bun} audit --audit-level=high"),
        env: &[],
    };
    node(folder, &node_of, &[BY_NPX])
}

const VENV_MODULE: &str = "the virtual environment is made in the release, where it stays; the server needs python3 with its module venv (Debian and Ubuntu: python3-venv)";
const PYTEST: &str = ".venv/bin/python -m pytest";

fn audit(of: &str) -> String {
    format!(
        "python3 -m venv /tmp/audit && /tmp/audit/bin/pip install -q pip-audit && /tmp/audit/bin/pip-audit {of}"
    )
}

fn python(
    file: &'static str,
    [build, release]: [String; 2],
    audit_of: &str,
    env: &[(&str, &str)],
) -> Packages {
    Packages {
        file,
        build,
        test: PYTEST.to_owned(),
        audit: audit(audit_of),
        release: Some(Build {
            place: BuildPlace::Server,
            command: release,
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            makes: Some(VENV),
            because: vec![VENV_MODULE.to_owned()],
        }),
    }
}

fn by_pip(file: &'static str, from: &str, audit_of: &str) -> Packages {
    let command = format!("python3 -m venv {VENV} && {VENV}/bin/pip install {from}");
    python(file, [command.clone(), command], audit_of, &[])
}

fn requirements(folder: &Path) -> Option<Packages> {
    let is_there = folder.join("requirements.txt").is_file();
    is_there.then(|| by_pip("requirements.txt", "-r requirements.txt", "-r requirements.txt"))
}

fn pyproject(folder: &Path) -> Option<Packages> {
    folder.join("pyproject.toml").is_file().then(|| by_pip("pyproject.toml", ".", "."))
}

/// A package manager that pip puts into the cache of builds: a server has pip, and seldom more.
fn own(name: &str) -> String {
    format!("python3 -m venv \"$HOME/{name}\" && \"$HOME/{name}/bin/pip\" install -q {name}")
}

/// The app's own code is imported from where it lies.
fn uv(folder: &Path) -> Option<Packages> {
    if !folder.join("uv.lock").is_file() {
        return None;
    }
    let sync =
        |what: &str| format!("{} && \"$HOME/uv/bin/uv\" sync --frozen {what}--no-install-project", own("uv"));
    // An interpreter of its own would lie in the cache of builds, where no app may read.
    let env = [("UV_PYTHON_PREFERENCE", "only-system")];
    Some(python("uv.lock", [sync(""), sync("--no-dev ")], "--locked .", &env))
}

fn poetry(folder: &Path) -> Option<Packages> {
    let is_one = folder.join("poetry.lock").is_file()
        || read(&folder.join("pyproject.toml")).is_some_and(|text| text.contains("[tool.poetry]"));
    if !is_one {
        return None;
    }
    let install = |what: &str| {
        let own = own("poetry");
        // Else it takes the newest Python that it finds, wherever that lies.
        let env = "export POETRY_VIRTUALENVS_IN_PROJECT=true POETRY_VIRTUALENVS_USE_POETRY_PYTHON=true";
        format!("{env} && {own} && \"$HOME/poetry/bin/poetry\" install --no-interaction {what}--no-root")
    };
    Some(python("poetry.lock", [install(""), install("--only main ")], ".", &[]))
}

fn cargo(folder: &Path) -> Option<Packages> {
    folder.join("Cargo.toml").is_file().then(|| Packages {
        file: "Cargo.toml",
        build: "cargo build --locked --release".to_owned(),
        test: "cargo test --locked".to_owned(),
        audit: "cargo audit".to_owned(),
        release: None,
    })
}

fn go(folder: &Path) -> Option<Packages> {
    folder.join("go.mod").is_file().then(|| Packages {
        file: "go.mod",
        build: "go build ./...".to_owned(),
        test: "go test ./...".to_owned(),
        audit: "go run golang.org/x/vuln/cmd/govulncheck@latest ./...".to_owned(),
        release: None,
    })
}

/// What compiles to one file is built where it is deployed from, into a folder of its own.
fn compiled(command: String, env: &[(&str, &str)]) -> Build {
    Build {
        place: BuildPlace::Client,
        command,
        env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        makes: None,
        because: vec!["it is built where you deploy from: for another architecture or C library than the server's, cross-compile".to_owned()],
    }
}

pub(super) fn cargo_release(folder: &Path, binary: &str) -> Build {
    let locked = if folder.join("Cargo.lock").is_file() { " --locked" } else { "" };
    let install = format!("install -D target/release/{binary} dist/{binary}");
    compiled(format!("cargo build{locked} --release --bin {binary} && {install}"), &[])
}

pub(super) fn go_release(package: &str, binary: &str) -> Build {
    compiled(format!("go build -o dist/{binary} {package}"), &[("CGO_ENABLED", "0"), ("GOOS", "linux")])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(files: &[(&str, &str)]) -> Packages {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
        of(folder.path()).unwrap_or_else(|| panic!("{files:?}"))
    }

    const PLAIN: &str = r#"{"scripts": {"start": "node x", "test": "node --test"}}"#;
    const BUILT: &str = r#"{"scripts": {"build": "tsc"}, "packageManager": "pnpm@10.4.1+sha512.x"}"#;

    #[test]
    fn the_lock_file_says_which_package_manager_it_is() {
        for (file, text, word) in [
            ("package-lock.json", "{}", "npm ci --omit=dev"),
            ("pnpm-lock.yaml", "lockfileVersion: '9.0'", "pnpm@9 install --frozen-lockfile --prod"),
            ("pnpm-lock.yaml", "lockfileVersion: '6.0'", "pnpm@8 install"),
            ("yarn.lock", "# yarn lockfile v1", "yarn@1 install --frozen-lockfile --production"),
            ("yarn.lock", "__metadata:\n  version: 8", "cli-dist@4 yarn workspaces focus --all --production"),
            ("bun.lock", "{}", "bun@1 install --frozen-lockfile --production --backend=copyfile"),
        ] {
            let found = packages(&[("package.json", PLAIN), (file, text)]);
            let release = found.release.unwrap();
            assert!(release.command.contains(word), "{file}: {}", release.command);
            assert_eq!(
                (found.file, release.place, release.makes),
                (file, BuildPlace::Server, Some(NODE_MODULES))
            );
            let (test, audit) = (&found.test, &found.audit);
            assert!(test.ends_with("test") && audit.contains("audit"), "{test}; {audit}");
        }
        let npm = packages(&[("package.json", PLAIN)]).release.unwrap();
        assert!(
            npm.command == "npm install --omit=dev" && npm.because[0].contains("no lock file"),
            "{npm:?}"
        );
        let berry = packages(&[("package.json", PLAIN), ("yarn.lock", "__metadata:")]).release.unwrap();
        assert!(berry.env.contains(&("YARN_NODE_LINKER".to_owned(), "node-modules".to_owned())), "{berry:?}");
    }

    #[test]
    fn what_only_the_build_needs_is_there_for_it_and_gone_after_it() {
        let found = packages(&[("package.json", BUILT), ("package-lock.json", "{}")]);
        assert_eq!(found.release.unwrap().command, "npm ci && npm run build && npm prune --omit=dev");
        assert_eq!(found.build, "npm ci && npm run build");
        assert!(found.test.ends_with("exit 1"), "an app without a test is not green: {}", found.test);
        let pnpm = packages(&[("package.json", BUILT), ("pnpm-lock.yaml", "lockfileVersion: '9.0'")]);
        let command = pnpm.release.unwrap().command;
        assert!(command.contains("pnpm@10 run build") && command.contains("--prod"), "{command}");
    }

    #[test]
    fn a_virtual_environment_is_made_by_whichever_tool_has_locked_it() {
        for (files, word) in [
            (&["requirements.txt"][..], ".venv/bin/pip install -r requirements.txt"),
            (&["pyproject.toml"], ".venv/bin/pip install ."),
            (&["pyproject.toml", "uv.lock", "requirements.txt"], "uv\" sync --frozen --no-dev"),
            (&["pyproject.toml", "poetry.lock"], "install --no-interaction --only main --no-root"),
        ] {
            let files: Vec<(&str, &str)> = files.iter().map(|file| (*file, "")).collect();
            let release = packages(&files).release.unwrap();
            assert!(release.command.contains(word), "{}", release.command);
            assert_eq!((release.place, release.makes), (BuildPlace::Server, Some(VENV)));
        }
    }

    #[test]
    fn what_compiles_is_built_by_whoever_deploys() {
        let folder = tempfile::tempdir().unwrap();
        assert!(of(folder.path()).is_none());
        assert_eq!(packages(&[("go.mod", "module x")]).release, None);
        let build = cargo_release(folder.path(), "courier");
        assert_eq!(build.place, BuildPlace::Client);
        assert!(!build.command.contains("--locked") && build.command.ends_with("dist/courier"), "{build:?}");
        std::fs::write(folder.path().join("Cargo.lock"), "").unwrap();
        assert!(cargo_release(folder.path(), "courier").command.contains("--locked"));
        assert!(go_release("./cmd/api", "api").command.ends_with("-o dist/api ./cmd/api"));
    }
}
