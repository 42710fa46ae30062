//! What is sent of an event: the three keys that Standard Webhooks recommends.

use api::station::Event;
use serde::Serialize;

/// Bound: of one body. Errors of a deploy take some KiB; receivers often take no more than 20.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 10;

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    name: &'a str,
    timestamp: &'a str,
    data: &'a serde_json::Value,
}

/// The JSON. Of an event that is too long only what it is and when; `mainstay events` has the rest.
pub(crate) fn body(event: &Event) -> String {
    let render = |data| {
        let body = Body { name: &event.name, timestamp: &event.at, data };
        serde_json::to_string(&body).expect("texts and values are JSON")
    };
    let whole = render(&event.data);
    if whole.len() <= BODY_BYTES_MAX {
        return whole;
    }
    let site = event.site.as_ref().map(ToString::to_string);
    render(&serde_json::json!({ "site": site, "too_long": true }))
}
