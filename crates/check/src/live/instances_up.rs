//! As many instances run as are wanted.

use api::checks::{Severity, State};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, count, found_if, not_run};

pub(super) const CHECK: Check<Running> = Check {
    id: "instances-up",
    title: "every wanted instance runs",
    severity: Severity::Error,
    sources: &["HEALTH-09", "RUN-06", "W-M16"],
    run,
};

fn run(context: &Live<'_>) -> State {
    if context.status.serving.is_none() {
        return not_run("nothing serves");
    }
    let mut wrong = Vec::new();
    let mut up = 0;
    for service in context.serving() {
        let alive = service.instances.iter().filter(|instance| instance.state == "up").count();
        up += alive;
        if alive < service.wanted as usize {
            wrong.push(format!("{}: {alive} of {} up", service.service, service.wanted));
        }
        let down = service.instances.iter().filter(|instance| instance.state != "up");
        wrong.extend(down.map(|instance| {
            let exit =
                instance.last_exit.as_deref().map_or(String::new(), |exit| format!(", last exit: {exit}"));
            format!("{} is {}{exit}", instance.name, instance.state)
        }));
    }
    let explain = Explain::new("instances-down", "fewer instances run than are wanted").help(
        "`mainstay logs SERVICE` tells why they ended; they are started again for ever, ever more slowly",
    );
    found_if(wrong, explain, count(up, "instance"))
}
