//! `holdfast explain`: why a real server is in or out, in plain words.
//!
//! Owns where the state comes from and the form of the answer; the reasoning is in [`reason`]. It decides nothing: it says
//! again what the daemons have decided, by the same rules and from the same facts.

mod changes;
mod reason;
mod router;

use std::fmt::Write as _;
use std::path::Path;

use agent_api::{ProbeRun, State};
use agent_core::view::{Source, View};
use agent_daemon::boot_id;
use anyhow::bail;
use jiff::Timestamp;

use crate::Outcome;
use crate::agent;
use crate::args::Explain;
use crate::output::{Style, complain, json, print};
use crate::text::{Colour, Word, harmless, latency, wrapped};

use reason::{Explanation, explain};

/// Explains one real server, in every virtual server that has it.
pub fn execute(socket: &Path, args: &Explain) -> anyhow::Result<Outcome> {
    let target = match args.target.narrowed(args.virtual_server.as_ref()) {
        Ok(target) => target,
        Err(contradiction) => {
            complain(&contradiction);
            return Ok(Outcome::Misused);
        }
    };
    let now = Timestamp::now();
    let (state, view) = match agent::state(socket) {
        Ok(state) => {
            let view = View::of(&state, now);
            (state, view)
        }
        Err(failure) => {
            complain(&harmless(&failure.to_string()));
            match agent::state_from_file(&args.state, boot_id().ok().as_deref()) {
                Ok(state) => {
                    let view = View::of(&state, now).from_source(Source::StateFile);
                    (state, view)
                }
                Err(error) => bail!("{error}"),
            }
        }
    };
    let explanations = explanations(&state, &view, &target);
    let router = view.router(&target.real_server).filter(|_| target.virtual_server.is_none());
    if let (true, Some(router)) = (explanations.is_empty(), router) {
        let style = Style::of_stdout();
        print(&if args.json { json(router, true)? } else { router::render(router, now, &style) })?;
        return Ok(if router::is_well(router) { Outcome::Well } else { Outcome::Wrong });
    }
    if explanations.is_empty() {
        bail!("no real server or virtual router {target} is known; holdfast status shows all");
    }
    if args.json {
        print(&json(&explanations, true)?)?;
    } else {
        let style = Style::of_stdout();
        let texts: Vec<String> = explanations.iter().map(|one| render(one, &style)).collect();
        print(&texts.join("\n"))?;
    }
    let well = explanations.iter().all(|one| one.well);
    Ok(if well { Outcome::Well } else { Outcome::Wrong })
}

fn explanations(state: &State, view: &View, target: &agent_api::DrainTarget) -> Vec<Explanation> {
    view.covered(target)
        .map(|(pool, server)| {
            let id = agent_api::RealServerId {
                virtual_server: pool.name.clone(),
                real_server: server.name.clone(),
            };
            explain(view, pool, server, state.checkd.items.get(&id))
        })
        .collect()
}

fn render(one: &Explanation, style: &Style) -> String {
    let colour = if one.well { Colour::Green } else { Colour::Red };
    let name = Word::coloured(&format!("{}/{}", one.virtual_server, one.real_server), Colour::Bold);
    let mut out = format!(
        "{}  {}\n",
        name.painted(style.colours),
        Word::coloured(&one.summary, colour).painted(style.colours)
    );
    let mut part = |title: &str, lines: &[String]| {
        if lines.is_empty() {
            return;
        }
        let _ = writeln!(out, "\n{}", Word::coloured(title, Colour::Bold).painted(style.colours));
        for line in lines {
            out.push_str(&wrapped(&harmless(line), 2, style.width));
        }
    };
    part("why", &one.because);
    part("what would change it", &one.changes);
    part("the check", &one.check);
    part("in the kernel's table", &one.table);
    let probes: Vec<String> = one.probes.iter().rev().map(|run| probe(run, style)).collect();
    part("the latest probes, newest first", &probes);
    out
}

/// A run of probes in one line.
fn probe(run: &ProbeRun, style: &Style) -> String {
    let clock = |at: Timestamp| at.to_zoned(style.zone.clone()).strftime("%m-%d %H:%M:%S").to_string();
    let ended = match run.verdict {
        agent_api::Verdict::Up => "passed",
        agent_api::Verdict::Degraded => "passed, but not well",
        agent_api::Verdict::Down => "failed",
        agent_api::Verdict::Unknown => "could not be run",
    };
    let mut line = clock(run.since);
    if run.count > 1 {
        let _ = write!(line, " to {}", clock(run.until));
    }
    let _ = write!(line, ": {ended}");
    if run.count > 1 {
        let _ = write!(line, " {} times", run.count);
    }
    if let Some(cause) = &run.cause {
        let _ = write!(line, ": {cause}");
    }
    if !run.detail.is_empty() {
        let _ = write!(line, ": {}", run.detail);
    }
    match (run.fastest_us, run.slowest_us) {
        (Some(fastest), Some(slowest)) if fastest != slowest => {
            let _ = write!(line, "; {} to {}", latency(fastest), latency(slowest));
        }
        (Some(only), _) => {
            let _ = write!(line, "; {}", latency(only));
        }
        _ => {}
    }
    if !run.reply.is_empty() {
        let _ = write!(line, "; {}", run.reply);
    }
    line
}

#[cfg(test)]
mod tests;
