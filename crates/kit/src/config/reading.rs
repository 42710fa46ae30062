//! Reads a table from variables and collects what is wrong, in one pass.

use std::collections::BTreeMap;

use super::{
    Field, Given, Refused, Table, Values,
    kinds::{is_placeholder, nearest},
    sources,
};

/// The values of one start, and what was wrong with them.
#[derive(Debug)]
pub struct Reading {
    table: Table,
    values: BTreeMap<&'static str, Given>,
    /// Told first, as the guides' validator does.
    missing: Vec<String>,
    placeholders: Vec<(&'static str, String)>,
    refused: Vec<&'static str>,
    errors: Vec<String>,
}

impl Reading {
    /// Reads `table` from `vars`. Empty values count as unset. Names that say different things about one field are
    /// refused: whoever set them meant one of them.
    pub fn of(table: Table, vars: impl IntoIterator<Item = (String, String)>) -> Self {
        let vars: BTreeMap<String, String> = vars.into_iter().collect();
        let mut reading = Self {
            table,
            values: BTreeMap::new(),
            missing: vec![],
            placeholders: vec![],
            refused: vec![],
            errors: vec![],
        };
        table.fields.iter().for_each(|field| reading.read(field, &vars));
        for name in vars.keys().filter(|name| name.starts_with(table.prefix)) {
            if !reading.is_known(name) {
                reading.errors.push(unknown(name, table));
            }
        }
        reading
    }

    /// The same, from this process's environment; values that are no UTF-8 are refused by name.
    pub fn of_environment(table: Table) -> Self {
        let (mut vars, mut broken) = (Vec::new(), Vec::new());
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => vars.push((name, value)),
                Err(_) => broken.push(name),
            }
        }
        let mut reading = Self::of(table, vars);
        broken.retain(|name| reading.is_known(name));
        reading.errors.extend(broken.iter().map(|name| format!("{name} should be UTF-8 text")));
        reading
    }

    /// Adds a finding that needs more than one field to see: a whole sentence that names the variable.
    pub fn refuse(&mut self, error: impl Into<String>) {
        self.errors.push(error.into());
    }

    /// The value as text, to look at before [`Reading::finish`]. `None` also where it was refused.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|given| given.value.as_str())
    }

    /// The variable or file that the value came from, or `default`.
    pub fn source(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|given| given.source.as_str())
    }

    /// Whether something was set for this field that cannot be its value.
    pub fn is_refused(&self, name: &str) -> bool {
        self.refused.contains(&name)
    }

    /// The variable that gave this secret a placeholder, which was refused for it.
    pub fn placeholder(&self, name: &str) -> Option<&str> {
        self.placeholders.iter().find(|(field, _)| *field == name).map(|(_, source)| source.as_str())
    }

    /// The values, where nothing is wrong.
    ///
    /// # Errors
    /// Everything that is wrong: what is missing, then the fields in the order of the table, unknown names, and what
    /// was added by [`Reading::refuse`].
    pub fn finish(self) -> Result<Values, Refused> {
        if self.missing.is_empty() && self.errors.is_empty() {
            return Ok(Values { fields: self.table.fields, values: self.values });
        }
        Err(Refused(self.missing.into_iter().chain(self.errors).collect()))
    }

    fn read(&mut self, field: &'static Field, vars: &BTreeMap<String, String>) {
        let (found, mut errors) = sources::of(field, self.table, vars);
        let was_told = !errors.is_empty();
        self.errors.append(&mut errors);
        if was_told {
            self.refused.push(field.name);
        }
        for one in &found {
            if field.kind.is_private() && is_placeholder(&one.value) {
                self.placeholders.push((field.name, one.source.clone()));
            }
            if let Err(error) = field.kind.check(&one.source, &one.value) {
                self.errors.push(error);
                self.refused.push(field.name);
                return;
            }
        }
        let mut found = found.into_iter();
        let Some(first) = found.next() else {
            if !was_told {
                self.fall_back(field);
            }
            return;
        };
        if let Some(other) = found.find(|other| other.value != first.value) {
            let (one, other) = (&first.source, &other.source);
            self.errors.push(format!("{one} and {other} say different things; set one of them"));
        }
        self.values.insert(field.name, Given { value: first.value, source: first.source });
    }

    fn fall_back(&mut self, field: &'static Field) {
        if let Some(value) = field.default {
            let given = Given { value: value.to_owned(), source: "default".to_owned() };
            self.values.insert(field.name, given);
        } else if self.table.required.contains(&field.name) {
            self.missing.push(format!("Required environment variable {} is not set", field.name));
        }
    }

    fn is_known(&self, name: &str) -> bool {
        self.table.fields.iter().any(|field| field.name == name)
            || self.table.aliases.iter().any(|alias| alias.name == name)
            || sources::is_file_of_a_secret(name, self.table)
    }
}

fn unknown(name: &str, table: Table) -> String {
    let known = table.fields.iter().map(|field| field.name);
    format!("{name} is not a setting{}", nearest(name, known))
}
