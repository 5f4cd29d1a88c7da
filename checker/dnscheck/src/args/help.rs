//! What `--help` says.
//!
//! Owns its form: one line per option where it fits into 80 columns, two where it does not, then five examples.

use std::fmt::Write as _;

use super::options::{GROUPS, Opt, Takes};

/// Columns of a terminal.
const COLUMNS: usize = 80;

/// What the program does.
pub(crate) const ABOUT: &str = "Asks name servers and says whether they answer as they should";

/// What comes behind the options.
pub(crate) const AFTER: &str = "\
Examples:
  dnscheck --server 10.1.53.2 --qname resolve.test --expect-answer 192.0.2.80
  dnscheck --server 10.1.53.2 --qname {rand}.lab.test --expect-rcode NXDOMAIN
  dnscheck --server 10.1.53.2 --qname lab.test --primary 10.1.53.1 --grace 30s
  dnscheck --server 10.1.53.2 --qname lab.test --format plugin --warn 50ms
  dnscheck --server fe80::1%lo --qname id.server --qtype TXT --qclass CH --tcp

Exit status: 0 when up or degraded; 1 when down, when it could not be probed,
and on a wrong command line. --weight and --format plugin have their own.";

/// The whole text.
pub(crate) fn help() -> String {
    let mut text = format!(
        "{ABOUT}\n\nUsage: dnscheck --server <ADDRESS> --qname <NAME> [OPTIONS]\n\n\
         \x20 -h, --help     This text\n  -V, --version  The version\n"
    );
    for group in &GROUPS {
        let _ = writeln!(text, "\n{}:", group.title);
        let shown: Vec<String> = group.options.iter().map(shown).collect();
        let widest = shown.iter().map(|option| option.chars().count()).max().unwrap_or(0);
        let longest = group.options.iter().map(|option| option.help.chars().count()).max().unwrap_or(0);
        // As far to the right as the longest help allows.
        let column = widest.min(COLUMNS.saturating_sub(longest + 2));
        for (option, shown) in group.options.iter().zip(shown) {
            if shown.chars().count() > column {
                let _ = writeln!(text, "{shown}\n{:column$}  {}", "", option.help);
            } else {
                let _ = writeln!(text, "{shown:column$}  {}", option.help);
            }
        }
    }
    let _ = writeln!(text, "\n{AFTER}");
    text
}

/// An option with what follows it.
fn shown(option: &Opt) -> String {
    let short = option.short.map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
    let value = match option.takes {
        Takes::Nothing(_) => String::new(),
        Takes::Value { name, or: Some(_), .. } => format!("[=<{name}>]"),
        Takes::Value { name, .. } | Takes::File { name, .. } => format!(" <{name}>"),
    };
    format!("  {short}--{}{value}", option.long)
}
