//! `holdfast silence`: what is not told, for a time.
//!
//! Owns what is said before and after. The agent decides who may order; `alertd` reads the order as a fact.

use std::fmt::Write as _;
use std::path::Path;

use agent_api::wire::{SILENCE, SilenceOrder, SilenceReply, UNSILENCE, UnsilenceOrder, UnsilenceReply};
use agent_core::view::{DaemonStatus, SilenceView, View};
use jiff::Timestamp;

use crate::Outcome;
use crate::agent::call;
use crate::args::{SilenceAdd, SilenceTargetArgs, SilenceVerb};
use crate::drain::{WHY_MAX, misused, on_behalf_of, said};
use crate::output::{Style, complain, json, print};
use crate::status::{look, silence_text};
use crate::text::harmless;

/// Adds, lists or removes.
pub fn execute(socket: &Path, verb: &SilenceVerb) -> anyhow::Result<Outcome> {
    match verb {
        SilenceVerb::Add(add) => self::add(socket, add),
        SilenceVerb::List { json } => list(socket, *json),
        SilenceVerb::Remove(target) => remove(socket, target),
    }
}

fn add(socket: &Path, args: &SilenceAdd) -> anyhow::Result<Outcome> {
    if args.why.chars().count() > WHY_MAX {
        return Ok(misused(&format!("--why is longer than {WHY_MAX} characters; say it shorter")));
    }
    let order = SilenceOrder {
        target: args.target.target(),
        severity: args.severity,
        why: args.why.clone(),
        for_seconds: args.lasting.as_secs(),
        on_behalf_of: on_behalf_of(),
    };
    let reply: SilenceReply = call(socket, SILENCE, &order).map_err(|failure| said(&failure))?;
    let view = SilenceView::of(&reply.silence);
    let mut text = format!("alerts about {} are silenced\n", reply.silence);
    let _ = writeln!(text, "  {}", harmless(&silence_text(&view, Timestamp::now(), &Style::of_stdout())));
    if reply.replaced {
        text.push_str("  this replaces the silence there was for it\n");
    }
    let _ = writeln!(text, "  end it with: {}", view.end_with);
    print(&text)?;
    // What comes now only explains; the order is in force.
    if let Ok(view) = look(socket)
        && let Some(remark) = remark(&view)
    {
        complain(&remark);
    }
    Ok(Outcome::Well)
}

fn list(socket: &Path, as_json: bool) -> anyhow::Result<Outcome> {
    let view = look(socket).map_err(|failure| said(&failure))?;
    if as_json {
        print(&json(&view.silences, true)?)?;
        return Ok(Outcome::Well);
    }
    let style = Style::of_stdout();
    let mut text = String::new();
    for silence in &view.silences {
        let _ = writeln!(text, "{}", harmless(&what(silence)));
        let _ = writeln!(text, "  {}", harmless(&silence_text(silence, view.generated_at, &style)));
        let _ = writeln!(text, "  end it with: {}", silence.end_with);
    }
    if view.silences.is_empty() {
        text.push_str("nothing is silenced by order; [[alert.silence]] in the configuration may say more\n");
    }
    print(&text)?;
    Ok(Outcome::Well)
}

fn remove(socket: &Path, target: &SilenceTargetArgs) -> anyhow::Result<Outcome> {
    let order = UnsilenceOrder { target: target.target(), on_behalf_of: on_behalf_of() };
    let reply: UnsilenceReply = call(socket, UNSILENCE, &order).map_err(|failure| said(&failure))?;
    let view = SilenceView::of(&reply.ended);
    let was = silence_text(&view, Timestamp::now(), &Style::of_stdout());
    print(&format!("alerts about {} are told again\n  the silence was {}\n", reply.ended, harmless(&was)))?;
    Ok(Outcome::Well)
}

/// `resolver/dns1`, `everything up to warning`.
fn what(silence: &SilenceView) -> String {
    match silence.severity {
        Some(most) => format!("{} up to {most}", silence.target),
        None => silence.target.clone(),
    }
}

/// Why the order may not have the effect it should, now.
fn remark(view: &View) -> Option<String> {
    let heard = view.daemon("alertd").is_some_and(|alertd| alertd.status == DaemonStatus::Connected);
    (!heard).then(|| "alertd is not connected: it takes note of the silence when it is back".to_owned())
}
