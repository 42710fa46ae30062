//! What holds of any sentence: what is read can be done, what is asked can be answered, and no hour is dropped.

use proptest::prelude::*;

use super::*;
use crate::recurrence;

/// Deeds, and what people say beside them in one part of a sentence.
fn fragments() -> impl Strategy<Value = String> {
    "(water plants|Call Anna|pay|read 10 pages|GYM)( (in the park|with Ben|about the car|and tidy up))?( (every|each|Every|EVERY) (day|monday|other friday|2 weeks|month|weekday|morning|15th|hour|month on the 1st and 31st)| on the (1st|last day) of every month| sundays| on weekends| twice a week)?( (at 8am|at 8|8pm|at 8am and 8pm|at noon|tonight at 2))?( (until|starting|by|before|on|from) (friday|5 december|the 15th|1 January 9999))?( (tomorrow|today|next week|in 2 hours|mon wed|On Friday|in 24 hours before lunch))?( (at 6am|or 9pm|this week))?"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// What is done can be done, and each answer to a question is a sentence that is read. No answer leads back to itself.
    #[test]
    fn what_is_read_can_be_done_and_what_is_asked_can_be_answered(words in fragments()) {
        let sentence = format!("task: {words}");
        match understood(&sentence) {
            Understood::Do(Command::AddTask(Draft { title, due, recurrence, .. })) => {
                prop_assert!(due.is_none_or(|due| when::DAYS.contains(&due.day)), "{}", sentence);
                prop_assert!(!title.is_empty());
                if let Some(recurrence) = recurrence {
                    let kept = recurrence::check(&recurrence.rule, recurrence.mode);
                    prop_assert_eq!(kept.as_deref(), Ok(recurrence.rule.as_str()), "{}", sentence);
                }
            }
            Understood::Choose { choices, .. } => {
                for choice in choices {
                    let next = understood(&choice.instead);
                    let again = matches!(&next, Understood::Choose { choices, .. } if choices.iter().any(|other| other.instead == choice.instead));
                    let is_read = matches!(next, Understood::Do(_) | Understood::Choose { .. } | Understood::Refuse { .. });
                    prop_assert!(is_read && !again, "{}: \"{}\" is {:?}", sentence, choice.instead, next);
                }
            }
            Understood::Refuse { why } => {
                prop_assert!(why.starts_with("It would be over"), "{}: {}", sentence, why);
            }
            other => prop_assert!(false, "{}: {:?}", sentence, other),
        }
    }

    /// Two hours in one sentence are asked about, or stay in the title: neither is dropped.
    #[test]
    fn of_two_hours_none_is_dropped_wherever_they_stand(
        one in "(at )?(6|7|8|9)am",
        other in "(at )?(1|2|3|4|5|6|7|8)pm",
        between in "( and| or|,|;|,? and then|  or maybe| water| with Ben)",
        rule in "( every day| every monday| on sundays|)",
        first in any::<bool>(),
    ) {
        let words = if first { format!("call{rule} {one}{between} {other}") } else { format!("call {one}{between} {other}{rule}") };
        if let Understood::Do(Command::AddTask(draft)) = understood(&format!("task: {words}")) {
            let hour = |said: &str| said.trim_start_matches("at ").to_owned();
            let kept = draft.title.contains(&hour(&one)) && draft.title.contains(&hour(&other));
            prop_assert!(kept && draft.due.is_none_or(|due| due.time.is_none()), "{}: {:?}", words, draft);
        }
    }
}
