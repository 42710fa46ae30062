//! Where a date may stand: what keeps "The 5th Wave", "Tomorrow Never Dies" and "the Sunday Times" whole.

use super::{
    clock::Looks,
    days::Kind,
    grammar::{Phrase, Says},
    lexicon, neighbours,
    words::Sentence,
};

/// Whether the words are a date where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Stands,
    /// "friday drinks": a date or a name. Asked.
    Doubtful,
    /// Part of something else.
    No,
}

pub(super) fn standing(words: &Sentence, phrase: &Phrase) -> Standing {
    if is_of_a_number(words, phrase) {
        return Standing::No;
    }
    if let Some(standing) = of_a_title(words, phrase) {
        return standing;
    }
    if counts_things(words, phrase) {
        return Standing::Doubtful;
    }
    if phrase.prepositions > 0 {
        return behind_a_preposition(words, phrase);
    }
    match &phrase.says {
        Says::Moment(_) => Standing::Stands,
        Says::Date(date) => match date.kind {
            Kind::Plain => plain(words, phrase),
            Kind::Name | Kind::Short => name(words, phrase, date.kind),
            Kind::Ordinal => ordinal(words, phrase),
            Kind::Slashes => at_the_end(words, phrase),
            Kind::Period => Standing::No,
        },
        Says::Both(_, time) if time.looks >= Looks::Figures => plain(words, phrase),
        Says::Both(date, _) => match date.kind {
            Kind::Plain | Kind::Name | Kind::Short | Kind::Ordinal => plain(words, phrase),
            Kind::Slashes | Kind::Period => at_the_end(words, phrase),
        },
        Says::Time(time) => match time.looks {
            Looks::Time => plain(words, phrase),
            Looks::Figures if phrase.start == 0 || words.ends_at(phrase.end) => Standing::Stands,
            Looks::Thing => thing(words, phrase),
            Looks::Figures | Looks::Number => Standing::No,
        },
    }
}

/// Capitals where nobody writes them but in titles: "The Day After Tomorrow", "The Man Who Was Thursday". Whoever writes
/// all words so, or a day at the end, is asked, and an hour in figures is of no title. `None`: they say nothing.
fn of_a_title(words: &Sentence, phrase: &Phrase) -> Option<Standing> {
    let title = |at: usize| at > 0 && words.is_capital(at) && !words.is_shouted(at);
    let small = (phrase.start..phrase.end).any(|at| title(at) && neighbours::is_written_small(words.low(at)));
    let first = phrase.start + phrase.prepositions;
    let before = first.checked_sub(1).is_some_and(|before| {
        let word = words.low(before);
        // "On Friday" begins a sentence as well as a title.
        title(before)
            && (neighbours::is_small_in_titles(word)
                || matches!(word, "next" | "last" | "this" | "past" | "half"))
    });
    let named = phrase.prepositions == 0 && neighbours::begins_a_name(words.before(phrase.start));
    let goes_on = words.low(phrase.end);
    let title_goes_on = phrase.start == 0
        && phrase.end == 1
        && words.is_capital(0)
        && words.is_capital(1)
        && !words.ends_at(1)
        && goes_on != "i"
        && !words.is_shouted(1);
    // "Friday on My Mind".
    let goes_on_as_title = (phrase.end..phrase.end + 3).any(|at| {
        title(at) && neighbours::is_small_in_titles(words.low(at)) && !words.words[at - 1].break_after
    });
    let is_media = (0..phrase.start).any(|at| neighbours::is_of_media(words.low(at)));
    let all_capital = (0..words.len()).all(|at| words.is_capital(at) || !is_a_word(words.low(at)));
    // "call Anna Tomorrow", and not "see Never After Tomorrow", "USA Today".
    let word_before = words.before(phrase.start);
    let alone = !before
        && !neighbours::is_small_in_titles(word_before)
        && !neighbours::is_written_small(word_before)
        && (words.is(phrase.start, &["tomorrow"]) || !words.is_capital(phrase.start.saturating_sub(1)))
        && !((phrase.start..phrase.end).skip(1).any(title));
    // "call Ben On Friday".
    let on_day = phrase.prepositions == 1
        && words.is(phrase.start, &["on", "by"])
        && matches!(phrase.says, Says::Date(_))
        && !neighbours::is_small_in_titles(word_before);
    let asked = if phrase.start == 0 || is_media || !(all_capital || alone || on_day) {
        Standing::No
    } else {
        Standing::Doubtful
    };
    match phrase.says {
        _ if named || title_goes_on => Some(Standing::No),
        Says::Time(time) | Says::Both(_, time) if time.looks >= Looks::Figures && (small || before) => None,
        _ if goes_on_as_title => Some(if all_capital { asked } else { Standing::No }),
        _ if small || before => Some(if words.ends_at(phrase.end) { asked } else { Standing::No }),
        _ => None,
    }
}

fn is_a_word(low: &str) -> bool {
    low.starts_with(char::is_alphabetic)
}

/// "ask Jan 3 questions", "march 5 miles": what stands behind a month and a bare number is counted by it.
fn counts_things(words: &Sentence, phrase: &Phrase) -> bool {
    let Says::Date(_) = phrase.says else { return false };
    let [month, number] = [2, 1].map(|back| phrase.end.checked_sub(back).map_or("", |at| words.low(at)));
    let bare = lexicon::month(month).is_some()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && number.len() < 3;
    let next = words.low(phrase.end);
    let plural = next.len() > 3 && next.ends_with('s') && !next.ends_with("ss") && !next.contains('\'');
    bare && plural && !words.ends_at(phrase.end) && !words.is_capital(phrase.end)
}

/// "room 12.30", "flat 12/4"; but "room 5pm" is a time.
fn is_of_a_number(words: &Sentence, phrase: &Phrase) -> bool {
    let says_half =
        (phrase.start..phrase.end).any(|at| words.low(at).ends_with("am") || words.low(at).ends_with("pm"));
    let figures = match &phrase.says {
        Says::Time(_) => true,
        Says::Date(date) => date.kind == Kind::Slashes,
        Says::Both(..) | Says::Moment(_) => false,
    };
    figures
        && phrase.prepositions == 0
        && !says_half
        && words.low(phrase.start).starts_with(|c: char| c.is_ascii_digit())
        && neighbours::is_numbered(words.before(phrase.start))
}

fn behind_a_preposition(words: &Sentence, phrase: &Phrase) -> Standing {
    let preposition = words.low(phrase.start);
    let next_is_capital = !words.ends_at(phrase.end) && words.is_capital(phrase.end);
    match &phrase.says {
        // "tickets for Friday Night Lights", "the minutes of Monday".
        Says::Date(date) if matches!(date.kind, Kind::Name | Kind::Short) => match preposition {
            "for" | "of" | "in" if next_is_capital => Standing::No,
            // "ferry from Friday Harbor".
            "from" | "by" | "before" | "after" | "since"
                if next_is_capital && words.low(phrase.end) != "i" =>
            {
                Standing::Doubtful
            }
            "of" | "in" => at_the_end(words, phrase),
            "for" if !words.ends_at(phrase.end) && !goes_on(words, phrase.end) => Standing::Doubtful,
            "at" if date.kind == Kind::Short || lexicon::weekday(words.low(phrase.start + 1)).is_some() => {
                Standing::No
            }
            _ => Standing::Stands,
        },
        // "book by May Sarton".
        Says::Date(date) if date.kind == Kind::Period && next_is_capital && words.low(phrase.end) != "i" => {
            Standing::No
        }
        // "The Guns of August".
        Says::Date(date)
            if date.kind == Kind::Period
                && preposition == "of"
                && phrase.start > 1
                && words.is_capital(phrase.start - 1)
                && !words.is_shouted(phrase.start - 1) =>
        {
            Standing::No
        }
        // "reply to the letter from June".
        Says::Date(date) if date.kind == Kind::Period && preposition == "from" => {
            let person = lexicon::month_is_a_person(words.low(phrase.start + 1)) && words.ends_at(phrase.end);
            if person { Standing::Doubtful } else { Standing::Stands }
        }
        // "book a hotel for June", "buy a present for June".
        Says::Date(date) if date.kind == Kind::Period && preposition == "for" => {
            let person = lexicon::month_is_a_person(words.low(phrase.start + 1));
            if person { Standing::Doubtful } else { Standing::Stands }
        }
        Says::Date(date) if date.kind == Kind::Ordinal => match preposition {
            "on" | "by" | "until" | "till" | "before" | "after" | "since" | "for" | "from" => {
                Standing::Stands
            }
            _ => at_the_end(words, phrase),
        },
        Says::Date(date) if date.kind == Kind::Slashes => match preposition {
            "in" | "of" | "at" | "over" | "between" => Standing::No,
            _ => Standing::Stands,
        },
        Says::Date(date) if date.kind == Kind::Plain && preposition == "of" => plain(words, phrase),
        Says::Time(time) if time.looks == Looks::Thing => match preposition {
            "at" | "@" | "by" | "before" | "until" | "till" | "after" | "since" | "from" => Standing::Stands,
            _ => Standing::No,
        },
        _ => Standing::Stands,
    }
}

/// A date of its own, wherever it stands; "in the Tomorrow" of a title was sorted out by its capitals.
fn plain(words: &Sentence, phrase: &Phrase) -> Standing {
    let article = matches!(words.before(phrase.start), "a" | "an");
    if article && !words.ends_at(phrase.end) { Standing::No } else { Standing::Stands }
}

fn goes_on(words: &Sentence, next: usize) -> bool {
    neighbours::goes_on(words.low(next)) && !words.is_capital(next) || words.low(next) == "i"
}

/// Bare, things are called so as well: at the end, before a mark, or where the sentence visibly goes on.
fn name(words: &Sentence, phrase: &Phrase, kind: Kind) -> Standing {
    if matches!(words.before(phrase.start), "the" | "a" | "an" | "my" | "our") {
        return Standing::No;
    }
    let is_a_word = matches!(words.low(phrase.start), "sat" | "sun" | "wed");
    if words.ends_at(phrase.end) {
        let doubtful = kind == Kind::Short && is_a_word && words.is_capital(phrase.start) && phrase.start > 0;
        return if doubtful { Standing::Doubtful } else { Standing::Stands };
    }
    if kind == Kind::Short && is_a_word || words.is_capital(phrase.end) {
        return Standing::No;
    }
    if goes_on(words, phrase.end) || phrase.start == 0 && neighbours::is_deed(words.low(phrase.end)) {
        return Standing::Stands;
    }
    let week_day = lexicon::weekday(words.low(phrase.start)).is_some();
    if phrase.start == 0 && week_day && kind == Kind::Name { Standing::Doubtful } else { Standing::No }
}

/// "the 5th" at the end or before a mark; behind a name it is a king's.
fn ordinal(words: &Sentence, phrase: &Phrase) -> Standing {
    let article = words.low(phrase.start) == "the";
    let king = phrase.start.checked_sub(1).is_some_and(|before| {
        words.is_capital(before) && (before > 0 || !neighbours::is_deed(words.low(before)))
    });
    if article && words.ends_at(phrase.end) && !king { Standing::Stands } else { Standing::No }
}

fn at_the_end(words: &Sentence, phrase: &Phrase) -> Standing {
    if words.ends_at(phrase.end) { Standing::Stands } else { Standing::No }
}

/// "in the morning", "first thing", "noon" by themselves.
fn thing(words: &Sentence, phrase: &Phrase) -> Standing {
    let part = words.says(phrase.start, "in the") > 0;
    let first = words.says(phrase.start, "first thing") > 0;
    let deed = phrase.start == 0 && neighbours::is_deed(words.low(phrase.end));
    if (part || first) && (words.ends_at(phrase.end) || deed) || part && goes_on(words, phrase.end) {
        Standing::Stands
    } else {
        Standing::No
    }
}
