//! `mainstay logs`: the lines that are there, then those that come.

use std::time::SystemTime;

use admin::operations::Lines;
use api::logs::{Line, Query};
use futures_util::{StreamExt as _, stream};
use model::{Explain, Site};
use supervisor::logs::{self, Follow, Stream};

use super::ground::Ground;

/// What is shown before following, where nobody says.
const TAIL_DEFAULT: usize = 200;
/// Bound: of the supervisor's reader.
const TAIL_MAX: usize = 10_000;

/// # Errors
/// The log folder does not read.
pub(crate) async fn lines(ground: &Ground, site: &Site, query: Query) -> Result<Lines<Line>, Explain> {
    let folder = logs::folder(&ground.folders.data, site);
    let asked = logs::Query {
        service: query.service,
        instance: query.instance,
        release: query.release,
        since: query.since.and_then(|span| SystemTime::now().checked_sub(span.0)),
        grep: query.grep,
        tail: query.tail.unwrap_or(TAIL_DEFAULT).min(TAIL_MAX),
    };
    let unread = |error: std::io::Error| {
        Explain::new("logs-unreadable", format!("cannot read the logs below {}", folder.display()))
            .because(&error)
            .help("they belong to the user that runs Mainstay: see their owner and the disk")
    };
    // Following begins first: what is written between the two is then in both, and skipped once.
    let follow = query.follow.then(|| Follow::begin(&folder, asked.clone())).transpose().map_err(unread)?;
    let (dir, first) = (folder.clone(), asked.clone());
    let past = tokio::task::spawn_blocking(move || logs::read(&dir, &first))
        .await
        .map_err(|error| unread(std::io::Error::other(error)))?
        .map_err(unread)?;
    let last = past.last().map(|line| line.at.clone()).unwrap_or_default();
    let past = stream::iter(past.into_iter().map(wire));
    let Some(follow) = follow else { return Ok(past.boxed()) };
    let coming = stream::unfold(follow, |mut follow| async move {
        let lines = follow.next().await.ok()?;
        Some((stream::iter(lines), follow))
    });
    let fresh = coming.flatten().filter(move |line| std::future::ready(line.at > last)).map(wire);
    Ok(past.chain(fresh).boxed())
}

fn wire(line: logs::Line) -> Line {
    let stream = match line.stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    Line { at: line.at, instance: line.instance, stream: stream.to_owned(), text: line.text }
}
