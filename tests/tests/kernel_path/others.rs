//! Other hands on the same table: what is Holdfast's is mended, what is not is left alone.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::bed::{Bed, SOON, Timing};
use holdfast_tests::harness::{Case, note};
use holdfast_tests::holdfast::Daemon;
use holdfast_tests::network::VIP;
use holdfast_tests::patience::stays;

pub(crate) const CASES: &[Case] = &[
    Case { name: "drift_is_mended_and_reported", run: drift },
    Case { name: "foreign_services_are_left_alone", run: foreign },
    Case { name: "foreign_services_go_when_the_table_is_exclusive", run: exclusive },
    Case { name: "a_table_from_elsewhere_is_adopted", run: adopted },
];

/// Promised: drift is mended after this time.
const MENDED_WITHIN: Duration = Duration::from_secs(5);

const FOREIGN: &str = "203.0.113.9:80";

fn drift(bed: &mut Bed) -> Result<()> {
    bed.start_holdfast(&Timing::QUICK)?;
    let vip = format!("{VIP}:53");
    let real = format!("{}:53", bed.address(0)?);
    let second = format!("{}:53", bed.address(1)?);
    let wanted = bed.table()?.shape();
    let changes: [(&str, &[&str]); 8] = [
        ("a destination removed", &["-d", "-u", &vip, "-r", &real]),
        ("a destination added", &["-a", "-u", &vip, "-r", "10.1.53.77:53", "-g", "-w", "5"]),
        ("a destination re-weighted", &["-e", "-u", &vip, "-r", &real, "-g", "-w", "7"]),
        ("a destination silenced", &["-e", "-t", &vip, "-r", &real, "-g", "-w", "0"]),
        // Not the one from above: the same line within a minute is not told twice.
        ("another forwarding method", &["-e", "-u", &vip, "-r", &second, "-m", "-w", "100"]),
        ("another scheduler", &["-E", "-u", &vip, "-s", "sh"]),
        ("a service removed", &["-D", "-u", &vip]),
        ("everything removed", &["-C"]),
    ];
    for (what, arguments) in changes {
        let before = bed.holdfast.status()?;
        let _ = bed.stalls.take_worst();
        let start = Instant::now();
        bed.ipvsadm(arguments).with_context(|| what.to_owned())?;
        let limit = MENDED_WITHIN + bed.stalls.worst();
        let mended = bed.table_when(&format!("{what} is mended"), limit, |table| table.shape() == wanted)?;
        // ipvsadm needs some time to start, so the table may be seen before the change: it has to stay as it should be.
        stays(&format!("{what} is mended for good"), Duration::from_millis(200), || {
            Ok(bed.table()?.shape() == wanted)
        })?;
        let drifts = |status: &holdfast_tests::holdfast::Status| {
            status.0["kernel"]["drift_mended"].as_u64().unwrap_or(0)
        };
        let known = drifts(&before);
        let status = bed
            .holdfast
            .status_when(&format!("{what} is reported"), SOON, |status| drifts(status) > known)?;
        let told = status.events_after(before.last_event());
        ensure!(!told.is_empty(), "{what} was mended without an event");
        note(&format!("{what}: mended after {:.2} s", (mended - start).as_secs_f64()));
    }
    Ok(())
}

fn foreign(bed: &mut Bed) -> Result<()> {
    bed.ipvsadm(&["-A", "-t", FOREIGN, "-s", "wlc"])?;
    bed.ipvsadm(&["-a", "-t", FOREIGN, "-r", "10.1.53.77:80", "-m", "-w", "3"])?;
    bed.start_holdfast(&Timing::QUICK)?;
    // Same address, other port: not in the configuration either.
    let neighbour = format!("{VIP}:54");
    bed.ipvsadm(&["-A", "-u", &neighbour, "-s", "rr"])?;
    bed.ipvsadm(&["-a", "-u", &neighbour, "-r", "10.1.53.77:54", "-g", "-w", "4"])?;
    bed.ipvsadm(&["-A", "-f", "99", "-s", "rr"])?;
    let there = |table: &str| {
        [
            "-A -t 203.0.113.9:80 -s wlc",
            "-a -t 203.0.113.9:80 -r 10.1.53.77:80 -m -w 3",
            "-A -u 192.0.2.53:54 -s rr",
            "-a -u 192.0.2.53:54 -r 10.1.53.77:54 -g -w 4",
            "-A -f 99 -s rr",
        ]
        .iter()
        .all(|line| table.lines().any(|found| found.trim() == *line))
    };
    stays("foreign services are left alone", Duration::from_secs(3), || Ok(there(&bed.saved_table()?)))?;
    bed.holdfast.status_when("three foreign services are counted", SOON, |status| {
        status.0["kernel"]["foreign_services"] == 3
    })?;
    for daemon in Daemon::ALL {
        bed.holdfast.stop(daemon)?;
    }
    ensure!(there(&bed.saved_table()?), "foreign services went with a stop: {}", bed.saved_table()?);
    Ok(())
}

/// After a warning and the time of grace, which gives an operator who did not mean it a chance.
fn exclusive(bed: &mut Bed) -> Result<()> {
    const GRACE: Duration = Duration::from_secs(4);
    let top = format!("[lvs]\nadopt = \"exclusive\"\nexclusive_grace = \"{}s\"\n", GRACE.as_secs());
    let text = bed.config(&Timing::QUICK, &top, "");
    bed.holdfast.write_config(&text)?;
    bed.ipvsadm(&["-A", "-t", FOREIGN, "-s", "wlc"])?;
    let start = Instant::now();
    bed.holdfast.start_all(&bed.network.director, &Daemon::ALL)?;
    bed.settled()?;
    let gone = bed.table_when("the foreign service is gone", SOON, |table| table.services.len() == 2)?;
    ensure!(gone - start >= GRACE, "it was removed after {:.1} s already", (gone - start).as_secs_f64());
    bed.ipvsadm(&["-A", "-f", "99", "-s", "rr"])?;
    let limit = GRACE + MENDED_WITHIN + bed.stalls.worst();
    bed.table_when("the second foreign service is gone", limit, |table| table.services.len() == 2)?;
    Ok(())
}

/// What keepalived or a hand made before: taken over by single edits, without a moment without destinations.
fn adopted(bed: &mut Bed) -> Result<()> {
    let vip = format!("{VIP}:53");
    bed.ipvsadm(&["-A", "-u", &vip, "-s", "rr"])?;
    for number in 0..3 {
        let real = format!("{}:53", bed.address(number)?);
        bed.ipvsadm(&["-a", "-u", &vip, "-r", &real, "-g", "-w", "1"])?;
    }
    bed.ipvsadm(&["-a", "-u", &vip, "-r", "10.1.53.77:53", "-g", "-w", "0"])?;
    let asker = crate::client(bed)?;
    ensure!(crate::bad_of_next(&asker, 100)? == 0, "queries are lost before Holdfast was started");
    let start = Instant::now();
    bed.start_holdfast(&Timing::QUICK)?;
    let bad = crate::bad_of_next(&asker, 200)?;
    let tally = asker.tally(start, Instant::now());
    ensure!(
        bad == 0 && tally.bad() == 0,
        "{} of {} queries were lost while the table was adopted",
        tally.bad(),
        tally.sent
    );
    let table = bed.table()?;
    ensure!(
        table.lacks(VIP.into(), "10.1.53.77".parse()?),
        "the unknown destination is still there:\n{table}"
    );
    asker.finish().map(drop)
}
