//! A checklist, item by item: who saw it, who vouches for it, what is open.

use api::checks::Finding;
use check::profile::{Guide, Item, Standing, by_name, guides};
use model::Explain;
use serde::Serialize;

use crate::output::{self, line, table};

pub(super) type Judged = (&'static Guide, Vec<Item>);

/// # Errors
/// No guide is called so.
pub(super) fn named(name: &str) -> Result<&'static Guide, Explain> {
    by_name(name).ok_or_else(|| {
        let known = guides().iter().map(|guide| format!("{} ({})", guide.name, guide.about));
        Explain::new("no-such-profile", format!("no guide is called `{name}`"))
            .now("nothing was checked")
            .help(format!("there are {}", known.collect::<Vec<_>>().join(", ")))
    })
}

/// Whether a finding answers one of its items; what attests nothing is everybody's.
pub(super) fn is_of(guide: &Guide, finding: &Finding) -> bool {
    let answers = |(id, _): &(&str, &str)| finding.sources.iter().any(|source| source == id);
    finding.sources.is_empty() || guide.items.iter().any(answers)
}

pub(super) fn is_open(item: &Item) -> bool {
    item.standing == Standing::Open
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Seen => "seen",
        Standing::Attested => "attested",
        Standing::Open => "open",
    }
}

fn count(items: &[Item], standing: Standing) -> usize {
    items.iter().filter(|item| item.standing == standing).count()
}

pub(super) fn show((guide, items): &Judged) {
    let row = |item: &Item| {
        vec![word(item.standing).to_owned(), item.id.to_owned(), item.title.to_owned(), item.by.join(", ")]
    };
    let rows: Vec<_> = items.iter().map(row).collect();
    line(format!("{}: {}\n", guide.name, guide.about));
    line(table(&["STANDS", "ITEM", "WHAT", "BY"], &rows));
    let of = |standing| count(items, standing);
    line(format!(
        "\n{} seen by a program, {} attested, {} open, of {}",
        of(Standing::Seen),
        of(Standing::Attested),
        of(Standing::Open),
        output::count(items.len() as u64, "item")
    ));
    if of(Standing::Open) > 0 {
        line(
            "`mainstay check --live` says why a check did not run; vouch for what no program sees by `mainstay check --attest ID --until DATE --note TEXT`.",
        );
    }
}

/// One line more, behind the findings.
pub(super) fn json((guide, items): &Judged) {
    #[derive(Serialize)]
    struct Told<'a> {
        item: &'a str,
        title: &'a str,
        stands: &'a str,
        by: &'a [String],
    }
    let told = items.iter().map(|item| Told {
        item: item.id,
        title: item.title,
        stands: word(item.standing),
        by: &item.by,
    });
    output::json(&serde_json::json!({
        "profile": guide.name,
        "seen": count(items, Standing::Seen),
        "attested": count(items, Standing::Attested),
        "open": count(items, Standing::Open),
        "items": told.collect::<Vec<_>>(),
    }));
}
