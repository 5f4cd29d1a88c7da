//! `holdfast lvs start`, `stop` and `restart`: for people used to the script of that name.
//!
//! Owns the asking, and who is told: systemd where it runs `lvsd`, and else `lvsd` itself, which does it once. Only our services are
//! touched, never the whole table.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use agent_daemon::boot_id;
use agent_link::former_state;
use anyhow::{Context as _, bail};

use crate::Outcome;
use crate::args::{Lvs, LvsVerb};
use crate::output::{complain, print};
use crate::run::find_daemon;
use crate::text::harmless;

const UNIT: &str = "holdfast-lvsd.service";
/// How long the agent may take to say whether `lvsd` runs.
const WAIT: Duration = Duration::from_secs(1);

/// Does one of the three.
pub fn execute(socket: &Path, args: &Lvs) -> anyhow::Result<Outcome> {
    let unit = unit_is_known();
    match &args.verb {
        LvsVerb::Start if unit => systemctl("start"),
        LvsVerb::Restart if unit => systemctl("restart"),
        LvsVerb::Start | LvsVerb::Restart => {
            if let Some(pid) = running(socket, args) {
                complain(&format!("lvsd runs (process {pid}) and keeps the table"));
                return Ok(Outcome::Well);
            }
            let edits = lvsd(socket, args, &["--once"])?;
            print(&edits)?;
            complain("made once; nothing keeps it up until lvsd runs (holdfast run)");
            Ok(Outcome::Well)
        }
        LvsVerb::Stop { yes, drain } => stop(socket, args, *yes, *drain, unit),
    }
}

fn stop(socket: &Path, args: &Lvs, yes: bool, drain: bool, unit: bool) -> anyhow::Result<Outcome> {
    let task = if drain { "--drain" } else { "--remove" };
    let would = lvsd(socket, args, &[task, "--dry-run"])?;
    if would.is_empty() {
        complain("nothing of ours is in the kernel's table");
    } else {
        print(&would)?;
    }
    let what = if drain {
        "these get weight 0: connections go on, new clients are refused."
    } else {
        "these services are removed: connections through them end."
    };
    let lvsd_too =
        if unit { format!(" {UNIT} is stopped first, or it would put them back.") } else { String::new() };
    if !yes && !asked(&format!("{what}{lvsd_too} Go on?"))? {
        complain("nothing was done");
        return Ok(Outcome::Misused);
    }
    if unit {
        systemctl("stop")?;
    } else if let Some(pid) = running(socket, args) {
        bail!("lvsd runs (process {pid}) and would put them back: end it first, then run this again");
    }
    lvsd(socket, args, &[task])?;
    Ok(Outcome::Well)
}

/// Asks on the terminal; without one the answer is no.
fn asked(question: &str) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        complain("there is nobody to ask here; say --yes");
        return Ok(false);
    }
    let mut out = std::io::stderr().lock();
    write!(out, "{question} [y/N] ").and_then(|()| out.flush()).context("can't ask")?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).context("can't read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The process of an `lvsd` that is connected to the agent.
fn running(socket: &Path, args: &Lvs) -> Option<u32> {
    let state = former_state(socket, &args.state, &boot_id().ok()?, WAIT)?;
    let reporter = state.lvsd.reporter.filter(|_| state.lvsd.connected)?;
    Path::new(&format!("/proc/{}", reporter.pid)).exists().then_some(reporter.pid)
}

/// Whether systemd runs this machine and knows the unit.
fn unit_is_known() -> bool {
    let known = || {
        let quiet = || Stdio::null();
        Command::new("systemctl").args(["cat", "--quiet", UNIT]).stdout(quiet()).stderr(quiet()).status()
    };
    Path::new("/run/systemd/system").exists() && known().is_ok_and(|status| status.success())
}

fn systemctl(verb: &str) -> anyhow::Result<Outcome> {
    let status = Command::new("systemctl").args([verb, UNIT]).status().context("starting systemctl")?;
    if !status.success() {
        bail!("systemctl {verb} {UNIT} failed; it said why above");
    }
    Ok(Outcome::Well)
}

/// Has `lvsd` do something once; returns the edits that it prints.
fn lvsd(socket: &Path, args: &Lvs, what: &[&str]) -> anyhow::Result<String> {
    let program = find_daemon("lvsd")?;
    let output = Command::new(&program)
        .args(what)
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
    if !output.status.success() {
        bail!("lvsd could not do it; it said why above (the table needs root)");
    }
    let edits = String::from_utf8_lossy(&output.stdout);
    Ok(edits.lines().map(|line| harmless(line) + "\n").collect())
}
