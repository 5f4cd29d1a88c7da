//! The checks of keepalived as those of Holdfast.
//!
//! Owns the translation of one check with its schedule. The differences are told: here silence fails a UDP check where a reply is
//! asked for, and a check that could not be run ejects nobody.

use std::fmt::Write as _;

use super::super::draft::{Imported, list, quoted};
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

/// When a check runs, as far as it was said: on the virtual server, the real server or the check.
#[derive(Debug, Clone, Default)]
pub(super) struct Rhythm {
    delay_loop: Option<String>,
    connect_timeout: Option<String>,
    retry: Option<u32>,
    delay_before_retry: Option<String>,
    alpha: bool,
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
            "warmup" => {}
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
    fn keys(&self, kind: &str, timeout: Option<&str>) -> String {
        let retry = self.retry.unwrap_or(match kind {
            "DNS_CHECK" => 3,
            "MISC_CHECK" => 0,
            _ => 1,
        });
        let interval = self.delay_loop.as_deref().unwrap_or("60s");
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
            && (timeout_ms..milliseconds(interval)).contains(&milliseconds(pause))
        {
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

/// The check of a real server, as its own table. One that has none here gets one that always passes, which is told.
pub(super) fn checks(
    out: &mut Imported,
    server: &Statement,
    checks: &[&Statement],
    rhythm: &Rhythm,
    port: &str,
) -> String {
    let mut written = String::new();
    for check in checks {
        let Some(text) = one(out, check, rhythm, port) else { continue };
        if written.is_empty() {
            written = text;
        } else {
            note(out, check, "a second check of one real server; only the first is carried over");
        }
    }
    if written.is_empty() {
        note(
            out,
            server,
            "no check is carried over: the real server always counts as up, as without a check; write one that asks a question",
        );
        written = "[virtual_server.real_server.check.exec]\ncommand = [\"/bin/true\"]\ninitial = \"up\"\n"
            .to_owned();
    }
    written
}

fn one(out: &mut Imported, check: &Statement, rhythm: &Rhythm, default_port: &str) -> Option<String> {
    let kind = check.keyword();
    if !matches!(kind, "TCP_CHECK" | "UDP_CHECK" | "DNS_CHECK" | "MISC_CHECK") {
        note(out, check, &format!("{kind} is not carried over; see docs/checks.md for what there is"));
        return None;
    }
    let mut rhythm = rhythm.clone();
    let mut keys = String::new();
    let mut port = default_port.to_owned();
    let (mut name, mut qtype) = (".", "SOA");
    let (mut payload, mut reply) = (None, false);
    let (mut command, mut timeout, mut weights) = (None, None, false);
    for statement in &check.body {
        let value = statement.word(1);
        match (kind, statement.keyword()) {
            (_, "connect_port") => port = value.to_owned(),
            (_, "bindto") => {
                note(out, statement, &format!("bindto: write probe_source = \"{value}\" in the real server"))
            }
            ("DNS_CHECK", "type") => qtype = value,
            ("DNS_CHECK", "name") => name = value,
            ("UDP_CHECK", "payload") => {
                payload = text_of_hex(value);
                if payload.is_none() {
                    note(out, statement, "payload is no text, and only a text can be sent; write `send`");
                }
            }
            ("UDP_CHECK", "require_reply") => {
                reply = true;
                if !value.is_empty() {
                    note(
                        out,
                        statement,
                        "require_reply with a pattern: any reply passes here; write `expect` for a text that must be in it",
                    );
                }
            }
            ("MISC_CHECK", "misc_path") => command = Some(words_of(statement)),
            ("MISC_CHECK", "misc_timeout") => timeout = duration(value),
            ("MISC_CHECK", "misc_dynamic") => weights = super::is_on(statement),
            (_, keyword) if rhythm.take(out, statement, keyword) => {}
            (_, keyword) => {
                note(out, statement, &format!("{keyword} in {kind} has no counterpart; left out"))
            }
        }
    }
    let header = |word: &str| format!("[virtual_server.real_server.check.{word}]\n");
    let port_key = if port.is_empty() || port == "0" { String::new() } else { format!("port = {port}\n") };
    match kind {
        "TCP_CHECK" => Some(format!("{}{port_key}{}", header("tcp"), rhythm.keys(kind, None))),
        "DNS_CHECK" => {
            let _ = write!(
                keys,
                "qname = {}\nqtype = {}\ntransport = \"udp\"\ntries = 1\n",
                quoted(name),
                quoted(qtype)
            );
            Some(format!("{}{keys}{port_key}{}", header("dns"), rhythm.keys(kind, None)))
        }
        "UDP_CHECK" => {
            // The text that keepalived sends by itself says nothing either.
            let payload = payload.unwrap_or_else(|| "holdfast".to_owned());
            let _ = writeln!(keys, "send = {}", quoted(&payload));
            if !reply {
                keys.push_str("silence_passes = true\n");
                note(
                    out,
                    check,
                    "UDP_CHECK without require_reply: silence passes, so a host that is off counts as up; write `expect`",
                );
            }
            Some(format!("{}{keys}{port_key}{}", header("udp"), rhythm.keys(kind, None)))
        }
        "MISC_CHECK" => {
            let Some(command) =
                command.filter(|words| words.first().is_some_and(|word| word.starts_with('/')))
            else {
                note(out, check, "MISC_CHECK without an absolute misc_path; left out");
                return None;
            };
            if command.iter().any(|word| word.contains(['>', '|', '$', ';'])) {
                note(out, check, "misc_path has signs of a shell, and no shell runs it; write a script");
            }
            let _ = writeln!(keys, "command = {}", list(&command));
            if weights {
                keys.push_str("exit_codes = \"weight\"\n");
            }
            let timeout = timeout.or_else(|| rhythm.delay_loop.clone()).unwrap_or_else(|| "60s".to_owned());
            Some(format!("{}{keys}{}", header("exec"), rhythm.keys(kind, Some(&timeout))))
        }
        _ => None,
    }
}

/// The words of a command: a quoted string is split on blanks, as keepalived does.
fn words_of(statement: &Statement) -> Vec<String> {
    statement.words.iter().skip(1).flat_map(|word| word.split_whitespace()).map(str::to_owned).collect()
}

/// Bytes in hex as a text, where they are one.
fn text_of_hex(hex: &str) -> Option<String> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let bytes = digits
        .chunks_exact(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()));
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
}
