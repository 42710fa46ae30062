use model::manifest::Drain;

use super::*;
use model::Address;

use crate::table::Upstream;

fn config(balance: Balance, n: u32) -> Config {
    let upstream = |n: u32| {
        Arc::new(UpstreamState::new(&Upstream {
            name: format!("web.1.{n}").parse().unwrap(),
            process: ProcessId(ulid::Ulid::from_parts(0, n.into())),
            address: Address::Unix("/nowhere".into()),
        }))
    };
    let upstreams = (1..=n).map(upstream).collect();
    Config { upstreams, readiness: None, probe_host: None, drain: Drain::default(), balance }
}

fn names(config: &Config, turns: std::ops::Range<usize>) -> Vec<u32> {
    turns.map(|turn| choose(config, turn, &[], None).unwrap().name.n).collect()
}

#[test]
fn round_robin_takes_turns_among_the_ready() {
    let config = config(Balance::RoundRobin, 3);
    config.upstreams[0].set_ready(true);
    config.upstreams[2].set_ready(true);
    assert_eq!(names(&config, 0..6), [1, 3, 3, 1, 3, 3]);
}

#[test]
fn the_least_loaded_of_the_ready_is_taken_whatever_the_turn() {
    let config = config(Balance::LeastConnections, 3);
    config.upstreams.iter().for_each(|upstream| upstream.set_ready(true));
    for (upstream, open) in config.upstreams.iter().zip([2, 1, 3]) {
        (0..open).for_each(|_| upstream.active.add(crate::pool::Class::Stream));
    }
    assert_eq!(names(&config, 0..6), [2, 2, 2, 2, 2, 2]);
    config.upstreams[1].active.add(crate::pool::Class::Http);
    assert_eq!(names(&config, 0..3), [1, 2, 1], "ties go by turn");
    config.upstreams[0].set_ready(false);
    assert_eq!(names(&config, 0..3), [2, 2, 2], "the least loaded does not count when it is not ready");
}

#[test]
fn an_ejected_upstream_is_used_only_when_no_other_is_ready() {
    let config = config(Balance::RoundRobin, 2);
    config.upstreams.iter().for_each(|upstream| upstream.set_ready(true));
    config.upstreams[0].connect_failed();
    assert_eq!(names(&config, 0..4), [2, 2, 2, 2]);
    config.upstreams[1].set_ready(false);
    assert_eq!(names(&config, 0..4), [1, 1, 1, 1]);
}

#[test]
fn with_nothing_ready_the_last_known_good_are_tried() {
    let config = config(Balance::LeastConnections, 3);
    config.upstreams[1].set_ready(true);
    config.upstreams[1].set_ready(false);
    assert_eq!(names(&config, 0..3), [2, 2, 2]);
    let tried = [config.upstreams[1].process];
    assert_ne!(choose(&config, 0, &tried, None).unwrap().name.n, 2);
    let all: Vec<_> = config.upstreams.iter().map(|upstream| upstream.process).collect();
    assert!(choose(&config, 0, &all, None).is_none());
}

#[test]
fn who_is_wished_for_is_taken_while_it_is_ready() {
    let config = config(Balance::LeastConnections, 3);
    config.upstreams.iter().for_each(|upstream| upstream.set_ready(true));
    config.upstreams[1].active.add(crate::pool::Class::Stream);
    let wish = |turn| choose(&config, turn, &[], Some(Wish::Instance(2))).unwrap().name.n;
    assert_eq!([wish(0), wish(1), wish(2)], [2, 2, 2], "whatever it has to do");
    config.upstreams[1].set_ready(false);
    assert!(![wish(0), wish(1), wish(2)].contains(&2));
    let gone = choose(&config, 1, &[], Some(Wish::Instance(9))).unwrap().name.n;
    assert_ne!(gone, 2, "one that is not there is nobody's");
}

#[test]
fn addresses_are_spread_and_only_those_of_one_that_goes_move() {
    let config = config(Balance::RoundRobin, 4);
    config.upstreams.iter().for_each(|upstream| upstream.set_ready(true));
    let of = |key: u128| choose(&config, 0, &[], Some(Wish::Client(key))).unwrap().name.n;
    let before: Vec<u32> = (0..1000).map(of).collect();
    for n in 1..=4 {
        let share = before.iter().filter(|known| **known == n).count();
        assert!((180..320).contains(&share), "{share} of 1000 at instance {n}");
    }
    config.upstreams[2].set_ready(false);
    for (key, known) in before.iter().enumerate() {
        let now = of(key as u128);
        assert!(if *known == 3 { now != 3 } else { now == *known }, "{key} went from {known} to {now}");
    }
}
