//! `holdfast takeover` and `holdfast yield`: orders to the virtual routers of this machine.
//!
//! Owns what is said before and after. The agent decides who may order, and `vipd` what follows: it changes its priority, and the
//! other machine follows that by the protocol's own rules, without a gap.

use std::path::Path;

use agent_api::wire::{
    END_HANDOVER, EndHandoverOrder, EndHandoverReply, HANDOVER, HandoverOrder, HandoverReply,
};
use agent_api::{HandoverKind, RouterState};
use agent_core::view::{DaemonStatus, RouterView, View};

use crate::Outcome;
use crate::agent::call;
use crate::args::Handover;
use crate::drain::{WHY_MAX, misused, on_behalf_of, said};
use crate::output::{Style, complain, print};
use crate::status::{look, until_text};
use crate::text::harmless;

/// Orders it, or ends the order.
pub fn execute(socket: &Path, what: HandoverKind, args: &Handover) -> anyhow::Result<Outcome> {
    if args.why.chars().count() > WHY_MAX {
        return Ok(misused(&format!("--why is longer than {WHY_MAX} characters; say it shorter")));
    }
    if args.end {
        return end(socket, what, args);
    }
    let order = HandoverOrder {
        virtual_router: args.name.clone(),
        what,
        why: args.why.clone(),
        for_seconds: args.lasting.map(|length| length.as_secs()),
        on_behalf_of: on_behalf_of(),
    };
    let reply: HandoverReply = call(socket, HANDOVER, &order).map_err(|failure| said(&failure))?;
    let where_to = match what {
        HandoverKind::Takeover => "shall be active on this machine",
        HandoverKind::Yield => "shall be active on another machine; this one serves until one takes over",
    };
    let until = until_text(reply.handover.until, &Style::of_stdout());
    let mut text = format!("{} {where_to}\n  the order holds {until}\n", reply.handover.virtual_router);
    if reply.replaced {
        text.push_str("  this replaces the order there was for it\n");
    }
    text.push_str(&format!("  end it with: holdfast {what} {} --end\n", reply.handover.virtual_router));
    print(&text)?;
    // What comes now only explains; the order is in force.
    if let Ok(view) = look(socket) {
        for remark in remarks(&view, what, args) {
            complain(&harmless(&remark));
        }
    }
    Ok(Outcome::Well)
}

fn end(socket: &Path, what: HandoverKind, args: &Handover) -> anyhow::Result<Outcome> {
    if !args.why.is_empty() || args.lasting.is_some() {
        return Ok(misused("--end takes neither --why nor --for"));
    }
    let standing = look(socket).map_err(|failure| said(&failure))?;
    let other = standing
        .router(&args.name)
        .and_then(|router| router.handover.as_ref())
        .filter(|order| order.what != what);
    if let Some(other) = other {
        return Ok(misused(&format!(
            "the order for {} is a {}; end it with: holdfast {} {} --end",
            args.name, other.what, other.what, args.name
        )));
    }
    let order = EndHandoverOrder { virtual_router: args.name.clone(), on_behalf_of: on_behalf_of() };
    let reply: EndHandoverReply = call(socket, END_HANDOVER, &order).map_err(|failure| said(&failure))?;
    let ended = reply.ended;
    let why = if ended.why.is_empty() { String::new() } else { format!(" ({})", ended.why) };
    let text = format!(
        "{} goes by its priority again\n  the {} was ordered by {}{why}\n",
        ended.virtual_router, ended.what, ended.who
    );
    print(&harmless_lines(&text))?;
    Ok(Outcome::Well)
}

fn harmless_lines(text: &str) -> String {
    text.lines().map(|line| harmless(line) + "\n").collect()
}

/// Why the order may not have the effect it should, now.
fn remarks(view: &View, what: HandoverKind, args: &Handover) -> Vec<String> {
    let mut remarks = Vec::new();
    let heard = view.daemon("vipd").is_some_and(|vipd| vipd.status == DaemonStatus::Connected);
    if !heard {
        remarks.push("vipd is not connected: nothing moves until it is back".to_owned());
        return remarks;
    }
    let Some(RouterView { report, .. }) = view.router(&args.name) else {
        remarks.push(format!("vipd does not know {} yet: has it read the configuration?", args.name));
        return remarks;
    };
    match (what, report.state) {
        (_, RouterState::Initialize) => {
            remarks.push(format!("{} takes no part now: {}", args.name, report.detail));
        }
        (HandoverKind::Yield, RouterState::Active) if report.senders.is_empty() && report.vrid.is_some() => {
            remarks.push(format!(
                "no other machine was heard for {} yet: it stays here until one that may preempt is there",
                args.name
            ));
        }
        _ => {}
    }
    remarks
}
