//! From keepalived.conf to virtual servers and virtual routers.
//!
//! Owns which blocks there are and where each goes. Every keyword is either carried over, or told with its line and what to do
//! instead; none is dropped without a word.

mod checks;
mod get;
mod kinds;
mod routers;
mod servers;
#[cfg(test)]
mod tests;
mod words;

use words::{Open, Statement};

use super::draft::Imported;

/// Reads `text`, which messages call `file`; `open` reads what it includes.
#[must_use]
pub fn import(file: &str, text: &str, open: &mut dyn FnMut(&str) -> anyhow::Result<String>) -> Imported {
    let open: Open<'_> = open;
    let (statements, faults) = words::read(file, text, open);
    let mut out = Imported::default();
    for (file, line, why) in faults {
        out.remark(&file, line, why);
    }
    // Virtual servers first: a virtual router may follow them.
    for statement in &statements {
        match statement.keyword() {
            "virtual_server" => servers::virtual_server(&mut out, statement, &statements),
            "global_defs" => globals(&mut out, statement),
            // What these hold is read where it is used.
            "virtual_server_group"
            | "vrrp_instance"
            | "vrrp_script"
            | "vrrp_sync_group"
            | "vrrp_track_process"
            | "vrrp_track_file"
            | "track_file"
            | "SSL" => {}
            keyword => note(&mut out, statement, &format!("{keyword} has no counterpart; left out")),
        }
    }
    for statement in &statements {
        match statement.keyword() {
            "vrrp_instance" => routers::virtual_router(&mut out, statement, &statements),
            "vrrp_sync_group" => routers::sync_group(&mut out, statement),
            _ => {}
        }
    }
    out.remarks.sort_by_key(|remark| {
        let mut parts = remark.splitn(3, ':');
        (parts.next().map(str::to_owned), parts.next().and_then(|line| line.parse::<usize>().ok()))
    });
    out
}

fn note(out: &mut Imported, statement: &Statement, text: &str) {
    out.remark(&statement.file, statement.line, text);
}

/// `global_defs`: what belongs to the whole machine.
fn globals(out: &mut Imported, block: &Statement) {
    for statement in &block.body {
        match statement.keyword() {
            // Names for messages of a program that is not used any more.
            "router_id" | "script_user" | "enable_script_security" | "process_names" => {}
            "lvs_timeouts" => {
                let mut keys = Vec::new();
                for pair in statement.words.get(1..).unwrap_or_default().chunks(2) {
                    match pair {
                        [key, value] if value.parse::<u32>().is_ok() => {
                            let key = match key.as_str() {
                                "tcp" => "tcp",
                                "tcpfin" => "tcp_fin",
                                "udp" => "udp",
                                other => {
                                    note(
                                        out,
                                        statement,
                                        &format!("lvs_timeouts {other} is not known; left out"),
                                    );
                                    continue;
                                }
                            };
                            keys.push(format!("{key} = \"{value}s\""));
                        }
                        _ => note(out, statement, "lvs_timeouts needs a name and seconds; left out"),
                    }
                }
                out.top(&format!("lvs.timeouts = {{ {} }}", keys.join(", ")));
            }
            "lvs_sync_daemon" => note(
                out,
                statement,
                &format!(
                    "lvs_sync_daemon: write [lvs.sync] with interface = \"{}\" and the id, or leave it out for DNS",
                    statement.word(1)
                ),
            ),
            "notification_email"
            | "notification_email_from"
            | "smtp_server"
            | "smtp_connect_timeout"
            | "smtp_helo_name"
            | "smtp_alert"
            | "smtp_alert_checker"
            | "smtp_alert_vrrp" => {
                note(out, statement, &format!("{}: mail is [alert]'s; write it there", statement.keyword()));
            }
            "lvs_flush" | "lvs_flush_on_stop" | "lvs_flush_onstop" => {
                note(
                    out,
                    statement,
                    "nothing is flushed here; lvs.adopt = \"exclusive\" removes services of others, after a warning",
                );
            }
            "vrrp_garp_master_refresh"
            | "vrrp_garp_master_delay"
            | "vrrp_garp_master_repeat"
            | "vrrp_garp_interval" => note(
                out,
                statement,
                &format!("{}: write announce = {{ … }} in the virtual routers", statement.keyword()),
            ),
            keyword => {
                note(out, statement, &format!("{keyword} in global_defs has no counterpart; left out"))
            }
        }
    }
}

/// Seconds with a fraction as a duration: `0.5` is `500ms`.
fn duration(text: &str) -> Option<String> {
    let seconds: f64 = text.parse().ok()?;
    if !(0.0..=1e7).contains(&seconds) {
        return None;
    }
    let milliseconds = (seconds * 1e3).round();
    Some(if milliseconds % 1e3 == 0.0 {
        format!("{}s", milliseconds / 1e3)
    } else {
        format!("{milliseconds}ms")
    })
}

/// Whether a switch is on: alone, or with a word.
fn is_on(statement: &Statement) -> bool {
    !matches!(statement.word(1), "off" | "false" | "no")
}
