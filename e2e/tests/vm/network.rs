//! A network that is slow and loses packets.

use crate::{
    guest::Guest,
    service::{self, App},
};

/// On the one interface that there is: between client and edge, and between edge and app.
const SLOW: &str = "set -e
insmod /usr/local/lib/guest/sch_netem.ko
tc qdisc add dev lo root netem delay 20ms 5ms loss 1%";

#[test]
fn a_deploy_over_a_network_that_loses_packets_loses_no_request() {
    let guest = Guest::boot();
    service::install(&guest);
    let app = App::default();
    app.deploy(&guest, "one");
    guest.ok(SLOW);
    let judge = service::judge(&guest, 0);
    app.deploy(&guest, "two");
    service::enough(&guest, judge);
    assert_eq!(service::serving(&guest), 2);
}
