//! The list of pages (`pages.json`), which the journeys and the pictures walk, against the routes: no page is forgotten.

use super::{foreign::Things, *};

#[derive(serde::Deserialize)]
struct Listed {
    route: String,
    address: String,
    r#for: String,
}

fn listed() -> Vec<Listed> {
    serde_json::from_str(include_str!("../../../pages.json")).expect("a list")
}

/// The address of something that is Ana's, or of a thing that everybody has.
fn filled(pattern: &str, things: &Things, page: &str) -> String {
    let asset = page.split("rel=\"stylesheet\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
    match pattern {
        "/assets/{version}/{file}" => asset.expect("an address").to_owned(),
        pattern if pattern.contains("{id}") => things.path(pattern),
        pattern => pattern.replace("{day}", "2026-02-28"),
    }
}

#[tokio::test]
async fn every_page_is_in_the_list_that_the_journeys_walk() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    let things = Things::of(&bench, &ana).await;
    let listed = listed();
    let dashboard = bench.get(&ana, "/dashboard").await.body;
    let html = [("accept", "text/html")];
    let is_page = |answer: &Answer| {
        let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let leads = answer.status.is_redirection() || answer.status == StatusCode::METHOD_NOT_ALLOWED;
        kind.is_some_and(|kind| kind.starts_with("text/html")) && !leads
    };
    for (pattern, _) in pages::TABLE {
        let path = filled(pattern, &things, &dashboard);
        let (person, stranger) = (
            bench.ask(&ana, "GET", &path, None, &html).await,
            bench.ask("", "GET", &path, None, &html).await,
        );
        let found = listed.iter().find(|page| page.route == *pattern);
        assert_eq!(
            found.is_some(),
            is_page(&person) || is_page(&stranger),
            "pages.json and the routes differ in {pattern}, which answers {} and {}",
            person.status,
            stranger.status
        );
        let Some(page) = found else { continue };
        if page.r#for == "people" {
            assert_eq!(person.status, StatusCode::OK, "{path}: {}", person.body);
            assert_eq!(stranger.headers[header::LOCATION], "/login", "{path}");
        }
    }
    for page in &listed {
        assert!(pages::TABLE.iter().any(|(pattern, _)| *pattern == page.route), "no route {}", page.route);
        let place = |path: &str| path.split('?').next().map(|path| path.split('/').count());
        assert!(
            page.address == "{link}" || place(&page.address) == place(&page.route),
            "{} is no address of {}",
            page.address,
            page.route
        );
    }
}
