//! Which route a request takes: the host exactly, else the routes of any host; of those the longest path prefix.
//!
//! Pure. Cost is one hash of the host and one per path segment down to the deepest prefix, however many routes there
//! are. Of two equal routes the first in the table wins, so the same table always gives the same answers.

use std::{borrow::Cow, collections::HashMap};

use model::manifest::Route;

use crate::table::segments;

/// The lookup of one table. Values are indices of routes in the table's order.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    hosts: HashMap<Box<str>, Tree>,
    any_host: Tree,
}

/// Path prefixes by segment; node 0 is the root.
#[derive(Debug)]
struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    route: Option<usize>,
    children: HashMap<Box<str>, usize>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Matcher {
    /// Routes are numbered in the order they come.
    pub(crate) fn new<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Self {
        let mut matcher = Self::default();
        for (index, route) in routes.into_iter().enumerate() {
            if route.hosts.is_empty() {
                matcher.any_host.insert(&route.path_prefix, index);
            }
            for host in &route.hosts {
                matcher.hosts.entry(normal_host(host).into()).or_default().insert(&route.path_prefix, index);
            }
        }
        matcher
    }

    /// `host` as [`normal_host`] gives it; `path` without the query, as the client sent it.
    pub(crate) fn find(&self, host: &str, path: &str) -> Option<usize> {
        let exact = self.hosts.get(host).and_then(|tree| tree.find(path));
        exact.or_else(|| self.any_host.find(path))
    }
}

impl Tree {
    fn insert(&mut self, prefix: &str, route: usize) {
        let mut at = 0;
        for segment in segments(prefix) {
            at = match self.nodes[at].children.get(segment) {
                Some(next) => *next,
                None => {
                    let next = self.nodes.len();
                    self.nodes.push(Node::default());
                    self.nodes[at].children.insert(segment.into(), next);
                    next
                }
            };
        }
        self.nodes[at].route.get_or_insert(route);
    }

    fn find(&self, path: &str) -> Option<usize> {
        let mut node = &self.nodes[0];
        let mut best = node.route;
        for segment in path.strip_prefix('/').unwrap_or("").split('/') {
            let Some(next) = node.children.get(segment) else { break };
            node = &self.nodes[*next];
            best = node.route.or(best);
        }
        best
    }
}

/// A `Host` value as routes are looked up by: lower case, without port and without the root's dot.
pub(crate) fn normal_host(host: &str) -> Cow<'_, str> {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.find(']').map_or(host, |end| &host[..end + 2]),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests;
