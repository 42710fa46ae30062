//! Where the built binaries are, and building them when a test runs without `cargo xtask test`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Set by who has built them already.
const FOLDER: &str = "MAINSTAY_TEST_BINARIES";

/// The binary `name` of this workspace.
///
/// # Panics
/// When it cannot be built.
pub fn path(name: &str) -> PathBuf {
    folder().join(name)
}

/// The folder that cargo builds into, above the profile's.
pub fn target() -> PathBuf {
    folder().parent().map(Path::to_path_buf).unwrap_or_default()
}

fn folder() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| match std::env::var_os(FOLDER) {
        Some(folder) => folder.into(),
        None => build(),
    })
}

/// Builds into the folder that this test came from, so that both are of one source and one profile.
fn build() -> PathBuf {
    let exe = std::env::current_exe().expect("a process knows its executable");
    let profile =
        exe.ancestors().find(|folder| folder.join("deps").is_dir()).expect("a test lies in cargo's folder");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--quiet",
        "--locked",
        "--bins",
        "-p",
        "mainstay",
        "-p",
        "testkit",
        "-p",
        "assistant",
    ]);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    if let Some(target) = profile.parent() {
        cargo.env("CARGO_TARGET_DIR", target);
    }
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    let built = cargo.status().expect("cargo runs");
    assert!(built.success(), "the binaries under test do not build");
    profile.to_path_buf()
}
