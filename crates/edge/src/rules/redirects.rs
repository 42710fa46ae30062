//! Where the redirects of an app's routes send a client, for who looks at a manifest before an edge has it.

use std::sync::Arc;

use model::manifest::Route;

use super::Rules;
use crate::matcher::{Matcher, normal_host};

/// Those of some routes, as the edge reads them.
#[derive(Debug)]
pub struct Redirects {
    matcher: Matcher,
    rules: Vec<Option<Arc<Rules>>>,
}

/// One step of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirected {
    /// The place of the route among those given.
    pub route: usize,
    /// The place of the redirect in its route.
    pub redirect: usize,
    /// `Location`: a path with its query, or an address.
    pub to: String,
}

impl Redirects {
    /// `routes`: of one app; what another has is not known.
    pub fn of(routes: &[Route]) -> Self {
        Self { matcher: Matcher::new(routes), rules: routes.iter().map(Rules::of).collect() }
    }

    /// Where a client is sent that asks `host` for `path_and_query`; `None`: it is answered there.
    pub fn follow(&self, host: &str, path_and_query: &str) -> Option<Redirected> {
        let host = normal_host(host);
        let path = path_and_query.split('?').next().unwrap_or_default();
        let route = self.matcher.find(&host, path)?;
        let (redirect, to) = self.rules[route].as_ref()?.redirected(&host, path_and_query)?;
        Some(Redirected { route, redirect, to: to.to_str().ok()?.to_owned() })
    }
}
