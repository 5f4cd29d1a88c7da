//! What the loop works on: digest, outbox, spool and lanes.
//!
//! Owns that what was handled is on disk before anybody is told, which delivery may begin, and what the agent hears of it. When it
//! is called is `daemon`'s.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use agent_api::{AlertHead, AlertTest, Channel, ChannelReport, TestReport};
use agent_core::digest::outbox::{Entry, Outbox, Outcome};
use agent_core::digest::{Action, Digest, Input, Notice, Saved, duty, span};
use agent_daemon::Watchdog;
use agent_link::{Alertd, Reporter, Watcher};
use anyhow::Context;
use jiff::Timestamp;

use crate::post::{self, Job, Post};
use crate::report;
use crate::store::Store;
use crate::ways::Ways;

/// The longest sleep: the agent's silence shows within it, and a clock that was set does no harm.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// How many web hooks and commands may be under way at a time.
const AT_ONCE: usize = 8;
/// How often the same failure to write is told.
const REMIND_SECONDS: i64 = 300;

/// What the loop works on.
pub struct Engine {
    store: Store,
    pub digest: Digest,
    pub outbox: Outbox,
    pub ways: Arc<Ways>,
    post: Post,
    /// Notices that wait, as they are on disk.
    notices: BTreeMap<u64, Arc<Notice>>,
    busy: BTreeSet<Channel>,
    pub ask_peer: bool,
    started_at: Timestamp,
    /// What is in memory and not on disk yet.
    dirty: bool,
    /// When the last failure to write was told.
    complained_at: Option<Timestamp>,
    /// Why the spool can't be written; empty when it can.
    spool_error: String,
    /// Tests that are still to be sent, and what came of the latest of each channel.
    tests_due: VecDeque<(Channel, Arc<Notice>)>,
    tests: BTreeMap<Channel, TestReport>,
    /// The channels that the agent was told of.
    reported: BTreeSet<Channel>,
}

impl Engine {
    pub fn new(
        store: Store,
        former: Option<(Saved, Outbox)>,
        ways: Ways,
        post: Post,
    ) -> anyhow::Result<Self> {
        let (saved, mut outbox) = match former {
            Some(former) => former,
            None => (Saved::new(random_word()?), Outbox::default()),
        };
        let mut notices = BTreeMap::new();
        for file in outbox.files() {
            match store.get(file) {
                Ok(notice) => drop(notices.insert(file, Arc::new(notice))),
                Err(error) => {
                    tracing::error!("a notice can't be read: {error}; what it was about is told anew")
                }
            }
        }
        let mut digest = Digest::new(ways.settings(), saved);
        let (entries, lost): (Vec<Entry>, Vec<Entry>) =
            outbox.entries.into_iter().partition(|entry| notices.contains_key(&entry.file));
        outbox.entries = entries;
        for entry in lost {
            // Of one that is over already nothing is known any more.
            outbox.given_up += u64::from(!digest.retell(entry.incident));
        }
        store.sweep(&outbox.files());
        Ok(Self {
            store,
            digest,
            outbox,
            ways: Arc::new(ways),
            post,
            notices,
            busy: BTreeSet::new(),
            ask_peer: false,
            started_at: Timestamp::now(),
            dirty: true,
            complained_at: None,
            spool_error: String::new(),
            tests_due: VecDeque::new(),
            tests: BTreeMap::new(),
            reported: BTreeSet::new(),
        })
    }

    /// Looks at what the agent says, and takes note of what is to be told.
    pub fn look(&mut self, watcher: &Watcher) {
        let now = Timestamp::now();
        let digest = &mut self.digest;
        let mut test = None;
        watcher.read(|watched| {
            test = watched.state.and_then(|state| state.orders.alert_test.clone());
            let duty = watched.state.map(duty).unwrap_or_default();
            digest.handle(Input::Looked { state: watched.state, heard: watched.connected, duty }, now);
        });
        while let Some(action) = self.digest.poll_action() {
            match action {
                Action::AskPeer => self.ask_peer = true,
                Action::Tell(notice) => self.take(*notice, now),
            }
        }
        if let Some(alert) = &self.ways.alert {
            let ways = &self.ways;
            for entry in self.outbox.expire(span(alert.keep), |to| ways.knows(to), now) {
                tracing::error!("given up: incident {} was not told to {} in time", entry.incident, entry.to);
                self.dirty = true;
            }
        }
        if let Some(test) =
            test.filter(|test| test.until() > now && self.outbox.last_test != Some(test.since))
        {
            self.begin_test(&test, now);
        }
        self.commit();
    }

    /// Takes another configuration.
    pub fn configure(&mut self, ways: Ways) {
        self.digest.configure(ways.settings());
        self.ways = Arc::new(ways);
    }

    /// Has a test sent through every channel, once each.
    fn begin_test(&mut self, test: &AlertTest, now: Timestamp) {
        tracing::info!("{} tests the alerts", crate::clean::line(&test.who));
        self.outbox.last_test = Some(test.since);
        self.dirty = true;
        self.tests_due.clear();
        self.tests.clear();
        let ways = Arc::clone(&self.ways);
        for route in ways.alert.iter().flat_map(|alert| &alert.routes) {
            let notice = Arc::new(self.digest.test(&route.name, &test.who, now));
            for to in ways.destinations(&route.name) {
                if self.tests.contains_key(&to) {
                    continue;
                }
                let report = TestReport {
                    asked_at: test.since,
                    answered_at: None,
                    accepted: false,
                    answer: String::new(),
                };
                self.tests.insert(to.clone(), report);
                self.tests_due.push_back((to, Arc::clone(&notice)));
            }
        }
    }

    /// What came of a test.
    fn tested(&mut self, asked_at: Timestamp, to: &Channel, outcome: &Outcome, answer: String) {
        let now = Timestamp::now();
        self.outbox.tested(to, outcome, now);
        self.dirty = true;
        let (accepted, answer) = match outcome {
            Outcome::Delivered => (true, answer),
            Outcome::Failed { why, .. } | Outcome::Refused { why } => (false, why.clone()),
        };
        if let Some(report) = self.tests.get_mut(to).filter(|report| report.asked_at == asked_at) {
            *report = TestReport { asked_at, answered_at: Some(now), accepted, answer };
        }
    }

    /// Who reports.
    pub fn identity(&self) -> agent_api::Reporter {
        agent_api::Reporter {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: self.started_at,
            config: self.ways.config.clone(),
        }
    }

    /// The section as it is now.
    pub fn section(&self) -> (AlertHead, BTreeMap<Channel, ChannelReport>) {
        let head = report::head(&self.digest, &self.outbox, &self.ways, &self.spool_error);
        (head, report::channels(&self.outbox, &self.ways, &self.tests))
    }

    /// Tells the agent what changed.
    pub fn report(&mut self, reporter: &Reporter<Alertd>) {
        let (head, channels) = self.section();
        let now: BTreeSet<Channel> = channels.keys().cloned().collect();
        for gone in self.reported.difference(&now) {
            reporter.remove_item(gone.clone());
        }
        self.reported = now;
        reporter.set_items(channels);
        reporter.set_head(head);
    }

    fn take(&mut self, notice: Notice, now: Timestamp) {
        let to = self.ways.destinations(&notice.route);
        let file = self.outbox.add(&notice, &to, now);
        tracing::info!(
            "incident {} {}: {}",
            notice.incident,
            notice.kind.as_str(),
            crate::clean::line(&notice.title)
        );
        if let Err(error) = self.store.put(file, &notice) {
            tracing::error!("{error}; it is delivered from memory");
        }
        self.notices.insert(file, Arc::new(notice));
        self.dirty = true;
    }

    /// Puts on disk what changed. When that fails, people are told all the same: mail from a director whose disk is full is
    /// worth more than one that is surely not sent twice.
    pub fn commit(&mut self) {
        let (saved, changed) = self.digest.saved();
        if !changed && !self.dirty {
            return;
        }
        match self.store.commit(saved, &self.outbox) {
            Ok(()) => {
                self.dirty = false;
                self.complained_at = None;
                self.spool_error.clear();
                let needed = self.outbox.files();
                let before = self.notices.len();
                self.notices.retain(|file, _| needed.contains(file));
                if self.notices.len() != before {
                    self.store.sweep(&needed);
                }
            }
            Err(error) => {
                self.dirty = true;
                self.spool_error = error.to_string();
                let now = Timestamp::now();
                if self
                    .complained_at
                    .is_none_or(|at| (now.as_second() - at.as_second()).abs() > REMIND_SECONDS)
                {
                    tracing::error!("{error}; after a restart something may be told twice");
                    self.complained_at = Some(now);
                }
            }
        }
    }

    /// Begins every delivery that may begin.
    pub fn dispatch(&mut self) {
        let now = Timestamp::now();
        for (to, notice) in std::mem::take(&mut self.tests_due) {
            if self.is_busy(&to) {
                self.tests_due.push_back((to, notice));
                continue;
            }
            self.busy.insert(to.clone());
            let test = self.tests.get(&to).map(|report| report.asked_at);
            let ways = Arc::clone(&self.ways);
            self.post.begin(Job { number: 0, file: 0, to, notice, ways, test });
        }
        loop {
            let Some(entry) = self.outbox.next(|to| self.is_busy(to), now).cloned() else { return };
            let Some(notice) = self.notices.get(&entry.file) else {
                // It can't be: entries without a notice are dropped at the start.
                self.outbox.entries.retain(|other| other.number != entry.number);
                continue;
            };
            let mut notice = Notice::clone(notice);
            post::remark(&mut notice, entry.stands_for, now);
            self.busy.insert(entry.to.clone());
            self.post.begin(Job {
                number: entry.number,
                file: entry.file,
                to: entry.to,
                notice: Arc::new(notice),
                ways: Arc::clone(&self.ways),
                test: None,
            });
        }
    }

    /// Whether nothing may be begun there now.
    fn is_busy(&self, to: &Channel) -> bool {
        match to {
            Channel::Mail(_) => self.busy.iter().any(|busy| matches!(busy, Channel::Mail(_))),
            other => self.busy.len() >= AT_ONCE || self.busy.contains(other),
        }
    }

    pub fn came_back(&mut self, result: post::Result) {
        let post::Result { number, file, to, outcome, answer, test } = result;
        self.busy.remove(&to);
        match &outcome {
            Outcome::Delivered => tracing::info!("told {to}"),
            Outcome::Failed { why, .. } => tracing::warn!("can't tell {to} now, it is tried again: {why}"),
            Outcome::Refused { why } => tracing::error!("can't tell {to}, and never will: {why}"),
        }
        if let Some(asked_at) = test {
            self.tested(asked_at, &to, &outcome, answer);
            self.commit();
            return;
        }
        let mut jitter = [0_u8];
        let _unlucky = rustix::rand::getrandom(&mut jitter, rustix::rand::GetRandomFlags::empty());
        self.outbox.handle(number, file, outcome, jitter[0], Timestamp::now());
        self.dirty = true;
        self.commit();
    }

    /// How long nothing is to be done.
    pub fn pause(&self, watchdog: &Watchdog) -> Duration {
        let now = Timestamp::now();
        let digest = self.digest.deadline(now).map(|(at, _)| at);
        let until = [digest, self.outbox.deadline(now)].into_iter().flatten().min();
        let left =
            until.map_or(LONGEST_SLEEP, |at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
        // A moment too late is better than one too early and once more.
        let left = left.max(Duration::from_millis(20));
        left.min(LONGEST_SLEEP).min(watchdog.patience().unwrap_or(LONGEST_SLEEP))
    }
}

fn random_word() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 6];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .context("no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
