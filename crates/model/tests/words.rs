//! Names, units and the schema contract, as claims.

use model::{
    AppName, ByteSize, InstanceName, Secret, Site, Span,
    schema::{CodeSchema, DataSchema},
};
use proptest::prelude::*;

#[test]
fn a_name_says_what_is_wrong_with_it() {
    let said = |text: &str| text.parse::<AppName>().expect_err("no name").to_string();
    assert_eq!(said(""), "a name must not be empty");
    assert_eq!(said("1st"), "`1st` must start with a letter a-z");
    assert_eq!(said("My"), "`My` must start with a letter a-z");
    assert_eq!(said("a_b"), "`a_b` holds `_`: only a-z, 0-9 and single inner `-` may stand in a name");
    assert_eq!(said("a--b"), "`a--b` holds `-`: only a-z, 0-9 and single inner `-` may stand in a name");
    assert_eq!(said("a/../b"), "`a/../b` holds `/`: only a-z, 0-9 and single inner `-` may stand in a name");
    assert!(said("abcdefghijklmnopqrstuvwx").contains("longer than 23"));
}

#[test]
fn a_user_name_made_of_the_longest_app_name_fits_linux() {
    assert!("mainstay-".len() + model::names::NAME_BYTES_MAX <= 32);
}

#[test]
fn instances_and_sites_read_as_they_print() {
    let web: InstanceName = "web.42.1".parse().expect("an instance");
    assert_eq!((web.service.as_str(), web.release.0, web.n), ("web", 42, 1));
    assert_eq!(web.to_string(), "web.42.1");
    for bad in ["web.42", "web.42.1.0", "web.x.1", ".42.1"] {
        assert!(bad.parse::<InstanceName>().is_err(), "{bad}");
    }
    assert_eq!("assistant/staging".parse::<Site>().expect("a site").to_string(), "assistant/staging");
    assert!("assistant".parse::<Site>().is_err());
}

#[test]
fn quantities_need_a_unit() {
    assert_eq!("90s".parse(), Ok(Span::secs(90)));
    assert_eq!("1m 30s".parse(), Ok(Span::secs(90)));
    assert!("90".parse::<Span>().expect_err("no unit").to_string().contains("has no unit"));
    assert_eq!("50MiB".parse(), Ok(ByteSize::mib(50)));
    assert!("50".parse::<ByteSize>().expect_err("no unit").to_string().contains("has no unit"));
    assert!("-1s".parse::<Span>().is_err());
}

#[test]
fn a_secret_prints_as_secret_everywhere() {
    let secret = Secret::new("hunter2");
    assert_eq!(format!("{secret} {secret:?}"), "[secret] [secret]");
    assert_eq!(secret.reveal(), "hunter2");
}

#[test]
fn old_code_runs_on_a_newer_schema_only_as_far_as_its_migrations_allow() {
    let blue = CodeSchema { schema: 42, schema_min: 41 };
    let data = DataSchema { version: 42, floor: 41 };
    assert!(blue.may_run_on(data));
    assert!(blue.may_run_on(data.after(43, Some(42))), "an expanding migration leaves blue running");
    assert!(!blue.may_run_on(data.after(43, None)), "a migration that says nothing is breaking");
    let green = CodeSchema { schema: 43, schema_min: 43 };
    assert!(!green.may_run_on(data), "green needs its migration first");
}

proptest! {
    #[test]
    fn spans_read_as_they_print(ms in 0u64..10_000_000_000) {
        let span = Span::millis(ms);
        prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
    }

    #[test]
    fn sizes_read_as_they_print(bytes in 0u64..(1 << 50)) {
        let size = ByteSize(bytes);
        prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
    }

    #[test]
    fn no_text_makes_a_name_parser_panic(text in ".{0,40}") {
        let name = text.parse::<AppName>();
        if let Ok(name) = name {
            prop_assert_eq!(name.as_str(), &text);
        }
        let _ = (text.parse::<InstanceName>().is_ok(), text.parse::<Site>().is_ok());
    }

    /// Migrating never lowers version or floor, whatever a migration claims.
    #[test]
    fn the_floor_only_rises(version in 0u64..100, floor in 0u64..100, to in 0u64..100, with in proptest::option::of(0u64..100)) {
        let before = DataSchema { version, floor };
        let after = before.after(to, with);
        prop_assert!(after.version >= before.version && after.floor >= before.floor);
    }
}

#[test]
fn no_app_may_be_called_as_the_edge_is() {
    let refused = "edge".parse::<AppName>().unwrap_err();
    assert_eq!(refused, model::NameError::Reserved("edge".to_owned()));
    assert!(serde_json::from_str::<AppName>("\"edge\"").is_err(), "nor in what is stored");
    let app: AppName = "edges".parse().unwrap();
    assert_ne!(model::accounts::of_app(&app), model::accounts::EDGE);
    assert!("edge".parse::<model::ServiceName>().is_ok());
}
