//! Operators' orders, new configurations and bad state files.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::bed::{Bed, SOON, Timing};
use holdfast_tests::harness::Case;
use holdfast_tests::holdfast::Daemon;
use holdfast_tests::network::VIP;
use holdfast_tests::patience::stays;
use holdfast_tests::witness::Witness;
use nix::sys::signal::Signal;

use crate::{bad_of_next, client};

pub(crate) const CASES: &[Case] = &[
    Case { name: "a_drain_takes_no_query_and_outlives_restarts", run: drain },
    Case { name: "a_drain_with_an_end_ends_by_itself", run: timed_drain },
    Case { name: "a_wrong_configuration_changes_nothing", run: wrong_configuration },
    Case { name: "a_new_configuration_is_taken_over", run: new_configuration },
    Case { name: "min_serving_keeps_servers_that_fail", run: min_serving },
    Case { name: "a_bad_state_file_is_kept_aside_and_nobody_notices", run: bad_state_files },
];

fn drain(bed: &mut Bed) -> Result<()> {
    bed.start_holdfast(&Timing::QUICK)?;
    let asker = client(bed)?;
    let (real, start) = (bed.address(1)?, Instant::now());
    bed.holdfast.obeyed(&["drain", "dns2", "--why", "kernel update"])?;
    // Its TCP connections may end; its UDP flows, which never would, go on elsewhere.
    bed.table_when("dns2 has weight 0 or is gone", SOON, |table| table.weights(VIP.into(), real) == [0])?;
    let witness = Witness::start(&bed.network.director)?;
    let drained = Instant::now();
    for victims in [&[Daemon::Agentd][..], &[Daemon::Checkd], &[Daemon::Lvsd], &Daemon::ALL] {
        for victim in victims {
            bed.holdfast.kill(*victim)?;
        }
        bed.holdfast.start_all(&bed.network.director, victims)?;
        let status = bed.holdfast.status_when("all are connected, dns2 is up", SOON, |status| {
            status.all_connected() && status.verdict("dns2") == "up"
        })?;
        let known = status.real_server("dns2").map(|server| server["drain"].clone()).unwrap_or_default();
        ensure!(known["why"] == "kernel update", "the drain is shown as {known} after {victims:?} came back");
        ensure!(
            witness.since(drained).len() == 1,
            "the table changed when {victims:?} came back:\n{}",
            bed.table()?
        );
    }
    bed.holdfast.obeyed(&["undrain", "dns2"])?;
    bed.table_when("dns2 has its weight again", SOON, |table| table.weights(VIP.into(), real) == [100, 100])?;
    let bad = bad_of_next(&asker, 100)?;
    let tally = asker.tally(start, Instant::now());
    ensure!(bad == 0 && tally.bad() == 0, "{} of {} queries were lost", tally.bad(), tally.sent);
    witness.finish()?;
    asker.finish().map(drop)
}

fn timed_drain(bed: &mut Bed) -> Result<()> {
    bed.start_holdfast(&Timing::QUICK)?;
    let real = bed.address(0)?;
    let start = Instant::now();
    bed.holdfast.obeyed(&["drain", "resolver/dns1", "--for", "4s", "--why", "a moment"])?;
    bed.table_when("dns1 has weight 0 or is gone", SOON, |table| table.weights(VIP.into(), real) == [0])?;
    let ended = bed.table_when("dns1 has its weight again", SOON, |table| {
        table.weights(VIP.into(), real) == [100, 100]
    })?;
    ensure!(ended - start >= Duration::from_secs(4), "it ended after {:?}", ended - start);
    bed.holdfast.status_when("no drain is left", SOON, |status| {
        status.0["drains"].as_array().is_some_and(Vec::is_empty)
    })?;
    Ok(())
}

/// Running daemons keep what they have; started ones refuse.
fn wrong_configuration(bed: &mut Bed) -> Result<()> {
    bed.start_holdfast(&Timing::QUICK)?;
    let good = bed.config(&Timing::QUICK, "", "");
    let table = bed.saved_table()?;
    bed.holdfast
        .write_config(&good.replace("scheduler", "schedular").replace("10.1.53.12", "10.1.53.300"))?;
    for daemon in Daemon::ALL {
        bed.holdfast.signal(daemon, Signal::SIGHUP)?;
    }
    stays("the table is as it was", Duration::from_secs(3), || Ok(bed.saved_table()? == table))?;
    bed.holdfast.all_alive()?;
    let config = bed.holdfast.config().display().to_string();
    let output = bed.holdfast.order(&["check-config", "--config", &config])?;
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(2), "check-config ended with {}", output.status);
    ensure!(said.contains("schedular") && said.contains("10.1.53.300"), "check-config said only:\n{said}");
    for daemon in Daemon::ALL {
        bed.holdfast.kill(daemon)?;
        bed.holdfast.start(&bed.network.director, daemon)?;
        let refused =
            holdfast_tests::patience::wait_for(&format!("{daemon} refuses to start"), SOON, || {
                Ok(bed.holdfast.all_alive().err().map(|error| format!("{error:#}")))
            })?;
        ensure!(refused.contains("schedular"), "{daemon} did not say why:\n{refused}");
        bed.holdfast.reap(daemon);
    }
    ensure!(bed.saved_table()? == table, "the table changed: {}", bed.saved_table()?);
    bed.holdfast.write_config(&good)?;
    bed.holdfast.start_all(&bed.network.director, &Daemon::ALL)?;
    bed.settled()
}

/// One server leaves the configuration, another gets a new weight; clients notice nothing.
fn new_configuration(bed: &mut Bed) -> Result<()> {
    bed.start_holdfast(&Timing::QUICK)?;
    let asker = client(bed)?;
    let text = bed.config(&Timing::QUICK, "", "");
    let (_, last) = text.rsplit_once("[[virtual_server.real_server]]").context("no real server")?;
    let text = text.replace(last, "").trim_end().trim_end_matches("[[virtual_server.real_server]]").replacen(
        "weight = 100",
        "weight = 40",
        1,
    );
    bed.holdfast.write_config(&text)?;
    for daemon in Daemon::ALL {
        bed.holdfast.signal(daemon, Signal::SIGHUP)?;
    }
    let (first, gone) = (bed.address(0)?, bed.address(3)?);
    let start = Instant::now();
    bed.table_when("the new configuration is in the table", SOON, |table| {
        table.lacks(VIP.into(), gone) && table.weights(VIP.into(), first) == [40, 40]
    })?;
    let bad = bad_of_next(&asker, 200)?;
    let tally = asker.tally(start, Instant::now());
    ensure!(bad == 0 && tally.bad() == 0, "{} of {} queries were lost", tally.bad(), tally.sent);
    bed.holdfast.all_alive()?;
    asker.finish().map(drop)
}

/// With half of them to be kept, the third that fails stays in.
fn min_serving(bed: &mut Bed) -> Result<()> {
    let text = bed.config(&Timing::QUICK, "", "min_serving = \"50%\"\n");
    bed.holdfast.write_config(&text)?;
    bed.holdfast.start_all(&bed.network.director, &Daemon::ALL)?;
    bed.settled()?;
    let reals: Vec<_> = (0..3).map(|number| bed.address(number)).collect::<Result<_>>()?;
    for (number, real) in reals.iter().take(2).enumerate() {
        bed.server(number)?.0.kill()?;
        bed.table_when("a dead server leaves", SOON, |table| table.lacks(VIP.into(), *real))?;
    }
    bed.server(2)?.0.kill()?;
    bed.holdfast.status_when("dns3 is down", SOON, |status| status.verdict("dns3") == "down")?;
    stays("the third dead server is kept", Duration::from_secs(3), || {
        Ok(bed.table()?.serves(VIP.into(), reals[2]))
    })?;
    bed.holdfast.status_when("the status says that it fails open", SOON, |status| {
        status.0["virtual_servers"][0]["fail_open"] == true
    })?;
    Ok(())
}

/// Whatever is in the file: the agent starts, says so, keeps it, and the packet path does not notice.
fn bad_state_files(bed: &mut Bed) -> Result<()> {
    bed.start_holdfast(&Timing::QUICK)?;
    let asker = client(bed)?;
    let (witness, start, state) =
        (Witness::start(&bed.network.director)?, Instant::now(), bed.holdfast.state());
    let good = fs::read(&state).context("cannot read the state file")?;
    let newer = String::from_utf8(good.clone())?.replacen("\"schema\":1", "\"schema\":999", 1).replacen(
        "\"schema\": 1",
        "\"schema\": 999",
        1,
    );
    ensure!(newer.as_bytes() != good, "no schema version in the state file");
    let bad: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("truncated", good.get(..good.len() / 2).unwrap_or_default().to_vec()),
        ("binary", vec![0xff; 4096]),
        ("foreign", br#"{"hello": ["world"]}"#.to_vec()),
        ("newer", newer.into_bytes()),
    ];
    for (what, bytes) in bad {
        bed.holdfast.kill(Daemon::Agentd)?;
        fs::write(&state, &bytes)?;
        bed.holdfast.start(&bed.network.director, Daemon::Agentd)?;
        bed.settled().with_context(|| format!("with a state file that is {what}"))?;
        let folder = state.parent().context("no folder")?;
        let kept = fs::read_dir(folder)?
            .flatten()
            .any(|entry| entry.path() != state && fs::read(entry.path()).is_ok_and(|found| found == bytes));
        ensure!(kept, "the {what} state file was not kept aside in {}", folder.display());
        ensure!(witness.since(start).len() == 1, "the table changed with a state file that was {what}");
    }
    bed.holdfast.kill(Daemon::Agentd)?;
    fs::remove_file(&state)?;
    bed.holdfast.start(&bed.network.director, Daemon::Agentd)?;
    bed.settled().context("without a state file")?;
    ensure!(witness.since(start).len() == 1, "the table changed");
    let tally = asker.tally(start, Instant::now());
    ensure!(tally.bad() == 0, "{} of {} queries were lost", tally.bad(), tally.sent);
    witness.finish()?;
    asker.finish().map(drop)
}
