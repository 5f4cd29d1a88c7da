//! How much is kept.
//!
//! Owns the limits on numbers and lengths. A text that is too long is cut; too many items refuse the report, because a
//! part of a section would be a lie. It changes nothing else.

use agent_api::basis::RUNS_MAX;
use agent_api::router::{SEEN_MAX, TRANSITIONS_MAX};
use agent_api::telling::{TOLD_MAX, TOLD_OVER_MAX};
use agent_api::{
    AlertHead, AlertTest, ChannelReport, CheckHead, Drain, Handover, KernelTable, LvsHead, NewEvent,
    RealServerHealth, Reporter, RouterReport, ServiceReport, Silence, VipHead,
};

use super::Refusal;

/// How many items a section may have.
pub const ITEMS_MAX: usize = 131_072;
/// How many items and destinations together.
pub const WEIGHT_MAX: usize = 524_288;
/// How long a text for people may be, in characters.
pub const LINE_MAX: usize = 500;
/// How long a technical word may be, in characters.
const WORD_MAX: usize = 128;
/// How many checks of one real server are kept.
const CHECKS_MAX: usize = agent_api::config::CHECKS_MAX;
/// How many addresses of a virtual router are kept: as many as may be configured, listed and not.
const ADDRESSES_MAX: usize = 510;
/// How many things that real servers depend on are kept.
const DEPENDENCIES_MAX: usize = agent_api::config::DEPENDENCIES_MAX;
/// How many wrong settings are kept.
const SETTINGS_MAX: usize = 64;

/// What has a limited size.
pub trait Bounded {
    /// Cuts what is too long.
    fn bound(&mut self);

    /// What it costs to keep.
    fn weight(&self) -> usize {
        1
    }
}

impl Bounded for CheckHead {
    fn bound(&mut self) {
        while self.dependencies.len() > DEPENDENCIES_MAX {
            self.dependencies.pop_last();
        }
        for health in self.dependencies.values_mut() {
            health.checks.clear();
            health.bound();
        }
    }
}

impl Bounded for RealServerHealth {
    fn bound(&mut self) {
        cut(&mut self.detail, LINE_MAX);
        self.checks.truncate(CHECKS_MAX);
        for check in &mut self.checks {
            cut(&mut check.name, WORD_MAX);
            // There are no checks of a check.
            check.health.checks.clear();
            check.health.bound();
        }
        let Some(basis) = &mut self.basis else { return };
        cut(&mut basis.check, LINE_MAX);
        let surplus = basis.runs.len().saturating_sub(RUNS_MAX);
        basis.runs.drain(..surplus);
        for run in &mut basis.runs {
            cut(&mut run.detail, LINE_MAX);
            cut(&mut run.reply, LINE_MAX);
        }
    }

    fn weight(&self) -> usize {
        1 + self.checks.len()
    }
}

impl Bounded for LvsHead {
    fn bound(&mut self) {
        self.settings.truncate(SETTINGS_MAX);
        for setting in &mut self.settings {
            cut(&mut setting.name, WORD_MAX);
            if let Some(value) = &mut setting.value {
                cut(value, WORD_MAX);
            }
            cut(&mut setting.wanted, WORD_MAX);
            cut(&mut setting.why, LINE_MAX);
        }
        match &mut self.kernel {
            KernelTable::Unknown => {}
            KernelTable::Present { version } => cut(version, WORD_MAX),
            KernelTable::Unusable { detail, remedy, .. } => {
                cut(detail, LINE_MAX);
                cut(remedy, LINE_MAX);
            }
        }
    }
}

impl Bounded for ServiceReport {
    fn bound(&mut self) {
        cut(&mut self.scheduler, WORD_MAX);
    }

    fn weight(&self) -> usize {
        1 + self.destinations.len()
    }
}

impl Bounded for VipHead {
    fn bound(&mut self) {
        self.remarks.truncate(SEEN_MAX);
        self.remarks.iter_mut().for_each(|remark| cut(remark, LINE_MAX));
    }
}

impl Bounded for RouterReport {
    fn bound(&mut self) {
        cut(&mut self.detail, LINE_MAX);
        cut(&mut self.interface, WORD_MAX);
        self.addresses.truncate(ADDRESSES_MAX);
        self.held.truncate(ADDRESSES_MAX);
        self.parts.truncate(SEEN_MAX);
        for part in &mut self.parts {
            cut(&mut part.what, LINE_MAX);
            cut(&mut part.seen, WORD_MAX);
        }
        let surplus = self.transitions.len().saturating_sub(TRANSITIONS_MAX);
        self.transitions.drain(..surplus);
        self.transitions.iter_mut().for_each(|transition| cut(&mut transition.detail, LINE_MAX));
        self.senders.truncate(SEEN_MAX);
        self.discrepancies.truncate(SEEN_MAX);
        self.discrepancies.iter_mut().for_each(|one| cut(&mut one.detail, LINE_MAX));
        while self.rejected.len() > SEEN_MAX {
            self.rejected.pop_last();
        }
    }

    fn weight(&self) -> usize {
        1 + self.addresses.len() + self.senders.len() + self.discrepancies.len()
    }
}

impl Bounded for AlertHead {
    fn bound(&mut self) {
        cut(&mut self.spool_error, LINE_MAX);
        self.told.truncate(TOLD_MAX);
        self.told.iter_mut().for_each(|key| cut(key, LINE_MAX));
        self.told_over.truncate(TOLD_OVER_MAX);
        self.told_over.iter_mut().for_each(|over| cut(&mut over.trouble, LINE_MAX));
    }
}

impl Bounded for ChannelReport {
    fn bound(&mut self) {
        self.routes.truncate(SEEN_MAX);
        cut(&mut self.last_error, LINE_MAX);
        if let Some(test) = &mut self.test {
            cut(&mut test.answer, LINE_MAX);
        }
    }
}

impl Bounded for Silence {
    fn bound(&mut self) {
        cut(&mut self.who, WORD_MAX);
        cut(&mut self.why, LINE_MAX);
    }
}

impl Bounded for AlertTest {
    fn bound(&mut self) {
        cut(&mut self.who, WORD_MAX);
    }
}

impl Bounded for Handover {
    fn bound(&mut self) {
        cut(&mut self.who, WORD_MAX);
        cut(&mut self.why, LINE_MAX);
    }
}

impl Bounded for Reporter {
    fn bound(&mut self) {
        cut(&mut self.version, WORD_MAX);
        cut(&mut self.config, WORD_MAX);
    }
}

impl Bounded for NewEvent {
    fn bound(&mut self) {
        cut(&mut self.text, LINE_MAX);
    }
}

impl Bounded for Drain {
    fn bound(&mut self) {
        cut(&mut self.who, WORD_MAX);
        cut(&mut self.why, LINE_MAX);
    }
}

/// `text` as one line that is not too long.
pub fn line(text: &str) -> String {
    let mut line = text.to_owned();
    cut(&mut line, LINE_MAX);
    line
}

/// Makes `text` one line of at most `limit` characters, with "…" where it was cut.
fn cut(text: &mut String, limit: usize) {
    if text.len() > limit && text.chars().nth(limit).is_some() {
        *text = text.chars().take(limit.saturating_sub(1)).chain(['…']).collect();
    }
    if text.chars().any(char::is_control) {
        *text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    }
}

/// Sees that a section does not grow beyond the limits.
pub fn check(items: usize, weight: usize) -> Result<(), Refusal> {
    if items > ITEMS_MAX {
        return Err(Refusal::TooMuch { what: "items in the section", count: items, limit: ITEMS_MAX });
    }
    if weight > WEIGHT_MAX {
        return Err(Refusal::TooMuch {
            what: "destinations in the section",
            count: weight,
            limit: WEIGHT_MAX,
        });
    }
    Ok(())
}
