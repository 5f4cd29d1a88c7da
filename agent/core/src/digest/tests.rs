//! The digest at work: a world of facts and events, looked at moment by moment.

mod outage;
mod properties;
mod sight;
mod standby;
mod telling;

use agent_api::config::{Source, parse};
use agent_api::{
    CheckSection, Drain, Event, EventKind, NewEvent, RealServerHealth, RealServerId, Silence, State, Verdict,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Action, Digest, Duty, Input, Kind, Notice, Saved, Settings};

const MINIMAL: &str =
    "[alert]\nsmtp = \"smtp://127.0.0.1\"\nfrom = \"holdfast@d1.example\"\nto = \"staff@b.example\"\n";
const POOL: &str = "[[virtual_server]]\nname = \"resolver\"\naddress = \"192.0.2.1\"\nservices = [\"udp/53\"]\n\
    [virtual_server.check.dns]\nqname = \"a.test\"\n[[virtual_server.real_server]]\nname = \"dns1\"\naddress = \"10.0.0.1\"\n";

pub fn settings(more: &str) -> Settings {
    let text = format!("{MINIMAL}{more}\n{POOL}");
    let source = Source { path: "holdfast.toml".to_owned(), text };
    let config = parse(&[source]).unwrap_or_else(|e| panic!("{e}"));
    Settings::new(&config.alert.unwrap(), config.status.peer.is_some(), "d1".to_owned(), TimeZone::UTC)
}

pub fn at(seconds: i64) -> Timestamp {
    // A Thursday, nine o'clock in the morning.
    Timestamp::from_second(1_795_683_600 + seconds).unwrap()
}

/// Facts and events as the agent would have them.
pub struct World {
    pub state: State,
    pub digest: Digest,
    pub now: i64,
    pub duty: Duty,
    pub heard: bool,
    pub told: Vec<Notice>,
    pub asked: usize,
}

impl World {
    pub fn new(more: &str, servers: &[&str]) -> Self {
        let mut state = State::new("boot".to_owned(), at(0));
        state.checkd = CheckSection { connected: true, ..CheckSection::default() };
        state.lvsd.connected = true;
        let mut world = Self {
            state,
            digest: Digest::new(settings(more), Saved::new("x".to_owned())),
            now: 0,
            duty: Duty::Tells,
            heard: true,
            told: Vec::new(),
            asked: 0,
        };
        for server in servers {
            world.set(server, Verdict::Up);
        }
        world.look();
        world
    }

    pub fn set(&mut self, server: &str, verdict: Verdict) {
        let id: RealServerId = server.parse().unwrap();
        let mut health = RealServerHealth::new(verdict, at(self.now), "10.0.0.1:53".parse().unwrap());
        health.cause = (verdict != Verdict::Up).then(|| "dns_timeout".parse().unwrap());
        self.state.checkd.items.insert(id, health);
    }

    pub fn event(&mut self, kind: EventKind, server: &str, text: &str) {
        let number = self.state.events.back().map_or(0, |event| event.number) + 1;
        let id: Option<RealServerId> = server.parse().ok();
        let what = NewEvent {
            at: at(self.now),
            kind,
            virtual_server: id.as_ref().map(|id| id.virtual_server.clone()),
            real_server: id.map(|id| id.real_server),
            virtual_router: None,
            dependency: None,
            cause: Some("dns_timeout".parse().unwrap()),
            text: text.to_owned(),
        };
        self.state.events.push_back(Event { number, what });
        while self.state.events.len() > agent_api::state::EVENTS_KEPT {
            self.state.events.pop_front();
        }
    }

    pub fn fall(&mut self, server: &str) {
        self.set(server, Verdict::Down);
        self.event(EventKind::RealServerWentDown, server, &format!("{server} is down"));
    }

    pub fn rise(&mut self, server: &str) {
        self.set(server, Verdict::Up);
        self.event(EventKind::RealServerWentUp, server, &format!("{server} is up again"));
    }

    pub fn drain(&mut self, target: &str, seconds: i64) {
        let (virtual_server, real_server) = target.split_once('/').unwrap();
        self.state.orders.drains.push(Drain {
            target: agent_api::DrainTarget {
                virtual_server: Some(virtual_server.parse().unwrap()),
                real_server: real_server.parse().unwrap(),
            },
            who: "root".to_owned(),
            why: String::new(),
            since: at(self.now),
            until: Some(at(self.now + seconds)),
        });
    }

    pub fn silence(&mut self, pool: Option<&str>, seconds: i64) {
        self.state.orders.silences.push(Silence {
            target: agent_api::SilenceTarget {
                virtual_server: pool.map(|name| name.parse().unwrap()),
                ..Default::default()
            },
            severity: None,
            who: "root".to_owned(),
            why: "works".to_owned(),
            since: at(self.now),
            until: at(self.now + seconds),
        });
    }

    pub fn look(&mut self) {
        let input = Input::Looked { state: Some(&self.state), heard: self.heard, duty: self.duty };
        self.digest.handle(input, at(self.now));
        while let Some(action) = self.digest.poll_action() {
            match action {
                Action::Tell(notice) => self.told.push(*notice),
                Action::AskPeer => self.asked += 1,
            }
        }
    }

    /// Lets time pass, looking whenever the digest asks for it.
    pub fn pass(&mut self, seconds: i64) {
        self.look();
        let end = self.now + seconds;
        let mut looks = 0;
        while let Some((due, reason)) = self.digest.deadline(at(self.now)) {
            let due = due.as_second() - at(0).as_second() + i64::from(due.subsec_nanosecond() > 0);
            if due > end {
                break;
            }
            looks += 1;
            assert!(looks < 20_000, "it never rests: {reason:?}");
            self.now = due.max(self.now);
            self.look();
            if due == self.now
                && self.digest.deadline(at(self.now)).is_some_and(|(again, _)| again <= at(self.now))
            {
                self.now += 1;
            }
        }
        self.now = end.max(self.now);
        self.look();
    }

    /// Kind and title of what was told since this was last called.
    pub fn heard_of(&mut self) -> Vec<(Kind, String)> {
        self.told.drain(..).map(|notice| (notice.kind, notice.title)).collect()
    }

    /// The process dies and comes back.
    pub fn restart(&mut self) {
        let saved = self.digest.saved().0;
        let json = serde_json::to_string(saved).unwrap();
        let saved: Saved = serde_json::from_str(&json).unwrap();
        self.digest = Digest::new(self.digest.settings().clone(), saved);
    }
}

pub fn seconds(span: SignedDuration) -> i64 {
    span.as_secs()
}
