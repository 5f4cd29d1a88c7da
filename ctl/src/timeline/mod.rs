//! `holdfast timeline`: who was up, who was Active, and what clients lost.
//!
//! Owns where the state comes from, which lanes are shown, and the words for what clients lost. What was when is found in
//! `agent_core::timeline`; the picture is in [`svg`]. It decides nothing.

mod svg;
mod text;

use std::path::Path;

use agent_core::timeline::{Lane, Loss, Subject, Timeline};
use agent_core::view::length;
use agent_daemon::boot_id;
use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};

use crate::Outcome;
use crate::agent;
use crate::args::TimelineArgs;
use crate::output::{Style, complain, print};
use crate::text::harmless;

/// How many real servers are shown; those to which something happened come first.
const REAL_SERVERS: usize = 60;

/// Shows it, or writes the picture.
pub fn execute(socket: &Path, args: &TimelineArgs) -> anyhow::Result<Outcome> {
    let (state, now) = match agent::state(socket) {
        Ok(state) => (state, Timestamp::now()),
        Err(failure) => {
            complain(&harmless(&failure.to_string()));
            match agent::state_from_file(&args.state, boot_id().ok().as_deref()) {
                // The file knows nothing of what came after it.
                Ok(state) => {
                    let written = state.written_at.min(Timestamp::now());
                    (state, written)
                }
                Err(error) => bail!("{error}"),
            }
        }
    };
    let since = SignedDuration::try_from(args.since).unwrap_or(SignedDuration::MAX);
    let timeline = Timeline::of(&state, now.checked_sub(since).unwrap_or(Timestamp::MIN), now);
    let shown = Shown::of(&timeline, args.name.as_deref());
    if shown.lanes.is_empty() {
        match &args.name {
            Some(name) => bail!("nothing called {} is known; holdfast status shows all", harmless(name)),
            None => bail!("no real server and no virtual router is known yet; holdfast status says why"),
        }
    }
    match &args.svg {
        Some(path) if path == Path::new("-") => print(&svg::draw(&shown))?,
        Some(path) => std::fs::write(path, svg::draw(&shown))
            .with_context(|| format!("writing the picture {}", path.display()))?,
        None => print(&text::draw(&shown, &Style::of_stdout()))?,
    }
    Ok(Outcome::Well)
}

/// What is shown of a timeline.
struct Shown<'a> {
    timeline: &'a Timeline,
    lanes: Vec<&'a Lane>,
    losses: Vec<&'a Loss>,
    /// Real servers that are left out because nothing was the matter with them, or because there are too many.
    left_out: usize,
}

impl<'a> Shown<'a> {
    /// All, or what is called `name`: a virtual router, a virtual server with its real servers, a real server.
    fn of(timeline: &'a Timeline, name: Option<&str>) -> Self {
        let is_meant = |lane: &Lane| {
            name.is_none_or(|name| {
                let mut parts = lane.name.split('/');
                lane.name == name || parts.next() == Some(name) || parts.next() == Some(name)
            })
        };
        let meant = || timeline.lanes.iter().filter(|lane| is_meant(lane));
        let servers = || meant().filter(|lane| lane.subject == Subject::RealServer);
        let total = servers().count();
        let room = total <= REAL_SERVERS;
        let mut left = REAL_SERVERS;
        let mut lanes: Vec<&Lane> = Vec::new();
        for lane in meant() {
            let server = lane.subject == Subject::RealServer;
            if !server || ((room || lane.is_eventful()) && left > 0) {
                left -= usize::from(server);
                lanes.push(lane);
            }
        }
        // Many virtual servers are a long picture as well.
        lanes.truncate(4 * REAL_SERVERS);
        let kept = lanes.iter().filter(|lane| lane.subject == Subject::RealServer).count();
        let losses = timeline.losses.iter().filter(|loss| {
            lanes.iter().any(|lane| lane.name.split('/').next() == Some(loss.virtual_server.as_str()))
        });
        Self { timeline, losses: losses.collect(), left_out: total - kept, lanes }
    }

    /// What the record does not tell, in sentences.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let timeline = self.timeline;
        if timeline.recorded_from > timeline.from {
            let moment = timeline.recorded_from.strftime("%Y-%m-%d %H:%M:%S UTC");
            remarks.push(if timeline.older_dropped {
                format!("The record begins at {moment}: the agent keeps the latest events, and older ones had to make room.")
            } else {
                format!("The record begins at {moment}, with the first event there is.")
            });
        }
        if self.left_out > 0 {
            remarks.push(format!("{} real servers are not shown.", self.left_out));
        }
        remarks
    }
}

/// What the clients of one virtual server lost, in a sentence.
fn lost(loss: &Loss) -> String {
    let mut parts = Vec::new();
    if loss.nobody > SignedDuration::ZERO {
        let mut part = format!("no real server served for {}", length(loss.nobody));
        if loss.sorry > SignedDuration::ZERO {
            part.push_str(&format!(", the sorry server answering for {} of it", length(loss.sorry)));
        }
        match loss.rate_now.map(|rate| rate.saturating_mul(loss.nobody.as_secs().unsigned_abs())) {
            Some(0) => {}
            Some(many) => part.push_str(&format!(
                " (about {many} connections, if clients came as often as now; they are not counted)"
            )),
            None => part.push_str(" (how many clients that met is not counted)"),
        }
        parts.push(part);
    }
    if loss.below_quorum > SignedDuration::ZERO {
        parts.push(format!("fewer than the quorum for {}", length(loss.below_quorum)));
    }
    if loss.not_known > SignedDuration::ZERO {
        parts.push(format!("not known for {}", length(loss.not_known)));
    }
    let text =
        if parts.is_empty() { "enough real servers all the time".to_owned() } else { parts.join("; ") };
    format!("{}: {text}", loss.virtual_server)
}
