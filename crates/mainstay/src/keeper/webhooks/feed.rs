//! What has happened, counted, until the station has it on its disk.
//!
//! The journals are the truth: a keeper that does not know a cursor tells everything that they hold, and the station
//! knows what it has already by the ids. What was there before the first webhook is written down once and told to nobody.

use std::{
    collections::{HashSet, VecDeque},
    fs, io,
    path::{Path, PathBuf},
};

use api::station::{Cursor, Event};
use machine::formats;
use release::News;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::event::event;

/// Bound: events of one answer.
const PAGE_MAX: usize = 500;
pub(crate) const FORMAT: u32 = 1;
pub(crate) const FILE: &str = "webhooks.past.json";

pub(super) struct Feed {
    data: PathBuf,
    news: News,
    past: HashSet<String>,
    /// This keeper's count.
    keeper: String,
    /// How many were counted before `events`.
    before: u64,
    // Bound: what is known of every site; what the station has is forgotten.
    events: VecDeque<Event>,
}

/// One answer.
pub(super) struct Page {
    pub cursor: Cursor,
    pub complete: bool,
    pub events: Vec<Event>,
}

#[derive(Serialize, Deserialize)]
struct Past {
    format: u32,
    ids: HashSet<String>,
}

impl Feed {
    pub(super) fn open(data: &Path, has_webhooks: bool) -> Self {
        Self {
            data: data.to_owned(),
            news: News::new(data),
            past: if has_webhooks { past(data) } else { forget_past(data) },
            keeper: Ulid::generate().to_string(),
            before: 0,
            events: VecDeque::new(),
        }
    }

    /// What comes after `cursor`. Blocking.
    pub(super) fn page(&mut self, cursor: &Cursor) -> io::Result<Page> {
        let told = self.before + self.events.len() as u64;
        let follows = cursor.keeper == self.keeper && (self.before..=told).contains(&cursor.after);
        if follows {
            let kept = usize::try_from(cursor.after - self.before).unwrap_or(usize::MAX);
            self.events.drain(..kept.min(self.events.len()));
            self.before = cursor.after;
        } else {
            self.news = News::new(&self.data);
            self.events.clear();
            self.before = told;
        }
        let past = &self.past;
        self.events.extend(self.news.look()?.iter().map(|one| event(one, past.contains(&one.id))));
        let events: Vec<Event> = self.events.iter().take(PAGE_MAX).cloned().collect();
        let after = self.before + events.len() as u64;
        let complete = events.len() == self.events.len();
        Ok(Page { cursor: Cursor { keeper: self.keeper.clone(), after }, complete, events })
    }
}

fn file(data: &Path) -> PathBuf {
    data.join(FILE)
}

/// What was there when the first webhook came. What cannot be read is taken anew.
fn past(data: &Path) -> HashSet<String> {
    let read = fs::read(file(data)).ok().and_then(|bytes| serde_json::from_slice::<Past>(&bytes).ok());
    if let Some(past) = read.filter(|past| past.format <= formats::current(FORMAT)) {
        return past.ids;
    }
    let happened = News::new(data).look().unwrap_or_else(|error| {
        tracing::warn!(%error, "What happened before there were webhooks does not read; they are told of it.");
        Vec::new()
    });
    let past =
        Past { format: formats::current(FORMAT), ids: happened.into_iter().map(|one| one.id).collect() };
    let written = serde_json::to_vec(&past)
        .map_err(io::Error::from)
        .and_then(|bytes| machine::fs::write_atomic(&file(data), &bytes, 0o600));
    if let Err(error) = written {
        tracing::warn!(%error, "The next keeper will not know what happened before there were webhooks.");
    }
    past.ids
}

/// Without webhooks: one that comes later is told what happens from then on.
fn forget_past(data: &Path) -> HashSet<String> {
    match fs::remove_file(file(data)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "Webhooks that come later will be told what happened without them.");
        }
        _ => {}
    }
    HashSet::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_version_1_wrote_of_the_time_before_webhooks_is_told_to_nobody() {
        let data = tempfile::tempdir().expect("a folder");
        let text = include_str!("../../../tests/recorded/v1/webhooks.past.json");
        fs::write(file(data.path()), text).expect("written");
        let ids = past(data.path());
        assert_eq!((ids.len(), ids.contains("evt_01M8KPT6P8J5M75M0N6FA2CG6Z.started")), (2, true));
        assert_eq!(fs::read_to_string(file(data.path())).expect("there"), text, "it is not taken anew");
    }
}
