use proptest::prelude::*;

use super::*;

/// Feeds `chunks` and gives back the pieces with their marks.
fn pieces(words: &[&str], chunks: &[&[u8]]) -> Vec<(String, bool)> {
    let redactor = Redactor::new(words.iter().map(|word| (*word).to_owned()).collect());
    let mut lines = Lines::default();
    let mut all = Vec::new();
    let mut emit = |line: &[u8], full| all.push((String::from_utf8_lossy(line).into_owned(), full));
    chunks.iter().for_each(|chunk| lines.feed(chunk, &redactor, &mut emit));
    lines.end(&redactor, &mut emit);
    all
}

#[test]
fn lines_are_joined_across_reads() {
    let got = pieces(&[], &[b"one\ntw", b"o\n\nthree"]);
    assert_eq!(
        got,
        [("one", true), ("two", true), ("", true), ("three", true)].map(|(l, f)| (l.to_owned(), f))
    );
}

#[test]
fn a_secret_is_struck_where_it_crosses_two_reads() {
    assert_eq!(pieces(&["hunter22"], &[b"pw=hunt", b"er22 ok\n"]), [("pw=[redacted] ok".to_owned(), true)]);
}

#[test]
fn a_secret_is_struck_where_it_crosses_the_cut_of_a_long_line() {
    let secret = "sk-0123456789abcdef";
    for before in LINE_BYTES_MAX - secret.len()..=LINE_BYTES_MAX {
        let text = format!("{}{secret}{}", "x".repeat(before), "y".repeat(30_000));
        let joined: String =
            pieces(&[secret], &[text.as_bytes()]).into_iter().map(|(piece, _)| piece).collect();
        assert_eq!(joined, format!("{}[redacted]{}", "x".repeat(before), "y".repeat(30_000)), "at {before}");
    }
}

#[test]
fn the_longer_of_two_secrets_wins() {
    assert_eq!(
        pieces(&["abcd", "abcdef"], &[b"abcdef abcd\n"]),
        [("[redacted] [redacted]".to_owned(), true)]
    );
}

#[test]
fn a_line_without_end_stays_bounded() {
    let redactor = Redactor::new(vec!["secret".to_owned()]);
    let mut lines = Lines::default();
    let mut bytes = 0;
    for _ in 0..100 {
        lines.feed(&[b'x'; 65_536], &redactor, |line, full| {
            assert!(!full);
            bytes += line.len();
        });
        assert!(lines.pending.len() <= LINE_BYTES_MAX + redactor.longest);
    }
    assert!(bytes > 6_500_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However the bytes arrive, the secret is gone and all else is there.
    #[test]
    fn no_chunking_lets_a_secret_through(
        parts in proptest::collection::vec("[a-z ]{0,9000}", 1..5),
        cuts in proptest::collection::vec(1_usize..20_000, 0..8),
    ) {
        let secret = "S3CRET-0000";
        let text = parts.join(secret) + "\n";
        let mut rest = text.as_bytes();
        let mut chunks = Vec::new();
        for cut in cuts {
            let (chunk, after) = rest.split_at(cut.min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        chunks.push(rest);
        let joined: String = pieces(&[secret], &chunks).into_iter().map(|(piece, _)| piece).collect();
        prop_assert_eq!(joined, parts.join("[redacted]"));
    }
}
