//! Small pieces of the pages; the pages themselves are tested from outside.

use super::parts::{grouped, latency};
use super::spark;
use crate::history::Sample;
use crate::html::Html;

#[test]
fn figures_are_readable() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1\u{a0}000", "1\u{a0}234\u{a0}567"]);
    assert_eq!(
        [0, 7, 1_204, 9_999, 10_000, 999_999, 1_250_000].map(latency),
        ["0.00 ms", "0.00 ms", "1.20 ms", "9.99 ms", "10 ms", "999 ms", "1.25 s"]
    );
}

#[test]
fn a_line_has_gaps_where_nothing_is_known() {
    let mut html = Html::new();
    let samples =
        [Sample::Answer(0), Sample::Answer(1_000), Sample::Unknown, Sample::Failure, Sample::Answer(500)];
    spark::small(&mut html, &samples);
    let html = String::from_utf8(html.into_bytes().to_vec()).unwrap();
    assert!(html.contains("aria-label=\"0.00 ms to 1.00 ms, 1 failed\""), "{html}");
    assert!(html.contains("d=\"M111 17L113 2M119 10\""), "{html}");
    assert!(html.contains("class=\"marks\" d=\"M117 18v-6\""), "{html}");
    let mut none = Html::new();
    spark::large(&mut none, &[]);
    let none = String::from_utf8(none.into_bytes().to_vec()).unwrap();
    assert!(none.contains("no answers") && !none.contains("<path"), "{none}");
}
