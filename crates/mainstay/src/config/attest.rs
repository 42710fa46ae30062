//! `mainstay.attest.toml`, beside the manifest: who vouches for what, until when.

use check::{Attestation, attest::is_date};

use super::{
    decode::{self, Problems, Section},
    problem::{ConfigErrors, Problem},
};

pub const FILE: &str = "mainstay.attest.toml";
/// Bound: of the file's text.
pub const TEXT_BYTES_MAX: usize = 256 << 10;

/// # Errors
/// All mistakes of the file, in its order.
pub fn parse(text: &str, file_name: &str) -> Result<Vec<Attestation>, ConfigErrors> {
    let mut problems = Problems::default();
    let mut attestations = Vec::new();
    if let Some(tree) = decode::parse(text, &mut problems) {
        let mut top = Section::new("", 0..0, tree.get_ref(), &mut problems);
        let read = top.tables("attest", attestation).unwrap_or_default();
        attestations = read.into_iter().map(|at| at.value).collect();
        top.finish();
    }
    if problems.is_empty() {
        return Ok(attestations);
    }
    Err(ConfigErrors { file: file_name.to_owned(), text: text.to_owned(), problems: problems.into_sorted() })
}

fn attestation(section: &mut Section<'_, '_, '_>) -> Option<Attestation> {
    let id = section.string("id");
    let by = section.string("by");
    let when = section.string("when");
    let until = section.string("until");
    let note = section.string("note").map(|at| at.value).unwrap_or_default();
    for (key, example) in
        [("id", "id = \"firewall\""), ("by", "by = \"alice\""), ("until", "until = \"2026-12-31\"")]
    {
        if !section.has(key) {
            section.missing(key, example);
        }
    }
    for (key, at, help) in
        [("when", &when, "the day that it was given"), ("until", &until, "the last day that it holds")]
    {
        if let Some(at) = at.as_ref().filter(|at| !is_date(&at.value)) {
            section.problem(
                Problem::new("bad-date", at.span.clone(), format!("`{key}` must be a date"))
                    .help(format!("like `\"2026-12-31\"`, {help}")),
            );
        }
    }
    let when = when.map(|at| at.value);
    Some(Attestation { id: id?.value, by: by?.value, when, until: until?.value, note })
}

/// The file with these attestations.
pub fn render(attestations: &[Attestation]) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut out = "# Who vouches for what, until when. `mainstay check --attest ID --until DATE --note TEXT` writes it.\n".to_owned();
    for attestation in attestations {
        let when = attestation.when.as_ref().map(|when| format!("when = {}\n", quoted(when)));
        out.push_str(&format!(
            "\n[[attest]]\nid = {}\nby = {}\n{}until = {}\nnote = {}\n",
            quoted(&attestation.id),
            quoted(&attestation.by),
            when.unwrap_or_default(),
            quoted(&attestation.until),
            quoted(&attestation.note)
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{parse, render};
    use check::Attestation;

    #[test]
    fn what_is_written_is_read_back() {
        let all = vec![Attestation {
            id: "firewall".to_owned(),
            by: "alice \"the\" admin".to_owned(),
            when: Some("2026-01-31".to_owned()),
            until: "2026-12-31".to_owned(),
            note: "looked\nat it".to_owned(),
        }];
        assert_eq!(parse(&render(&all), "x").unwrap(), all);
    }

    #[test]
    fn mistakes_are_told_together() {
        let errors = parse("[[attest]]\nid = \"a\"\nuntil = \"soon\"\nwho = \"me\"\n", "x").unwrap_err();
        let codes: Vec<_> = errors.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["missing-key", "bad-date", "unknown-key"]);
    }
}
