//! The demonstration: the main job in front of the user's eyes, on real name servers, inside the test kernel.
//!
//! Owns the story and the judgement at its end. `make demo` runs it (tests/demo.sh); it ends with status 1 if anything was not as
//! it should be. It never prints a result that it did not measure.

#![forbid(unsafe_code)]

mod play;
mod scenes;
mod screen;
mod summary;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use holdfast_tests::bed::{Bed, Timing};
use holdfast_tests::name_server::Make;
use holdfast_tests::{guest, network};
use screen::Screen;

/// The real servers dns1 to dns4.
const MAKES: [Make; 4] = [Make::Bind, Make::Nsd, Make::Knot, Make::Unbound];

/// What the command line asks for.
#[derive(Debug, Default)]
struct Wishes {
    /// With everything shorter, for the tests.
    short: bool,
    /// With a shell at the end.
    keep: bool,
    /// With a line that changes, for a terminal.
    live: bool,
}

/// How long things last.
#[derive(Debug)]
struct Tempo {
    timing: Timing,
    /// How long a state is shown before the next thing happens.
    show: Duration,
    /// How long a killed daemon stays away.
    away: Duration,
}

impl Tempo {
    fn of(wishes: &Wishes) -> Self {
        if wishes.short {
            let second = Duration::from_secs(1);
            return Self { timing: Timing::QUICK, show: second, away: second };
        }
        Self {
            timing: Timing {
                interval: Duration::from_secs(1),
                timeout: Duration::from_millis(400),
                ..Timing::QUICK
            },
            show: Duration::from_secs(2),
            away: Duration::from_secs(2),
        }
    }
}

fn main() -> ExitCode {
    let wishes = match wishes(std::env::args().skip(1)) {
        Ok(wishes) => wishes,
        Err(error) => {
            screen::complain(&format!("demo: {error:#}"));
            return ExitCode::from(2);
        }
    };
    let screen = Screen::new(wishes.live);
    match run(&wishes, &screen) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            screen.end_live();
            screen::complain(&format!("demo: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn wishes(arguments: impl Iterator<Item = String>) -> Result<Wishes> {
    let mut wishes = Wishes::default();
    for argument in arguments {
        match argument.as_str() {
            "--short" => wishes.short = true,
            "--keep" => wishes.keep = true,
            "--live" => wishes.live = true,
            other => bail!("unknown option {other}: --short, --keep, --live"),
        }
    }
    Ok(wishes)
}

fn run(wishes: &Wishes, screen: &Screen) -> Result<bool> {
    ensure!(guest::is_inside(), "this belongs into the test kernel: make demo");
    screen.title("Holdfast: a name service that stays up while its servers and its daemons do not");
    screen.say(&format!(
        "This is a user-mode guest with IPVS. In it: a client, a director with the service address {}, and four name servers.",
        network::VIP
    ));
    let mut bed = Bed::build(&MAKES)?;
    let tempo = Tempo::of(wishes);
    let (acts, asker) = scenes::play(&mut bed, &tempo, screen)?;
    let fine = summary::print(screen, &acts, &asker, bed.servers.len());
    if wishes.keep {
        play::shell(&bed, screen, &asker)?;
    }
    Ok(fine)
}
