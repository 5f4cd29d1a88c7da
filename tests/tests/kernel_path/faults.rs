//! A name server that fails is out of the table in the promised time, with the right cause, and back in the promised time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::bed::{Bed, SOON, Timing};
use holdfast_tests::harness::{Case, note};
use holdfast_tests::name_server::Behaviour;
use holdfast_tests::network::VIP;
use holdfast_tests::patience::{stays, wait_for};
use holdfast_tests::witness::Witness;

use crate::{bad_of_next, client};

pub(crate) const CASES: &[Case] = &[
    Case { name: "a_killed_server_leaves_and_returns", run: killed },
    Case { name: "a_frozen_server_leaves_and_returns", run: frozen },
    Case { name: "a_server_that_says_servfail_leaves_and_returns", run: servfail },
    Case { name: "a_server_that_gives_a_wrong_address_leaves_and_returns", run: wrong },
    Case { name: "a_probe_that_cannot_be_run_ejects_nobody", run: unknown },
    Case { name: "all_servers_dead_is_an_empty_pool_and_a_clear_status", run: all_dead },
];

fn killed(bed: &mut Bed) -> Result<()> {
    let kill = |bed: &mut Bed, number: usize| bed.server(number)?.0.kill();
    let start = |bed: &mut Bed, number: usize| {
        let (server, namespace) = bed.server(number)?;
        server.start(namespace)?;
        Ok(Instant::now())
    };
    out_and_back(bed, &[0, 1, 2, 3], "udp_refused", kill, start)
}

fn frozen(bed: &mut Bed) -> Result<()> {
    let freeze = |bed: &mut Bed, number: usize| bed.server(number)?.0.freeze();
    let thaw = |bed: &mut Bed, number: usize| bed.server(number)?.0.thaw();
    out_and_back(bed, &[0, 1, 2, 3], "dns_timeout", freeze, thaw)
}

fn servfail(bed: &mut Bed) -> Result<()> {
    let fail = |bed: &mut Bed, number: usize| behave(bed, number, Behaviour::ServFail);
    let mend = |bed: &mut Bed, number: usize| behave(bed, number, Behaviour::Right).map(|_| Instant::now());
    out_and_back(bed, &[0, 2, 3], "dns_servfail", fail, mend)
}

fn wrong(bed: &mut Bed) -> Result<()> {
    let lie = |bed: &mut Bed, number: usize| behave(bed, number, Behaviour::Wrong);
    let mend = |bed: &mut Bed, number: usize| behave(bed, number, Behaviour::Right).map(|_| Instant::now());
    out_and_back(bed, &[0, 1, 3], "dns_answer_mismatch", lie, mend)
}

fn behave(bed: &mut Bed, number: usize, behaviour: Behaviour) -> Result<Instant> {
    let (server, namespace) = bed.server(number)?;
    server.behave(namespace, behaviour)
}

/// Both return when it happened.
fn out_and_back(
    bed: &mut Bed,
    numbers: &[usize],
    cause: &str,
    fault: impl Fn(&mut Bed, usize) -> Result<Instant>,
    repair: impl Fn(&mut Bed, usize) -> Result<Instant>,
) -> Result<()> {
    let timing = Timing::QUICK;
    bed.start_holdfast(&timing)?;
    let witness = Witness::start(&bed.network.director)?;
    let asker = client(bed)?;
    for &number in numbers {
        let (name, make, real) =
            (format!("dns{}", number + 1), bed.server(number)?.0.make(), bed.address(number)?);
        let _ = bed.stalls.take_worst();
        let before = bed.holdfast.status()?.last_event();

        let failed = fault(bed, number)?;
        let left = wait_for(&format!("{name} ({make}) is out of the table"), SOON, || {
            Ok(witness.left(failed, VIP.into(), real))
        })?;
        let out = in_time(bed, "out", &name, left - failed, timing.out_within())?;
        let status = bed.holdfast.status_when(&format!("{name} is down with its cause"), SOON, |status| {
            status.verdict(&name) == "down" && status.cause(&name) == cause
        })?;
        for other in (0..bed.servers.len()).filter(|other| *other != number) {
            let other = bed.address(other)?;
            ensure!(witness.left(failed, VIP.into(), other).is_none(), "{other} left the table too");
        }
        let told = status.events_after(before);
        ensure!(told.iter().any(|event| event.contains(&name)), "no event about {name}: {told:?}");
        // Whoever asks now does not notice any more.
        let bad = bad_of_next(&asker, 100)?;
        ensure!(bad == 0, "{bad} of 100 queries were lost with {name} out of the table");

        let _ = bed.stalls.take_worst();
        let mended = repair(bed, number)?;
        let joined = wait_for(&format!("{name} ({make}) is back in the table"), SOON, || {
            Ok(witness.joined(mended, VIP.into(), real))
        })?;
        let back =
            in_time(bed, "back", &name, joined.saturating_duration_since(mended), timing.back_within())?;
        bed.holdfast.status_when(&format!("{name} is up"), SOON, |status| {
            status.verdict(&name) == "up" && status.cause(&name).is_empty()
        })?;
        note(&format!("{name} ({make}): out after {out}, back after {back}"));
    }
    witness.finish()?;
    asker.finish()?;
    bed.holdfast.all_alive()
}

/// An error when it took longer than promised, apart from the time that this machine itself was late.
fn in_time(bed: &Bed, what: &str, name: &str, took: Duration, promised: Duration) -> Result<String> {
    let late = bed.stalls.worst();
    ensure!(
        took <= promised + late,
        "{name} was {what} after {:.2} s; promised: {:.2} s (and this machine was late by {:.2} s)",
        took.as_secs_f64(),
        promised.as_secs_f64(),
        late.as_secs_f64()
    );
    Ok(format!("{:.2} s of {:.2} s", took.as_secs_f64(), promised.as_secs_f64()))
}

/// The director loses its own address: that says nothing about the real servers.
fn unknown(bed: &mut Bed) -> Result<()> {
    let timing = Timing::QUICK;
    bed.start_holdfast(&timing)?;
    let before = bed.table()?.shape();
    let address = format!("{}/24", holdfast_tests::network::DIRECTOR);
    bed.network.director.output("ip", &["address", "del", &address, "dev", "eth0"])?;
    let checked = (|| -> Result<()> {
        bed.holdfast.status_when("dns1 is unknown", SOON, |status| status.verdict("dns1") == "unknown")?;
        stays("the table is as it was", timing.out_within(), || Ok(bed.table()?.shape() == before))?;
        let status = bed.holdfast.status()?;
        ensure!(status.verdict("dns1") == "unknown", "{}", status.short());
        Ok(())
    })();
    bed.network.director.output("ip", &["address", "add", &address, "dev", "eth0"])?;
    checked?;
    bed.settled()
}

/// Without any server left there is nothing to send to; the status says so, and the first that is back is used.
fn all_dead(bed: &mut Bed) -> Result<()> {
    bed.start_holdfast(&Timing::QUICK)?;
    for number in 0..bed.servers.len() {
        bed.server(number)?.0.kill()?;
    }
    bed.table_when("no destination is left", SOON, |table| {
        table.of(VIP.into()).all(|service| service.destinations.is_empty())
    })?;
    let status = bed
        .holdfast
        .status_when("the status is critical", SOON, |status| status.0["status"] == "critical")?;
    ensure!(bed.table()?.of(VIP.into()).count() == 2, "the services themselves must stay: {}", bed.table()?);
    ensure!(status.verdict("dns1") == "down", "{}", status.short());
    bed.mend(2)?;
    let real = bed.address(2)?;
    bed.table_when("dns3 is back", SOON, |table| table.serves(VIP.into(), real))
        .context("after all were dead")?;
    Ok(())
}
