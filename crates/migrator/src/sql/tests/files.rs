//! Names, folders and addresses: text alone.

use proptest::prelude::*;

use super::{Place, names};
use crate::{
    Verb,
    sql::{act::Part, address::Address, steps::parse},
};

#[test]
fn names_say_version_and_part() {
    assert_eq!(parse("0042_add_tags.up.sql"), Some((42, Part::Up)));
    assert_eq!(parse("0042_add_tags.sql"), Some((42, Part::Up)));
    assert_eq!(parse("42_x.down.sql"), Some((42, Part::Down)));
    assert_eq!(parse("20261129074403_x.contract.sql"), Some((20_261_129_074_403, Part::Contract)));
    for wrong in
        ["add.sql", "0_x.sql", "+1_x.sql", "1_x.dwon.sql", "99999999999999999999_x.sql", "1_x", "_x.sql"]
    {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_folder_is_read_in_the_order_of_its_numbers_and_what_is_odd_is_told() {
    let place = Place::sqlite();
    place.file("10_b.sql", "").file("9_a.sql", "").file("README.md", "not ours");
    assert_eq!(names(place.dir.path()), [9, 10]);
    place.file("010_c.sql", "");
    assert_eq!(place.code(Verb::Up), "sql-file-name");
    std::fs::remove_file(place.dir.path().join("010_c.sql")).unwrap();
    place.file("11_d.down.sql", "");
    assert_eq!(place.code(Verb::Up), "sql-folder");
}

#[test]
fn an_address_is_near_or_has_tls() {
    let mode = |address: &str| match Address::parse(address) {
        Some(Address::Postgres(server)) => format!("{:?}", server.config.get_ssl_mode()),
        Some(Address::Sqlite(path)) => path.display().to_string(),
        None => "none".to_owned(),
    };
    assert_eq!(mode("postgres://u:p@db.example.com/app"), "Require");
    assert_eq!(mode("postgresql+asyncpg://u:p@db.example.com/app?sslmode=prefer"), "Require");
    assert_eq!(mode("postgres://u:p@10.0.0.4/app?sslmode=disable"), "Disable");
    assert_eq!(mode("postgres://u@127.0.0.1:5433/app"), "Disable");
    assert_eq!(mode("postgres://u@localhost/app?sslmode=verify-full"), "Require");
    assert_eq!(mode("postgresql:///app?host=/run/postgresql"), "Disable");
    assert_eq!(mode("sqlite:///srv/app.db?mode=rwc"), "/srv/app.db");
    assert_eq!(mode("sqlite:data/app.db"), "data/app.db");
    for wrong in
        ["mysql://x", "postgres://h/db?sslmode=sometimes", "sqlite::memory:", "sqlite:", "app.db", ""]
    {
        assert_eq!(mode(wrong), "none", "{wrong}");
    }
}

proptest! {
    #[test]
    fn any_name_and_any_address_is_read_without_a_panic(text in ".{0,80}", query in "[a-z=&?%/]{0,40}") {
        let _ = parse(&text);
        let _ = Address::parse(&text);
        let _ = Address::parse(&format!("postgres://{text}?{query}"));
    }
}
