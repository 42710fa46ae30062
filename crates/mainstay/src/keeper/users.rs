//! Accounts: which user an app runs as, and the edge's own.
//!
//! A keeper that is root gives each app its own account, made when first needed. Any other keeper has one uid, its own,
//! and `status` says so.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use check::accounts;
use model::{
    AppName, Explain,
    accounts::{EDGE, STATION, of_app},
};
use supervisor::User;

use crate::config::machine::Machine;

pub(crate) struct Users {
    root: bool,
    /// Accounts named in machine.toml.
    named: HashMap<AppName, String>,
    data: PathBuf,
    known: Mutex<HashMap<String, User>>,
}

impl Users {
    pub(crate) fn new(machine: &Machine) -> Self {
        let named =
            machine.apps.keys().filter_map(|app| Some((app.clone(), machine.user_of(app)?.to_owned())));
        Self {
            root: rustix::process::geteuid().is_root(),
            named: named.collect(),
            data: machine.data.clone(),
            known: Mutex::default(),
        }
    }

    pub(crate) fn is_root(&self) -> bool {
        self.root
    }

    /// The account of an app, made if it has none; `None`: this keeper is not root and everything runs as its own user.
    /// # Errors
    /// It cannot be made, is not the app's alone, or does not reach the data folder.
    pub(crate) fn of(&self, app: &AppName) -> Result<Option<User>, Explain> {
        let user = match self.named.get(app) {
            Some(name) => self.account(name, false),
            None => self.account(&of_app(app), true),
        }?;
        user.map(|user| self.alone(app, user)).transpose()
    }

    /// The edge's account, made if it is missing.
    /// # Errors
    /// It cannot be made.
    pub(crate) fn edge(&self) -> Result<Option<User>, Explain> {
        self.account(EDGE, true)
    }

    /// The station's account, made if it is missing.
    /// # Errors
    /// It cannot be made.
    pub(crate) fn station(&self) -> Result<Option<User>, Explain> {
        self.account(STATION, true)
    }

    /// An account that somebody else has too would let the app at what is theirs.
    fn alone(&self, app: &AppName, user: User) -> Result<User, Explain> {
        let account = account_of(&user);
        let others = accounts::others(app, self.named.iter().map(|(app, name)| (app, name.as_str())));
        let refused = accounts::refusal(app, &account, &others).or_else(|| accounts::surplus_group(&account));
        let Some(why) = refused else { return Ok(user) };
        Err(Explain::new("account-refused", format!("the app {app} cannot run as {}", user.name))
            .caused_by(why)
            .help("give it an account of its own: `user` under [app] in machine.toml, or leave it out"))
    }

    fn account(&self, name: &str, make: bool) -> Result<Option<User>, Explain> {
        if !self.root {
            return Ok(None);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(user) = known.get(name) {
            return Ok(Some(user.clone()));
        }
        let user = look_up(name, make)?;
        self.reaches_data(&user)?;
        known.insert(name.to_owned(), user.clone());
        Ok(Some(user))
    }

    /// Every folder above the data must let the account pass, or its programs fail with words that name no cause.
    fn reaches_data(&self, user: &User) -> Result<(), Explain> {
        let shut = machine::access::closed_folder(&self.data, &account_of(user));
        let Some(shut) = shut else { return Ok(()) };
        Err(Explain::new("data-unreachable", format!("the user {} cannot enter {}", user.name, shut.display()))
            .caused_by(format!("the data folder {} lies below it", self.data.display()))
            .help(format!(
                "chmod o+x {}, or start Mainstay with `--data` in a folder that all can enter, like /var/lib/mainstay",
                shut.display()
            )))
    }
}

pub(crate) fn account_of(user: &User) -> machine::users::Account {
    machine::users::Account {
        name: user.name.clone(),
        uid: user.ids.uid,
        gid: user.ids.gid,
        groups: user.ids.groups.clone(),
        home: user.home.clone(),
    }
}

fn look_up(name: &str, make: bool) -> Result<User, Explain> {
    let failed = |error: std::io::Error| {
        Explain::new("no-such-user", format!("the account {name} cannot be had"))
            .because(&error)
            .help("make it by hand: `useradd --system --no-create-home --shell /usr/sbin/nologin`")
    };
    let mut found = machine::users::by_name(name).map_err(failed)?;
    if found.is_none() && make {
        found = Some(machine::users::make_system_account(name, Path::new("/nonexistent")).map_err(failed)?);
    }
    let Some(account) = found else {
        return Err(Explain::new(
            "no-such-user",
            format!("there is no account {name}, which machine.toml names"),
        )
        .help(format!("useradd --system --no-create-home --shell /usr/sbin/nologin {name}")));
    };
    Ok(User {
        name: name.to_owned(),
        ids: supervisor::spec::Ids { uid: account.uid, gid: account.gid, groups: account.groups },
        home: account.home,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_gets_no_account_that_another_has() {
        let named = [("shop", "nobody"), ("blog", "nobody"), ("wiki", "bin")];
        let named = named.map(|(app, account)| (app.parse().expect("a name"), account.to_owned()));
        let users = Users { root: true, named: named.into(), data: "/".into(), known: Mutex::default() };
        let of = |app: &str| users.of(&app.parse().expect("a name"));
        let refused = of("shop").expect_err("the app blog has it too");
        assert_eq!(refused.code, "account-refused");
        assert!(refused.to_string().contains("the app blog"), "{refused}");
        assert_eq!(of("wiki").expect("its own").expect("root gives accounts").name, "bin");
    }
}
