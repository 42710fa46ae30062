//! What a dying app says in its log, and what to do about it. Words of the runtimes themselves, so a table and no guess.
//!
//! Looked at only where an instance or a job has failed: an app that serves may log whatever it likes.

use model::Explain;

/// Bound: of a line that is told as a cause, in characters.
const LINE_MAX: usize = 200;

/// A cause that many apps die of.
struct Symptom {
    /// Each is what one runtime prints: all of its words stand in one line, in lower case.
    says: &'static [&'static [&'static str]],
    /// Like `says`, followed by the quoted name of a variable: `KeyError: 'DATABASE_URL'`.
    names: &'static [&'static str],
    remedy: &'static str,
}

/// What a log shows, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Diagnosis {
    /// The line that says it, cut where it is long.
    line: String,
    remedy: &'static str,
}

const LOW_PORT: Symptom = Symptom {
    says: &[
        &["bind: permission denied"],
        &["listen eacces"],
        &["bind(2)", "permission denied"],
        &["attempting to bind", "permission denied"],
    ],
    names: &[],
    remedy: "it binds a port below 1024, which an app's account may not: let it listen on `{port}`, or the variable PORT",
};

const PORT_TAKEN: Symptom = Symptom {
    says: &[
        &["address already in use"],
        &["eaddrinuse"],
        &["addrinuse"],
        &["connection in use"],
        &["port is already in use"],
        &["port", "is in use by another program"],
    ],
    names: &[],
    remedy: "the port that it binds is in use, by another instance of it or by another program (`ss -ltnp` shows by which): \
             give `{port}` to the command, or let the app read the variable PORT, which differs for each instance",
};

const LIBRARY_MISSING: Symptom = Symptom {
    says: &[
        &["error while loading shared libraries"],
        &["cannot open shared object file"],
        &["version `glibc_", "not found"],
    ],
    names: &[],
    remedy: "a library of the system is missing: install it here (`ldd PROGRAM` lists all), or build the app on the same \
             version of the system",
};

const MODULE_MISSING: Symptom = Symptom {
    says: &[
        &["modulenotfounderror"],
        &["no module named"],
        &["cannot find module"],
        &["cannot find package"],
        &["cannot load such file"],
        &["bundler::gemnotfound"],
        &["could not find", "in locally installed gems"],
        &["no required module provides package"],
    ],
    names: &[],
    remedy: "a dependency is not in the release: install all of them below its folder before you deploy (`npm ci`, `pip \
             install` into a venv there, `bundle install`), and see that .mainstayignore leaves none out",
};

const VARIABLE_MISSING: Symptom = Symptom {
    says: &[
        &["environment variable", "not set"],
        &["environment variable", "not found"],
        &["environment variable", "missing"],
        &["environment variable", "required"],
        &["env var", "missing"],
        &["required key", "missing value"],
        &["field required", "type=missing"],
        &["err` value: notpresent"],
    ],
    names: &["keyerror: '", "key not found: \""],
    remedy: "a variable is missing: an app gets what its manifest says and nothing of your shell: add it to `env`, or its \
             name to `env_secrets`",
};

const NOT_ALLOWED: Symptom = Symptom {
    says: &[
        &["permission denied"],
        &["permissiondenied"],
        &["eacces"],
        &["operation not permitted"],
        &["read-only file system"],
    ],
    names: &[],
    remedy: "its account may not do that. What it reads must be open to that account; what it writes must lie below \
             `{shared_dir}`, in a folder of `shared_paths` or in TMPDIR (not /tmp), since all else is read-only for an app; what it \
             must have besides is opened by name in [sandbox]",
};

/// For [`PORT_TAKEN`], where who has the port is told.
const PORT_OF_ITS_OWN: &str = "its port is fixed: give `{port}` to the command, or let the app read the variable PORT, which \
                               differs for each instance";

/// The more telling ones first: a line may fit several.
const ALL: [&Symptom; 6] =
    [&LOW_PORT, &PORT_TAKEN, &LIBRARY_MISSING, &MODULE_MISSING, &VARIABLE_MISSING, &NOT_ALLOWED];

/// What the last of `lines` that says anything known means.
fn diagnose(lines: &[String]) -> Option<Diagnosis> {
    let symptom = lines.iter().rev().find_map(|line| ALL.into_iter().find(|symptom| symptom.fits(line)))?;
    // Node says it in a sentence first, and then as the fields of an object.
    let line = lines.iter().find(|line| symptom.fits(line))?;
    Some(Diagnosis { line: line.trim().chars().take(LINE_MAX).collect(), remedy: symptom.remedy })
}

/// The port that an instance could not bind, where its log names it.
pub(crate) fn taken_port(lines: &[String]) -> Option<u16> {
    diagnose(lines).filter(|found| found.remedy == PORT_TAKEN.remedy)?;
    lines.iter().rev().filter(|line| PORT_TAKEN.fits(line)).find_map(|line| port_in(line))
}

/// The last number that stands where runtimes write a port: `127.0.0.1:80`, `:::80`, `port 80`, `('127.0.0.1', 80)`.
fn port_in(line: &str) -> Option<u16> {
    let mut before = "";
    let mut port = None;
    for raw in line.split_whitespace() {
        let word = raw.trim_end_matches([':', ',', '.', ')', ']', '"', '\'']);
        let (head, digits) = word.rsplit_once(':').unwrap_or(("", word));
        // `10:15:30` is a time, `:::80` an address.
        let is_time = head.contains(':') && head.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
        let is_time = is_time && !head.starts_with(':');
        let follows = before.eq_ignore_ascii_case("port") || before.ends_with("',");
        if (word.contains(':') && !is_time) || follows {
            port = digits.parse().ok().filter(|port| *port > 0).or(port);
        }
        before = raw;
    }
    port
}

/// `explain` with what `lines` say of a known cause, and its remedy before the general one. `holder`: who has the port of
/// [`taken_port`].
pub(crate) fn told(explain: Explain, lines: &[String], holder: Option<&str>) -> Explain {
    let Some(Diagnosis { line, remedy }) = diagnose(lines) else { return explain };
    let remedy = if holder.is_some() { PORT_OF_ITS_OWN } else { remedy };
    let help = match &explain.help {
        Some(general) => format!("{remedy}; else {general}"),
        None => remedy.to_owned(),
    };
    let explain = explain.caused_by(format!("its log says: {line}")).help(help);
    match holder {
        Some(holder) => explain.caused_by(format!("{holder} listens on that port now")),
        None => explain,
    }
}

impl Symptom {
    fn fits(&self, line: &str) -> bool {
        let low = line.to_ascii_lowercase();
        let said = |words: &&[&str]| words.iter().all(|word| low.contains(word));
        let named = |before: &&str| {
            low.split_once(before).is_some_and(|(head, _)| names_variable(line, head, before))
        };
        self.says.iter().any(said) || self.names.iter().any(named)
    }
}

/// Whether what follows is a quoted name as variables have, and not any key of any dictionary.
fn names_variable(line: &str, head: &str, before: &str) -> bool {
    let Some(rest) = line.get(head.len() + before.len()..) else { return false };
    let name = rest.split(['\'', '"']).next().unwrap_or_default();
    name.len() > 1
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests;
