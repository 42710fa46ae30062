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
    turns.map(|turn| choose(config, turn, &[]).unwrap().name.n).collect()
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
    assert_ne!(choose(&config, 0, &tried).unwrap().name.n, 2);
    let all: Vec<_> = config.upstreams.iter().map(|upstream| upstream.process).collect();
    assert!(choose(&config, 0, &all).is_none());
}
