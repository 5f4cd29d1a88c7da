//! From the state to what would change it.
//!
//! Owns what has to happen until a real server is in or out, said in plain words: how many probes, of which check, and what else. It prints
//! nothing and asks no clock.

use agent_api::{Basis, RealServerHealth, Verdict};
use agent_core::view::{RealServerView, View};
use checker_core::Cause;
use checker_core::verdict::Blame;

fn passes(count: u32) -> String {
    if count == 1 { "1 passed probe".to_owned() } else { format!("{count} passed probes in a row") }
}

/// So many failures, and whether there have been some already.
fn failures(count: u32, more: bool) -> String {
    match (count, more) {
        (1, true) => "1 more failure takes".to_owned(),
        (1, false) => "1 failure takes".to_owned(),
        (count, true) => format!("{count} more failures in a row take"),
        (count, false) => format!("{count} failures in a row take"),
    }
}

/// What would change it.
pub fn changes(view: &View, server: &RealServerView, health: Option<&RealServerHealth>) -> Vec<String> {
    let mut lines = Vec::new();
    if view.daemon("checkd").is_some_and(|daemon| !daemon.status.is_believed()) {
        lines.push("checkd reports again: see that it runs, and read its log".to_owned());
    }
    if let Some(drain) = &server.drain {
        let by_itself = if drain.until.is_some() { "; otherwise it ends by itself" } else { "" };
        lines.push(format!("holdfast undrain {} ends the drain{by_itself}", drain.target));
    }
    let Some(health) = health else { return lines };
    let cause = health.cause.as_ref().and_then(|cause| cause.as_str().parse::<Cause>().ok());
    match cause.filter(|_| health.verdict == Verdict::Unknown) {
        Some(Cause::DirectorBlind) => lines.push(
            "a sentinel answers again, or most real servers do: look at this director's own network"
                .to_owned(),
        ),
        Some(Cause::ParentDown) => lines.push("what it depends on works again".to_owned()),
        Some(Cause::NotProbed) | None => {}
        Some(cause) if cause.blame() == Blame::Local => lines.push(
            "probes can be run again: the trouble is at this director's own end, not the server's".to_owned(),
        ),
        Some(_) => {}
    }
    if let Some(basis) = health.basis.as_deref() {
        lines.extend(turns(server.verdict, basis));
    }
    let counted = || health.checks.iter().filter(|check| !check.advisory);
    let (all, require) = (counted().count(), usize::try_from(health.require).unwrap_or(usize::MAX));
    if require > 0 && require <= all {
        let passing = counted().filter(|check| check.health.verdict.passes()).count();
        let down = counted().filter(|check| check.health.verdict == Verdict::Down).count();
        let now = |count: usize, one: &str, several: &str| match count {
            0 => format!("none {one} now"),
            1 => format!("1 {one} now"),
            count => format!("{count} {several} now"),
        };
        match health.verdict {
            _ if all == 1 => {}
            Verdict::Up | Verdict::Degraded => lines.push(format!(
                "it goes down when {} of its {all} checks that count are down; {}",
                all - require + 1,
                now(down, "is", "are")
            )),
            _ => lines.push(format!(
                "it comes up when {require} of its {all} checks that count pass; {}",
                now(passing, "passes", "pass")
            )),
        }
        for check in counted() {
            let Some(basis) = check.health.basis.as_deref() else { continue };
            lines.extend(
                turns(check.health.verdict, basis).iter().map(|line| format!("check {}: {line}", check.name)),
            );
        }
    }
    lines
}

/// What would change the verdict of one check, which is `shown` to be this.
fn turns(shown: Verdict, basis: &Basis) -> Vec<String> {
    let mut lines = Vec::new();
    let left = |needed: u32, counts: bool| {
        let seen = if counts { basis.away } else { 0 };
        needed.saturating_sub(seen).max(1)
    };
    let settled = basis.settled;
    let rising =
        basis.away > 0 && basis.toward.passes() && (settled == Verdict::Unknown || basis.toward < settled);
    let falling = basis.away > 0 && !rising;
    if shown == Verdict::Unknown && settled != Verdict::Unknown {
        lines.push(format!("one probe that can be run shows it as {settled} again, or counts against that"));
    }
    let (down, up) = (failures(left(basis.fall, falling), falling), left(basis.rise, rising));
    let brings = |needed: u32| if needed == 1 { "brings" } else { "bring" };
    lines.push(match settled {
        Verdict::Up => format!("{down} it down"),
        Verdict::Degraded => format!("{} without fault {} it up, {down} it down", passes(up), brings(up)),
        Verdict::Down => format!("{} {} it up", passes(up), brings(up)),
        Verdict::Unknown => {
            let needed = if basis.undecided { up } else { 1 };
            format!("{} {} it up, {down} it down", passes(needed), brings(needed))
        }
    });
    lines
}
