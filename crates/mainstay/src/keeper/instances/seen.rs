//! What the events of a slot told of its instance.

use model::{Explain, InstanceName};
use release::world::ProbeSeen;
use supervisor::{
    SlotEvent,
    slot::{ListenFinding, ProbeAnswer},
};

use super::PublicBind;
use crate::keeper::past::{Kept, Past, end_of};

pub(super) struct Seen {
    kept: Kept,
    /// Also of what ended under a keeper before this one.
    pub(super) past: Past,
    pub(super) last_probe: Option<ProbeSeen>,
    pub(super) fault: Option<Explain>,
    pub(super) warnings: Vec<Explain>,
}

impl Seen {
    /// Of an instance with this past.
    pub(super) fn of(kept: Kept) -> Self {
        Self { past: kept.read(), kept, last_probe: None, fault: None, warnings: Vec::new() }
    }

    /// Counts an end that nobody asked for.
    // Crash: the next keeper finds what is left of the process and counts it once more. Better than not at all.
    pub(super) fn witness(&mut self, event: &SlotEvent) {
        if let Some(end) = end_of(event) {
            self.kept.ended(&mut self.past, end);
        }
    }

    /// `true`: the slot is done.
    pub(super) fn take(&mut self, name: &InstanceName, event: SlotEvent, public: PublicBind) -> bool {
        match event {
            SlotEvent::Started { .. } => (self.fault, self.warnings) = (None, Vec::new()),
            SlotEvent::StartupPassed { .. }
            | SlotEvent::Degraded { .. }
            | SlotEvent::NotSpawned { .. }
            | SlotEvent::Crashed { .. } => {}
            SlotEvent::StartupFailed { answer, .. } => {
                self.last_probe =
                    answer.map(|answer| probe_seen("startup", &answer)).or(self.last_probe.take());
            }
            SlotEvent::LivenessFailed { answer, .. } => {
                self.last_probe = Some(probe_seen("liveness", &answer));
            }
            SlotEvent::Listens { findings, .. } => {
                for finding in findings {
                    self.listens(name, finding, public);
                }
            }
            SlotEvent::Stopped { .. } => return true,
        }
        false
    }

    fn listens(&mut self, name: &InstanceName, finding: ListenFinding, public: PublicBind) {
        match finding {
            ListenFinding::Elsewhere { wanted, found } => {
                let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
                self.fault = Some(
                    Explain::new(
                        "listens-elsewhere",
                        format!("{name} was to listen on {wanted} and listens on {found}"),
                    )
                    .help("let its command take `{port}` and `{host}` (or the variables PORT and HOST)"),
                );
            }
            ListenFinding::AllInterfaces { found } => {
                let said = Explain::new(
                    "listens-on-all-interfaces",
                    format!("{name} listens on {}, which the network reaches past the edge", found.join(", ")),
                )
                .help("bind the host that it is told: `{host}` or the variable HOST (127.0.0.1); or say `allow_public_bind = true` for the service");
                match public {
                    PublicBind::Allowed => {}
                    PublicBind::Warned => self.warnings.push(said),
                    PublicBind::Refused => self.fault = Some(said),
                }
            }
        }
    }
}

pub(super) fn probe_seen(kind: &str, answer: &ProbeAnswer) -> ProbeSeen {
    let request = format!("{kind} probe");
    match answer {
        ProbeAnswer::Answered { status, headers, body, took, .. } => ProbeSeen {
            request,
            outcome: format!("answered {status} in {} ms", took.as_millis()),
            headers: headers.iter().map(|(name, value)| format!("{name}: {value}")).collect(),
            body: body.clone(),
        },
        ProbeAnswer::Failed { error, .. } => {
            ProbeSeen { request, outcome: error.clone(), headers: Vec::new(), body: String::new() }
        }
    }
}
