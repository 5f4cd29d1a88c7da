//! `holdfast alert test`: whether alerts arrive.
//!
//! Owns the waiting for what each channel answered. The test itself is sent by `alertd`, which alone has the secrets; this asks
//! the agent for it and reads the answers from the state.

use std::fmt::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use agent_api::wire::{AlertTestOrder, AlertTestReply, TEST_ALERTS};
use agent_api::{AlertSection, AlertTest, Channel, ChannelReport, TestReport};
use serde::Serialize;

use crate::Outcome;
use crate::agent::{call, state};
use crate::args::AlertVerb;
use crate::drain::{on_behalf_of, said};
use crate::output::{complain, json, print};
use crate::text::harmless;

/// How often the answers are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What one channel answered.
#[derive(Serialize)]
struct Answer<'a> {
    channel: &'a Channel,
    routes: &'a [agent_api::Name],
    /// Null when it did not answer in time.
    accepted: Option<bool>,
    answer: &'a str,
}

/// Sends the test and waits.
pub fn execute(socket: &Path, verb: &AlertVerb) -> anyhow::Result<Outcome> {
    let AlertVerb::Test { wait, json: as_json } = verb;
    let order = AlertTestOrder { on_behalf_of: on_behalf_of() };
    let reply: AlertTestReply = call(socket, TEST_ALERTS, &order).map_err(|failure| said(&failure))?;
    let deadline = Instant::now() + *wait;
    let section = loop {
        let section = state(socket).map_err(|failure| said(&failure))?.alertd;
        let taken = section.items.values().any(|channel| answered(channel, &reply.test).is_some());
        let open = section
            .items
            .values()
            .any(|channel| answered(channel, &reply.test).is_none_or(|test| test.answered_at.is_none()));
        if (taken && !open) || Instant::now() >= deadline || !section.head.configured {
            break section;
        }
        thread::sleep(LOOK_EVERY);
    };
    if section.items.is_empty() {
        complain("there is no [alert] with a route that leads anywhere, so nobody is told of anything");
        return Ok(Outcome::Wrong);
    }
    let answers = answers(&section, &reply.test);
    print(&if *as_json { json(&answers, true)? } else { text(&answers) })?;
    let well = answers.iter().all(|answer| answer.accepted == Some(true));
    Ok(if well { Outcome::Well } else { Outcome::Wrong })
}

fn answered<'a>(channel: &'a ChannelReport, test: &AlertTest) -> Option<&'a TestReport> {
    channel.test.as_ref().filter(|report| report.asked_at == test.since)
}

fn answers<'a>(section: &'a AlertSection, test: &AlertTest) -> Vec<Answer<'a>> {
    let one = |(name, channel): (&'a Channel, &'a ChannelReport)| {
        let report = answered(channel, test).filter(|report| report.answered_at.is_some());
        Answer {
            channel: name,
            routes: &channel.routes,
            accepted: report.map(|report| report.accepted),
            answer: report.map(|report| report.answer.as_str()).unwrap_or_default(),
        }
    };
    section.items.iter().map(one).collect()
}

fn text(answers: &[Answer<'_>]) -> String {
    let mut text = String::new();
    for answer in answers {
        let word = match answer.accepted {
            Some(true) => "accepted",
            Some(false) => "NOT ACCEPTED",
            None => "NO ANSWER yet; holdfast status shows it when there is one",
        };
        let routes: Vec<&str> = answer.routes.iter().map(agent_api::Name::as_str).collect();
        let said = if answer.answer.is_empty() { String::new() } else { format!(": {}", answer.answer) };
        let line = format!("{} (route {}) {word}{said}", answer.channel, routes.join(", "));
        let _ = writeln!(text, "{}", harmless(&line));
    }
    text
}
