//! A configuration in the making.
//!
//! Owns the form of what is written, and the proof that it has no mistakes: each virtual server and router is read as
//! `holdfast check-config` would before it is taken. One that has a mistake is left out, and the mistake told.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use agent_api::config::{Mistakes, Source, parse};

/// What came of an import.
#[derive(Debug, Default)]
pub struct Imported {
    /// What was not carried over or means something else, each `FILE:LINE: text`.
    pub remarks: Vec<String>,
    top: String,
    tables: Vec<String>,
    /// Names that are taken.
    names: BTreeSet<String>,
}

/// A virtual server that stands for a moment, so that a file of virtual routers alone can be read.
const STAND_IN: &str = "[[virtual_server]]\nname = \"stand-in\"\naddress = \"192.0.2.255\"\nservices = [\"tcp/9\"]\n\
     [virtual_server.check.tcp]\n[[virtual_server.real_server]]\nname = \"a\"\naddress = \"192.0.2.254\"\n";

impl Imported {
    /// The configuration; none where there is nothing in it.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        (!self.tables.is_empty()).then(|| {
            let top = if self.top.is_empty() { String::new() } else { format!("{}\n", self.top) };
            top + &self.tables.join("\n")
        })
    }

    pub(super) fn remark(&mut self, file: &str, line: usize, text: impl AsRef<str>) {
        self.remarks.push(format!("{file}:{line}: {}", text.as_ref()));
    }

    /// A name like `wish` that nobody has yet: with what a name may not hold replaced.
    pub(super) fn name(&mut self, wish: &str) -> String {
        name_in(&mut self.names, wish)
    }

    /// Takes a key of the top level.
    pub(super) fn top(&mut self, line: &str) {
        let _ = writeln!(self.top, "{line}");
    }

    /// Takes a virtual server if it has no mistake; else tells the first ones, with the line it came from.
    pub(super) fn table(&mut self, file: &str, line: usize, text: String) {
        let stand_in = if text.starts_with("[[virtual_router]]") { STAND_IN } else { "" };
        // A virtual router may follow virtual servers that are in here.
        let known = if stand_in.is_empty() { String::new() } else { self.tables.join("\n") };
        let source = Source { path: String::new(), text: format!("{known}\n{stand_in}\n{text}") };
        match parse(&[source]) {
            Ok(_) => self.tables.push(text),
            Err(Mistakes(mistakes)) => {
                let words: Vec<&str> = mistakes.iter().map(|mistake| mistake.message.as_str()).collect();
                let more =
                    if words.len() > 3 { format!("; and {} more", words.len() - 3) } else { String::new() };
                let first = words.into_iter().take(3).collect::<Vec<_>>().join("; ");
                self.remark(file, line, format!("left out: {first}{more}"));
            }
        }
    }
}

/// `wish` as a name that is not in `taken`, and is from now on.
pub(super) fn name_in(taken: &mut BTreeSet<String>, wish: &str) -> String {
    let plain: String = wish
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' })
        .take(50)
        .collect();
    let plain = plain.trim_start_matches(['.', '_', '-']);
    let plain = if plain.is_empty() { "imported" } else { plain };
    let mut name = plain.to_owned();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{plain}-{number}");
        number += 1;
    }
    name
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A list of texts as TOML writes it.
pub(super) fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let words: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", words.join(", "))
}
