//! `vrrp_instance` and what it refers to.
//!
//! Owns how a virtual router is written. A password is never copied: it belongs in a file of its own, which the operator makes.

use std::fmt::Write as _;

use super::super::draft::{Imported, list, quoted};
use super::words::Statement;
use super::{duration, is_on, note};

/// Takes over one `vrrp_instance`.
pub(super) fn virtual_router(out: &mut Imported, block: &Statement, all: &[Statement]) {
    let name = out.name(block.word(1));
    let mut keys = String::new();
    let (mut version, mut interval) = ("2", None);
    let (mut sources, mut peers) = (Vec::new(), Vec::new());
    let (mut track, mut notify) = (Vec::new(), Vec::new());
    for statement in &block.body {
        let value = statement.word(1);
        match statement.keyword() {
            "interface" => writeln!(keys, "interface = {}", quoted(value)).unwrap_or_default(),
            "virtual_router_id" => writeln!(keys, "vrid = {value}").unwrap_or_default(),
            "priority" => writeln!(keys, "priority = {value}").unwrap_or_default(),
            "advert_int" => interval = duration(value),
            "version" => version = if value == "3" { "3" } else { "2" },
            "native_ipv6" => version = "3",
            // The priority decides here, as it does there after the first seconds.
            "state" => {}
            "nopreempt" if is_on(statement) => keys.push_str("preempt = false\n"),
            "preempt" | "nopreempt" => {}
            "preempt_delay" => match duration(value) {
                Some(delay) => writeln!(keys, "preempt_delay = \"{delay}\"").unwrap_or_default(),
                None => note(out, statement, "preempt_delay is no number; left out"),
            },
            "virtual_ipaddress" => {
                writeln!(keys, "addresses = [{}]", addresses(out, statement)).unwrap_or_default()
            }
            "virtual_ipaddress_excluded" => {
                writeln!(keys, "unlisted = [{}]", addresses(out, statement)).unwrap_or_default()
            }
            "authentication" => {
                keys.push_str(&authentication(out, statement, &name));
            }
            "unicast_src_ip" => sources.push(value.to_owned()),
            "mcast_src_ip" => writeln!(keys, "source = {}", quoted(value)).unwrap_or_default(),
            "unicast_peer" => peers.extend(statement.body.iter().map(|peer| peer.keyword().to_owned())),
            "use_vmac" => keys.push_str("virtual_mac = true\n"),
            "accept" => keys.push_str("accept = true\n"),
            "no_accept" => keys.push_str("accept = false\n"),
            "track_interface" => track.extend(statement.body.iter().map(tracked_interface)),
            "track_script" => {
                for script in &statement.body {
                    track.extend(tracked_script(out, script, all));
                }
            }
            "notify_master" => notify.push(("active", command(statement))),
            "notify_backup" => notify.push(("backup", command(statement))),
            "notify_fault" => notify.push(("fault", command(statement))),
            "notify_stop" => notify.push(("stop", command(statement))),
            "notify" => notify.push(("any", command(statement))),
            "smtp_alert" => note(out, statement, "smtp_alert: mail is [alert]'s; write it there"),
            "lvs_sync_daemon_interface" => {
                note(out, statement, "lvs_sync_daemon_interface: write [lvs.sync] with this interface");
            }
            keyword if keyword.starts_with("garp_") => {
                note(
                    out,
                    statement,
                    &format!(
                        "{keyword}: write announce = {{ … }}; the defaults announce five times and every minute"
                    ),
                );
            }
            keyword => {
                note(out, statement, &format!("{keyword} in vrrp_instance has no counterpart; left out"))
            }
        }
    }
    let mut text = format!("[[virtual_router]]\nname = {}\nversion = {version}\n{keys}", quoted(&name));
    if let Some(interval) = interval {
        let _ = writeln!(text, "advert_interval = \"{interval}\"");
    }
    if !peers.is_empty() {
        let source =
            if sources.is_empty() { String::new() } else { format!("source = {}, ", list(&sources)) };
        let _ = writeln!(text, "unicast = {{ {source}peers = {} }}", list(&peers));
    } else if !sources.is_empty() {
        note(out, block, "unicast_src_ip without unicast_peer does nothing; left out");
    }
    if !track.is_empty() {
        let _ = writeln!(text, "track = [{}]", track.join(", "));
    }
    if !notify.is_empty() {
        let pairs: Vec<String> =
            notify.iter().map(|(key, words)| format!("{key} = {}", list(words))).collect();
        let _ = writeln!(text, "notify = {{ {} }}", pairs.join(", "));
    }
    let group = all
        .iter()
        .find(|one| one.keyword() == "vrrp_sync_group" && members(one).any(|member| member == block.word(1)));
    if let Some(group) = group {
        let _ = writeln!(text, "sync_group = {}", quoted(group.word(1)));
    }
    out.table(&block.file, block.line, text);
}

/// What a `vrrp_sync_group` says beside its members.
pub(super) fn sync_group(out: &mut Imported, block: &Statement) {
    for statement in block.body.iter().filter(|statement| statement.keyword() != "group") {
        note(
            out,
            statement,
            &format!("{}: write it in each virtual router of the group", statement.keyword()),
        );
    }
}

fn members(group: &Statement) -> impl Iterator<Item = &str> {
    group
        .body
        .iter()
        .filter(|one| one.keyword() == "group")
        .flat_map(|one| one.body.iter().map(Statement::keyword))
}

/// Addresses with `dev`, `label` and `scope`.
fn addresses(out: &mut Imported, block: &Statement) -> String {
    let mut written = Vec::new();
    for statement in &block.body {
        let mut keys = vec![format!("address = {}", quoted(statement.keyword()))];
        let mut words = statement.words.iter().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "dev" => keys.extend(words.next().map(|dev| format!("interface = {}", quoted(dev)))),
                "label" => keys.extend(words.next().map(|label| format!("label = {}", quoted(label)))),
                "scope" => keys.extend(words.next().map(|scope| format!("scope = {}", quoted(scope)))),
                "no_prefixroute" | "noprefixroute" => keys.push("prefix_route = false".to_owned()),
                // The kernel finds the broadcast address itself.
                "brd" | "broadcast" => drop(words.next()),
                other => note(out, statement, &format!("{other} of an address has no counterpart; left out")),
            }
        }
        written.push(if keys.len() > 1 {
            format!("{{ {} }}", keys.join(", "))
        } else {
            quoted(statement.keyword())
        });
    }
    written.join(", ")
}

fn authentication(out: &mut Imported, block: &Statement, name: &str) -> String {
    let kind = block.body.iter().find(|one| one.keyword() == "auth_type").map_or("", |one| one.word(1));
    if kind != "PASS" {
        note(
            out,
            block,
            &format!(
                "authentication of type {kind} has no counterpart; left out, so the other side must not ask for it"
            ),
        );
        return String::new();
    }
    let file = format!("/etc/holdfast/{name}.secret");
    note(
        out,
        block,
        &format!(
            "auth_pass is not copied: write it to the first line of {file}, for holdfast-vip and nobody else to read"
        ),
    );
    format!("authentication = {{ type = \"pass\", file = {} }}\n", quoted(&file))
}

/// `eth1 weight -20`.
fn tracked_interface(statement: &Statement) -> String {
    let priority = weight(statement).map_or_else(String::new, |weight| format!(", priority = {weight}"));
    format!("{{ interface = {}{priority} }}", quoted(statement.keyword()))
}

fn weight(statement: &Statement) -> Option<i32> {
    let at = statement.words.iter().position(|word| word == "weight")?;
    statement.words.get(at + 1)?.parse().ok().filter(|weight| *weight != 0)
}

fn tracked_script(out: &mut Imported, statement: &Statement, all: &[Statement]) -> Option<String> {
    let name = statement.keyword();
    let Some(script) = all.iter().find(|one| one.keyword() == "vrrp_script" && one.word(1) == name) else {
        note(out, statement, &format!("there is no vrrp_script {name}; left out"));
        return None;
    };
    let mut keys = Vec::new();
    let mut priority = weight(statement);
    for statement in &script.body {
        let value = statement.word(1);
        match statement.keyword() {
            "script" => keys.push(format!("script = {}", list(&command(statement)))),
            key @ ("interval" | "timeout") => {
                keys.extend(duration(value).map(|span| format!("{key} = \"{span}\"")))
            }
            key @ ("rise" | "fall") => keys.push(format!("{key} = {value}")),
            "weight" => priority = priority.or(value.parse().ok().filter(|weight| *weight != 0)),
            "user" | "init_fail" => {
                note(
                    out,
                    statement,
                    &format!("{} of a script has no counterpart; left out", statement.keyword()),
                );
            }
            keyword => {
                note(out, statement, &format!("{keyword} in vrrp_script has no counterpart; left out"))
            }
        }
    }
    if let Some(priority) = priority {
        if priority > 0 {
            note(
                out,
                script,
                &format!(
                    "weight {priority} is added there while the script passes; here {priority} is taken away while it fails: raise the \
                          priority by {priority}"
                ),
            );
        }
        keys.push(format!("priority = {}", -priority.abs()));
    }
    Some(format!("{{ {} }}", keys.join(", ")))
}

/// The words of a program; a quoted string is split on blanks.
fn command(statement: &Statement) -> Vec<String> {
    statement.words.iter().skip(1).flat_map(|word| word.split_whitespace()).map(str::to_owned).collect()
}
