//! What clients lose when one of three UDP servers is drained or dies, by forwarding method and by how they choose ports.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use holdfast_tests::asker::{Asker, Plan, Tally};
use holdfast_tests::bed::{Bed, SOON, Timing};
use holdfast_tests::forwarding::Forwarding;
use holdfast_tests::harness::{Case, note};
use holdfast_tests::holdfast::Daemon;
use holdfast_tests::network::VIP;
use holdfast_tests::patience::wait_for;

/// Queries a second.
const RATE: u32 = 500;

/// A change of the table is seen within this time, by reading it again and again.
const SEEN_WITHIN: Duration = Duration::from_millis(100);

pub(crate) const CASES: &[Case] = &[
    Case { name: "direct_a_drain_loses_no_query_and_a_death_only_until_it_is_found", run: direct },
    Case { name: "tunnel_a_drain_loses_no_query_and_a_death_only_until_it_is_found", run: tunnel },
    Case { name: "nat_a_drain_loses_no_query_and_a_death_only_until_it_is_found", run: nat },
    Case { name: "the_difference_is_shown_in_ipvsadms_words", run: difference },
    Case { name: "wrong_settings_are_told_and_set_where_that_is_asked_for", run: settings },
];

fn direct(bed: &mut Bed) -> Result<()> {
    hygiene(bed, Forwarding::Direct)
}

fn tunnel(bed: &mut Bed) -> Result<()> {
    hygiene(bed, Forwarding::Tunnel)
}

fn nat(bed: &mut Bed) -> Result<()> {
    hygiene(bed, Forwarding::Nat)
}

fn hygiene(bed: &mut Bed, forwarding: Forwarding) -> Result<()> {
    forwarding.set_up(&bed.network)?;
    let done = losses(bed, forwarding.name());
    forwarding.take_back(&bed.network)?;
    done
}

fn losses(bed: &mut Bed, method: &str) -> Result<()> {
    for same_port in [true, false] {
        bed.reset()?;
        let text = bed.config(&Timing::QUICK, "", "").replace("\"direct\"", &format!("{method:?}"));
        bed.holdfast.write_config(&text)?;
        bed.holdfast.start_all(&bed.network.director, &Daemon::ALL)?;
        bed.settled()?;
        let ports = if same_port { "fixed port" } else { "fresh ports" };
        let asker = ask(bed, same_port)?;
        wait(&asker, RATE as usize)?;

        // Who has the client is drained in turn, so that a fixed port must move.
        let begin = Instant::now();
        let mut left = Vec::new();
        for number in 0..bed.servers.len() {
            let name = format!("dns{}", number + 1);
            let real = bed.address(number)?;
            bed.holdfast.obeyed(&["drain", &name])?;
            left.push(
                bed.table_when("its flows are gone", SOON, |table| table.weights(VIP.into(), real) == [0])?,
            );
            wait(&asker, RATE as usize / 2)?;
            bed.holdfast.obeyed(&["undrain", &name])?;
            bed.table_when("it is back", SOON, |table| table.weights(VIP.into(), real) == [100, 100])?;
        }
        wait(&asker, RATE as usize / 4)?;
        let drained = outcome(&asker, begin, Instant::now())?;
        note(&format!(
            "{method}, {ports}: three drained in turn: {} of {} queries lost, slowest {:.0} ms",
            drained.bad(),
            drained.sent,
            drained.slowest.as_secs_f64() * 1e3
        ));
        // With NAT an answer needs the flow, which the next query takes elsewhere: what is under way when the server leaves may be lost,
        // which is as much as was sent within the time of an answer.
        let (mut excused, most) = (0, (drained.slowest.as_secs_f64() * f64::from(RATE)) as usize);
        if method == "nat" && same_port {
            for left in left {
                let under_way = outcome(&asker, left - drained.slowest - SEEN_WITHIN, left)?.bad();
                ensure!(under_way <= most, "{under_way} lost when a server left, {most} can be under way");
                excused += under_way;
            }
        }
        ensure!(
            drained.bad() == excused,
            "{} of {} queries were lost by a drain",
            drained.bad(),
            drained.sent
        );

        // Every server dies in turn, so that the fixed port is hit.
        let promised = Timing::QUICK.out_within();
        let mut worst = (0, 0, Duration::ZERO);
        for number in 0..bed.servers.len() {
            let real = bed.address(number)?;
            let died = bed.server(number)?.0.kill()?;
            let out =
                bed.table_when("the dead server is out", SOON, |table| table.lacks(VIP.into(), real))?;
            // From now on nobody is lost: that is what deletion is for.
            wait(&asker, RATE as usize)?;
            let settled = out + Duration::from_millis(100);
            let after = outcome(&asker, settled, Instant::now())?;
            let hit = outcome(&asker, died, settled)?;
            let per_mille = hit.bad() * 1000 / hit.sent.max(1);
            worst = worst.max((hit.bad(), per_mille, out - died));
            ensure!(
                after.bad() == 0,
                "{} of {} queries were lost after the ejection",
                after.bad(),
                after.sent
            );
            ensure!(
                out - died <= promised + bed.stalls.take_worst(),
                "it was out only after {:?}",
                out - died
            );
            bed.mend(number)?;
            bed.table_when("it is back", SOON, |table| table.weights(VIP.into(), real) == [100, 100])?;
        }
        let (lost, per_mille, after) = worst;
        note(&format!(
            "{method}, {ports}: each killed in turn: at most {lost} queries lost ({per_mille} of 1000 sent) until it was out after \
             {} ms, none later",
            after.as_millis()
        ));
        asker.finish()?;
    }
    Ok(())
}

fn ask(bed: &Bed, same_port: bool) -> Result<Asker> {
    let plan = Plan { same_port, ..Plan::new(SocketAddr::from((VIP, 53)), RATE) };
    Asker::start(&bed.network.client, plan)
}

/// What became of the queries sent between these times, as soon as that is known of all.
fn outcome(asker: &Asker, from: Instant, to: Instant) -> Result<Tally> {
    wait_for("the outcome of every query", SOON, || {
        let tally = asker.tally(from, to);
        Ok((tally.waiting == 0).then_some(tally))
    })
}

/// Until that many more queries were sent and none waits that was sent before.
fn wait(asker: &Asker, count: usize) -> Result<()> {
    let from = Instant::now();
    wait_for("queries with outcomes", SOON, || {
        let tally = asker.tally(from, Instant::now());
        Ok((tally.sent >= count && tally.sent - tally.waiting >= count).then_some(()))
    })
}

/// With `check` a wrong setting is told and stays; with `set` it is put right, also when somebody changes it later.
fn settings(bed: &mut Bed) -> Result<()> {
    let name = "net/ipv4/vs/expire_nodest_conn";
    let value = |bed: &Bed| bed.network.director.output("sysctl", &["-n", "net.ipv4.vs.expire_nodest_conn"]);
    bed.network.director.set(&[(name, "0")])?;
    bed.start_holdfast(&Timing::QUICK)?;
    bed.holdfast.status_when("the setting is told", SOON, |status| {
        status.short().contains("expire_nodest_conn is 0")
    })?;
    ensure!(value(bed)?.trim() == "0", "it was set without being asked for");
    let text = bed.config(&Timing::QUICK, "lvs = { sysctls = \"set\", timeouts = { udp = \"7s\" } }", "");
    bed.holdfast.write_config(&text)?;
    bed.holdfast.signal(Daemon::Lvsd, nix::sys::signal::Signal::SIGHUP)?;
    for _ in 0..2 {
        wait_for("the setting is set", SOON, || Ok((value(bed)?.trim() == "1").then_some(())))?;
        bed.network.director.set(&[(name, "0")])?;
    }
    wait_for("the setting is set again", SOON, || Ok((value(bed)?.trim() == "1").then_some(())))?;
    let timeouts = bed.network.director.output("ipvsadm", &["-L", "--timeout"])?;
    ensure!(timeouts.trim().ends_with(" 7"), "the timeouts are {timeouts}");
    bed.network.director.set(&[(name, "1")])?;
    bed.network.director.output("ipvsadm", &["--set", "0", "0", "300"]).map(drop)
}

/// `holdfast diff` says in ipvsadm's words what differs, changes nothing, and tells by its exit code.
fn difference(bed: &mut Bed) -> Result<()> {
    bed.start_holdfast(&Timing::QUICK)?;
    let (config, state) =
        (bed.holdfast.config().display().to_string(), bed.holdfast.state().display().to_string());
    let arguments = ["diff", "--config", config.as_str(), "--state", state.as_str()];
    let same = bed.network.director.run(|| bed.holdfast.order(&arguments))??;
    ensure!(same.status.code() == Some(0) && same.stdout.is_empty(), "{same:?}");
    bed.holdfast.kill(Daemon::Lvsd)?;
    let (vip, real) = (format!("{VIP}:53"), format!("{}:53", bed.address(0)?));
    bed.ipvsadm(&["-d", "-u", &vip, "-r", &real])?;
    let table = bed.saved_table()?;
    let other = bed.network.director.run(|| bed.holdfast.order(&arguments))??;
    let said = String::from_utf8_lossy(&other.stdout);
    // Its verdict is known and up, so it belongs in.
    ensure!(other.status.code() == Some(1), "{other:?}");
    ensure!(said == format!("-a -u {vip} -r {real} -g -w 100\n"), "it said {said}");
    ensure!(bed.saved_table()? == table, "it changed the table");
    Ok(())
}
