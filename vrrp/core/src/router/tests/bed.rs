//! One router on a bench: adverts from others, actions as short words, a clock in milliseconds.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::codec::{
    AdvertInterval, Authentication, ChecksumForm, Datagram, Family, Outgoing, Protocol, Version, Vrid,
    multicast_group,
};
use crate::router::{Action, Deadline, Event, Input, Reason, State, VirtualRouter};
use crate::{RouterConfig, RouterSettings, Time};

/// Our address.
pub const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5));
/// A sender below ours, and one above.
pub const LOW: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 4));
pub const HIGH: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 6));
pub const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));

pub fn ms(ms: f64) -> Duration {
    Duration::from_nanos((ms * 1e6) as u64)
}

pub fn settings() -> RouterSettings {
    RouterSettings { priority: 100, ..RouterSettings::new(51, vec![VIP]) }
}

/// A router on its bench.
pub struct Bed {
    pub router: VirtualRouter,
    pub now: Time,
}

impl Bed {
    /// A router that has heard nothing yet, at 1000 s.
    pub fn new(settings: RouterSettings) -> Self {
        let config = RouterConfig::check(settings).unwrap();
        Self { router: VirtualRouter::new(config), now: Time::from_start(Duration::from_secs(1000)) }
    }

    /// In Backup since now.
    pub fn backup(settings: RouterSettings) -> Self {
        let mut bed = Self::new(settings);
        bed.tell(Input::LinkWentUp { source: OWN });
        bed.tell(Input::Started { held: None });
        assert_eq!(bed.router.state(), State::Backup);
        bed
    }

    /// Active since now, its first round of announcements sent.
    pub fn active(settings: RouterSettings) -> Self {
        let mut bed = Self::backup(settings);
        bed.fire();
        assert_eq!(bed.router.state(), State::Active);
        bed
    }

    /// In the state asked for; Initialize is that of a router whose link is down.
    pub fn in_state(state: State, settings: RouterSettings) -> Self {
        match state {
            State::Initialize => {
                let mut bed = Self::backup(settings);
                bed.tell(Input::LinkWentDown);
                bed
            }
            State::Backup => Self::backup(settings),
            State::Active => Self::active(settings),
        }
    }

    pub fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    /// Says an input and gives the actions it has, in words.
    pub fn tell(&mut self, input: Input<'_>) -> String {
        self.router.handle(input, self.now);
        self.drain()
    }

    /// Waits for the next deadline and serves it. Looks at the clock in time, of which nothing may come, are served on the way.
    pub fn fire(&mut self) -> String {
        while let Some((at, Deadline::Overdue)) = self.router.deadline() {
            self.now = self.now.max(at);
            assert_eq!(self.tell(Input::DeadlinePassed), "");
        }
        self.now = self.now.max(self.router.deadline().unwrap().0);
        self.tell(Input::DeadlinePassed)
    }

    /// Serves deadlines until that of the kind given, which is served too.
    pub fn fire_until(&mut self, deadline: Deadline) -> String {
        for _ in 0..10_000 {
            // Several may be due at one moment.
            let (at, _) = self.router.deadline().unwrap();
            let is_due = self.router.timers.at(deadline) == Some(at);
            let done = self.fire();
            if is_due {
                return done;
            }
        }
        panic!("{deadline:?} never comes");
    }

    /// How long until the deadline, in microseconds.
    pub fn left(&self, deadline: Deadline) -> Option<u128> {
        let at = self.router.timers.at(deadline)?;
        Some(at.since(self.now).as_micros())
    }

    pub fn hear(&mut self, source: IpAddr, priority: u8) -> String {
        self.hear_with(source, priority, |_| ())
    }

    /// Hears an advert that is like ours but for the sender, the priority and the changes given.
    pub fn hear_with(
        &mut self,
        source: IpAddr,
        priority: u8,
        change: impl FnOnce(&mut Outgoing<'_>),
    ) -> String {
        let mut packet = Vec::new();
        let config = self.router.config().clone();
        let authentication = config.settings().authentication.clone();
        let mut sent = Outgoing {
            version: config.settings().version,
            vrid: config.vrid(),
            priority,
            interval: config.interval(),
            addresses: &config.settings().addresses,
            authentication: &authentication,
            checksum: config.settings().checksum,
            source,
            destination: config
                .destinations()
                .next()
                .map_or(OWN, |to| if to.is_multicast() { to } else { OWN }),
        };
        change(&mut sent);
        sent.message(&mut packet).unwrap();
        let destination = sent.destination;
        self.tell(Input::DatagramReceived(datagram(source, destination, &packet)))
    }

    fn drain(&mut self) -> String {
        let mut words = Vec::new();
        while let Some(action) = self.router.poll_action() {
            words.push(word(&action));
        }
        words.join(" ")
    }
}

pub fn datagram(source: IpAddr, destination: IpAddr, payload: &[u8]) -> Datagram<'_> {
    Datagram { source, destination, hop_limit: 255, protocol: Protocol::Vrrp, header: &[], payload }
}

/// The bytes of an advert of priority 150 from [`HIGH`], for tests that spoil it.
pub fn advert() -> Vec<u8> {
    let mut packet = Vec::new();
    let sent = Outgoing {
        version: Version::V3,
        vrid: Vrid::new(51).unwrap(),
        priority: 150,
        interval: AdvertInterval::from_centiseconds(100).unwrap(),
        addresses: &[VIP],
        authentication: &Authentication::None,
        checksum: ChecksumForm::Plain,
        source: HIGH,
        destination: multicast_group(Family::Ipv4),
    };
    sent.message(&mut packet).unwrap();
    packet
}

fn word(action: &Action) -> String {
    match action {
        Action::SendAdvert { priority } => format!("advert({priority})"),
        Action::ClaimAddresses { .. } => "claim".into(),
        Action::RenewAddresses { .. } => "renew".into(),
        Action::ReleaseAddresses => "release".into(),
        Action::Announce => "announce".into(),
        Action::Report(Event::StateChanged { to, reason, .. }) => {
            let to = match to {
                State::Initialize => "INIT",
                State::Backup => "BACKUP",
                State::Active => "ACTIVE",
            };
            format!("{to}:{}", reason.code())
        }
        Action::Report(Event::PriorityChanged { from, to }) => format!("priority({from}->{to})"),
        Action::Report(Event::DiscrepancySeen { what, .. }) => {
            let text = format!("{what:?}");
            format!("odd:{}", text.split(['(', ' ']).next().unwrap_or_default())
        }
        Action::Report(Event::LosingAdvertAnswered { .. }) => "answered".into(),
        Action::Report(Event::TimerLate { .. }) => "late".into(),
        Action::Report(Event::LeaseLapsed) => "lapsed".into(),
        Action::Report(Event::AddressLost { count, .. }) => format!("lost({count})"),
        Action::Report(Event::DuplicateSeen { count, .. }) => format!("duplicate({count})"),
    }
}

/// The reason of the last transition.
pub fn last_reason(bed: &Bed) -> Option<Reason> {
    bed.router.status().transitions.last().map(|transition| transition.reason)
}
