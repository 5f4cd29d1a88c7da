//! Any text gives a configuration or mistakes, never a panic, and both keep their promises.

use proptest::prelude::*;

use super::{EXAMPLE, pool, read, source};
use crate::config::{Config, Mistakes, parse};

/// Pieces that mean something to the parser or to us.
const PIECES: [&str; 40] = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    "\"",
    "'",
    "\"\"\"",
    "\n",
    "\r\n",
    "\r",
    "#",
    ".",
    "\\",
    "\\u0000",
    "-",
    "0x",
    "1e400",
    "9999999999999999999999",
    "1979-05-27T07:32:00Z",
    "nan",
    "true",
    "\u{feff}",
    "é",
    "\u{0}",
    "name",
    "[lvs]\n",
    "[[virtual_server]]\n",
    "[virtual_server.check.dns]\n",
    "[[virtual_server.real_server]]\n",
    "virtual_server",
    "real_server = [{}]\n",
    "check.dns.qname = \"a\"\n",
    "services = [\"udp/53\"]\n",
    "\"2s\"",
    "include = []\n",
    "a.b.c.d.e.f = 1\n",
];

#[derive(Debug, Clone)]
enum Edit {
    Remove(prop::sample::Index, usize),
    Insert(prop::sample::Index, &'static str),
    Repeat(prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 1_usize..30).prop_map(|(at, len)| Edit::Remove(at, len)),
        (at(), prop::sample::select(PIECES.as_slice())).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (at(), 1_usize..300).prop_map(|(at, len)| Edit::Repeat(at, len)),
        at().prop_map(Edit::Cut),
    ]
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for edit in edits {
        let length = chars.len() + 1;
        match edit {
            Edit::Remove(at, count) => {
                let from = at.index(length);
                chars.drain(from..(from + count).min(chars.len()).max(from));
            }
            Edit::Insert(at, piece) => {
                let at = at.index(length);
                chars.splice(at..at, piece.chars());
            }
            Edit::Repeat(at, count) => {
                let from = at.index(length);
                let copy = chars[from..(from + count).min(chars.len()).max(from)].to_vec();
                chars.splice(from..from, copy);
            }
            // Seldom anything is left of the end when this comes often, so only the last tenth is at stake.
            Edit::Cut(at) => chars.truncate(length - 1 - at.index(length) / 10),
        }
    }
    chars.into_iter().collect()
}

/// What holds for whatever comes out.
fn holds(text: &str, result: &Result<Config, Mistakes>) {
    match result {
        Ok(config) => {
            assert!(!config.virtual_servers.is_empty());
            let mut names = std::collections::BTreeSet::new();
            let mut services = std::collections::BTreeSet::new();
            for pool in &config.virtual_servers {
                assert!(names.insert(pool.name.clone()));
                assert!(pool.service_addresses().next().is_some() && !pool.real_servers.is_empty());
                assert!(pool.service_addresses().all(|address| services.insert(address)));
                assert!((1..=pool.real_servers.len()).contains(&(pool.quorum as usize)));
                assert!(pool.min_serving_of(pool.real_servers.len()) <= pool.real_servers.len());
                for server in &pool.real_servers {
                    assert!(
                        server.checks[0].dns().unwrap().timeout.get() <= server.checks[0].rhythm.interval
                    );
                    assert_eq!(server.checks[0].target.port(), server.checks[0].dns().unwrap().port);
                    assert!(
                        server.checks[0]
                            .source
                            .is_none_or(|source| source.is_ipv4() == server.address.is_ipv4())
                    );
                }
            }
        }
        Err(Mistakes(mistakes)) => {
            assert!(!mistakes.is_empty());
            assert!(mistakes.is_sorted_by_key(|mistake| (mistake.line, mistake.column)));
            for mistake in mistakes {
                let line = text.split('\n').nth(mistake.line - 1).expect("the line is there");
                assert!((1..=line.chars().count() + 1).contains(&mistake.column), "{mistake}");
                assert!(
                    !mistake.message.is_empty() && !mistake.message.contains(char::is_control),
                    "{mistake:?}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn arbitrary_text(text in "(?s).{0,400}") {
        holds(&text, &read(&text));
    }

    #[test]
    fn arbitrary_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES.as_slice()), 0..40)) {
        let text = pieces.concat();
        holds(&text, &read(&text));
    }

    #[test]
    fn a_small_file_edited(edits in prop::collection::vec(edit(), 1..6)) {
        let text = edited(&pool("", "fall = 3", "weight = 5"), &edits);
        holds(&text, &read(&text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_example_edited(edits in prop::collection::vec(edit(), 1..8)) {
        let text = edited(EXAMPLE, &edits);
        holds(&text, &read(&text));
    }

    #[test]
    fn several_files(edits in prop::collection::vec(edit(), 1..4)) {
        let first = pool("", "", "");
        let second = edited(&first, &edits);
        let _ = parse(&[source("a", &first), source("b", &second), source("c", &first)]);
    }
}

#[test]
fn deep_nesting_is_refused() {
    for text in
        ["[".repeat(50_000), format!("a = {}", "[".repeat(50_000)), format!("a = {}", "{b=".repeat(50_000))]
    {
        assert!(read(&text).is_err());
    }
    let dotted = format!("{} = 1\n", vec!["a"; 50_000].join("."));
    assert!(read(&dotted).is_err());
}

#[test]
fn of_very_many_mistakes_the_first_are_said() {
    let server = "[[virtual_server.real_server]]\nname = \"dns1\"\naddress = \"10.0.0.1\"\nweigth = x\n";
    let text = pool("", "", "") + &server.repeat(5_000);
    let Mistakes(mistakes) = read(&text).unwrap_err();
    assert_eq!(mistakes.len(), 1_001);
    let last = mistakes.last().map(|mistake| mistake.message.as_str());
    assert_eq!(last, Some("and 19000 more mistakes; mend those above first"));
}

#[test]
fn columns_are_right_in_a_line_without_end() {
    let filler = "\"grüße €\", ".repeat(2_000);
    let text = format!("include = [{filler}7, {filler}8]\n");
    let first = "include = [".chars().count() + filler.chars().count() + 1;
    let columns: Vec<usize> = read(&text)
        .unwrap_err()
        .0
        .iter()
        .filter(|mistake| mistake.message.starts_with("include holds"))
        .map(|mistake| mistake.column)
        .collect();
    assert_eq!(columns, [first, first + "7, ".len() + filler.chars().count()]);
}
