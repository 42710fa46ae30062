//! The phrases themselves: words in, the rules that they may mean and how many words said them out.

use super::days::{MonthDays, Run, Weekdays, is_plural, month, number};
use crate::{
    recurrence::Mode,
    when::said::{self, SaidPart},
};

/// What a phrase says without what stands around it.
#[derive(Clone, Debug)]
pub(super) struct Core {
    /// At least one; several are asked about.
    pub(super) rules: Vec<String>,
    pub(super) mode: Mode,
    pub(super) kind: Kind,
    /// "every morning", "friday nights".
    pub(super) part: Option<SaidPart>,
    /// Some months or years are without the day.
    pub(super) is_scarce: bool,
    /// More often than once a day.
    pub(super) is_finer: bool,
    /// No rule is all that was said, so that keeping the words is offered, too.
    pub(super) keeps: bool,
}

/// How easily the words are something else, which decides where they may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// "every Monday", "on the 1st of each month".
    Every,
    /// "daily", "weekly": adjectives as well.
    Adverb,
    /// "sundays", "friday nights": things of that name as well.
    Plural,
    /// "Mon-Fri": with a time it may be each of these days.
    Range,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Year,
}

type Found = Option<(Core, usize)>;

impl Core {
    fn new(rule: String) -> Self {
        Self {
            rules: vec![rule],
            mode: Mode::Fixed,
            kind: Kind::Every,
            part: None,
            is_scarce: false,
            is_finer: false,
            keeps: false,
        }
    }

    fn several(rules: Vec<String>) -> Self {
        Self { rules, ..Self::new(String::new()) }
    }

    fn kept(self) -> Self {
        Self { keeps: true, ..self }
    }

    pub(super) fn weekly(days: &Weekdays) -> Self {
        weekly(1, days)
    }

    /// Without these days of the week: only of what comes each day, or each of Monday to Friday.
    pub(super) fn without(&self, others: &Weekdays) -> Option<Self> {
        let all = match self.rules.as_slice() {
            [rule] if rule == "FREQ=DAILY" => Weekdays::every_day(),
            [rule] if rule == "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR" => Weekdays::work_days(),
            _ => return None,
        };
        Some(Self { rules: weekly(1, &all.but(others, 0)).rules, ..self.clone() })
    }

    /// How far apart its times are, in days and about.
    pub(super) fn pace_days(&self) -> i32 {
        let rule = self.rules.first().map_or("", String::as_str);
        let days = match rule.split(';').next() {
            Some("FREQ=DAILY") => 1,
            Some("FREQ=WEEKLY") => 7,
            Some("FREQ=MONTHLY") => 30,
            _ => 365,
        };
        let interval = rule.split(';').find_map(|part| part.strip_prefix("INTERVAL=")?.parse().ok());
        days * interval.unwrap_or(1)
    }
}

/// The phrase at the beginning of `run`.
pub(super) fn core(run: Run<'_>) -> Found {
    let found =
        [from_completion, days_first, every, counted, adverb, plural].iter().filter_map(|parse| parse(run));
    let (core, len) = found.max_by_key(|(_, len)| *len)?;
    let is_night = run.words[..len].iter().any(|word| word.starts_with("weeknight"));
    let core = if is_night { Core { part: said::part_of("night"), ..core } } else { core };
    // "every month on the 31st only": asked before, and answered.
    match run.low(len) {
        "only" if core.is_scarce => {
            Some((Core { rules: core.rules[..1].to_vec(), is_scarce: false, ..core }, len + 1))
        }
        _ => Some((core, len)),
    }
}

/// "3 days after I finish", "a week after completion", "every 3 days after it is done".
fn from_completion(run: Run<'_>) -> Found {
    const ENDS: [&[&str]; 12] = [
        &["i", "finish", "it"],
        &["i", "complete", "it"],
        &["i", "did", "it"],
        &["i", "am", "done"],
        &["it", "is", "done"],
        &["i", "finish"],
        &["i", "finished"],
        &["i", "complete"],
        &["i'm", "done"],
        &["it's", "done"],
        &["finishing"],
        &["completion"],
    ];
    let every = run.skip(0, &["every", "each"]);
    let amount = number(run.low(every))?;
    let (unit, amount) = unit(run.low(every + 1), amount)?;
    let rest = run.words.get(every + 2..)?.strip_prefix(&["after"])?;
    let end = ENDS.iter().find(|end| rest.starts_with(end))?;
    Some((Core { mode: Mode::FromCompletion, ..Core::new(rule(unit, amount)) }, every + 3 + end.len()))
}

fn every(run: Run<'_>) -> Found {
    let on = usize::from(run.is(0, &["on"]) && run.is(1, &["every", "each"]));
    let every = on + run.skip(on, &["every", "each"]);
    let skip = every + run.skip(every, &["single"]);
    let rest = Some(run.from(skip)).filter(|_| every > on)?;
    let parsers = [paced, of_a_day, named, edge, feast, finer];
    let (core, len) = parsers.iter().find_map(|parse| parse(rest))?;
    Some((core, len + skip))
}

/// "end of the month", "start of the week".
fn edge(rest: Run<'_>) -> Found {
    let is_end = rest.is(0, &["end"]);
    let is_edge = (is_end || rest.is(0, &["beginning", "start"])) && rest.is(1, &["of"]);
    let at = 2 + rest.skip(2, &["the"]);
    let (unit, interval) = unit(rest.low(at), 1).filter(|_| is_edge)?;
    Some((at_the_edge(unit, interval, is_end), at + 1))
}

/// "other", "second", "3": how many, and how many words said it.
fn interval(rest: Run<'_>) -> (u16, usize) {
    match rest.low(0) {
        "other" | "second" | "2nd" | "alternate" => (2, 1),
        "third" | "3rd" => (3, 1),
        "fourth" | "4th" => (4, 1),
        word => number(word).map_or((1, 0), |interval| (interval, 1)),
    }
}

/// "day", "2 weeks on Friday", "other month on the 5th".
fn paced(rest: Run<'_>) -> Found {
    if let Some(found) = about(rest) {
        return Some(found);
    }
    let (interval, at) = interval(rest);
    let (unit, interval) = unit(rest.low(at), interval)?;
    // "every year on 3 May", and never "every a week".
    let one = at == 1 && interval == 1;
    (!one).then(|| with_days(unit, interval, rest, at + 1))
}

/// "2-3 days", "two or three weeks", "few days", "couple of weeks".
fn about(rest: Run<'_>) -> Found {
    if rest.is(0, &["couple", "few"]) {
        let at = 1 + rest.skip(1, &["of"]);
        let (unit, interval) = unit(rest.low(at), if rest.is(0, &["few"]) { 3 } else { 2 })?;
        let core = Core::new(rule(unit, interval));
        return Some((if rest.is(0, &["few"]) { core.kept() } else { core }, at + 1));
    }
    let (one, other) =
        (number(rest.low(0))?, number(rest.low(2)).filter(|_| rest.is(1, &["-", "or", "to"]))?);
    let rules =
        [one, other].map(|number| unit(rest.low(3), number).map(|(unit, interval)| rule(unit, interval)));
    let rules = rules.into_iter().collect::<Option<Vec<_>>>()?;
    Some((Core::several(rules).kept(), 4))
}

/// "morning", "other night".
fn of_a_day(rest: Run<'_>) -> Found {
    let (interval, at) = interval(rest);
    let part = said::part_of(rest.low(at))?;
    Some((Core { part: Some(part), ..Core::new(rule(Unit::Day, interval)) }, at + 1))
}

/// "Monday and Friday", "weekday", "other Monday", "first Monday of the month", "31st", "last day of the month", "3 May".
fn named(rest: Run<'_>) -> Found {
    if let Some(days) = rest.weekdays() {
        return Some((weekly(1, &days), days.len));
    }
    if let (counted @ 2..=4, at @ 1) = interval(rest)
        && let Some(days) = rest.from(at).weekdays()
        && of_the_month(rest, at + days.len) == 0
    {
        let by_weeks = weekly(counted, &days);
        if counted == 2 {
            return Some((by_weeks, at + days.len));
        }
        // "every third Friday": of the month, or every three weeks.
        let nth = days.codes().iter().map(|code| format!("{counted}{code}")).collect::<Vec<_>>().join(",");
        let rules = [by_weeks.rules, vec![format!("FREQ=MONTHLY;BYDAY={nth}")]].concat();
        return Some((Core::several(rules), at + days.len));
    }
    if let Some((month, day, len)) = rest.month_day() {
        return Some((yearly(1, month, day), len));
    }
    if let Some(month) = month(rest.low(0)) {
        let base = rule(Unit::Year, 1);
        let on = |day: i8| format!("{base};BYMONTH={month};BYMONTHDAY={day}");
        return Some((Core::several(vec![on(1), on(-1)]).kept(), 1));
    }
    let (days, len) = rest.of_month(true)?;
    let of = of_the_month(rest, len);
    // "wait every second".
    let by_word =
        matches!(&days, MonthDays::Numbers(_)) && !rest.words[..len].iter().any(|word| is_of_figures(word));
    (of > 0 || !by_word || rest.is(0, &["last"])).then(|| (monthly(1, &days), len + of))
}

fn is_of_figures(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

/// "of the month", "of every month" behind a day: how many words.
fn of_the_month(rest: Run<'_>, at: usize) -> usize {
    match rest.from(at).words {
        ["of" | "in", "the" | "every" | "each", "month", ..] => 3,
        _ => 0,
    }
}

/// "Christmas".
fn feast(rest: Run<'_>) -> Found {
    let (month, day, len) = said::feast(rest.words)?;
    Some((yearly(1, usize::try_from(month).ok()?, day), len))
}

/// "hour", "30 minutes": a rule has none.
fn finer(rest: Run<'_>) -> Found {
    let (_, at) = interval(rest);
    let is_unit = rest.is(at, &["hour", "hours", "hr", "hrs", "minute", "minutes", "min", "mins"]);
    is_unit.then(|| (Core { is_finer: true, ..Core::new(rule(Unit::Day, 1)).kept() }, at + 1))
}

/// "once a week on Sunday", "twice a day", "3 times a week".
fn counted(run: Run<'_>) -> Found {
    let (often, len) = match (run.low(0), run.low(1)) {
        ("once", _) => (1, 1),
        ("twice", _) => (2, 1),
        ("thrice", _) => (3, 1),
        (count, _) if count.ends_with('x') => (number(count.trim_end_matches('x'))?, 1),
        (count, "times") => (number(count)?, 2),
        _ => return None,
    };
    if let Some((core, more)) = every(run.from(len)).filter(|_| often == 1) {
        return Some((core, len + more));
    }
    let per = run.skip(len, &["a", "an", "per", "each", "every"]);
    let (core, more) = if per > 0 {
        let (unit, interval) =
            unit(run.low(len + per), 1).or_else(|| run.is(len + per, &["hour"]).then_some((Unit::Day, 1)))?;
        with_days(unit, interval, run, len + per + 1)
    } else {
        let (core, more) = adverb(run.from(len))?;
        (core, len + more)
    };
    let core = Core { kind: Kind::Every, ..core };
    Some((if often == 1 { core } else { Core { is_finer: core.pace_days() == 1, ..core.kept() } }, more))
}

/// "daily", "weekly on Monday", "monthly on the 31st".
fn adverb(run: Run<'_>) -> Found {
    let (unit, interval, keeps) = match run.low(0) {
        "daily" | "everyday" | "nightly" => (Unit::Day, 1, false),
        "weekly" => (Unit::Week, 1, false),
        "fortnightly" => (Unit::Week, 2, false),
        "monthly" => (Unit::Month, 1, false),
        "quarterly" => (Unit::Month, 3, false),
        "yearly" | "annually" => (Unit::Year, 1, false),
        // Some people mean twice in one.
        "biweekly" | "bi-weekly" => (Unit::Week, 2, true),
        "bimonthly" | "bi-monthly" => (Unit::Month, 2, true),
        "hourly" => {
            return Some((
                Core { kind: Kind::Adverb, is_finer: true, ..Core::new(rule(Unit::Day, 1)).kept() },
                1,
            ));
        }
        _ => return None,
    };
    let (core, len) = with_days(unit, interval, run, 1);
    let part = if run.is(0, &["nightly"]) { said::part_of("night") } else { core.part };
    let kind = if len == 1 { Kind::Adverb } else { Kind::Every };
    Some((Core { kind, part, keeps: core.keeps || keeps, ..core }, len))
}

/// "on Mondays and Thursdays", "sundays", "weekends", "sunday mornings", "mornings".
fn plural(run: Run<'_>) -> Found {
    let on = run.skip(0, &["on"]);
    let plural_part = |at: usize| said::part_of(run.low(at)).filter(|_| run.low(at).ends_with('s'));
    let kind = if on > 0 { Kind::Every } else { Kind::Plural };
    let in_the = if run.is(0, &["in"]) && run.is(1, &["the"]) { 2 } else { 0 };
    if let Some(part) = plural_part(in_the).filter(|_| !run.is(0, &["nights"])) {
        return Some((
            Core { kind: Kind::Plural, part: Some(part), ..Core::new(rule(Unit::Day, 1)) },
            in_the + 1,
        ));
    }
    if run.is(on, &["alternate"])
        && let Some(days) = run.from(on + 1).weekdays()
    {
        return Some((Core { kind, ..weekly(2, &days) }, on + 1 + days.len));
    }
    let days = run.from(on).weekdays()?;
    let end = on + days.len;
    // "two Fridays from now" is one of them.
    if run.is(end, &["ago", "hence"]) || run.is(end, &["from"]) && run.is(end + 1, &["now", "today"]) {
        return None;
    }
    // "Mon-Fri at 6".
    if on == 0 && end == 3 && run.is(1, &["to", "-", "through", "thru"]) {
        return Some((Core { kind: Kind::Range, ..weekly(1, &days) }, end));
    }
    if let Some(part) = plural_part(end) {
        return Some((Core { kind, part: Some(part), ..weekly(1, &days) }, end + 1));
    }
    let joints = ["and", "or", "to", "-", "through", "thru", "on", "but", "except"];
    let all = run.words[on..end].iter().all(|word| joints.contains(word) || is_plural(word));
    all.then(|| (Core { kind, ..weekly(1, &days) }, end))
}

/// "on the 1st of every month", "friday of each week", "3 May every year", "at the end of every month".
fn days_first(run: Run<'_>) -> Found {
    let on = run.skip(0, &["on", "by", "at", "before"]);
    let article = run.skip(on, &["the"]);
    let edge = run.is(on + article, &["end", "beginning", "start"]) && run.is(on + article + 1, &["of"]);
    if edge {
        let at = on + article + 2;
        // "at the end of the month every month".
        let at = at + if run.is(at, &["the"]) && run.is(at + 1, &["month", "week", "year"]) { 2 } else { 0 };
        let (unit, interval, len) = tail(run, at)?;
        let is_end = run.is(on + article, &["end"]);
        return Some((at_the_edge(unit, interval, is_end), at + len));
    }
    if let Some((month, day, len)) = run.from(on).month_day()
        && let Some((Unit::Year, interval, more)) = tail(run, on + len)
    {
        return Some((yearly(interval, month, day), on + len + more));
    }
    if let Some((days, len)) = run.from(on).of_month(true) {
        let at = on + len;
        let of = run.skip(at, &["of", "in"]);
        let the_month = if of > 0 && run.is(at + 1, &["the"]) && run.is(at + 2, &["month"]) { 3 } else { of };
        if let Some((Unit::Month, interval, more)) = tail(run, at + the_month) {
            return Some((monthly(interval, &days), at + the_month + more));
        }
    }
    let at = on + article;
    let days = run.from(at).weekdays()?;
    let of = run.skip(at + days.len, &["of", "in"]);
    let (unit, interval, more) = tail(run, at + days.len + of)?;
    let len = at + days.len + of + more;
    match unit {
        Unit::Week => Some((weekly(interval, &days), len)),
        Unit::Month => Some((which_of_month(interval, &days), len)),
        Unit::Day | Unit::Year => None,
    }
}

/// "every month", "each second week", "monthly" behind its days.
fn tail(run: Run<'_>, at: usize) -> Option<(Unit, u16, usize)> {
    if run.is(at, &["every", "each"]) {
        let (interval, said) = interval(run.from(at + 1));
        let (unit, interval) = unit(run.low(at + 1 + said), interval)?;
        return Some((unit, interval, said + 2));
    }
    Some(match run.low(at) {
        "weekly" => (Unit::Week, 1, 1),
        "fortnightly" => (Unit::Week, 2, 1),
        "monthly" => (Unit::Month, 1, 1),
        "quarterly" => (Unit::Month, 3, 1),
        "yearly" | "annually" => (Unit::Year, 1, 1),
        _ => return None,
    })
}

fn at_the_edge(unit: Unit, interval: u16, is_end: bool) -> Core {
    let base = rule(unit, interval);
    match (unit, is_end) {
        (Unit::Day, _) => Core::new(base),
        // The end of a week is Friday, or Sunday.
        (Unit::Week, true) => Core::several(vec![format!("{base};BYDAY=FR"), format!("{base};BYDAY=SU")]),
        (Unit::Week, false) => Core::new(format!("{base};BYDAY=MO")),
        (Unit::Month, is_end) => Core::new(format!("{base};BYMONTHDAY={}", if is_end { -1 } else { 1 })),
        (Unit::Year, true) => Core::new(format!("{base};BYMONTH=12;BYMONTHDAY=31")),
        (Unit::Year, false) => Core::new(format!("{base};BYMONTH=1;BYMONTHDAY=1")),
    }
}

/// The unit's days, where they are said behind it: `at` is the place after the unit.
fn with_days(unit: Unit, interval: u16, run: Run<'_>, at: usize) -> (Core, usize) {
    let bare = || (Core::new(rule(unit, interval)), at);
    let before = usize::from(unit == Unit::Month && run.is(at, &["before"]));
    let on = before + run.skip(at + before, &["on", "by", "at"]);
    let article = run.skip(at + on, &["the"]);
    let rest = run.from(at + on);
    let found = match unit {
        Unit::Day if interval == 1 => run
            .without_others(at)
            .map(|(others, len)| (weekly(1, &Weekdays::every_day().but(&others, 0)), len)),
        Unit::Day => None,
        Unit::Week => rest.weekdays().map(|days| (weekly(interval, &days), on + days.len)),
        Unit::Month => rest
            .of_month(true)
            .filter(|_| on > 0 || is_of_figures(rest.low(article)) || rest.is(article, &["last"]))
            .map(|(days, len)| (monthly(interval, &days), on + len + of_the_month(rest, len)))
            .or_else(|| {
                let days = rest.weekdays().filter(|_| on > 0)?;
                Some((which_of_month(interval, &days), on + days.len))
            })
            .or_else(|| {
                let is_end = rest.is(article, &["end"]);
                let is_edge = is_end || on > 0 && rest.is(article, &["beginning", "start"]);
                is_edge.then(|| (at_the_edge(unit, interval, is_end), on + article + 1))
            }),
        Unit::Year => rest
            .month_day()
            .filter(|_| on > 0)
            .map(|(month, day, len)| (yearly(interval, month, day), on + len))
            .or_else(|| {
                let (name, len) = last_of_month(rest.from(article))?;
                Some((
                    Core::new(format!("{};BYMONTH={name};BYMONTHDAY=-1", rule(unit, interval))),
                    on + article + len,
                ))
            }),
    };
    found.map_or_else(bare, |(core, len)| (core, at + len))
}

/// "last day of February".
fn last_of_month(rest: Run<'_>) -> Option<(usize, usize)> {
    let ["last", "day", "of" | "in", name, ..] = rest.words else { return None };
    Some((month(name)?, 4))
}

/// Joined by "or" each of the days, or all.
fn weekly(interval: u16, days: &Weekdays) -> Core {
    let base = rule(Unit::Week, interval);
    let all = format!("{base};{}", days.by());
    if !days.is_either {
        return Core::new(all);
    }
    let each = days.codes().into_iter().map(|code| format!("{base};BYDAY={code}"));
    Core::several(each.chain([all]).collect())
}

fn monthly(interval: u16, days: &MonthDays) -> Core {
    let base = rule(Unit::Month, interval);
    let rules: Vec<String> = days.by().into_iter().map(|by| format!("{base};{by}")).collect();
    Core { is_scarce: rules.len() > 1, ..Core::several(rules) }
}

/// "every month on Friday": on which of them?
fn which_of_month(interval: u16, days: &Weekdays) -> Core {
    let base = rule(Unit::Month, interval);
    let nth = |nth: i8| {
        let days: Vec<String> = days.codes().iter().map(|code| format!("{nth}{code}")).collect();
        format!("{base};BYDAY={}", days.join(","))
    };
    Core::several(vec![nth(1), nth(2), nth(-1)]).kept()
}

fn yearly(interval: u16, month: usize, day: i8) -> Core {
    let base = rule(Unit::Year, interval);
    let on = |day: i8| format!("{base};BYMONTH={month};BYMONTHDAY={day}");
    if (month, day) == (2, 29) {
        return Core { is_scarce: true, ..Core::several(vec![on(29), on(-1)]) };
    }
    Core::new(on(day))
}

fn rule(unit: Unit, interval: u16) -> String {
    let freq = match unit {
        Unit::Day => "DAILY",
        Unit::Week => "WEEKLY",
        Unit::Month => "MONTHLY",
        Unit::Year => "YEARLY",
    };
    if interval == 1 { format!("FREQ={freq}") } else { format!("FREQ={freq};INTERVAL={interval}") }
}

/// The unit of a rule, and how many of it `number` of the said unit are: a fortnight is two weeks.
fn unit(word: &str, number: u16) -> Option<(Unit, u16)> {
    Some(match word {
        "day" | "days" => (Unit::Day, number),
        "week" | "weeks" => (Unit::Week, number),
        "fortnight" | "fortnights" => (Unit::Week, number * 2),
        "month" | "months" => (Unit::Month, number),
        "quarter" | "quarters" => (Unit::Month, number * 3),
        "year" | "years" => (Unit::Year, number),
        _ => return None,
    })
}
