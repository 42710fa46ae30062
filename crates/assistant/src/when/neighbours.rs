//! Words that stand beside dates, as data: those that make a name of a weekday, a thing of a number, and those that a
//! sentence goes on with. Each table is one text, a word each.

fn is_in(table: &str, word: &str) -> bool {
    table.split_ascii_whitespace().any(|one| one == word)
}

/// "Black Friday", "Any Given Sunday", "Aunt May": what follows is part of a name.
pub(super) fn begins_a_name(before: &str) -> bool {
    const NAMES: &str = "\
        black good freaky casual cyber super ash easter palm holy shrove fat given bloody blue ruby \
        manic giving taco throwback stormy gloomy aunt auntie miss mr mrs ms dr uncle cousin princess \
        saint";
    is_in(NAMES, before)
}

/// "room 12.30", "version 2.10.13", "Psalm 23:11": what follows is a number of the thing.
pub(super) fn is_numbered(before: &str) -> bool {
    const THINGS: &str = "\
        room flat apartment apt gate seat row page pages chapter chapters section version release build \
        level code pin number nr part form article extension ext size scale ratio score scored won \
        lost drew step item issue ticket pr port channel track locker unit model odds psalm genesis \
        exodus isaiah romans corinthians hebrews revelation verse sura";
    is_in(THINGS, before)
}

/// "the 3rd floor", "at 4 degrees", "1/2 cup": what stands before it counts or measures.
pub(super) fn is_counted(after: &str) -> bool {
    const COUNTED: &str = "\
        floor time times attempt try edition avenue ave street st road century grade hole page row door \
        round place wave hand class half quarter anniversary birthday degrees percent km miles mph kg g \
        cup cups inch inches cm mm ml l tsp tbsp people persons guests euros dollars pounds each points \
        pints boxes bags slices pieces stars pages chapters volts watts amps metres meters gb copies";
    is_in(COUNTED, after)
}

/// Deeds that sentences of a task begin with: "friday call Anna" is about Friday, "friday drinks" are a thing.
pub(crate) fn is_deed(word: &str) -> bool {
    const DEEDS: &str = "\
        ask bake be book bring build buy call cancel change charge chase check clean close collect cook \
        cut deliver do draft drive drop eat email feed fetch fill find finish fix fly get give go hand \
        help install invite join leave make meet mow move order pack paint pay phone pick plan plant \
        post practise practice prepare print put read remind renew repair reply return review ring run \
        see sell send set ship sign speak start stop study submit take talk tell text tidy turn update \
        visit wash watch water work write";
    is_in(DEEDS, word)
}

/// "watch Tomorrow", "read The Daily": what stands behind it in capitals is a title.
pub(crate) fn is_of_media(word: &str) -> bool {
    const MEDIA: &str = "\
        watch watching rewatch see read reading reread listen listening hear play playing stream sing learn \
        borrow download record";
    is_in(MEDIA, word)
}

/// Small words that a name does not go on with: "remind me Tuesday to …", "lunch Friday with Anna".
pub(super) fn goes_on(word: &str) -> bool {
    const SMALL: &str = "\
        to about and with w for if before after because re from at by i we you he she they that where \
        what who when how did please pls is in on";
    is_in(SMALL, word)
}

/// Words of dates that are written with a small letter outside of titles.
pub(super) fn is_written_small(word: &str) -> bool {
    const SMALL: &str = "\
        today tonight tomorrow yesterday after before next last this noon midnight week weekend morning \
        afternoon evening night half past";
    is_in(SMALL, word)
}

/// "The Man Who Was Thursday": small words with a capital, where nobody writes one but in titles.
pub(super) fn is_small_in_titles(word: &str) -> bool {
    const SMALL: &str = "\
        was is who the of and a on in to for my no not never before any at";
    is_in(SMALL, word)
}
