//! What clients lose when one of three UDP servers is drained and when it is killed, with Holdfast and with keepalived, by forwarding
//! method and by how clients choose their ports. Prints a Markdown table.
//!
//! Owns the course of it and the equal terms: the same bed, the same kernel settings, checks that find a dead server after the same
//! time. `tests/bench-losses.sh` runs it in the test kernel.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use holdfast_tests::asker::{Asker, Plan, Tally};
use holdfast_tests::bed::{Bed, SOON, Timing};
use holdfast_tests::forwarding::Forwarding;
use holdfast_tests::holdfast::Daemon;
use holdfast_tests::keepalived::Keepalived;
use holdfast_tests::name_server::Make;
use holdfast_tests::network::VIP;
use holdfast_tests::patience::wait_for;
use holdfast_tests::question;

/// Queries a second.
const RATE: u32 = 500;
/// Far more than keepalived needs to start or to read its configuration again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who looks after the table.
enum Keeper {
    Holdfast,
    Keepalived(Keepalived),
}

fn main() -> ExitCode {
    let mut err = std::io::stderr().lock();
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(err, "losses: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<()> {
    let mut bed = Bed::build(&[Make::Knot, Make::Knot, Make::Knot])?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "| method | ports | who | drained: lost of sent | killed: lost of sent until it was out | out after ms | lost later |"
    )?;
    writeln!(out, "| --- | --- | --- | --- | --- | --- | --- |")?;
    for method in Forwarding::ALL {
        method.set_up(&bed.network)?;
        for same_port in [true, false] {
            for keepalived in [false, true] {
                bed.reset()?;
                let who = if keepalived { "keepalived" } else { "Holdfast" };
                let ports = if same_port { "one fixed" } else { "fresh" };
                let [drained, killed, later, after] = course(&mut bed, method, same_port, keepalived)
                    .with_context(|| format!("{}, {ports}, {who}\n{}", method.name(), bed.evidence()))?;
                writeln!(
                    out,
                    "| {} | {ports} | {who} | {drained} | {killed} | {after} | {later} |",
                    method.name()
                )?;
                out.flush()?;
            }
        }
        method.take_back(&bed.network)?;
    }
    bed.reset()
}

/// Drains each of the three in turn, so that a fixed port must move, then kills each in turn.
fn course(bed: &mut Bed, method: Forwarding, same_port: bool, keepalived: bool) -> Result<[String; 4]> {
    let all = [0, 1, 2];
    let keeper = if keepalived {
        let config = config(bed, method, &all)?;
        let directory = bed.directory().join("keepalived");
        let running = Keepalived::start(&bed.network.director, &directory, &config)?;
        bed_serves(bed)?;
        Keeper::Keepalived(running)
    } else {
        let text = bed.config(&Timing::QUICK, "", "").replace("\"direct\"", &format!("{:?}", method.name()));
        bed.holdfast.write_config(&text)?;
        bed.holdfast.start_all(&bed.network.director, &Daemon::ALL)?;
        bed.settled()?;
        Keeper::Holdfast
    };
    let plan = Plan { same_port, ..Plan::new(SocketAddr::from((VIP, 53)), RATE) };
    let asker = Asker::start(&bed.network.client, plan)?;
    pause(&asker, 1.0)?;

    let begin = Instant::now();
    for number in all {
        let real = bed.address(number)?;
        match &keeper {
            Keeper::Holdfast => bed.holdfast.obeyed(&["drain", &format!("dns{}", number + 1)]).map(drop)?,
            Keeper::Keepalived(running) => {
                let others: Vec<usize> = all.into_iter().filter(|other| *other != number).collect();
                running.reload(&config(bed, method, &others)?)?;
            }
        }
        bed.table_when("it has no UDP clients", PATIENCE, |table| {
            table.weights(VIP.into(), real).iter().all(|weight| *weight == 0)
        })?;
        pause(&asker, 1.0)?;
        match &keeper {
            Keeper::Holdfast => bed.holdfast.obeyed(&["undrain", &format!("dns{}", number + 1)]).map(drop)?,
            Keeper::Keepalived(running) => running.reload(&config(bed, method, &all)?)?,
        }
        bed_serves(bed)?;
    }
    pause(&asker, 0.5)?;
    let drained = outcome(&asker, begin, Instant::now())?;

    let (mut hit, mut later, mut longest) = (Tally::default(), Tally::default(), Duration::ZERO);
    for number in all {
        let real = bed.address(number)?;
        let died = bed.server(number)?.0.kill()?;
        let out =
            bed.table_when("the dead server is out", PATIENCE, |table| table.lacks(VIP.into(), real))?;
        pause(&asker, 1.0)?;
        let settled = out + Duration::from_millis(100);
        add(&mut later, outcome(&asker, settled, Instant::now())?);
        add(&mut hit, outcome(&asker, died, settled)?);
        longest = longest.max(out - died);
        bed.mend(number)?;
        bed_serves(bed)?;
    }
    asker.finish()?;
    let of = |tally: Tally| format!("{} of {}", tally.bad(), tally.sent);
    Ok([of(drained), of(hit), of(later), longest.as_millis().to_string()])
}

fn add(sum: &mut Tally, one: Tally) {
    sum.sent += one.sent;
    sum.lost += one.lost;
    sum.other += one.other;
}

/// Until every server serves in both services.
fn bed_serves(bed: &Bed) -> Result<()> {
    let reals = (0..3).map(|number| bed.address(number)).collect::<Result<Vec<_>>>()?;
    bed.table_when("every server serves", PATIENCE, |table| {
        reals.iter().all(|real| table.weights(VIP.into(), *real) == [100, 100])
    })
    .map(drop)
}

/// For so many seconds' worth of queries with an outcome.
fn pause(asker: &Asker, seconds: f64) -> Result<()> {
    let (from, count) = (Instant::now(), (f64::from(RATE) * seconds) as usize);
    wait_for("queries with outcomes", SOON, || {
        let tally = asker.tally(from, Instant::now());
        Ok((tally.sent >= count && tally.sent - tally.waiting >= count).then_some(()))
    })
}

fn outcome(asker: &Asker, from: Instant, to: Instant) -> Result<Tally> {
    wait_for("the outcome of every query", SOON, || {
        let tally = asker.tally(from, to);
        Ok((tally.waiting == 0).then_some(tally))
    })
}

/// Three failures half a second apart, as [`Timing::QUICK`] has it, on whichever servers serve.
fn config(bed: &Bed, method: Forwarding, servers: &[usize]) -> Result<String> {
    let mut text = String::from("global_defs {\n router_id bench\n}\n");
    for protocol in ["UDP", "TCP"] {
        text.push_str(&format!(
            "virtual_server {VIP} 53 {{\n delay_loop 0.5\n lb_algo rr\n lb_kind {}\n protocol {protocol}\n",
            method.keepalived()
        ));
        for number in servers {
            text.push_str(&format!(
                " real_server {} 53 {{\n  weight 100\n  DNS_CHECK {{\n   type A\n   name {}\n   connect_timeout 0.25\n   \
                 retry 2\n   delay_before_retry 0.5\n  }}\n }}\n",
                bed.address(*number)?,
                question::NAME
            ));
        }
        text.push_str("}\n");
    }
    Ok(text)
}
