//! `hosts.toml`: names for the machines of `--host`, in the user's own configuration folder.
//!
//! Only what ssh's own configuration cannot say stands here: where Mainstay lies on that machine. A host that is not named is
//! `[USER@]SERVER[:PORT]`, and its names may be those of `~/.ssh/config`.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use model::Explain;
use serde::Deserialize;

/// Bound: some hundred hosts.
const TEXT_BYTES_MAX: usize = 1 << 16;

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hosts {
    #[serde(default)]
    pub host: BTreeMap<String, Named>,
}

/// `[host.NAME]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// `[USER@]SERVER[:PORT]`
    pub ssh: String,
    /// The `mainstay` there, where it is not in the PATH of the login.
    pub program: Option<String>,
    /// The data folder there, where it is neither the login's own nor the service's.
    pub data: Option<String>,
}

/// `$XDG_CONFIG_HOME/mainstay/hosts.toml`, else `~/.config/mainstay/hosts.toml`; `None`: there is no home.
pub fn path(xdg_config_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: &OsString| Path::new(path).is_absolute();
    let below = |folder: PathBuf| folder.join("mainstay/hosts.toml");
    let xdg = xdg_config_home.filter(absolute).map(|folder| below(folder.into()));
    xdg.or_else(|| home.filter(absolute).map(|home| below(Path::new(&home).join(".config"))))
}

/// What the file says; nothing where there is none.
///
/// # Errors
/// It cannot be read, or not be understood.
pub fn load(path: &Path) -> Result<Hosts, Explain> {
    match machine::fs::read_text(path, TEXT_BYTES_MAX) {
        Ok(text) => parse(&text, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Hosts::default()),
        Err(error) => Err(crate::session::unreadable(path, &error)),
    }
}

fn parse(text: &str, path: &Path) -> Result<Hosts, Explain> {
    toml::from_str(text).map_err(|error| {
        Explain::new("hosts-unreadable", format!("{} is not understood", path.display()))
            .caused_by(error.to_string().trim_end().to_owned())
            .help("it has tables `[host.NAME]` with `ssh`, and where needed `program` and `data`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_a_key_that_is_none_is_refused() {
        let path = Path::new("hosts.toml");
        let text = "[host.live]\nssh = \"ana@live.example.com:2222\"\nprogram = \"/opt/mainstay\"\n";
        let hosts = parse(text, path).expect("understood");
        assert_eq!(hosts.host["live"].ssh, "ana@live.example.com:2222");
        assert_eq!(hosts.host["live"].program.as_deref(), Some("/opt/mainstay"));
        assert_eq!(hosts.host["live"].data, None);
        for text in
            ["[host.live]\n", "[host.live]\nssh = 1\n", "[host.live]\nssh = \"a\"\nport = 22\n", "live ="]
        {
            assert_eq!(parse(text, path).expect_err(text).code, "hosts-unreadable");
        }
    }

    #[test]
    fn the_example_of_the_guide_is_understood() {
        let page = include_str!("../../../../docs/guide/remote.md");
        let (_, text) = page.split_once("```toml\n").expect("an example");
        let (text, _) = text.split_once("```").expect("its end");
        assert!(parse(text, Path::new("hosts.toml")).expect("understood").host.contains_key("live"));
    }

    #[test]
    fn the_file_is_looked_for_in_the_configuration_folder_of_the_user() {
        let path = |xdg: Option<&str>, home: Option<&str>| path(xdg.map(Into::into), home.map(Into::into));
        assert_eq!(path(Some("/x"), Some("/h")), Some("/x/mainstay/hosts.toml".into()));
        assert_eq!(path(Some("relative"), Some("/h")), Some("/h/.config/mainstay/hosts.toml".into()));
        assert_eq!(path(None, None), None);
        let nowhere = tempfile::tempdir().expect("a folder").path().join("hosts.toml");
        assert_eq!(load(&nowhere).expect("none is no error"), Hosts::default());
    }
}
