//! What is shown is what is read: any manifest, written and read again, is the same.

mod any;

use model::{EnvName, manifest::Manifest};
use proptest::prelude::*;

use super::{origins, render};
use crate::{config::manifest::parse, report};

const FULL: &str = include_str!("../testdata/full.toml");

fn again(text: &str, env: &EnvName) -> Manifest {
    match parse(text, "mainstay.toml", env) {
        Ok((manifest, _)) => manifest,
        Err(errors) => {
            let words: Vec<String> = errors.explains().iter().map(report::plain).collect();
            panic!("{}\n{text}", words.join("\n"))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_manifest_that_is_shown_is_read_as_the_same(manifest in any::manifest()) {
        let text = render(&manifest, "head", None);
        prop_assert_eq!(again(&text, &manifest.env), manifest, "{}", text);
    }
}

#[test]
fn a_file_with_environments_is_shown_as_it_holds_for_each() {
    for env in ["production", "staging"] {
        let env: EnvName = env.parse().unwrap();
        let manifest = again(FULL, &env);
        let shown = render(&manifest, "head", origins(FULL, &env).as_ref());
        assert_eq!(again(&shown, &env), manifest, "{shown}");
        let web = shown.split("[service.web]").nth(1).unwrap();
        let instances = web.lines().find(|line| line.starts_with("instances = ")).unwrap();
        let staging = instances.starts_with("instances = 1 ") && instances.ends_with(", environment.staging");
        assert_eq!(staging, !env.is_production(), "{instances}");
    }
}
