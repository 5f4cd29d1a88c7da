//! `holdfast status`: what is known, once or at every change.
//!
//! Owns where the state comes from (the agent, else the state file) and what the exit code means. What is wrong is
//! judged by `agent-core`'s view.

mod render;
mod watch;

use std::path::Path;

use agent_api::State;
use agent_core::view::{Level, Selection, Source, View};
use agent_daemon::boot_id;
use anyhow::bail;
use jiff::Timestamp;

use crate::Outcome;
use crate::agent::{self, AgentFailure};
use crate::args::Status;
use crate::output::{Style, complain, json, print};
use crate::text::harmless;

pub use render::{drain_text, silence_text, until_text};

/// Shows the state, once or for ever.
pub fn execute(socket: &Path, args: &Status) -> anyhow::Result<Outcome> {
    if args.watch {
        return watch::execute(socket, args);
    }
    let view = match agent::state(socket) {
        Ok(state) => View::of(&state, Timestamp::now()),
        Err(failure) => {
            complain(&harmless(&failure.to_string()));
            match from_file(&args.state) {
                Some(view) => view,
                None if args.json => nothing(),
                None => return Ok(Outcome::Wrong),
            }
        }
    };
    let view = selected(view, args.name.as_ref())?;
    print(&if args.json { json(&view, true)? } else { render::render(&view, &Style::of_stdout()) })?;
    Ok(outcome(&view))
}

/// The view of the state file; says on standard error why there is none.
fn from_file(path: &Path) -> Option<View> {
    match agent::state_from_file(path, boot_id().ok().as_deref()) {
        Ok(state) => Some(View::of(&state, Timestamp::now()).from_source(Source::StateFile)),
        Err(error) => {
            complain(&harmless(&error.to_string()));
            None
        }
    }
}

/// The view of somebody who knows nothing.
fn nothing() -> View {
    let now = Timestamp::now();
    View::of(&State::new(String::new(), now), now).from_source(Source::Nowhere)
}

fn selected(view: View, name: Option<&Selection>) -> anyhow::Result<View> {
    let Some(name) = name else { return Ok(view) };
    match view.select(name) {
        Ok(view) => Ok(view),
        Err(Some(nearest)) => bail!("no virtual or real server {name} is known; did you mean {nearest}?"),
        Err(None) => bail!("no virtual or real server {name} is known; holdfast status shows all"),
    }
}

fn outcome(view: &View) -> Outcome {
    match view.status {
        Level::Ok => Outcome::Well,
        Level::Warning | Level::Unknown | Level::Critical => Outcome::Wrong,
    }
}

/// The view of the agent's state now, for a command that only wants to look.
pub fn look(socket: &Path) -> Result<View, AgentFailure> {
    agent::state(socket).map(|state| View::of(&state, Timestamp::now()))
}
