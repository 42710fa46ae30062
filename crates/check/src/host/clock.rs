//! The clock is kept by something: a wrong one makes certificates and tokens invalid and logs useless.

use std::time::Duration;

use api::checks::{Severity, State};
use model::Explain;

use super::{Host, OnHost, judged};
use crate::finding::{Check, found, passed};

pub(super) const CHECK: Check<OnHost> = Check {
    id: "clock",
    title: "the clock is kept in time",
    severity: Severity::Warning,
    sources: &["TLS-08", "W-A3"],
    run,
};

/// Tokens and one-time codes allow for some seconds.
const ERROR_MAX: Duration = Duration::from_secs(1);

fn run(context: &Host<'_>) -> State {
    judged(&context.facts.clock, |clock| {
        let help =
            "install and start chrony, or `timedatectl set-ntp true`; in a container it is the host's matter";
        if !clock.is_synchronised {
            return found(
                Explain::new("clock-free", "nothing keeps the clock of this machine in time").help(help),
            );
        }
        if clock.error_max > ERROR_MAX {
            let ms = clock.error_max.as_millis();
            return found(Explain::new("clock-off", format!("the clock may be {ms} ms off")).help(help));
        }
        passed(format!("at most {} ms off, by the kernel", clock.error_max.as_millis()))
    })
}
