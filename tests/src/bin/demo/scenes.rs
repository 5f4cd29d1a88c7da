//! What happens, one thing after the other, while the client asks all the time.
//!
//! Owns the actions and the times that are taken. What became of the queries is looked at in the end, when all of them have
//! their outcome.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use holdfast_tests::asker::{Asker, Plan};
use holdfast_tests::bed::{Bed, SOON};
use holdfast_tests::holdfast::Daemon;
use holdfast_tests::name_server::Behaviour;
use holdfast_tests::network::{VIP, real_addresses};
use holdfast_tests::patience::LOOK;
use holdfast_tests::witness::Witness;

use crate::Tempo;
use crate::screen::Screen;

/// Queries a second.
const RATE: u32 = 100;

/// A time that was measured, and what was promised (with the time that this machine itself was late).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) took: Duration,
    pub(crate) promised: Duration,
}

/// One thing that was done, and what came of it.
#[derive(Debug)]
pub(crate) struct Act {
    pub(crate) what: String,
    pub(crate) from: Instant,
    /// Until here queries may be lost: the server was in the table and did not work.
    pub(crate) ejected: Option<Instant>,
    pub(crate) to: Instant,
    pub(crate) cause: String,
    pub(crate) out: Option<Measured>,
    pub(crate) back: Option<Measured>,
    /// What was not as it should be.
    pub(crate) problems: Vec<String>,
}

impl Act {
    fn begin(what: &str) -> Self {
        let now = Instant::now();
        let (cause, problems) = (String::new(), Vec::new());
        Self {
            what: what.to_owned(),
            from: now,
            ejected: None,
            to: now,
            cause,
            out: None,
            back: None,
            problems,
        }
    }
}

/// A way of failing.
struct Fault {
    number: usize,
    how: &'static str,
    cause: &'static str,
    strike: fn(&mut Bed, usize) -> Result<Instant>,
    repair: fn(&mut Bed, usize) -> Result<Instant>,
    mending: &'static str,
}

const FAULTS: [Fault; 3] = [
    Fault {
        number: 3,
        how: "is killed (SIGKILL)",
        cause: "udp_refused",
        strike: |bed, number| bed.server(number)?.0.kill(),
        repair: |bed, number| {
            let (server, namespace) = bed.server(number)?;
            server.start(namespace)?;
            Ok(Instant::now())
        },
        mending: "is started again",
    },
    Fault {
        number: 1,
        how: "is frozen (SIGSTOP)",
        cause: "dns_timeout",
        strike: |bed, number| bed.server(number)?.0.freeze(),
        repair: |bed, number| bed.server(number)?.0.thaw(),
        mending: "goes on (SIGCONT)",
    },
    Fault {
        number: 0,
        how: "answers SERVFAIL",
        cause: "dns_servfail",
        strike: |bed, number| {
            let (server, namespace) = bed.server(number)?;
            server.behave(namespace, Behaviour::ServFail)
        },
        repair: |bed, number| {
            let (server, namespace) = bed.server(number)?;
            server.behave(namespace, Behaviour::Right)?;
            Ok(Instant::now())
        },
        mending: "has its zone again",
    },
];

/// The stage: what the scenes share.
struct Stage<'a> {
    screen: &'a Screen,
    tempo: &'a Tempo,
    asker: Asker,
    witness: Witness,
}

/// Plays everything. The client that it returns goes on asking.
pub(crate) fn play(bed: &mut Bed, tempo: &Tempo, screen: &Screen) -> Result<(Vec<Act>, Asker)> {
    for (number, server) in bed.servers.iter().enumerate() {
        screen.say(&format!("dns{} at {} is {}", number + 1, bed.address(number)?, server.make()));
    }
    screen.title("Holdfast starts: agentd, checkd, lvsd");
    bed.start_holdfast(&tempo.timing)?;
    screen.say("every server has passed its check; this is the kernel's table (ipvsadm -Ln):");
    screen.block(&bed.network.director.output("ipvsadm", &["-Ln"])?);
    screen.say("and this is what the operator sees (holdfast status):");
    screen.block(&bed.holdfast.obeyed(&["status"])?);

    let asker = Asker::start(&bed.network.client, Plan::new(SocketAddr::from((VIP, 53)), RATE))?;
    let stage = Stage { screen, tempo, asker, witness: Witness::start(&bed.network.director)? };
    screen.title(&format!("The client asks {RATE} times a second, from now on"));
    let mut acts = vec![stage.steady()];
    screen.title("Name servers fail in three ways");
    for fault in &FAULTS {
        acts.push(stage.fault(bed, fault)?);
    }
    screen.title("Holdfast's own daemons are killed (SIGKILL)");
    let [one, two, three] = Daemon::ALL.map(|daemon| vec![daemon]);
    for victims in [one, two, three, Daemon::ALL.to_vec()] {
        acts.push(stage.daemons(bed, &victims)?);
    }
    let Stage { asker, witness, .. } = stage;
    witness.finish()?;
    // The last queries still wait for their answers.
    screen.now("waiting for the last answers");
    thread::sleep(asker.patience());
    screen.end_live();
    Ok((acts, asker))
}

impl Stage<'_> {
    /// Lets time pass in front of the user's eyes, or until `seen` gives something.
    fn watch<T>(&self, length: Duration, mut seen: impl FnMut() -> Option<T>) -> Option<T> {
        let end = Instant::now() + length;
        let mut drawn: Option<Instant> = None;
        loop {
            if let Some(value) = seen() {
                return Some(value);
            }
            let now = Instant::now();
            if now >= end {
                return None;
            }
            if drawn.is_none_or(|drawn| now - drawn > Duration::from_millis(200)) {
                drawn = Some(now);
                self.draw(now);
            }
            thread::sleep(LOOK);
        }
    }

    fn draw(&self, now: Instant) {
        let tally = self.asker.tally_all();
        let sights = self.witness.since(now);
        let table = sights.last().map(|sight| &sight.table);
        let serving: String = (0_u8..)
            .zip(&crate::MAKES)
            .filter(|(number, _)| {
                table.is_some_and(|table| table.serves(VIP.into(), real_addresses(*number).0.into()))
            })
            .map(|(number, _)| format!(" dns{}", number + 1))
            .collect();
        // Short enough for a terminal of 80 columns.
        self.screen.now(&format!(
            "asked {} answered {} lost {} wrong {} | in:{serving}",
            tally.sent, tally.right, tally.lost, tally.other
        ));
    }

    fn steady(&self) -> Act {
        let mut act = Act::begin("all is well");
        self.watch::<()>(self.tempo.show * 2, || None);
        act.to = Instant::now();
        let tally = self.asker.tally(act.from, act.to);
        self.screen.say(&format!("asked {}, answered {}, lost {}", tally.sent, tally.right, tally.lost));
        act
    }

    fn fault(&self, bed: &mut Bed, fault: &Fault) -> Result<Act> {
        let Fault { number, how, cause, strike, repair, mending } = fault;
        let (name, real) = (format!("dns{}", number + 1), bed.address(*number)?);
        let title = format!("{name} ({}) {how}", bed.server(*number)?.0.make());
        let mut act = Act::begin(&title);
        self.screen.say(&title);
        let _ = bed.stalls.take_worst();
        let struck = strike(bed, *number)?;
        let left = self
            .watch(SOON, || self.witness.left(struck, VIP.into(), real))
            .with_context(|| format!("{name} did not leave the table\n{}", bed.evidence()))?;
        act.ejected = Some(left);
        act.out = Some(measure(&mut act.problems, "out", left - struck, self.tempo.timing.out_within(), bed));
        self.screen.say(&format!(
            "{name} is out of the table {:.2} s after the fault",
            (left - struck).as_secs_f64()
        ));

        let status = bed
            .holdfast
            .status_when(&format!("{name} is down"), SOON, |status| status.verdict(&name) == "down")?;
        status.cause(&name).clone_into(&mut act.cause);
        if act.cause != *cause {
            act.problems.push(format!("{name} is down for {:?}, not for {cause:?}", act.cause));
        }
        // The reasons stand at the top, before the first empty line.
        let shown = bed.holdfast.shown(&name)?;
        self.screen.block(shown.split("\n\n").next().unwrap_or(&shown));
        self.screen.block(&bed.network.director.output("ipvsadm", &["-Ln", "-u", &format!("{VIP}:53")])?);
        self.watch::<()>(self.tempo.show, || None);

        let _ = bed.stalls.take_worst();
        let mended = repair(bed, *number)?;
        self.screen.say(&format!("{name} {mending}"));
        let joined = self
            .watch(SOON, || self.witness.joined(mended, VIP.into(), real))
            .with_context(|| format!("{name} did not come back\n{}", bed.evidence()))?;
        let took = joined.saturating_duration_since(mended);
        act.back = Some(measure(&mut act.problems, "back", took, self.tempo.timing.back_within(), bed));
        self.screen
            .say(&format!("{name} is back in the table {:.2} s after it answered again", took.as_secs_f64()));
        self.watch::<()>(self.tempo.show / 2, || None);
        bed.holdfast.all_alive()?;
        act.to = Instant::now();
        Ok(act)
    }

    fn daemons(&self, bed: &mut Bed, victims: &[Daemon]) -> Result<Act> {
        let names = victims.iter().map(|daemon| daemon.name()).collect::<Vec<_>>().join(", ");
        let (table, last) = (bed.saved_table()?, bed.holdfast.status()?.last_event());
        let mut act = Act::begin(&format!("{names} killed"));
        for victim in victims {
            bed.holdfast.kill(*victim)?;
        }
        self.screen.say(&format!("{names} killed; nothing runs that could be asked to put things right"));
        self.watch::<()>(self.tempo.away, || None);
        bed.holdfast.start_all(&bed.network.director, victims)?;
        bed.settled().with_context(|| format!("after {names} was started again"))?;
        self.watch::<()>(self.tempo.show / 2, || None);
        act.to = Instant::now();
        let same = bed.saved_table()? == table && self.witness.since(act.from).len() == 1;
        if !same {
            act.problems.push(format!("the table changed when {names} was killed and started"));
        }
        let events = bed.holdfast.status()?.events_after(last);
        if !events.is_empty() {
            act.problems.push(format!("recorded when {names} was killed and started: {}", events.join(", ")));
        }
        let tally = self.asker.tally(act.from, act.to);
        let word = if same { "unchanged" } else { "CHANGED" };
        self.screen.say(&format!("started again: table {word}, asked {}, lost {}", tally.sent, tally.lost));
        Ok(act)
    }
}

/// Notes a problem when it took longer than promised, apart from the time that this machine itself was late.
fn measure(
    problems: &mut Vec<String>,
    what: &str,
    took: Duration,
    promised: Duration,
    bed: &Bed,
) -> Measured {
    let late = bed.stalls.worst();
    if took > promised + late {
        problems.push(format!(
            "{what} of the table took {:.2} s; promised: {:.2} s (this machine was late by {:.2} s)",
            took.as_secs_f64(),
            promised.as_secs_f64(),
            late.as_secs_f64()
        ));
    }
    Measured { took, promised }
}
