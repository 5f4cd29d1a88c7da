//! `holdfast drain` and `holdfast undrain`: orders to the agent.
//!
//! Owns what is said before and after, and the one refusal of this side: a drain that would leave a virtual server
//! without any server is not passed on without `--force`. The agent decides who may order.

use std::path::Path;

use agent_api::wire::{AgentError, DRAIN, DrainOrder, DrainReply, UNDRAIN, UndrainOrder, UndrainReply};
use agent_api::{Drain as Order, DrainTarget, Verdict};
use agent_core::view::{
    DaemonStatus, DrainView, InTable, KernelStatus, RealServerView, View, VirtualServerView,
};
use anyhow::bail;
use jiff::Timestamp;

use crate::Outcome;
use crate::agent::{AgentFailure, call};
use crate::args::{Drain, Undrain};
use crate::output::{Style, complain, print};
use crate::status::{drain_text, look};
use crate::text::harmless;

/// The agent takes so many characters of a reason.
pub const WHY_MAX: usize = 500;
/// And so many of the name of whom we act for, which comes from the environment.
const BEHALF_MAX: usize = 64;

/// Orders a drain.
pub fn drain(socket: &Path, args: &Drain) -> anyhow::Result<Outcome> {
    let target = match args.target.narrowed(args.virtual_server.as_ref()) {
        Ok(target) => target,
        Err(text) => return Ok(misused(&text)),
    };
    if args.why.chars().count() > WHY_MAX {
        return Ok(misused(&format!("--why is longer than {WHY_MAX} characters; say it shorter")));
    }
    if !args.force {
        let view = look(socket).map_err(|failure| said(&failure))?;
        let objections: Vec<String> =
            view.covered(&target).filter_map(|(pool, server)| objection(pool, server)).collect();
        if !objections.is_empty() {
            for objection in &objections {
                complain(&harmless(objection));
            }
            complain(&format!(
                "{target} is not drained; if you mean it, say: holdfast drain {target} --force"
            ));
            return Ok(Outcome::Wrong);
        }
    }
    let order = DrainOrder {
        target: target.clone(),
        why: args.why.clone(),
        for_seconds: args.lasting.map(|length| length.as_secs()),
        on_behalf_of: on_behalf_of(),
    };
    let reply: DrainReply = call(socket, DRAIN, &order).map_err(|failure| said(&failure))?;
    let style = Style::of_stdout();
    let mut text = in_force(&reply.drain, &style);
    if reply.replaced {
        text.push_str("  this replaces the order there was for it\n");
    }
    text.push_str(&format!("  end it with: holdfast undrain {}\n", reply.drain.target));
    print(&text)?;
    // What comes now only explains; the order is in force.
    if let Ok(view) = look(socket) {
        for remark in remarks(&view, &target) {
            complain(&harmless(&remark));
        }
    }
    Ok(Outcome::Well)
}

/// Ends a drain.
pub fn undrain(socket: &Path, args: &Undrain) -> anyhow::Result<Outcome> {
    let target = match args.target.narrowed(args.virtual_server.as_ref()) {
        Ok(target) => target,
        Err(text) => return Ok(misused(&text)),
    };
    let order = UndrainOrder { target: target.clone(), on_behalf_of: on_behalf_of() };
    let reply: UndrainReply = match call(socket, UNDRAIN, &order) {
        Ok(reply) => reply,
        Err(AgentFailure::Said(error @ AgentError::NotDrained { .. })) => {
            let others = look(socket).map(|view| others(&view, &target)).unwrap_or_default();
            for other in &others {
                complain(&harmless(other));
            }
            bail!("{}", harmless(&error.to_string()));
        }
        Err(failure) => return Err(said(&failure)),
    };
    let style = Style::of_stdout();
    let mut text = String::new();
    for drain in &reply.ended {
        text.push_str(&format!("{} is not drained any more\n", drain.target));
        let was = format!("the order was given {}", drain_text(&view_of(drain), Timestamp::now(), &style));
        text.push_str(&format!("  {}\n", harmless(&was)));
    }
    print(&text)?;
    if let Ok(view) = look(socket) {
        for other in others(&view, &target) {
            complain(&harmless(&other));
        }
    }
    Ok(Outcome::Well)
}

/// Says what is wrong with the command line.
pub fn misused(text: &str) -> Outcome {
    complain(&harmless(text));
    Outcome::Misused
}

/// The agent's refusal as this command's failure.
pub fn said(failure: &AgentFailure) -> anyhow::Error {
    anyhow::anyhow!("{}", harmless(&failure.to_string()))
}

/// The user behind `sudo`, as a claim.
pub fn on_behalf_of() -> Option<String> {
    let user = std::env::var("SUDO_USER").ok().filter(|user| !user.is_empty())?;
    Some(user.chars().take(BEHALF_MAX).collect())
}

fn view_of(drain: &Order) -> DrainView {
    DrainView {
        target: drain.target.to_string(),
        who: drain.who.clone(),
        why: drain.why.clone(),
        since: drain.since,
        until: drain.until,
    }
}

fn in_force(drain: &Order, style: &Style) -> String {
    let text = drain_text(&view_of(drain), Timestamp::now(), style);
    format!("{} is drained {}\n  it keeps what it has and gets no new work\n", drain.target, harmless(&text))
}

/// Whether a server takes new work, as far as is known: an old verdict counts as long as there is no newer one, and one that
/// can't be judged stays as the kernel has it.
fn serves(server: &RealServerView) -> bool {
    let weighs = server.destinations.iter().any(|to| to.weight > 0);
    if server.drain.is_some() {
        return false;
    }
    match server.last_verdict() {
        Verdict::Up | Verdict::Degraded => weighs || server.destinations.is_empty(),
        Verdict::Unknown => weighs,
        Verdict::Down => false,
    }
}

/// Why `server` should not be drained: nothing would be left of `pool`.
fn objection(pool: &VirtualServerView, server: &RealServerView) -> Option<String> {
    let others: Vec<&RealServerView> =
        pool.real_servers.iter().filter(|other| other.name != server.name).collect();
    if others.iter().any(|other| serves(other)) {
        return None;
    }
    let why: Vec<String> = others
        .iter()
        .take(5)
        .map(|other| {
            if other.drain.is_some() {
                return format!("{} is drained", other.name);
            }
            let cause = other.cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default();
            match other.last_verdict() {
                Verdict::Up | Verdict::Degraded => format!("{} has weight 0", other.name),
                verdict => format!("{} is {verdict}{cause}", other.name),
            }
        })
        .collect();
    let more = others.len().saturating_sub(why.len());
    let rest = match (why.is_empty(), more) {
        (true, _) => "it has no other real server".to_owned(),
        (false, 0) => why.join(", "),
        (false, _) => format!("{}, and {more} more do not serve either", why.join(", ")),
    };
    Some(format!("draining {} would leave {} without any server: {rest}", server.name, pool.name))
}

/// Why the order may not have the effect it should, now.
fn remarks(view: &View, target: &DrainTarget) -> Vec<String> {
    let mut remarks = Vec::new();
    if view.covered(target).next().is_none() {
        remarks.push(format!("no daemon knows a real server {target} yet; the order waits for it"));
    }
    if view.covered(target).any(|(_, server)| server.in_table == InTable::No) {
        remarks
            .push(format!("{target} is out of the kernel's table already, in at least one virtual server"));
    }
    let heard = view.daemon("lvsd").is_some_and(|lvsd| lvsd.status == DaemonStatus::Connected);
    if !heard {
        remarks
            .push("lvsd is not connected: the kernel's table stays as it is until lvsd is back".to_owned());
    } else if view.kernel.status != KernelStatus::Present {
        remarks.push(format!("the kernel's table can't be changed now: {}", view.kernel.detail));
    }
    remarks
}

/// Other orders that keep what `target` means drained.
fn others(view: &View, target: &DrainTarget) -> Vec<String> {
    let mut orders: Vec<&DrainView> =
        view.covered(target).filter_map(|(_, server)| server.drain.as_ref()).collect();
    orders.sort_by(|a, b| a.target.cmp(&b.target));
    orders.dedup_by(|a, b| a.target == b.target);
    orders
        .into_iter()
        .map(|order| {
            format!(
                "the order for {} still drains it; end that with: holdfast undrain {}",
                order.target, order.target
            )
        })
        .collect()
}
