//! `virtual_server` and `virtual_server_group`.
//!
//! Owns how a virtual server and its real servers are written. What they are asked is in `checks`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::draft::{Imported, list, name_in};
use super::checks::{self, Rhythm};
use super::words::Statement;
use super::{is_on, note};

/// The services of a `virtual_server` line.
struct Served {
    addresses: Vec<String>,
    ports: Vec<String>,
    marks: Vec<String>,
    wish: String,
}

/// Takes over one `virtual_server`.
pub(super) fn virtual_server(out: &mut Imported, block: &Statement, all: &[Statement]) {
    let Some(served) = served(out, block, all) else { return };
    let mut keys = String::new();
    let (mut protocol, mut family) = ("tcp", "");
    let (mut flags, mut weight, mut forwarding) = (Vec::new(), "1", "");
    let (mut persistence, mut prefix, mut engine) = (None, String::new(), String::new());
    let mut rhythm = Rhythm::default();
    let mut sorry: Option<(&Statement, &str)> = None;
    for statement in &block.body {
        let value = statement.word(1);
        match statement.keyword() {
            "protocol" => {
                protocol = match value {
                    "TCP" | "tcp" => "tcp",
                    "UDP" | "udp" => "udp",
                    "SCTP" | "sctp" => "sctp",
                    _ => {
                        note(
                            out,
                            statement,
                            &format!("protocol {value} is not known; the virtual server is left out"),
                        );
                        return;
                    }
                };
            }
            "ip_family" => family = if value == "inet6" { "6" } else { "" },
            "lb_algo" | "lvs_sched" => {
                let _ = writeln!(keys, "scheduler = \"{value}\"");
            }
            flag @ ("flag-1" | "flag-2" | "flag-3" | "sh-port" | "sh-fallback" | "mh-port"
            | "mh-fallback") => {
                flags.push(flag);
            }
            "ops" if is_on(statement) => keys.push_str("one_packet = true\n"),
            "ops" => {}
            "lb_kind" | "lvs_method" => match method(statement) {
                Some(keys) => forwarding = keys,
                None => {
                    note(out, statement, &format!("{} {value} is not known; left out", statement.keyword()))
                }
            },
            "persistence_timeout" => persistence = Some(if value.is_empty() { "360" } else { value }),
            "persistence_granularity" => match granularity(value) {
                Some(length) => prefix = format!(", prefix = {length}"),
                None => note(
                    out,
                    statement,
                    &format!("persistence_granularity {value} is no network mask; left out"),
                ),
            },
            "persistence_engine" => engine = format!(", engine = \"{value}\""),
            "quorum" => {
                let _ = writeln!(keys, "quorum = {value}");
            }
            "hysteresis" if value == "0" => {}
            "hysteresis" => {
                let _ = writeln!(keys, "quorum_hysteresis = {value}");
            }
            "weight" => weight = value,
            "real_server" => {}
            "sorry_server" => sorry = Some((statement, "")),
            "sorry_server_lvs_method" => match (method(statement), &mut sorry) {
                (Some(keys), Some(sorry)) => sorry.1 = keys,
                _ => {
                    note(out, statement, "sorry_server_lvs_method: write it behind a sorry_server; left out")
                }
            },
            keyword if rhythm.take(out, statement, keyword) => {}
            _ => remark(out, statement),
        }
    }
    if !forwarding.is_empty() {
        keys.push_str(forwarding);
    }
    if !flags.is_empty() {
        let _ = writeln!(keys, "scheduler_flags = {}", list(&flags));
    }
    if let Some(seconds) = persistence {
        let _ = writeln!(keys, "persistence = {{ timeout = \"{seconds}s\"{prefix}{engine} }}");
    } else if !prefix.is_empty() || !engine.is_empty() {
        let _ = writeln!(keys, "persistence = {{ timeout = \"360s\"{prefix}{engine} }}");
    }
    if let Some((statement, method)) = sorry {
        let port = statement.word(2);
        let nat = if method.is_empty() { forwarding } else { method }.contains("\"nat\"");
        let port = if nat && !served.ports.iter().any(|own| own == port) {
            format!(", port = {port}")
        } else {
            String::new()
        };
        let method = method.lines().next().map_or_else(String::new, |line| format!(", {line}"));
        let _ = writeln!(keys, "sorry_server = {{ address = \"{}\"{port}{method} }}", statement.word(1));
    }
    let mut services: Vec<String> = served.ports.iter().map(|port| format!("{protocol}/{port}")).collect();
    services.extend(served.marks.iter().map(|mark| format!("fwmark{family}/{mark}")));
    let wish =
        if served.marks.is_empty() { format!("{}-{protocol}", served.wish) } else { served.wish.clone() };
    let mut text = format!("[[virtual_server]]\nname = \"{}\"\n", out.name(&wish));
    match served.addresses.as_slice() {
        [] => {}
        [one] => writeln!(text, "address = \"{one}\"").unwrap_or_default(),
        several => writeln!(text, "address = {}", list(several)).unwrap_or_default(),
    }
    let _ = write!(text, "services = {}\n{keys}", list(&services));
    let mut names = BTreeSet::new();
    let servers = block.body.iter().filter(|statement| statement.keyword() == "real_server");
    for server in servers {
        let nat = forwarding.contains("\"nat\"");
        text.push_str(&real_server(out, server, &mut names, (weight, nat), &rhythm, &served, all));
    }
    out.table(&block.file, block.line, text);
}

/// What stands behind `virtual_server`.
fn served(out: &mut Imported, block: &Statement, all: &[Statement]) -> Option<Served> {
    let (first, second) = (block.word(1), block.word(2));
    match first {
        "fwmark" => Some(Served {
            addresses: Vec::new(),
            ports: Vec::new(),
            marks: vec![second.to_owned()],
            wish: format!("fwmark-{second}"),
        }),
        "group" => group(out, block, second, all),
        address => Some(Served {
            addresses: vec![address.to_owned()],
            ports: vec![if second.is_empty() { "0" } else { second }.to_owned()],
            marks: Vec::new(),
            wish: format!("{address}-{second}").replace(':', "-"),
        }),
    }
}

/// A group: every address with its own ports, so only a group whose addresses all have the same ports is one virtual server.
fn group(out: &mut Imported, block: &Statement, name: &str, all: &[Statement]) -> Option<Served> {
    let found = all.iter().find(|one| one.keyword() == "virtual_server_group" && one.word(1) == name);
    let Some(group) = found else {
        note(out, block, &format!("there is no virtual_server_group {name}; the virtual server is left out"));
        return None;
    };
    let mut served =
        Served { addresses: Vec::new(), ports: Vec::new(), marks: Vec::new(), wish: name.to_owned() };
    let mut pairs: Vec<(String, String)> = Vec::new();
    for statement in &group.body {
        match statement.keyword() {
            "fwmark" => served.marks.push(statement.word(1).to_owned()),
            address => pairs.push((address.to_owned(), statement.word(1).to_owned())),
        }
    }
    for (address, port) in &pairs {
        if !served.addresses.contains(address) {
            served.addresses.push(address.clone());
        }
        if !served.ports.contains(port) {
            served.ports.push(port.clone());
        }
    }
    if pairs.len() != served.addresses.len() * served.ports.len() {
        note(
            out,
            group,
            &format!(
                "the addresses of group {name} have different ports; write a virtual server for each set of ports. The one that uses it \
                 is left out"
            ),
        );
        return None;
    }
    Some(served)
}

fn real_server(
    out: &mut Imported,
    block: &Statement,
    names: &mut BTreeSet<String>,
    (mut weight, pool_nat): (&str, bool),
    rhythm: &Rhythm,
    served: &Served,
    all: &[Statement],
) -> String {
    let (address, port) = (block.word(1), block.word(2));
    let mut keys = String::new();
    let mut own = rhythm.clone();
    let (mut checks, mut nat) = (Vec::new(), pool_nat);
    for statement in &block.body {
        match statement.keyword() {
            "weight" => weight = statement.word(1),
            "lvs_method" | "lb_kind" => match method(statement) {
                Some(method) => {
                    nat = method.contains("\"nat\"");
                    keys.push_str(method);
                }
                None => {
                    note(out, statement, &format!("lvs_method {} is not known; left out", statement.word(1)))
                }
            },
            "uthreshold" => writeln!(keys, "upper_threshold = {}", statement.word(1)).unwrap_or_default(),
            "lthreshold" => writeln!(keys, "lower_threshold = {}", statement.word(1)).unwrap_or_default(),
            keyword if checks::KINDS.contains(&keyword) => checks.push(statement),
            keyword if own.take(out, statement, keyword) => {}
            _ => remark(out, statement),
        }
    }
    if nat && !port.is_empty() && !served.ports.iter().all(|own| own == port) {
        let _ = writeln!(keys, "port = {port}");
    }
    let name = name_in(names, &address.replace(':', "-"));
    let mut text = format!(
        "\n[[virtual_server.real_server]]\nname = \"{name}\"\naddress = \"{address}\"\nweight = {weight}\n{keys}"
    );
    let target = if port.is_empty() { served.ports.first().map_or("", String::as_str) } else { port };
    text.push_str(&checks::checks(out, block, &checks, &own, target, all));
    text
}

/// `DR`, `NAT`, `TUN type gue port 6080 csum` as keys.
fn method(statement: &Statement) -> Option<&'static str> {
    // The tunnel's own options follow in a table of known forms.
    let words: Vec<&str> = statement.words.iter().skip(1).map(String::as_str).collect();
    match words.as_slice() {
        ["DR", ..] => Some("forwarding = \"direct\"\n"),
        ["NAT", ..] => Some("forwarding = \"nat\"\n"),
        ["TUN"] | ["TUN", "type", "ipip", ..] => Some("forwarding = \"tunnel\"\n"),
        ["TUN", "type", "gre"] | ["TUN", "type", "gre", "nocsum"] => {
            Some("forwarding = \"tunnel\"\ntunnel = { type = \"gre\" }\n")
        }
        ["TUN", "type", "gre", "csum"] => {
            Some("forwarding = \"tunnel\"\ntunnel = { type = \"gre\", checksum = \"full\" }\n")
        }
        _ => None,
    }
}

/// A mask, dotted or as a length.
fn granularity(text: &str) -> Option<u32> {
    match text.parse::<std::net::Ipv4Addr>() {
        Ok(mask) => {
            let bits = mask.to_bits();
            (bits.leading_ones() == bits.count_ones()).then(|| bits.count_ones())
        }
        Err(_) => text.parse().ok().filter(|length| (1..=128).contains(length)),
    }
}

/// What is told of a keyword that is not carried over.
fn remark(out: &mut Imported, statement: &Statement) {
    let keyword = statement.keyword();
    let text = match keyword {
        "inhibit_on_failure" => {
            "inhibit_on_failure: a server that is down is removed here, so that no UDP client stays with it; see docs/lvs.md"
        }
        "alpha" => {
            "alpha: a server that was never seen is out until its checks pass, which is what happens here without `initial`"
        }
        "omega" => "omega: nothing is removed or told at the end here; `holdfast lvs stop` does it",
        "quorum_up" | "quorum_down" | "notify_up" | "notify_down" => {
            "programs are not run here; follow `holdfast status --watch --json`, or let [alert] send mail"
        }
        "ha_suspend" => "ha_suspend: checks always run here",
        "smtp_alert" => "smtp_alert: mail is [alert]'s; write it there",
        "hashed" => "hashed: write scheduler_flags for the scheduler that is meant",
        _ => "",
    };
    if text.is_empty() {
        note(out, statement, &format!("{keyword} has no counterpart; left out"));
    } else {
        note(out, statement, text);
    }
}
