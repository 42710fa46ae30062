//! `[route.compress]`: which answers the edge compresses on their way.

use model::manifest::{Compress, Encoding};

use super::text;
use crate::config::{
    decode::{At, Section, or_list},
    problem::Problem,
};

pub(super) const ENCODINGS: [(&str, Encoding); 3] =
    [("zstd", Encoding::Zstd), ("br", Encoding::Br), ("gzip", Encoding::Gzip)];

pub(super) fn compress(section: &mut Section<'_, '_, '_>) -> Option<Compress> {
    let default = Compress::default();
    let types = section.strings("types").map(|types| types.value);
    let types = types.map(|types| types.into_iter().filter_map(|text| media_type(section, text)).collect());
    let min_bytes = section.size("min_bytes");
    let encodings = encodings(section);
    Some(Compress {
        types: types.unwrap_or(default.types),
        min_bytes: min_bytes.unwrap_or(default.min_bytes),
        encodings: encodings.unwrap_or(default.encodings),
    })
}

fn media_type(section: &mut Section<'_, '_, '_>, text: At<String>) -> Option<String> {
    let lower = text.value.to_ascii_lowercase();
    let fits = lower.split_once('/').is_some_and(|(kind, sub)| {
        text::is_token(kind) && kind != "*" && text::is_token(sub) && (sub == "*" || !sub.contains('*'))
    });
    if fits && lower != "text/event-stream" {
        return Some(lower);
    }
    let problem = Problem::new("bad-media-type", text.span, format!("`{}` cannot be compressed", text.value));
    section.problem(if fits {
        problem.help("events of a stream must arrive when they are said: remove it")
    } else {
        problem.help(
            "a media type without parameters, like `\"application/json\"`, or `\"text/*\"` for all of a kind",
        )
    });
    None
}

fn encodings(section: &mut Section<'_, '_, '_>) -> Option<Vec<Encoding>> {
    let words = section.strings("encodings")?;
    if words.value.is_empty() {
        section.problem(
            Problem::new("no-encoding", words.span, "`encodings` names none")
                .help("remove the table where nothing is to be compressed"),
        );
    }
    let mut encodings = Vec::new();
    for At { value, span } in words.value {
        match ENCODINGS.iter().find(|(word, _)| *word == value) {
            Some((_, encoding)) if !encodings.contains(encoding) => encodings.push(*encoding),
            Some(_) => section.problem(
                Problem::new("named-twice", span, format!("`{value}` is named twice"))
                    .help("remove one of them"),
            ),
            None => {
                let known = or_list(&ENCODINGS.map(|(word, _)| word));
                section.problem(
                    Problem::new("unknown-value", span, format!("`{value}` is no encoding of answers"))
                        .help(format!("each is {known}; the first that a client likes best is taken")),
                );
            }
        }
    }
    Some(encodings)
}
