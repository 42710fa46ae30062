//! What no file of the project may hold: paths of somebody's machine. They work for one person only.

use super::Sources;
use crate::shell::Result;

/// Beginnings of such paths, put together here so that this file does not hold them.
const REFUSED: [&str; 3] = [concat!("/wo", "rk/"), concat!("/Use", "rs/"), concat!("/ro", "ot/.")];
/// Files that are not ours.
const FOREIGN: [&str; 2] = ["Cargo.lock", "LICENSE"];

pub(super) fn check(sources: &Sources) -> Result<Vec<String>> {
    let own = sources.files.iter().filter(|(path, _)| !FOREIGN.iter().any(|foreign| path.ends_with(foreign)));
    Ok(own.flat_map(|(path, text)| findings(&path.display().to_string(), text)).collect())
}

fn findings(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    let refused = lines.filter(|(_, line)| REFUSED.iter().any(|word| line.contains(word)));
    refused.map(|(n, line)| format!("{path}:{}: a path of one machine: {}", n + 1, line.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::findings;

    #[test]
    fn a_path_of_one_machine_is_found_with_its_line() {
        let text = format!("fine\nsee {}ana/project\n", concat!("/Use", "rs/"));
        assert_eq!(findings("README.md", &text).len(), 1);
        assert!(findings("README.md", &text)[0].starts_with("README.md:2:"));
        assert_eq!(findings("README.md", "in /var/lib/mainstay\n"), Vec::<String>::new());
    }
}
