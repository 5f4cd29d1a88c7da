//! The checks of keepalived as those of Holdfast.
//!
//! Owns which blocks are checks, the schedule that they share, and how several checks of one real server are written. The keys of each
//! kind are in `kinds`. The differences are told: here silence fails a UDP check where a reply is asked for, and a check that could
//! not be run ejects nobody.

use std::fmt::Write as _;

use super::super::draft::{Imported, quoted};
use super::kinds;
use super::words::Statement;
use super::{duration, note};

/// The blocks that are checks.
pub(super) const KINDS: &[&str] = &[
    "TCP_CHECK",
    "UDP_CHECK",
    "DNS_CHECK",
    "MISC_CHECK",
    "HTTP_GET",
    "SSL_GET",
    "SMTP_CHECK",
    "PING_CHECK",
    "FILE_CHECK",
    "BFD_CHECK",
];

/// The most checks of one real server.
const MOST: usize = agent_api::config::CHECKS_MAX;

/// What checks take over, as far as it was said: on the virtual server, the real server or the check.
#[derive(Debug, Clone, Default)]
pub(super) struct Rhythm {
    pub(super) delay_loop: Option<String>,
    connect_timeout: Option<String>,
    retry: Option<u32>,
    delay_before_retry: Option<String>,
    alpha: bool,
    pub(super) virtualhost: Option<String>,
}

impl Rhythm {
    /// Takes one of the keywords that are about it; tells of those that change nothing here.
    pub(super) fn take(&mut self, out: &mut Imported, statement: &Statement, keyword: &str) -> bool {
        let value = statement.word(1);
        match keyword {
            "delay_loop" => self.delay_loop = duration(value),
            "connect_timeout" => self.connect_timeout = duration(value),
            "retry" | "nb_get_retry" => self.retry = value.parse().ok(),
            "delay_before_retry" => self.delay_before_retry = duration(value),
            "alpha" => self.alpha = super::is_on(statement),
            "virtualhost" => self.virtualhost = Some(value.to_owned()),
            "warmup" | "log_all_failures" => {}
            _ => return false,
        }
        let number = matches!(
            keyword,
            "delay_loop" | "connect_timeout" | "retry" | "nb_get_retry" | "delay_before_retry"
        );
        if number && duration(value).is_none() {
            note(out, statement, &format!("{keyword} {value} is no number; left out"));
        }
        true
    }

    /// The keys, with what keepalived would take where nothing is said.
    pub(super) fn keys(&self, kind: &str, timeout: Option<&str>) -> String {
        let retry = self.retry.unwrap_or(match kind {
            "DNS_CHECK" => 3,
            "MISC_CHECK" | "FILE_CHECK" => 0,
            _ => 1,
        });
        // A file is watched there and read at every probe here.
        let usual = if kind == "FILE_CHECK" { "2s" } else { "60s" };
        let interval = self.delay_loop.as_deref().unwrap_or(usual);
        let timeout = timeout.or(self.connect_timeout.as_deref()).unwrap_or("5s");
        let mut keys = String::new();
        // An interval is never shorter than the timeout here.
        let (interval_ms, timeout_ms) = (milliseconds(interval), milliseconds(timeout));
        let interval = if interval_ms < timeout_ms { timeout } else { interval };
        let _ = write!(
            keys,
            "interval = \"{interval}\"\ntimeout = \"{timeout}\"\nrise = 1\nfall = {}\n",
            retry + 1
        );
        if let Some(pause) = &self.delay_before_retry
            && milliseconds(pause) < milliseconds(interval)
        {
            // Counted from the beginning of a probe here, but not before its end.
            let pause = if milliseconds(pause) < 10 { "10ms" } else { pause };
            let _ = writeln!(keys, "fast_interval = \"{pause}\"");
        }
        keys.push_str(if self.alpha { "initial = \"down\"\n" } else { "initial = \"up\"\n" });
        keys
    }
}

fn milliseconds(duration: &str) -> u64 {
    let (number, scale) = match duration.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (duration.trim_end_matches('s'), 1_000),
    };
    number.parse::<u64>().unwrap_or(0).saturating_mul(scale)
}

/// A check as it is written here.
#[derive(Debug)]
pub(super) struct Written {
    /// Its kind, as in `check.dns`.
    pub(super) word: &'static str,
    pub(super) keys: String,
    /// The keys of each of its addresses.
    pub(super) urls: Vec<String>,
    /// What it says of its packets, with keys of the real server.
    pub(super) marks: Vec<(&'static str, String)>,
}

/// Where probes come from, and what marks them: a key of the real server here, for all of its checks.
fn marks(out: &mut Imported, server: &Statement, written: &[Written]) -> String {
    let mut text = String::new();
    // Programs and files send no packets.
    let sending = || written.iter().filter(|one| !matches!(one.word, "exec" | "file"));
    for key in ["probe_source", "probe_interface", "probe_mark"] {
        let of = |one: &Written| {
            one.marks.iter().rev().find(|(own, _)| *own == key).map(|(_, value)| value.clone())
        };
        let Some(first) = sending().find_map(of) else { continue };
        if sending().all(|one| of(one).as_ref() == Some(&first)) {
            let _ = writeln!(text, "{key} = {first}");
        } else {
            note(
                out,
                server,
                &format!(
                    "bindto, bind_if or fwmark differ between its checks: {key} is one for all of them here; left out"
                ),
            );
        }
    }
    text
}

/// The checks of a real server, as its own tables. One that has none here gets one that always passes, which is told.
pub(super) fn checks(
    out: &mut Imported,
    server: &Statement,
    checks: &[&Statement],
    rhythm: &Rhythm,
    port: &str,
    all: &[Statement],
) -> String {
    let mut written: Vec<Written> = Vec::new();
    for check in checks {
        if written.len() >= MOST {
            note(out, check, &format!("more than {MOST} checks of one real server; left out"));
            continue;
        }
        written.extend(kinds::one(out, check, rhythm, port, all));
    }
    if written.is_empty() {
        note(
            out,
            server,
            "no check is carried over: the real server always counts as up, as without a check; write one that asks a question",
        );
        let keys = "command = [\"/bin/true\"]\ninitial = \"up\"\n".to_owned();
        written.push(Written { word: "exec", keys, urls: Vec::new(), marks: Vec::new() });
    }
    let mut text = marks(out, server, &written);
    for (index, Written { word, keys, urls, .. }) in written.iter().enumerate() {
        let before = written.iter().take(index).filter(|one| one.word == *word).count();
        let table = format!("virtual_server.real_server.check.{word}");
        if written.iter().filter(|one| one.word == *word).count() == 1 {
            let _ = writeln!(text, "[{table}]");
        } else {
            let _ = writeln!(text, "[[{table}]]");
            if before > 0 {
                let _ = writeln!(text, "name = {}", quoted(&format!("{word}-{}", before + 1)));
            }
        }
        text.push_str(keys);
        for url in urls {
            let _ = write!(text, "[[{table}.url]]\n{url}");
        }
    }
    text
}
