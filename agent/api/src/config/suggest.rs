//! "Did you mean": the known word nearest to a mistyped one.
//!
//! Owns what counts as near: few edits for the word's length, letter case ignored, two swapped neighbours are one
//! edit. It never proposes a word that shares little with what was written.

/// Longer words are not compared: nothing that we name is that long, and the cost is quadratic.
const LONGEST: usize = 64;

/// The candidate that is nearest to `word`, if one is near enough to be what was meant.
///
/// Of equally near ones the first wins. A word of one or two letters has no near ones, except by letter case.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = folded(word)?;
    let allowed = (word.len() / 3).clamp(usize::from(word.len() > 2), 3);
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        let Some(letters) = folded(candidate) else { continue };
        if letters.len().abs_diff(word.len()) > allowed {
            continue;
        }
        let edits = distance(&word, &letters);
        if edits <= allowed && best.is_none_or(|(fewest, _)| edits < fewest) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The word in lower case, with `-` and blanks as `_`; `None` for one that is too long.
fn folded(word: &str) -> Option<Vec<char>> {
    let letters: Vec<char> = word
        .chars()
        .take(LONGEST + 1)
        .map(|c| if matches!(c, '-' | ' ') { '_' } else { c.to_ascii_lowercase() })
        .collect();
    (letters.len() <= LONGEST).then_some(letters)
}

/// Edits from `a` to `b`: insert, delete, replace, swap neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i + 1);
        for (j, &y) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut edits =
                (cell(&last, j) + usize::from(x != y)).min(cell(&last, j + 1) + 1).min(cell(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if swapped {
                edits = edits.min(cell(&before, j - 1) + 1);
            }
            row.push(edits);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    const KEYS: [&str; 6] = ["name", "address", "scheduler", "scheduler_flags", "quorum", "min_serving"];

    #[test]
    fn near_words_are_found() {
        for (word, meant) in [
            ("schedular", "scheduler"),
            ("sheduler", "scheduler"),
            ("adress", "address"),
            ("nmae", "name"),
            ("Name", "name"),
            ("min-serving", "min_serving"),
            ("scheduler_flag", "scheduler_flags"),
            ("quorun", "quorum"),
        ] {
            assert_eq!(nearest(word, KEYS), Some(meant), "{word}");
        }
    }

    #[test]
    fn far_words_are_not() {
        for word in ["", "n", "port", "virtual_router", "sked", &"a".repeat(10_000)] {
            assert_eq!(nearest(word, KEYS), None, "{word}");
        }
        assert_eq!(nearest("rr", ["wrr", "lc"]), None, "two letters are too few to guess from");
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn distance_is_a_distance() {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        for (a, b, edits) in
            [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("ab", "ba", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(&letters(a), &letters(b)), edits, "{a} {b}");
            assert_eq!(distance(&letters(b), &letters(a)), edits, "{b} {a}");
        }
    }
}
