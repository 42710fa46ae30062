//! Configuration from the environment, checked field by field so that one start tells every mistake (CFGV-01).
//!
//! An app declares one [`Table`]; `reading` reads it, `kinds` checks single values, `sources` knows where a value may
//! stand. Decides nothing about what the values mean together: the app adds such findings with [`Reading::refuse`].
//!
//! ```
//! use kit::config::{Field, Kind, Reading, Table};
//!
//! const FIELDS: &[Field] = &[
//!     Field { name: "PORT", kind: Kind::Number { min: 1, max: 65_535 }, default: Some("3000"), doc: "Where to listen." },
//!     Field { name: "NOTES_KEY", kind: Kind::Secret { chars_min: 32 }, default: None, doc: "Signs sessions." },
//! ];
//! let table = Table::new("NOTES_", FIELDS);
//! let values = Reading::of(table, [("PORT".to_owned(), "8080".to_owned())]).finish().unwrap();
//! assert_eq!(values.number("PORT"), Some(8080));
//!
//! let refused = Reading::of(table, [("PORT".to_owned(), "http".to_owned()), ("NOTES_KEE".to_owned(), "x".to_owned())]);
//! assert_eq!(
//!     refused.finish().unwrap_err().to_string(),
//!     "Configuration validation failed:
//!   - PORT should be a whole number from 1 to 65535, not \"http\"
//!   - NOTES_KEE is not a setting; did you mean NOTES_KEY?"
//! );
//! ```

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::Private;

mod kinds;
mod reading;
mod schema;
mod sources;

#[cfg(test)]
mod tests;

pub use kinds::{Kind, parse_duration};
pub use reading::Reading;
pub use schema::schema;

/// One setting: its variable, what it may be, and the sentence that explains it.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The variable. A secret may also stand in the file that `<name>_FILE` names, or as a file of this name in
    /// `$CREDENTIALS_DIRECTORY` (systemd.exec(5), `LoadCredential=`).
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// As it would stand in the environment. `None`: unset is allowed.
    pub default: Option<&'static str>,
    /// One sentence for whoever sets it.
    pub doc: &'static str,
}

/// Another variable that sets a field: the name that people know from elsewhere. Both may be set where they agree. With
/// the field's own name it translates what people are used to write there.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// The other variable.
    pub name: &'static str,
    /// The field that it sets.
    pub of: &'static str,
    /// From what stands there to what the field would hold; `None`: it says nothing about the field. The error is the
    /// rest of a sentence that begins with the variable's name: `should be …`.
    pub translate: fn(&str) -> Result<Option<String>, String>,
}

impl Alias {
    /// The same value under another name.
    pub const fn new(name: &'static str, of: &'static str) -> Self {
        Self { name, of, translate: |value| Ok(Some(value.to_owned())) }
    }
}

/// All that an app can be told.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// What the app's own variables begin with. One that does and is no field is refused, since a misspelt setting is
    /// otherwise silently ignored. Other variables are other people's.
    pub prefix: &'static str,
    /// In the order in which mistakes are told.
    pub fields: &'static [Field],
    /// Other names.
    pub aliases: &'static [Alias],
    /// Fields that must be set.
    pub required: &'static [&'static str],
}

impl Table {
    /// A table without aliases in which nothing is required.
    pub const fn new(prefix: &'static str, fields: &'static [Field]) -> Self {
        Self { prefix, fields, aliases: &[], required: &[] }
    }
}

/// Every mistake of one start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<String>);

impl fmt::Display for Refused {
    /// `Configuration validation failed:` and one indented line each, as operators of S3 know it (S3:310-322).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Configuration validation failed:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  - {error}"))
    }
}

impl std::error::Error for Refused {}

impl Refused {
    /// `{"valid": false, "errors": […]}` (CFGV-01), and with `None` the other one.
    pub fn report(refused: Option<&Self>) -> serde_json::Value {
        let errors = refused.map_or(&[][..], |refused| &refused.0);
        serde_json::json!({"valid": refused.is_none(), "errors": errors})
    }
}

/// Values that passed. Asking for a name that is not in the table is a mistake of the program and panics.
#[derive(Debug)]
pub struct Values {
    fields: &'static [Field],
    values: BTreeMap<&'static str, Given>,
}

/// One value, and the variable or file that it came from.
#[derive(Debug)]
struct Given {
    value: String,
    source: String,
}

/// One line of [`Values::effective`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The field.
    pub name: &'static str,
    /// The value in force; `[private]` for secrets, `(unset)` where there is none.
    pub value: String,
    /// Where it comes from, where that is not its own variable: another variable, a file, or `default`.
    pub source: Option<String>,
}

impl Values {
    /// The value as it stood there, or the default.
    pub fn text(&self, name: &str) -> Option<&str> {
        assert!(self.fields.iter().any(|field| field.name == name), "{name} is not in the table of settings");
        self.values.get(name).map(|given| given.value.as_str())
    }

    /// A [`Kind::Secret`], [`Kind::Key`] or [`Kind::Credential`].
    pub fn secret(&self, name: &str) -> Option<Private<String>> {
        self.text(name).map(|value| Private::new(value.to_owned()))
    }

    /// A [`Kind::Number`].
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name).and_then(|value| value.parse().ok())
    }

    /// A [`Kind::Duration`].
    pub fn duration(&self, name: &str) -> Option<Duration> {
        self.text(name).and_then(parse_duration)
    }

    /// Every setting with its value in force; secrets as `[private]`.
    pub fn effective(&self) -> Vec<Effective> {
        let show = |field: &Field| {
            let given = self.values.get(field.name);
            let value = match given {
                Some(_) if field.kind.is_private() => "[private]".to_owned(),
                Some(given) => given.value.clone(),
                None => "(unset)".to_owned(),
            };
            let source = given.map(|given| given.source.clone()).filter(|source| source != field.name);
            Effective { name: field.name, value, source }
        };
        self.fields.iter().map(show).collect()
    }
}
