//! Daemons come and go, in any order and for any time: clients and the kernel's table do not notice.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::bed::{Bed, SOON, Timing};
use holdfast_tests::harness::{Case, note};
use holdfast_tests::holdfast::Daemon;
use holdfast_tests::network::VIP;
use holdfast_tests::patience::wait_for;
use holdfast_tests::witness::Witness;

use crate::{bad_of_next, client};

pub(crate) const CASES: &[Case] = &[
    Case { name: "killed_and_restarted_at_once_nobody_notices", run: |bed| killed(bed, Duration::ZERO) },
    Case {
        name: "killed_and_restarted_after_1_s_nobody_notices",
        run: |bed| killed(bed, Duration::from_secs(1)),
    },
    Case {
        name: "killed_and_restarted_after_10_s_nobody_notices",
        run: |bed| killed(bed, Duration::from_secs(10)),
    },
    Case { name: "every_order_of_starting_gives_the_same_table", run: orders_of_starting },
    Case { name: "a_clean_stop_leaves_the_table", run: clean_stop },
    Case { name: "a_sick_server_is_not_readmitted_by_restarts", run: sick_stays_out },
    Case { name: "everything_killed_right_after_an_ejection", run: killed_at_ejection },
    Case { name: "a_hung_agent_holds_up_nobody", run: hung_agent },
];

const ORDERS: [[Daemon; 3]; 6] = {
    use Daemon::{Agentd, Checkd, Lvsd};
    [
        [Agentd, Checkd, Lvsd],
        [Agentd, Lvsd, Checkd],
        [Checkd, Agentd, Lvsd],
        [Checkd, Lvsd, Agentd],
        [Lvsd, Agentd, Checkd],
        [Lvsd, Checkd, Agentd],
    ]
};

/// Each in turn, then all at once.
fn killed(bed: &mut Bed, pause: Duration) -> Result<()> {
    bed.start_holdfast(&Timing::QUICK)?;
    let asker = client(bed)?;
    ensure!(bad_of_next(&asker, 100)? == 0, "queries are lost before anything was done");
    let table = bed.saved_table()?;
    let baseline = bed.holdfast.status()?.last_event();
    let witness = Witness::start(&bed.network.director)?;
    let start = Instant::now();

    let [one, two, three] = Daemon::ALL.map(|daemon| vec![daemon]);
    for victims in [one, two, three, Daemon::ALL.to_vec()] {
        let what = victims.iter().map(|daemon| daemon.name()).collect::<Vec<_>>().join(", ");
        let killed = Instant::now();
        for victim in &victims {
            bed.holdfast.kill(*victim)?;
        }
        thread::sleep(pause);
        bed.holdfast.start_all(&bed.network.director, &victims)?;
        bed.settled().with_context(|| format!("after {what} came back"))?;
        // Two rounds of probes and of comparing the table, with clients asking.
        let bad = bad_of_next(&asker, usize::try_from(crate::RATE)? * 2)?;
        let now = bed.saved_table()?;
        ensure!(now == table, "after {what} came back the table was\n{now}\nbefore\n{table}");
        let sights = witness.since(killed);
        ensure!(
            sights.len() == 1,
            "while {what} was away or came back, the table changed for a time:\n{}",
            sights
                .iter()
                .map(|sight| format!("{:?}\n{}", sight.at - killed, sight.table))
                .collect::<String>()
        );
        let tally = asker.tally(killed, Instant::now());
        ensure!(
            bad == 0 && tally.bad() == 0,
            "{what}: {} of {} queries were not answered",
            tally.bad(),
            tally.sent
        );
        let events = bed.holdfast.status()?.events_after(baseline);
        ensure!(events.is_empty(), "{what} away and back was recorded as: {events:#?}");
    }
    let tally = asker.tally(start, Instant::now());
    note(&format!(
        "{} queries, {} lost, slowest {:.1} ms",
        tally.sent,
        tally.lost,
        tally.slowest.as_secs_f64() * 1e3
    ));
    witness.finish()?;
    asker.finish()?;
    bed.holdfast.all_alive()
}

/// On an empty kernel, and on a table that is there already.
fn orders_of_starting(bed: &mut Bed) -> Result<()> {
    let mut first: Option<String> = None;
    for order in ORDERS {
        let names = order.map(Daemon::name).join(", ");
        bed.reset()?;
        let text = bed.config(&Timing::QUICK, "", "");
        for again in [false, true] {
            if again {
                for daemon in Daemon::ALL {
                    bed.holdfast.kill(daemon)?;
                }
            }
            bed.holdfast.write_config(&text)?;
            for daemon in order {
                bed.holdfast.start(&bed.network.director, daemon)?;
                // Time enough to be ready before the next one, and to try what cannot work yet.
                thread::sleep(Duration::from_millis(400));
            }
            bed.settled().with_context(|| format!("started as {names}, again: {again}"))?;
            let mut lines: Vec<String> = bed.saved_table()?.lines().map(str::to_owned).collect();
            lines.sort();
            let table = lines.join("\n");
            let first = first.get_or_insert_with(|| table.clone());
            ensure!(
                *first == table,
                "started as {names}, again: {again}, the table is\n{table}\nother than\n{first}"
            );
        }
    }
    Ok(())
}

fn clean_stop(bed: &mut Bed) -> Result<()> {
    bed.start_holdfast(&Timing::QUICK)?;
    let (table, asker) = (bed.saved_table()?, client(bed)?);
    for daemon in Daemon::ALL {
        let status = bed.holdfast.stop(daemon)?;
        ensure!(status.success(), "{daemon} ended with {status} on SIGTERM\n{}", bed.holdfast.log_ends());
    }
    ensure!(bad_of_next(&asker, 200)? == 0, "queries were lost after a clean stop");
    ensure!(bed.saved_table()? == table, "the table changed with a clean stop: {}", bed.saved_table()?);
    asker.finish().map(drop)
}

/// A server that is down stays out, whoever is restarted.
fn sick_stays_out(bed: &mut Bed) -> Result<()> {
    bed.start_holdfast(&Timing::QUICK)?;
    let real = bed.address(1)?;
    bed.server(1)?.0.kill()?;
    bed.table_when("dns2 is out of the table", SOON, |table| table.lacks(VIP.into(), real))?;
    let witness = Witness::start(&bed.network.director)?;
    let from = Instant::now();
    for victims in [&[Daemon::Checkd][..], &[Daemon::Agentd], &[Daemon::Lvsd], &Daemon::ALL] {
        for victim in victims {
            bed.holdfast.kill(*victim)?;
        }
        bed.holdfast.start_all(&bed.network.director, victims)?;
        bed.holdfast.status_when("all are connected, dns2 is down", SOON, |status| {
            status.all_connected() && status.verdict("dns2") == "down" && status.verdict("dns1") == "up"
        })?;
        ensure!(
            witness.joined(from, VIP.into(), real).is_none(),
            "dns2 was readmitted when {victims:?} came back"
        );
        ensure!(
            witness.since(from).len() == 1,
            "the table changed when {victims:?} came back: {}",
            bed.table()?
        );
    }
    witness.finish()
}

/// All daemons are killed as soon as the ejection is seen in the table, before the agent has written it: what it writes meanwhile is
/// put back. The same when a server returns.
fn killed_at_ejection(bed: &mut Bed) -> Result<()> {
    bed.start_holdfast(&Timing::QUICK)?;
    bed.settled()?;
    let witness = Witness::start(&bed.network.director)?;
    for number in [0, 1, 2] {
        let before = written_when(bed, number, "up")?;
        let (name, real) = (format!("dns{}", number + 1), bed.address(number)?);
        let killed = bed.server(number)?.0.kill()?;
        wait_for(&format!("{name} is out of the table"), SOON, || {
            Ok(witness.left(killed, VIP.into(), real))
        })?;
        let from = Instant::now();
        relive(bed, &before)?;
        bed.holdfast.status_when(&format!("all are connected, {name} is down"), SOON, |status| {
            status.all_connected() && status.verdict(&name) == "down"
        })?;
        ensure!(witness.joined(from, VIP.into(), real).is_none(), "{name} was readmitted for a time");

        let before = written_when(bed, number, "down")?;
        let mended = Instant::now();
        bed.mend(number)?;
        wait_for(&format!("{name} is back in the table"), SOON, || {
            Ok(witness.joined(mended, VIP.into(), real))
        })?;
        let from = Instant::now();
        relive(bed, &before)?;
        bed.settled()?;
        ensure!(witness.left(from, VIP.into(), real).is_none(), "{name} was ejected, though it works");
    }
    witness.finish()
}

/// The state file as it is when it holds that verdict on a server.
fn written_when(bed: &Bed, number: usize, verdict: &str) -> Result<Vec<u8>> {
    let name = format!("dns{}", number + 1);
    wait_for(&format!("the state file says that {name} is {verdict}"), SOON, || {
        let bytes = fs::read(bed.holdfast.state())?;
        let state: serde_json::Value = serde_json::from_slice(&bytes)?;
        let item = &state["checkd"]["items"][format!("resolver/{name}")];
        Ok((item["verdict"] == verdict && item.get("unconfirmed").is_none()).then_some(bytes))
    })
}

/// Kills all daemons and starts them with an older state.
fn relive(bed: &mut Bed, state: &[u8]) -> Result<()> {
    for daemon in Daemon::ALL {
        bed.holdfast.kill(daemon)?;
    }
    fs::write(bed.holdfast.state(), state)?;
    bed.holdfast.start_all(&bed.network.director, &Daemon::ALL)
}

/// An agent that is frozen, not dead: nobody gets an error from its socket.
fn hung_agent(bed: &mut Bed) -> Result<()> {
    use nix::sys::signal::Signal;
    bed.start_holdfast(&Timing::QUICK)?;
    let (asker, witness, from) = (client(bed)?, Witness::start(&bed.network.director)?, Instant::now());
    bed.holdfast.signal(Daemon::Agentd, Signal::SIGSTOP)?;
    let bad = bad_of_next(&asker, usize::try_from(crate::RATE)? * 5)?;
    bed.holdfast.signal(Daemon::Agentd, Signal::SIGCONT)?;
    bed.settled()?;
    ensure!(bad == 0, "{bad} queries were lost while the agent hung");
    ensure!(witness.since(from).len() == 1, "the table changed while the agent hung: {}", bed.table()?);
    witness.finish()?;
    asker.finish().map(drop)
}
