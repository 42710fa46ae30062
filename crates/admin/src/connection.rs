//! One connection to the API: whose it is, and what is left of what that one may.

use std::sync::OnceLock;

use api::access::{Grant, Needs};
use model::{Explain, Site, accounts};

use crate::{
    operations::{Refusal, Why},
    operator::Operator,
};

pub(crate) struct Connection {
    peer: Operator,
    /// The account may nothing by itself: what its connections may stands in the keys that led to it.
    by_key_alone: bool,
    /// Set once: nothing widens it again.
    grant: OnceLock<Grant>,
}

impl Connection {
    pub(crate) fn of(peer: Operator) -> Self {
        let by_key_alone = peer.name == accounts::LOGIN;
        Self { peer, by_key_alone, grant: OnceLock::new() }
    }

    /// # Errors
    /// It was narrowed before.
    pub(crate) fn narrow(&self, grant: Grant) -> Result<(), Refusal> {
        tracing::debug!(peer = self.peer.name, key = %grant.key, role = %grant.role, site = %grant.site, "A connection may only this.");
        self.grant.set(grant).map_err(|_| {
            let explain = Explain::new("narrowed-before", "what this connection may was said before")
                .now("it may what was said first")
                .help("make another connection");
            Refusal::new(Why::Conflict, explain)
        })
    }

    /// Who asks, for the records.
    pub(crate) fn operator(&self) -> Operator {
        match self.grant.get() {
            Some(Grant { key, .. }) => {
                Operator { uid: self.peer.uid, name: format!("key {key}"), key: Some(key.clone()) }
            }
            None => self.peer.clone(),
        }
    }

    pub(crate) fn sees(&self, site: &Site) -> bool {
        self.grant.get().is_none_or(|grant| grant.site == *site)
    }

    /// # Errors
    /// It may not, and why.
    pub(crate) fn check(&self, needs: Needs, site: Option<(&str, &str)>) -> Result<(), Refusal> {
        let explain = match self.grant.get() {
            Some(grant) if grant.allows(needs, site) => return Ok(()),
            Some(grant) => {
                Explain::new("not-allowed", format!("the key {} may not do this", grant.key))
                    .caused_by(format!("its role is `{}`, in {} alone", grant.role, grant.site))
                    .now("nothing was done; the attempt is recorded")
                    .help("ask an administrator of this machine to do it, or for a key of another role (`mainstay user add-key`)")
            }
            None if !self.by_key_alone || needs == Needs::Connection => return Ok(()),
            None => Explain::new("no-role", format!("the account {} may nothing by itself", self.peer.name))
                .caused_by("the connection came without the role of a key")
                .now("nothing was done; the attempt is recorded")
                .help("add the key by `mainstay user add-key`: that writes what it may beside it"),
        };
        Err(Refusal::new(Why::Forbidden, explain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(account: &str) -> Connection {
        Connection::of(Operator { uid: 7, name: account.to_owned(), key: None })
    }

    fn grant(key: &str) -> Grant {
        Grant {
            role: api::access::Role::Read,
            site: "a/production".parse().expect("a site"),
            key: key.parse().expect("a name"),
        }
    }

    const HERE: Option<(&str, &str)> = Some(("a", "production"));

    #[test]
    fn an_account_for_keys_may_nothing_until_a_key_says_what() {
        let connection = connection(accounts::LOGIN);
        for needs in [Needs::Read, Needs::Deploy, Needs::Administration] {
            let refused = connection.check(needs, HERE).expect_err("it came without a key");
            assert_eq!((refused.why, refused.explain.code.as_str()), (Why::Forbidden, "no-role"));
        }
        connection.check(Needs::Connection, None).expect("it may say what it is for");
        connection.narrow(grant("ci")).expect("once");
        connection.check(Needs::Read, HERE).expect("what the key may");
        assert_eq!(connection.operator().name, "key ci");
    }

    #[test]
    fn an_administrator_who_took_less_has_less_and_never_gets_more() {
        let connection = connection("ana");
        connection.check(Needs::Administration, HERE).expect("an administrator");
        assert!(connection.sees(&"b/production".parse().expect("a site")));
        connection.narrow(grant("ci")).expect("once");
        assert_eq!(
            connection.check(Needs::Deploy, HERE).expect_err("read alone").explain.code,
            "not-allowed"
        );
        assert!(!connection.sees(&"b/production".parse().expect("a site")));
        let wider = Grant { role: api::access::Role::Deploy, ..grant("other") };
        assert_eq!(connection.narrow(wider).expect_err("never again").explain.code, "narrowed-before");
        assert_eq!(connection.operator().name, "key ci");
        connection.check(Needs::Deploy, HERE).expect_err("still read alone");
    }
}
