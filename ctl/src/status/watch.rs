//! `holdfast status --watch`: the same again at every change.
//!
//! Owns when there is something new to show, and how a terminal is redrawn. Numbers that move all the time (latencies,
//! connection counts, when a daemon was last heard) are no change: they are brought up to date with the next one, or
//! every second on a terminal.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use agent_api::Traffic;
use agent_core::view::{Source, View};
use agent_link::Watcher;
use anyhow::Context;
use jiff::Timestamp;

use super::{from_file, nothing, render, selected};
use crate::Outcome;
use crate::args::Status;
use crate::output::{Style, complain, json, print};

/// How often ages are brought up to date, and how soon old news is noticed.
const TICK: Duration = Duration::from_secs(1);
/// How long the first answer is waited for before the state file is shown.
const FIRST: Duration = Duration::from_secs(2);

/// Shows the state at every change until interrupted.
pub fn execute(socket: &Path, args: &Status) -> anyhow::Result<Outcome> {
    let (sender, changes) = sync_channel::<()>(1);
    let watcher = Watcher::start(socket, None, move || {
        // One that is waiting already is enough.
        let _ = sender.try_send(());
    })
    .context("starting to watch the agent")?;
    let redraw = std::io::stdout().is_terminal() && !args.json;
    let mut shown: Option<View> = None;
    let mut failed = false;
    let mut wait = FIRST;
    loop {
        match changes.recv_timeout(wait) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                anyhow::bail!("the thread that watches the agent has ended")
            }
        }
        wait = TICK;
        let now = Timestamp::now();
        let heard = watcher.read(|known| {
            let source = if known.connected { Source::Agent } else { Source::LastHeard };
            known.state.map(|state| View::of(state, now).from_source(source))
        });
        let view = match heard {
            Some(view) => view,
            None if !watcher.read(|known| known.connected) => {
                if !failed {
                    failed = true;
                    complain("the agent does not answer yet; watching for it");
                }
                from_file(&args.state).unwrap_or_else(nothing)
            }
            None => continue,
        };
        let view = match selected(view, args.name.as_ref()) {
            Ok(view) => view,
            // It may come with a reload; until there was anything it is a mistyped name.
            Err(error) if shown.is_none() => return Err(error),
            Err(_) => continue,
        };
        let changed = shown.as_ref().is_none_or(|before| still(before) != still(&view));
        if !changed && !redraw {
            continue;
        }
        let style = Style::of_stdout();
        let text = match (args.json, redraw) {
            (true, _) => json(&view, false)?,
            (false, true) => screen(&render::render(&view, &style), style.height),
            (false, false) => format!("{}\n", render::render(&view, &style)),
        };
        print(&text)?;
        shown = Some(view);
    }
}

/// The view without what moves all the time.
fn still(view: &View) -> View {
    let mut view = view.clone();
    view.generated_at = Timestamp::UNIX_EPOCH;
    view.written_at = Timestamp::UNIX_EPOCH;
    view.generation = 0;
    // Texts hold ages; codes do not.
    for reason in &mut view.reasons {
        reason.text.clear();
    }
    for daemon in &mut view.daemons {
        daemon.heard_at = None;
    }
    for pool in &mut view.virtual_servers {
        for service in &mut pool.services {
            service.traffic = Traffic::default();
        }
        for server in &mut pool.real_servers {
            server.latency_us = None;
            if server.last_known.is_some() {
                server.since = None;
            }
            if let Some(known) = &mut server.last_known {
                known.heard_at = None;
            }
            for to in &mut server.destinations {
                to.active_connections = 0;
                to.inactive_connections = 0;
                to.traffic = Traffic::default();
            }
        }
    }
    view
}

/// `text` from the top of the screen, without the flicker of clearing it first; what does not fit is left out, so that the
/// judgement at the top stays in sight.
fn screen(text: &str, height: Option<usize>) -> String {
    let mut out = String::from("\u{1b}[H");
    let lines = text.lines().count();
    let room = height.unwrap_or(usize::MAX).saturating_sub(1).max(1);
    let fits = if lines > room { room.saturating_sub(1) } else { lines };
    for line in text.lines().take(fits) {
        out.push_str(line);
        out.push_str("\u{1b}[K\n");
    }
    if fits < lines {
        out.push_str(&format!("... and {} lines more\u{1b}[K\n", lines - fits));
    }
    out.push_str("\u{1b}[J");
    out
}

#[cfg(test)]
mod tests {
    use super::screen;

    #[test]
    fn screen_keeps_the_top() {
        assert_eq!(screen("a\nb\n", None), "\u{1b}[Ha\u{1b}[K\nb\u{1b}[K\n\u{1b}[J");
        assert_eq!(
            screen("a\nb\nc\nd\n", Some(4)),
            "\u{1b}[Ha\u{1b}[K\nb\u{1b}[K\n... and 2 lines more\u{1b}[K\n\u{1b}[J"
        );
        assert_eq!(screen("a\nb\nc\n", Some(4)), "\u{1b}[Ha\u{1b}[K\nb\u{1b}[K\nc\u{1b}[K\n\u{1b}[J");
        assert!(screen("a\nb\nc\n", Some(0)).contains("... and 3 lines more"));
    }
}
