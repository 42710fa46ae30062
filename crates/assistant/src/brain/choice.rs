//! Which choice of a question an answer in words names: its label, some of its words, its time or day, its place.
//!
//! Words that fit two choices name none.

use jiff::{Zoned, civil::Time};

use super::say::Offer;
use crate::when::{self, Context, Direction, Habits, Meaning, Reading};

/// Words that say nothing of which.
const FILLERS: [&str; 14] =
    ["the", "a", "an", "on", "at", "in", "one", "please", "i", "mean", "meant", "o", "clock", "o'clock"];
const PLACES: [&[&str]; 5] =
    [&["first", "1st"], &["second", "2nd"], &["third", "3rd"], &["fourth", "4th"], &["fifth", "5th"]];

pub(crate) fn pick<'o>(offers: &'o [Offer], words: &str, now: Zoned, habits: Habits) -> Option<&'o Offer> {
    let said = tokens(words);
    let same = |offer: &&Offer| offer.text == words.trim() || tokens(&offer.label) == said;
    if let Some(offer) = offers.iter().find(same) {
        return Some(offer);
    }
    let said: Vec<String> = said.into_iter().filter(|word| !FILLERS.contains(&word.as_str())).collect();
    let said = said.as_slice();
    if said.is_empty() {
        return None;
    }
    only(offers, |offer| has_all(&tokens(&offer.label), said))
        .or_else(|| only(offers, |offer| is_at(offer, words, &now, &habits)))
        .or_else(|| only(offers, |offer| in_part(offer, said)))
        .or_else(|| placed(offers, said))
}

/// The one that fits.
fn only(offers: &[Offer], mut fits: impl FnMut(&Offer) -> bool) -> Option<&Offer> {
    let mut fitting = offers.iter().filter(|offer| fits(offer));
    fitting.next().filter(|_| fitting.next().is_none())
}

/// In small letters; a time such as `09:00` is one.
fn tokens(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !(c.is_alphanumeric() || matches!(c, ':' | '\'')));
    let words = parts.map(|part| part.trim_matches([':', '\'']).to_lowercase());
    words.filter(|word| !word.is_empty()).collect()
}

fn has_all(label: &[String], said: &[String]) -> bool {
    said.iter().all(|word| label.iter().any(|of_label| is_same(of_label, word)))
}

/// "9" is `09:00` where the other choice is `21:00`, "monday" is `Mon`.
fn is_same(of_label: &str, said: &str) -> bool {
    let hour = of_label.strip_suffix(":00").unwrap_or(of_label);
    let number = |text: &str| text.parse::<u32>().ok();
    let same_number = number(hour).is_some() && number(hour) == number(said);
    let short_name =
        of_label.len() == 3 && said.len() > 3 && said.starts_with(of_label) && when::said::is_of_time(said);
    let same_time =
        of_label.contains(':') && of_label.trim_start_matches('0') == said.trim_start_matches('0');
    of_label == said || same_number || same_time || short_name
}

/// "5pm", "tomorrow", "half past five": read as a date is, and named so by the label.
fn is_at(offer: &Offer, words: &str, now: &Zoned, habits: &Habits) -> bool {
    let context =
        Context { now: now.clone(), direction: Direction::Ahead, habits: habits.clone(), day: None };
    let Reading::Found { meaning, names_day, .. } = when::read_due(words, &context) else { return false };
    let label = tokens(&offer.label);
    let day = tokens(&meaning.first_day().strftime("%a %-d %b").to_string());
    let day = !names_day || has_all(&label, &day);
    match meaning {
        Meaning::At(moment) => day && label.contains(&moment.time.strftime("%H:%M").to_string()),
        Meaning::Day(_) => day,
        Meaning::Days(..) => false,
    }
}

/// "in the evening", "pm".
fn in_part(offer: &Offer, said: &[String]) -> bool {
    let [part] = said else { return false };
    let hours = match part.as_str() {
        "am" | "morning" => 0..12,
        "pm" => 12..24,
        "afternoon" => 12..18,
        "evening" | "night" => 17..24,
        _ => return false,
    };
    let time =
        tokens(&offer.label).iter().find_map(|word| word.parse::<Time>().ok().filter(|_| word.contains(':')));
    time.is_some_and(|time| hours.contains(&time.hour()))
}

/// "the second", "2", "last", and "yes" to the only one.
fn placed<'o>(offers: &'o [Offer], said: &[String]) -> Option<&'o Offer> {
    let [word] = said else { return None };
    let word = word.as_str();
    match word {
        "last" | "latter" => offers.last(),
        "former" => offers.first(),
        "yes" if offers.len() == 1 => offers.first(),
        _ => {
            let named = PLACES.iter().position(|names| names.contains(&word));
            let counted = word.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
            offers.get(named.or(counted)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(labels: &[&str], words: &str) -> String {
        let offer = |label: &&str| Offer {
            label: (*label).to_owned(),
            text: format!("task: {label}"),
            teaches: None,
        };
        let offers: Vec<Offer> = labels.iter().map(offer).collect();
        let now = "2026-11-21T10:00[Europe/Madrid]".parse().expect("a moment");
        pick(&offers, words, now, Habits::default()).map_or_else(String::new, |offer| offer.label.clone())
    }

    #[test]
    fn an_answer_names_a_choice_as_people_do_and_what_fits_two_names_none() {
        let hours = ["Sun 22 Nov, 09:00", "Sun 22 Nov, 21:00"];
        for said in [
            "Sun 22 Nov, 21:00",
            "21:00",
            "21",
            "9pm",
            "9 pm",
            "at 21 o'clock",
            "in the evening",
            "the second one",
            "2",
            "last",
        ] {
            assert_eq!(picked(&hours, said), hours[1], "{said}");
        }
        for said in ["9", "09:00", "9:00", "9am", "tomorrow at 9am", "morning, please", "the first", "1"] {
            assert_eq!(picked(&hours, said), hours[0], "{said}");
        }
        let days = ["Tue 24 Nov", "Tue 1 Dec", "No date, keep the words"];
        for (said, label) in [
            ("the 24th", 0),
            ("24", 0),
            ("1 December", 1),
            ("december", 1),
            ("the first one", 0),
            ("3", 2),
            ("no date", 2),
            ("task: Tue 1 Dec", 1),
        ] {
            assert_eq!(picked(&days, said), days[label], "{said}");
        }
        assert_eq!(picked(&["Buy bread", "Buy coffee"], "bread"), "Buy bread");
        assert_eq!(picked(&["Sun 22 Nov, 09:00"], "yes"), "Sun 22 Nov, 09:00");
        for (labels, said) in [
            (hours, "Sunday"),
            (hours, "22 Nov"),
            (hours, "10am"),
            (hours, "yes"),
            (hours, "task: pay rent"),
            (hours, "what is on my plate today"),
            (hours, "7"),
            (["Pay rent", "Pay phone"], "pay"),
            (["Pay rent", "Pay phone"], "task: pay rent"),
            (["Pay rent", "Pay phone"], "the one"),
        ] {
            assert_eq!(picked(&labels, said), "", "{said}");
        }
    }
}
