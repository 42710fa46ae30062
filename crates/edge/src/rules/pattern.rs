//! `/old/*` becomes `/new/*`: one path, or all below one, put elsewhere.

/// Where a path goes.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Without the `*`.
    from: Box<str>,
    /// `from` ended with `/*`.
    is_prefix: bool,
    /// Without the `*`.
    to: Box<str>,
    takes_rest: bool,
}

impl Pattern {
    pub(super) fn new(from: &str, to: &str) -> Self {
        let (below, head) = (from.strip_suffix("/*"), to.strip_suffix('*'));
        Self {
            from: below.unwrap_or(from).into(),
            is_prefix: below.is_some(),
            to: head.unwrap_or(to).into(),
            takes_rest: head.is_some(),
        }
    }

    /// Where `path_and_query` goes; `None`: it is not meant. A query goes along, unless the new place has one.
    pub(super) fn put(&self, path_and_query: &str) -> Option<String> {
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        let rest = path.strip_prefix(&*self.from)?;
        let is_meant =
            if self.is_prefix { rest.is_empty() || rest.starts_with('/') } else { rest.is_empty() };
        if !is_meant {
            return None;
        }
        let mut place = self.to.to_string();
        if self.takes_rest {
            // `/` and a rest that begins with a slash would be the beginning of another host.
            place.push_str(rest.trim_start_matches(['/', '\\']));
        }
        if let Some(query) = query.filter(|_| !self.to.contains('?')) {
            place.push('?');
            place.push_str(query);
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(from: &str, to: &str, path: &str) -> Option<String> {
        Pattern::new(from, to).put(path)
    }

    #[test]
    fn one_path_or_all_below_it_go_elsewhere() {
        let place = |place: &str| Some(place.to_owned());
        assert_eq!(put("/old", "/new", "/old"), place("/new"));
        assert_eq!(put("/old", "/new", "/old?a=1&b"), place("/new?a=1&b"));
        assert_eq!(put("/old", "/new?x=1", "/old?a=1"), place("/new?x=1"));
        assert_eq!(put("/old", "/new", "/older"), None);
        assert_eq!(put("/old", "/new", "/old/a"), None);
        assert_eq!(put("/old/*", "/new/*", "/old/a/b?c"), place("/new/a/b?c"));
        assert_eq!(put("/old/*", "/new/*", "/old"), place("/new/"));
        assert_eq!(put("/old/*", "/new/*", "/older/a"), None);
        assert_eq!(put("/old/*", "/new", "/old/a"), place("/new"));
        assert_eq!(put("/*", "https://shop.example.com/*", "/a?b"), place("https://shop.example.com/a?b"));
        assert_eq!(put("/api/*", "/*", "/api/v1/x"), place("/v1/x"));
    }

    #[test]
    fn nobody_is_sent_to_a_host_that_a_client_names() {
        for path in ["/go//evil.example", "/go/\\evil.example", "/go///\\/evil.example"] {
            assert_eq!(put("/go/*", "/*", path), Some("/evil.example".to_owned()), "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_is_below_one_place_is_below_the_other(path in "(/[a-z]{0,3}){0,4}", query in "(\\?[a-z]{0,3})?") {
            let placed = put("/a/*", "/b/*", &format!("/a{path}{query}")).unwrap();
            prop_assert!(placed.starts_with("/b/") && !placed.starts_with("/b//"), "{}", placed);
        }
    }
}
