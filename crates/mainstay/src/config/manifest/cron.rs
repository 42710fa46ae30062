//! `[service.NAME]` with `schedule`: a command that runs at times and ends by itself.

use model::{
    Span,
    manifest::{CatchUp, Cron, StopSignal, WhileRunning},
};
use schedule::{Timetable, TimetableError};

use super::{
    sandbox::sandbox,
    service::{SIGNALS, limits},
    text,
};
use crate::config::{decode::Section, problem::Problem};

/// What makes a service one of these.
pub(super) const KEY: &str = "schedule";

pub(super) const CATCH_UPS: [(&str, CatchUp); 2] = [("none", CatchUp::None), ("latest", CatchUp::Latest)];
pub(super) const WHILE_RUNNING: [(&str, WhileRunning); 2] =
    [("skip", WhileRunning::Skip), ("wait", WhileRunning::Wait)];

const TIMEZONE: &str = "UTC";
const TIMEOUT: Span = Span::secs(3600);
const TIMEOUT_MIN: Span = Span::secs(1);

/// Keys of services that live on.
const OF_OTHERS: [(&str, &str); 6] = [
    ("instances", "one run goes on at a time: remove this key"),
    ("overlap", "one run goes on at a time, whichever release began it: remove this key"),
    ("listen", "it takes no requests: remove this key, or `schedule`"),
    ("restart", "a run that fails is recorded, and the next one begins when it is due: remove this table"),
    ("probes", "how a run ended says whether it went well: remove this table"),
    ("allow_public_bind", "it takes no requests: remove this key"),
];

/// And those that only mean something beside a schedule.
const OURS: [&str; 4] = ["timezone", "timeout", "catch_up", "while_running"];

pub(super) fn cron(section: &mut Section<'_, '_, '_>) -> Cron {
    for (key, help) in OF_OTHERS {
        section.refuse(
            key,
            "not-with-schedule",
            "has no meaning for a service that runs by a `schedule`",
            help,
        );
    }
    let command = text::command(section, "command");
    if !section.has("command") {
        section.missing("command", "command = [\"node\", \"digest.js\"]");
    }
    let (schedule, timezone) = times(section);
    let timeout = section.duration("timeout").unwrap_or(TIMEOUT);
    if timeout < TIMEOUT_MIN {
        let problem =
            Problem::new("out-of-range", section.span_of("timeout"), "`timeout` must be at least 1s");
        section.problem(problem.help("a run that takes longer is stopped"));
    }
    let catch_up = section.one_of("catch_up", &CATCH_UPS).unwrap_or_default();
    let while_running = section.one_of("while_running", &WHILE_RUNNING).unwrap_or_default();
    let env = text::env(section);
    let env_secrets = text::env_secrets(section, &env);
    let stop_signal = section.one_of("stop_signal", &SIGNALS);
    let stop_timeout = section.duration("stop_timeout");
    let limits = section.table("limits", limits).unwrap_or_default();
    let sandbox = section.table("sandbox", sandbox).unwrap_or_default();
    Cron {
        command: command.unwrap_or_default(),
        schedule,
        timezone,
        timeout,
        catch_up,
        while_running,
        env,
        env_secrets,
        stop_signal: stop_signal.unwrap_or(StopSignal::Term),
        stop_timeout: stop_timeout.unwrap_or(Span::secs(30)),
        limits,
        sandbox,
    }
}

/// What stands here belongs to a schedule that is not there.
pub(super) fn without_schedule(section: &mut Section<'_, '_, '_>) {
    for key in OURS {
        section.refuse(
            key,
            "only-with-schedule",
            "only holds for a service that runs by a `schedule`",
            "add `schedule = \"0 2 * * *\"`, or remove this key",
        );
    }
}

fn times(section: &mut Section<'_, '_, '_>) -> (String, String) {
    let written = section.string("schedule");
    let zone = section.string("timezone");
    let schedule = written.map(|at| at.value).unwrap_or_default();
    let timezone = zone.map_or_else(|| TIMEZONE.to_owned(), |at| at.value);
    // A value of another type has been told.
    if section.is_text(KEY)
        && let Err(error) = Timetable::parse(&schedule, &timezone)
    {
        section.problem(wrong(section, &error));
    }
    (schedule, timezone)
}

fn wrong(section: &Section<'_, '_, '_>, error: &TimetableError) -> Problem {
    let at = |key| section.span_of(key);
    match error {
        TimetableError::Grammar(why) => Problem::new("bad-schedule", at(KEY), "`schedule` is none that cron knows")
            .label(why.trim_end_matches('.'))
            .help("minute, hour, day of month, month, day of week: `\"30 2 * * *\"` is every day at half past two; `@hourly` and its like are known"),
        TimetableError::Never => Problem::new("bad-schedule", at(KEY), "`schedule` names a day that never comes")
            .help("which month has so many days? The third field is the day of the month, the fourth the month"),
        TimetableError::NoSuchZone(_) => {
            Problem::new("no-such-timezone", at("timezone"), error.to_string())
                .help("write one like `\"Europe/Berlin\"` or `\"UTC\"`; where the name is right, install the package tzdata")
        }
    }
}
