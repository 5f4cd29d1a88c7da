//! The state machine of a takeover by ARP, as far as both machines have it in common.
//!
//! Owns claiming, renewing, announcing and releasing, the rounds, and the order in which inputs are taken note of. When the
//! addresses are taken and given is in `standby` and `director`. It has the shape of every core: [`Takeover::handle`],
//! [`Takeover::poll_action`], [`Takeover::deadline`], [`Takeover::why`].

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::config::{ArpConfig, Role};
use super::director::Probing;
use super::standby::Watch;
use super::words::{ArpAction, ArpEvent, ArpInput, ArpReason, ArpWhy};
use crate::announce::Mac;
use crate::router::announcing::Announcing;
use crate::router::{Order, State};
use crate::time::Time;

/// Commands not yet taken: a driver that drains after every input never has more than a round of probes waiting.
const ACTIONS_MAX: usize = 1_024;
/// Transitions kept.
const HISTORY: usize = 16;

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArpTransition {
    /// When.
    pub at: Time,
    /// State before.
    pub from: State,
    /// State after.
    pub to: State,
    /// Why.
    pub reason: ArpReason,
}

/// A standby, or a director, of one set of addresses.
#[derive(Debug)]
pub struct Takeover {
    pub(super) config: ArpConfig,
    pub(super) state: State,
    started: bool,
    stopped: bool,
    link_up: bool,
    tracker_failed: bool,
    failed_claims: u32,
    pub(super) order: Option<Order>,
    pub(super) watch: Watch,
    pub(super) probing: Probing,
    pub(super) round: Option<Time>,
    start_delay: Option<Time>,
    claim_retry: Option<Time>,
    renewal: Option<Time>,
    announcing: Announcing,
    actions: VecDeque<ArpAction>,
    history: VecDeque<ArpTransition>,
}

impl Takeover {
    /// One that waits for [`ArpInput::Started`].
    #[must_use]
    pub fn new(config: ArpConfig) -> Self {
        Self {
            config,
            state: State::Initialize,
            started: false,
            stopped: false,
            link_up: false,
            tracker_failed: false,
            failed_claims: 0,
            order: None,
            watch: Watch::default(),
            probing: Probing::default(),
            round: None,
            start_delay: None,
            claim_retry: None,
            renewal: None,
            announcing: Announcing::default(),
            actions: VecDeque::new(),
            history: VecDeque::new(),
        }
    }

    /// Takes note of something that happened at `now`. Drain [`Self::poll_action`] afterwards. `now` must not go back.
    pub fn handle(&mut self, input: ArpInput, now: Time) {
        match input {
            ArpInput::Started { held } => self.started(held, now),
            ArpInput::DeadlinePassed => self.deadlines_passed(now),
            ArpInput::Answered { address, mac } => self.watch.answered(&self.config, address, mac),
            ArpInput::Claimed { address, mac } => self.claimed(address, mac, now),
            ArpInput::HandedOver => self.handed_over(now),
            ArpInput::LinkWentUp => {
                self.link_up = true;
                self.reconsider(now);
            }
            ArpInput::LinkWentDown => {
                self.link_up = false;
                self.reconsider(now);
            }
            ArpInput::ServiceSeen(good) => self.watch.service_seen(good, now),
            ArpInput::AddressLost(address) => self.address_lost(address, now),
            ArpInput::ClaimFailed if self.state == State::Active => self.lose_hold(now),
            ArpInput::ClaimFailed => (),
            ArpInput::OrderGiven(order) => self.ordered(Some(order), now),
            ArpInput::OrderLifted => self.ordered(None, now),
            ArpInput::TrackerFailed(failed) => {
                self.tracker_failed = failed;
                self.reconsider(now);
            }
            ArpInput::StopRequested => {
                self.stopped = true;
                self.reconsider(now);
            }
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll_action(&mut self) -> Option<ArpAction> {
        self.actions.pop_front()
    }

    /// When to say [`ArpInput::DeadlinePassed`].
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        [self.round, self.start_delay, self.claim_retry, self.renewal, self.announcing.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// State: Active has the addresses.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Configuration.
    #[must_use]
    pub const fn config(&self) -> &ArpConfig {
        &self.config
    }

    /// The operator's order.
    #[must_use]
    pub const fn order(&self) -> Option<Order> {
        self.order
    }

    /// The last transitions, oldest first.
    pub fn transitions(&self) -> impl Iterator<Item = &ArpTransition> {
        self.history.iter()
    }

    /// Why the addresses are, or are not, here.
    #[must_use]
    pub fn why(&self) -> ArpWhy {
        match (self.state, self.blocked()) {
            (State::Active, _) if self.config.settings().role == Role::Standby && self.watch.is_back() => {
                ArpWhy::NotGivenBackYet
            }
            (State::Active, _) => ArpWhy::WeAreActive,
            (_, Some(why)) => why,
            _ => match self.config.settings().role {
                Role::Standby => self.why_not_standby(),
                Role::Director => self.why_not_director(),
            },
        }
    }

    fn blocked(&self) -> Option<ArpWhy> {
        if !self.started || self.stopped {
            Some(ArpWhy::NotRunning)
        } else if !self.link_up {
            Some(ArpWhy::LinkDown)
        } else if self.tracker_failed {
            Some(ArpWhy::TrackerFailed)
        } else if self.claim_retry.is_some() {
            Some(ArpWhy::AddressesNotHeld)
        } else if self.start_delay.is_some() {
            Some(ArpWhy::StartDelay)
        } else {
            None
        }
    }

    fn started(&mut self, held: bool, now: Time) {
        if self.started {
            return;
        }
        self.started = true;
        if held && self.blocked().is_none() {
            self.become_active(ArpReason::Resumed, now);
            return;
        }
        // Whatever an earlier run left behind is not ours now, and two machines would answer for it.
        self.act(ArpAction::ReleaseAddresses);
        let delay = self.config.settings().start_delay;
        self.start_delay = (delay > Duration::ZERO).then(|| now + delay);
        self.reconsider(now);
    }

    /// Begins or ends taking part, after a fact changed.
    fn reconsider(&mut self, now: Time) {
        match (self.blocked(), self.state) {
            (None, State::Initialize) => self.become_backup(ArpReason::Started, now),
            (Some(why), State::Backup | State::Active) => {
                let reason = match why {
                    ArpWhy::LinkDown => ArpReason::LinkWentDown,
                    ArpWhy::TrackerFailed => ArpReason::TrackerFailed,
                    ArpWhy::AddressesNotHeld => ArpReason::ClaimFailed,
                    _ => ArpReason::Stopped,
                };
                self.give_up(reason, now);
            }
            _ => (),
        }
        if self.stopped {
            (self.start_delay, self.claim_retry) = (None, None);
        }
    }

    fn give_up(&mut self, reason: ArpReason, now: Time) {
        if self.state == State::Active {
            self.act(ArpAction::ReleaseAddresses);
        }
        self.round = None;
        self.change_to(State::Initialize, reason, now);
    }

    /// Listens, with nothing known.
    pub(super) fn become_backup(&mut self, reason: ArpReason, now: Time) {
        self.change_to(State::Backup, reason, now);
        self.watch.forget();
        self.probing = Probing::default();
        self.begin_round(now);
        if self.order == Some(Order::TakeOver) {
            self.become_active(ArpReason::Ordered, now);
        }
    }

    /// Takes the addresses: they are claimed first, so that whoever hears of them is answered.
    pub(super) fn become_active(&mut self, reason: ArpReason, now: Time) {
        if self.state == State::Active {
            return;
        }
        self.change_to(State::Active, reason, now);
        self.claim(now);
        self.announce_anew(now);
        if self.round.is_none() {
            self.begin_round(now);
        }
    }

    pub(super) fn change_to(&mut self, to: State, reason: ArpReason, now: Time) {
        let from = std::mem::replace(&mut self.state, to);
        self.renewal = None;
        self.announcing.stop();
        if from == to {
            return;
        }
        if self.history.len() >= HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(ArpTransition { at: now, from, to, reason });
        self.report(ArpEvent::StateChanged { from, to, reason });
    }

    fn claim(&mut self, now: Time) {
        let lifetime = self.config.settings().lease;
        self.act(ArpAction::ClaimAddresses { lifetime });
        self.renewal = Some(now + lifetime / 3);
    }

    pub(super) fn announce_anew(&mut self, now: Time) {
        self.announcing.begin(&self.config.settings().announcements, now);
        self.announce_due(now);
    }

    fn announce_due(&mut self, now: Time) {
        if self.announcing.take_due(&self.config.settings().announcements, now) {
            self.act(ArpAction::Announce);
        }
    }

    fn deadlines_passed(&mut self, now: Time) {
        let due = |slot: &mut Option<Time>| slot.take_if(|at| *at <= now).is_some();
        if due(&mut self.start_delay) | due(&mut self.claim_retry) {
            self.reconsider(now);
        }
        if let Some(at) = self.round.take_if(|at| *at <= now) {
            self.round_over(at, now);
        }
        if due(&mut self.renewal) {
            let lifetime = self.config.settings().lease;
            self.act(ArpAction::RenewAddresses { lifetime });
            self.renewal = Some(now + lifetime / 3);
        }
        self.announce_due(now);
    }

    fn round_over(&mut self, at: Time, now: Time) {
        let interval = self.config.settings().interval;
        // One that was not judged in its time proves nothing: this program did not run, and answers may wait unread.
        let late = now.since(at) > interval;
        match self.config.settings().role {
            Role::Standby => self.standby_round_over(late, now),
            Role::Director => self.director_round_over(late, now),
        }
        if self.state != State::Initialize {
            self.begin_round(now);
        }
    }

    fn begin_round(&mut self, now: Time) {
        let settings = self.config.settings();
        self.round = Some(now + settings.interval);
        self.watch.begin_round();
        self.probing.begin_round();
        let asked =
            settings.targets.iter().chain(&settings.sentinels).map(|&address| ArpAction::Probe(address));
        let own = settings.addresses.iter().map(|&address| ArpAction::ProbeAddress(address));
        let director_waits = settings.role == Role::Director && self.state == State::Backup;
        let probes: Vec<ArpAction> = asked.chain(own.filter(|_| director_waits)).collect();
        probes.into_iter().for_each(|probe| self.act(probe));
    }

    fn claimed(&mut self, address: IpAddr, mac: Mac, now: Time) {
        if !self.config.settings().addresses.contains(&address) {
            return;
        }
        self.probing.somebody_has_it();
        if self.state == State::Active {
            self.report(ArpEvent::DuplicateSeen { address, mac });
            self.dispute(now);
        }
    }

    fn address_lost(&mut self, address: IpAddr, now: Time) {
        if self.state != State::Active || !self.config.settings().addresses.contains(&address) {
            return;
        }
        self.report(ArpEvent::AddressLost(address));
        self.probing.lost_once_more(now);
        if self.probing.lost_too_often() {
            self.lose_hold(now);
            return;
        }
        self.claim(now);
        self.announce_anew(now);
    }

    /// The addresses cannot be held: gives up, and takes part again after a pause that grows each time.
    fn lose_hold(&mut self, now: Time) {
        self.failed_claims = self.failed_claims.saturating_add(1);
        self.give_up(ArpReason::ClaimFailed, now);
        // 1, 2, 4 .. 32 s.
        self.claim_retry = Some(now + Duration::from_secs(1 << (self.failed_claims - 1).min(5)));
    }

    fn ordered(&mut self, order: Option<Order>, now: Time) {
        self.order = order;
        match (order, self.state) {
            (Some(Order::TakeOver), State::Backup) => self.become_active(ArpReason::Ordered, now),
            (Some(Order::Yield), State::Active) => self.asked_to_yield(now),
            _ => (),
        }
    }

    pub(super) fn act(&mut self, action: ArpAction) {
        if self.actions.len() >= ACTIONS_MAX {
            // Nobody drains. What can be missed goes; of the commands about addresses the last one counts.
            let missable = |action: &ArpAction| {
                !matches!(action, ArpAction::ClaimAddresses { .. } | ArpAction::ReleaseAddresses)
            };
            match self.actions.iter().position(missable) {
                Some(at) => drop(self.actions.remove(at)),
                None => self.actions.clear(),
            }
        }
        self.actions.push_back(action);
    }

    pub(super) fn report(&mut self, event: ArpEvent) {
        self.act(ArpAction::Report(event));
    }
}
