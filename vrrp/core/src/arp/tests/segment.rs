//! A director and its standby on one segment with a gateway, with loss, cuts on either side, power cuts and returns. The seed
//! of a world that fails is printed.

use std::time::Duration;

use super::{DIRECTOR_MAC, ip};
use crate::arp::{ArpAction, ArpConfig, ArpInput, ArpSettings, Role, Takeover};
use crate::router::State;
use crate::time::Time;

const STEP: Duration = Duration::from_millis(10);
const STANDBY_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % end
    }
}

/// One machine and its cable.
struct Machine {
    core: Takeover,
    holds: bool,
    powered: bool,
    /// Whether the cable is whole, and whether a cut is seen as a lost carrier.
    cable: bool,
    /// Its clock runs at so many parts of a thousand, in 999 to 1001.
    rate: u64,
}

impl Machine {
    fn new(settings: ArpSettings, rate: u64) -> Self {
        Self {
            core: Takeover::new(ArpConfig::check(settings).unwrap()),
            holds: false,
            powered: false,
            cable: true,
            rate,
        }
    }

    fn reaches(&self) -> bool {
        self.powered && self.cable
    }
}

struct World {
    director: Machine,
    standby: Machine,
    now: Duration,
    dice: Dice,
    loss: u64,
    served_last: Duration,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let interval = Duration::from_millis([50, 200, 1_000][dice.below(3) as usize]);
        let with = |role| {
            let mut settings = super::settings(role);
            settings.interval = interval;
            settings
        };
        let (standby, director) = (with(Role::Standby), with(Role::Director));
        let mut world = Self {
            director: Machine::new(director, 999 + dice.below(3)),
            standby: Machine::new(standby, 999 + dice.below(3)),
            now: Duration::from_secs(1),
            loss: dice.below(15),
            dice,
            served_last: Duration::from_secs(1),
        };
        for is_director in [true, false] {
            world.power(is_director, true);
        }
        world
    }

    fn machine(&mut self, is_director: bool) -> &mut Machine {
        if is_director { &mut self.director } else { &mut self.standby }
    }

    fn power(&mut self, is_director: bool, on: bool) {
        let machine = self.machine(is_director);
        if machine.powered == on {
            return;
        }
        machine.powered = on;
        machine.holds = false;
        if on {
            machine.core = Takeover::new(machine.core.config().clone());
            if machine.cable {
                self.tell(is_director, ArpInput::LinkWentUp);
            }
            self.tell(is_director, ArpInput::Started { held: false });
        }
    }

    fn cable(&mut self, is_director: bool, whole: bool, seen: bool) {
        self.machine(is_director).cable = whole;
        if seen || whole {
            self.tell(is_director, if whole { ArpInput::LinkWentUp } else { ArpInput::LinkWentDown });
        }
    }

    fn time_of(&mut self, is_director: bool) -> Time {
        let now = self.now;
        let rate = self.machine(is_director).rate;
        Time::from_start(Duration::from_micros(now.as_micros() as u64 / 1_000 * rate))
    }

    fn tell(&mut self, is_director: bool, input: ArpInput) {
        if !self.machine(is_director).powered {
            return;
        }
        let now = self.time_of(is_director);
        self.machine(is_director).core.handle(input, now);
        while let Some(action) = self.machine(is_director).core.poll_action() {
            self.carry_out(is_director, action);
        }
    }

    fn lost(&mut self) -> bool {
        let loss = self.loss;
        self.dice.below(100) < loss
    }

    fn carry_out(&mut self, is_director: bool, action: ArpAction) {
        let own_mac = if is_director { DIRECTOR_MAC } else { STANDBY_MAC };
        let reaches = self.machine(is_director).reaches();
        let other_hears = reaches && self.machine(!is_director).reaches() && !self.lost();
        match action {
            ArpAction::ClaimAddresses { .. } => self.machine(is_director).holds = true,
            ArpAction::ReleaseAddresses => self.machine(is_director).holds = false,
            ArpAction::Probe(address) if reaches && !self.lost() && !self.lost() => {
                let answers =
                    address == ip("192.0.2.254") || address == ip("192.0.2.1") && self.director.reaches();
                if answers {
                    let mac = Some(DIRECTOR_MAC);
                    self.tell(is_director, ArpInput::Answered { address, mac });
                }
            }
            ArpAction::ProbeAddress(address) if other_hears && self.machine(!is_director).holds => {
                let mac = if is_director { STANDBY_MAC } else { DIRECTOR_MAC };
                self.tell(is_director, ArpInput::Claimed { address, mac });
            }
            ArpAction::Announce if other_hears => {
                let address = ip("192.0.2.100");
                self.tell(!is_director, ArpInput::Claimed { address, mac: own_mac });
            }
            ArpAction::AnnounceFor(mac) if other_hears && mac == DIRECTOR_MAC => {
                self.tell(!is_director, ArpInput::HandedOver);
            }
            _ => {}
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now += STEP;
            for is_director in [true, false] {
                let now = self.time_of(is_director);
                if self.machine(is_director).core.deadline().is_some_and(|at| at <= now) {
                    self.tell(is_director, ArpInput::DeadlinePassed);
                }
            }
            if self.director.holds && self.director.reaches() || self.standby.holds && self.standby.reaches()
            {
                self.served_last = self.now;
            }
        }
    }

    /// After so much calm everything is in its place.
    fn calm(&self) -> Duration {
        self.director.core.config().settings().interval * 16 + Duration::from_secs(1)
    }

    fn settled(&mut self, what: &str, seed: u64) {
        self.loss = 0;
        self.run(self.calm());
        let (director, standby) = (&self.director, &self.standby);
        let sound = |machine: &Machine| machine.powered && machine.cable;
        let expected = (sound(director), sound(standby) && !sound(director));
        let reachable = |machine: &Machine| machine.holds && machine.reaches();
        let seen = (reachable(director), reachable(standby));
        assert_eq!(seen, expected, "seed {seed}: {what}: who has the address (director, standby)");
        if sound(director) && !standby.cable {
            assert!(!standby.holds, "seed {seed}: {what}: one that is cut off took the address");
        }
        if sound(director) || sound(standby) {
            assert_eq!(self.served_last, self.now, "seed {seed}: {what}: nobody serves");
        }
    }
}

/// One world: a few troubles one after the other, calm after each.
fn world(seed: u64) {
    let mut world = World::new(seed);
    world.run(Duration::from_secs(5));
    world.settled("at the start", seed);
    for trouble in 0..4 {
        world.loss = world.dice.below(15);
        let is_director = world.dice.below(2) == 0;
        let seen = world.dice.below(2) == 0;
        let what = match world.dice.below(4) {
            0 => {
                world.power(is_director, false);
                "power cut"
            }
            1 => {
                world.cable(is_director, false, seen);
                "cable cut"
            }
            2 => {
                let span = Duration::from_millis(world.dice.below(3_000));
                world.cable(is_director, false, seen);
                world.run(span);
                world.cable(is_director, true, true);
                "cable cut for a moment"
            }
            _ => {
                let span = Duration::from_millis(world.dice.below(3_000));
                world.power(is_director, false);
                world.run(span);
                world.power(is_director, true);
                "restart"
            }
        };
        let what = format!("trouble {trouble}, {what}, director {is_director}, carrier lost {seen}");
        let span = Duration::from_millis(world.dice.below(10_000));
        world.run(span);
        world.settled(&what, seed);
        for is_director in [true, false] {
            if !world.machine(is_director).cable {
                world.cable(is_director, true, true);
            }
            world.power(is_director, true);
        }
        world.settled(&format!("return after {what}"), seed);
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "how many worlds is the caller's to say")]
fn addresses_are_right_after_every_trouble() {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let (first, seeds) = (number("ARP_FIRST").unwrap_or(0), number("ARP_SEEDS").unwrap_or(300));
    for seed in first..first + seeds {
        world(seed);
    }
}

#[test]
fn in_calm_nothing_moves() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.loss = 0;
        world.run(Duration::from_secs(60));
        let changes: Vec<_> = world.director.core.transitions().map(|change| change.to).collect();
        assert_eq!(changes, [State::Backup, State::Active], "seed {seed}");
        let changes: Vec<_> = world.standby.core.transitions().map(|change| change.to).collect();
        assert_eq!(changes, [State::Backup], "seed {seed}");
    }
}
