//! `HTTP_GET` and `SSL_GET` as `check.http` and `check.https`.
//!
//! Owns the keywords of these blocks and of the addresses in them. keepalived requests one address in each round, Holdfast all of them
//! in each probe, so a `fast_recovery` has nothing to make faster.

use std::fmt::Write as _;

use checker_core::http::REQUESTS_MAX;

use super::super::draft::{Imported, list, quoted};
use super::checks::Written;
use super::kinds::Common;
use super::words::Statement;
use super::{is_on, note};

/// What the block becomes. `all` are the statements of the file.
pub(super) fn get(out: &mut Imported, check: &Statement, mut common: Common, all: &[Statement]) -> Written {
    let secured = check.keyword() == "SSL_GET";
    let mut keys = String::new();
    let (mut urls, mut sni, mut sni_name) = (Vec::new(), false, None);
    for statement in &check.body {
        let value = statement.word(1);
        match statement.keyword() {
            "url" => urls.push(url(out, statement)),
            "http_protocol" => {
                // With a C it says that the connection is to be closed, which it always does here.
                let version = value.trim_end_matches(['C', 'K']);
                if matches!(version, "1.0" | "1.1") {
                    let _ = writeln!(keys, "http_version = \"{version}\"");
                } else {
                    note(out, statement, &format!("http_protocol {value} is not known; left out"));
                }
            }
            "enable_sni" => sni = is_on(statement),
            "sni_name" => sni_name = Some(value),
            "fast_recovery" | "tls_compliant" => {}
            _ => common.take(out, check, statement),
        }
    }
    if !keys.contains("http_version") {
        // keepalived's own.
        keys.push_str("http_version = \"1.0\"\n");
    }
    if let Some(host) = &common.rhythm.virtualhost {
        let _ = writeln!(keys, "host = {}", quoted(host));
    }
    if secured {
        keys.push_str("verify = false\n");
        note(
            out,
            check,
            "SSL_GET never looks at the certificate, so verify = false is written; remove it and write tls_name, ca or pin",
        );
        for block in all.iter().filter(|one| one.keyword() == "SSL") {
            identity(out, block, &mut keys);
        }
        if let Some(name) = sni_name.filter(|_| sni) {
            let _ = writeln!(keys, "tls_name = {}", quoted(name));
        }
    }
    let word = if secured { "https" } else { "http" };
    let mut written = common.written(check.keyword(), word, keys);
    if urls.is_empty() {
        note(out, check, &format!("{} without url: `/` is requested", check.keyword()));
    }
    if urls.len() > REQUESTS_MAX {
        note(out, check, &format!("more than {} of url; the others are left out", REQUESTS_MAX));
        urls.truncate(REQUESTS_MAX);
    }
    written.urls = urls;
    written
}

/// The `SSL` block of the file, whose certificate every SSL_GET shows.
fn identity(out: &mut Imported, block: &Statement, keys: &mut String) {
    let of = |keyword: &str| block.body.iter().find(|one| one.keyword() == keyword);
    for statement in &block.body {
        match statement.keyword() {
            "certificate" | "key" => {}
            "ca" => note(
                out,
                statement,
                &format!(
                    "ca is not looked at by SSL_GET: write ca = \"{}\" in place of verify = false",
                    statement.word(1)
                ),
            ),
            "password" => note(
                out,
                statement,
                "a key with a password can't be read here; write one without, readable for holdfast-check",
            ),
            keyword => note(out, statement, &format!("{keyword} in SSL has no counterpart; left out")),
        }
    }
    match (of("certificate"), of("key")) {
        (Some(certificate), Some(key)) => {
            let (certificate, key) = (quoted(certificate.word(1)), quoted(key.word(1)));
            let _ = write!(keys, "client_certificate = {certificate}\nclient_key = {key}\n");
        }
        (None, None) => {}
        _ => note(out, block, "certificate and key need each other; left out"),
    }
}

/// One `url { … }`.
fn url(out: &mut Imported, block: &Statement) -> String {
    let mut keys = String::new();
    let (mut pattern, mut forbidden, mut flags) = (None, false, String::new());
    let (mut first, mut last) = (String::new(), String::new());
    for statement in &block.body {
        let value = statement.word(1);
        match statement.keyword() {
            "path" => {
                let path = if value.starts_with('/') { value.to_owned() } else { format!("/{value}") };
                let _ = writeln!(keys, "path = {}", quoted(&path));
            }
            "digest" => {
                let _ = writeln!(keys, "digest = {}", quoted(&format!("md5:{}", value.to_ascii_lowercase())));
            }
            "status_code" => {
                let codes: Vec<&str> = statement.words.iter().skip(1).map(String::as_str).collect();
                let _ = writeln!(keys, "expect_status = {}", list(&codes));
            }
            "virtualhost" => {
                let _ = writeln!(keys, "host = {}", quoted(value));
            }
            "regex" => pattern = Some((statement, value)),
            "regex_no_match" => forbidden = is_on(statement),
            "regex_options" => {
                for option in statement.words.iter().skip(1) {
                    match option.as_str() {
                        "caseless" => flags.push('i'),
                        "multiline" => flags.push('m'),
                        "dotall" => flags.push('s'),
                        "extended" => flags.push('x'),
                        "ungreedy" => flags.push('U'),
                        other => note(
                            out,
                            statement,
                            &format!("regex_options {other} has no counterpart; left out"),
                        ),
                    }
                }
            }
            "regex_min_offset" => value.clone_into(&mut first),
            "regex_max_offset" => value.clone_into(&mut last),
            "regex_stack" | "tls_compliant" => {}
            keyword => note(out, statement, &format!("{keyword} in url has no counterpart; left out")),
        }
    }
    if let Some((statement, pattern)) = pattern {
        let flags = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
        let whole = format!("{flags}{pattern}");
        // That syntax has more than ours: what is not understood would make the whole file unreadable.
        match whole.parse::<checker_core::dns::Pattern>() {
            Ok(_) => {
                let key = if forbidden { "forbid_body" } else { "expect_body" };
                let _ = writeln!(keys, "{key} = {}", list(&[whole]));
                if !first.is_empty() || !last.is_empty() {
                    let _ = writeln!(keys, "body_range = {}", quoted(&format!("{first}..{last}")));
                }
            }
            Err(error) => note(out, statement, &format!("regex: {error}; left out")),
        }
    }
    keys
}
