//! `holdfast diff`: what the configuration and the facts ask for, against what the kernel has, in ipvsadm's words.
//!
//! Owns how that is said. The comparing is `lvsd`'s, the same that it does in every pass: it is asked to print instead of
//! to write, with the rights of the caller, who needs `CAP_NET_ADMIN` to read the kernel's table.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::Outcome;
use crate::args::Diff;
use crate::output::{complain, print};
use crate::run::find_daemon;
use crate::text::harmless;

/// Asks, prints, and says by the outcome whether anything differs.
pub fn execute(socket: &Path, args: &Diff) -> anyhow::Result<Outcome> {
    let program = find_daemon("lvsd")?;
    let output = Command::new(&program)
        .arg("--dry-run")
        .arg("--config")
        .arg(&args.config)
        .arg("--socket")
        .arg(socket)
        .arg("--state")
        .arg(&args.state)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting {}", program.display()))?;
    match output.status.code() {
        Some(0) => {}
        Some(2) => return Ok(Outcome::Misused),
        _ => anyhow::bail!("lvsd could not compare; it said why above (reading the table needs root)"),
    }
    let edits = String::from_utf8_lossy(&output.stdout);
    if edits.is_empty() {
        complain("the kernel has what is wanted");
        return Ok(Outcome::Well);
    }
    print(&edits.lines().map(|line| harmless(line) + "\n").collect::<String>())?;
    Ok(Outcome::Wrong)
}
