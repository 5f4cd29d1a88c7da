//! Each kind of keepalived's checks with its own keys.
//!
//! Owns what every keyword inside such a block becomes. Those without a counterpart are told.

use std::fmt::Write as _;

use super::super::draft::{Imported, list, quoted};
use super::checks::{Rhythm, Written};
use super::words::Statement;
use super::{duration, get, is_on, note};

/// What the block `check` becomes. `all` are the statements of the file.
pub(super) fn one(
    out: &mut Imported,
    check: &Statement,
    rhythm: &Rhythm,
    default_port: &str,
    all: &[Statement],
) -> Option<Written> {
    let kind = check.keyword();
    let mut common = Common {
        rhythm: rhythm.clone(),
        port: default_port.to_owned(),
        address: String::new(),
        source_port: String::new(),
        marks: Vec::new(),
    };
    match kind {
        "TCP_CHECK" => {
            common.rest(out, check);
            Some(common.written(kind, "tcp", String::new()))
        }
        "PING_CHECK" => {
            common.rest(out, check);
            common.port = String::new();
            Some(common.written(kind, "ping", String::new()))
        }
        "DNS_CHECK" => Some(dns(out, check, common)),
        "UDP_CHECK" => Some(udp(out, check, common)),
        "SMTP_CHECK" => Some(smtp(out, check, common)),
        "HTTP_GET" | "SSL_GET" => Some(get::get(out, check, common, all)),
        "FILE_CHECK" => file(out, check, common, all),
        "MISC_CHECK" => misc(out, check, common),
        _ => {
            note(out, check, &format!("{kind} has no counterpart; see docs/checks.md for what there is"));
            None
        }
    }
}

/// What every check has.
pub(super) struct Common {
    pub(super) rhythm: Rhythm,
    port: String,
    address: String,
    source_port: String,
    /// What is a key of the real server here.
    marks: Vec<(&'static str, String)>,
}

impl Common {
    /// Takes a keyword that every check has, or tells that there is no counterpart.
    pub(super) fn take(&mut self, out: &mut Imported, check: &Statement, statement: &Statement) {
        let (kind, value) = (check.keyword(), statement.word(1));
        match statement.keyword() {
            "connect_port" => self.port = value.to_owned(),
            "connect_ip" => self.address = value.to_owned(),
            "bindto" => self.marks.push(("probe_source", quoted(value))),
            "bind_if" => self.marks.push(("probe_interface", quoted(value))),
            "fwmark" => self.marks.push(("probe_mark", value.to_owned())),
            "bind_port" if matches!(check.keyword(), "DNS_CHECK" | "PING_CHECK") => note(
                out,
                statement,
                &format!(
                    "bind_port: each probe of a {} comes from a fresh port here; left out",
                    check.keyword()
                ),
            ),
            "bind_port" if value.parse::<u16>().is_ok_and(|port| port >= 1_024) => {
                value.clone_into(&mut self.source_port)
            }
            "bind_port" => note(
                out,
                statement,
                "bind_port below 1024 takes a privilege that checkd does not have; left out",
            ),
            keyword if self.rhythm.take(out, statement, keyword) => {}
            keyword => note(out, statement, &format!("{keyword} in {kind} has no counterpart; left out")),
        }
    }

    fn rest(&mut self, out: &mut Imported, check: &Statement) {
        for statement in &check.body {
            self.take(out, check, statement);
        }
    }

    /// The check with these keys of its own.
    pub(super) fn written(&self, kind: &str, word: &'static str, mut keys: String) -> Written {
        if !self.port.is_empty() && self.port != "0" {
            let _ = writeln!(keys, "port = {}", self.port);
        }
        if !self.address.is_empty() {
            let _ = writeln!(keys, "address = {}", quoted(&self.address));
        }
        if !self.source_port.is_empty() {
            let _ = writeln!(keys, "source_port = {}", self.source_port);
        }
        keys.push_str(&self.rhythm.keys(kind, None));
        Written { word, keys, urls: Vec::new(), marks: self.marks.clone() }
    }
}

fn dns(out: &mut Imported, check: &Statement, mut common: Common) -> Written {
    let (mut name, mut qtype) = (".", "SOA");
    for statement in &check.body {
        match statement.keyword() {
            "type" => qtype = statement.word(1),
            "name" => name = statement.word(1),
            _ => common.take(out, check, statement),
        }
    }
    let keys = format!(
        "qname = {}\nqtype = {}\ntransport = \"udp\"\ntries = 1\nexpect_empty = \"passes\"\n",
        quoted(name),
        quoted(qtype)
    );
    common.written(check.keyword(), "dns", keys)
}

fn udp(out: &mut Imported, check: &Statement, mut common: Common) -> Written {
    let (mut payload, mut reply, mut lengths) = (None, None, (None, None));
    for statement in &check.body {
        let hex = || octets(statement.words.get(1..).unwrap_or_default());
        match statement.keyword() {
            "payload" => payload = hex().or_else(|| told_of_hex(out, statement)),
            "require_reply" => {
                reply = Some(match statement.word(1) {
                    "" => String::new(),
                    _ => hex().or_else(|| told_of_hex(out, statement)).unwrap_or_default(),
                });
            }
            "min_reply_length" => lengths.0 = statement.word(1).parse::<u16>().ok(),
            "max_reply_length" => lengths.1 = statement.word(1).parse::<u16>().ok(),
            _ => common.take(out, check, statement),
        }
    }
    // The text that keepalived sends by itself says nothing either.
    let mut keys = match payload {
        None => "send = \"holdfast\"\n".to_owned(),
        Some(hex) => match text_of_hex(&hex) {
            Some(text) => format!("send = {}\n", quoted(&text)),
            None => format!("send_hex = \"{hex}\"\n"),
        },
    };
    match reply.as_deref() {
        None => {
            keys.push_str("silence_passes = true\n");
            note(
                out,
                check,
                "UDP_CHECK without require_reply: silence passes, so a host that is off counts as up; write `expect`",
            );
        }
        Some(pattern) => {
            if !pattern.is_empty() {
                let _ = write!(keys, "expect_hex = \"{pattern}\"\nexpect_at = \"start\"\n");
            }
            // 255 is what keepalived takes where only the other one is said.
            if lengths != (None, None) {
                let (min, max) = (lengths.0.unwrap_or(0), lengths.1.unwrap_or(255));
                let _ = writeln!(keys, "reply_length = \"{min}..{max}\"");
            }
        }
    }
    common.written(check.keyword(), "udp", keys)
}

fn smtp(out: &mut Imported, check: &Statement, mut common: Common) -> Written {
    let (mut keys, mut hosts) = (String::new(), 0);
    for statement in &check.body {
        match statement.keyword() {
            "helo_name" => {
                let _ = writeln!(keys, "hello = {}", quoted(statement.word(1)));
            }
            // The old way of saying where it goes.
            "host" => {
                hosts += 1;
                if hosts > 1 {
                    note(
                        out,
                        statement,
                        "a second host in SMTP_CHECK: write a check.smtp of its own for it; left out",
                    );
                    continue;
                }
                for inner in &statement.body {
                    common.take(out, check, inner);
                }
            }
            _ => common.take(out, check, statement),
        }
    }
    common.written(check.keyword(), "smtp", keys)
}

/// A file is named in a block of its own, with a weight that the check may override. Weight 0 makes every value but 0 a failure.
fn file(out: &mut Imported, check: &Statement, mut common: Common, all: &[Statement]) -> Option<Written> {
    let (mut name, mut own) = ("", None);
    for statement in &check.body {
        match statement.keyword() {
            "track_file" => name = statement.word(1),
            "weight" => own = factor(statement),
            _ => common.take(out, check, statement),
        }
    }
    let is_it = |one: &&Statement| {
        matches!(one.keyword(), "track_file" | "vrrp_track_file")
            && one.word(1) == name
            && !one.body.is_empty()
    };
    let Some(block) = all.iter().find(is_it) else {
        note(out, check, &format!("there is no track_file {name}; the check is left out"));
        return None;
    };
    let of = |keyword: &str| block.body.iter().find(|one| one.keyword() == keyword);
    let Some(path) = of("file").map(|one| one.word(1)).filter(|path| path.starts_with('/')) else {
        note(out, block, "track_file without the absolute path of a file; the check is left out");
        return None;
    };
    if let Some(statement) = of("init_file") {
        note(out, statement, "init_file: no file is written here; one that is not there counts as up");
    }
    let factor = own.or_else(|| of("weight").and_then(factor)).unwrap_or(1);
    let mut keys = format!("path = {}\nmissing = \"up\"\n", quoted(path));
    match factor {
        0 => keys.push_str("numbers = \"failure\"\n"),
        factor => {
            let _ = write!(keys, "numbers = \"added\"\nfactor = {factor}\n");
        }
    }
    common.port = String::new();
    Some(common.written(check.keyword(), "file", keys))
}

/// `weight 5 reverse`.
fn factor(statement: &Statement) -> Option<i32> {
    let weight: i32 = statement.word(1).parse().ok()?;
    let weight = weight.clamp(-65_535, 65_535);
    Some(if statement.word(2) == "reverse" { -weight } else { weight })
}

fn misc(out: &mut Imported, check: &Statement, mut common: Common) -> Option<Written> {
    let (mut command, mut timeout) = (None, None);
    let mut keys = String::new();
    for statement in &check.body {
        match statement.keyword() {
            "misc_path" => command = Some(words_of(statement)),
            "misc_timeout" => timeout = duration(statement.word(1)),
            "misc_dynamic" if is_on(statement) => keys.push_str("exit_codes = \"weight\"\n"),
            "misc_dynamic" => {}
            "user" => note(
                out,
                statement,
                &format!(
                    "user {0}: checkd may not run programs as others by itself; write user = \"{0}\" and see docs/checks.md",
                    statement.word(1)
                ),
            ),
            _ => common.take(out, check, statement),
        }
    }
    let Some(command) = command.filter(|words| words.first().is_some_and(|word| word.starts_with('/')))
    else {
        note(out, check, "MISC_CHECK without an absolute misc_path; left out");
        return None;
    };
    if command.iter().any(|word| word.contains(['>', '|', '$', ';'])) {
        note(out, check, "misc_path has signs of a shell, and no shell runs it; write a script");
    }
    let timeout = timeout.or_else(|| common.rhythm.delay_loop.clone()).unwrap_or_else(|| "60s".to_owned());
    let rhythm = common.rhythm.keys(check.keyword(), Some(&timeout));
    Some(Written {
        word: "exec",
        keys: format!("command = {}\n{keys}{rhythm}", list(&command)),
        urls: Vec::new(),
        marks: Vec::new(),
    })
}

/// The words of a command. Of a quoted string with all of it, as of words without quotes, `'` keeps blanks together; a word that was
/// quoted beside others is one.
fn words_of(statement: &Statement) -> Vec<String> {
    let words = statement.words.get(1..).unwrap_or_default();
    let (mut all, mut quoted) = (Vec::new(), false);
    for piece in words.iter().flat_map(|word| match words.len() > 1 && word.contains(char::is_whitespace) {
        true => vec![word.as_str()],
        false => word.split_whitespace().collect(),
    }) {
        let text = piece.replace('\'', "");
        match all.last_mut() {
            Some(last) if quoted => *last = format!("{last} {text}"),
            _ => all.push(text),
        }
        quoted ^= piece.matches('\'').count() % 2 == 1;
    }
    all
}

/// Octets in keepalived's free form as two digits each: a lone digit is an octet, too, and `x` stands for any digit.
fn octets(words: &[String]) -> Option<String> {
    let mut octets: Vec<String> = Vec::new();
    for word in words.iter().flat_map(|word| word.split_whitespace()) {
        let digits: Vec<char> = word.chars().map(|digit| digit.to_ascii_lowercase()).collect();
        if !digits.iter().all(|digit| digit.is_ascii_hexdigit() || *digit == 'x') {
            return None;
        }
        octets.extend(digits.chunks(2).map(|pair| match pair {
            [lone] => format!("0{lone}"),
            pair => pair.iter().collect(),
        }));
    }
    Some(octets.join(" "))
}

fn told_of_hex(out: &mut Imported, statement: &Statement) -> Option<String> {
    note(out, statement, &format!("{} is no octets in hex; left out", statement.keyword()));
    None
}

/// Octets in hex as a text that can be read, where they are one.
fn text_of_hex(hex: &str) -> Option<String> {
    let octets = hex.parse::<checker_core::talk::Octets>().ok()?;
    let text = std::str::from_utf8(octets.plain()?).ok()?;
    text.chars().all(|c| !c.is_control() || c == '\r' || c == '\n').then(|| text.to_owned())
}
