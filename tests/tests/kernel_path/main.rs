//! The whole path in the test kernel: real name servers, real packets, the real table, Holdfast's own binaries.

mod decisions;
mod faults;
mod orders;
mod others;
mod restarts;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, ensure};
use holdfast_tests::asker::{Asker, Plan};
use holdfast_tests::bed::{Bed, SOON, Timing};
use holdfast_tests::harness::{self, Case, note};
use holdfast_tests::name_server::Make;
use holdfast_tests::network::{VIP, VIP6};
use holdfast_tests::patience::wait_for;

/// The real servers, in this order: dns1 to dns4.
const MAKES: [Make; 4] = [Make::Bind, Make::Nsd, Make::Knot, Make::Unbound];

/// The rate at which a client asks while something is done, in queries a second.
const RATE: u32 = 200;

fn main() -> ExitCode {
    let cases: Vec<Case> =
        [OWN, decisions::CASES, faults::CASES, restarts::CASES, others::CASES, orders::CASES]
            .into_iter()
            .flatten()
            .copied()
            .collect();
    harness::main(&cases, 1800, || Bed::build(&MAKES))
}

const OWN: &[Case] = &[
    Case { name: "a_table_made_by_hand_serves_every_query", run: bed_by_hand },
    Case { name: "the_configuration_becomes_the_table", run: table_from_configuration },
];

/// A client that asks the virtual address.
fn client(bed: &Bed) -> Result<Asker> {
    Asker::start(&bed.network.client, Plan::new(SocketAddr::from((VIP, 53)), RATE))
}

/// Waits until that many queries were sent and have their outcome, and returns how many were bad.
fn bad_of_next(asker: &Asker, count: usize) -> Result<usize> {
    let from = Instant::now();
    wait_for("queries with outcomes", SOON, || {
        let tally = asker.tally(from, Instant::now());
        Ok((tally.sent >= count && tally.sent - tally.waiting >= count).then_some(tally.bad()))
    })
}

/// The bed itself: without this, nothing that follows would mean anything.
fn bed_by_hand(bed: &mut Bed) -> Result<()> {
    let vip = format!("{VIP}:53");
    bed.ipvsadm(&["-A", "-u", &vip, "-s", "rr"])?;
    for number in 0..bed.servers.len() {
        let real = format!("{}:53", bed.address(number)?);
        bed.ipvsadm(&["-a", "-u", &vip, "-r", &real, "-g", "-w", "1"])?;
    }
    let start = Instant::now();
    let asker = Asker::start(&bed.network.client, Plan::new(SocketAddr::from((VIP, 53)), 200))?;
    wait_for("400 queries", SOON, || Ok((asker.tally_all().sent >= 400).then_some(())))?;
    // Every make got its share, and said the right thing.
    let table = bed.table()?;
    for destination in table.services.iter().flat_map(|service| &service.destinations) {
        ensure!(destination.inactive > 50, "{destination:?} got less than its share");
    }
    // The director alone answers ARP for the virtual address.
    let neighbours = bed.network.client.output("ip", &["neighbour", "show", &VIP.to_string()])?;
    let link = bed.network.director.output("ip", &["link", "show", "eth0"])?;
    let director =
        link.split_whitespace().skip_while(|word| *word != "link/ether").nth(1).unwrap_or("unknown");
    ensure!(neighbours.contains(director), "the virtual address is at {neighbours}, not at {director}");

    // And the client sees it when something is wrong.
    let died = bed.server(0)?.0.kill()?;
    wait_for("lost queries", SOON, || Ok((asker.tally(died, Instant::now()).lost > 3).then_some(())))?;
    let queries = asker.finish()?;
    note(&format!("{} queries in {:.1} s", queries.len(), start.elapsed().as_secs_f64()));
    Ok(())
}

/// Both services of both virtual servers, with the weights and methods that the configuration asks for; over IPv6 too.
fn table_from_configuration(bed: &mut Bed) -> Result<()> {
    let six: String = (1..=bed.servers.len())
        .map(|number| {
            format!(
                "\n  [[virtual_server.real_server]]\n  name = \"six{number}\"\n  address = \"fd53::{:x}\"\n  weight = {number}\n",
                10 + number
            )
        })
        .collect();
    let text = bed.config(&Timing::QUICK, "", "")
        + &format!(
            "\n[[virtual_server]]\nname = \"six\"\naddress = \"{VIP6}\"\nservices = [\"udp/53\", \"tcp/53\"]\nscheduler = \"wrr\"\n\
             [virtual_server.check.dns]\nqname = \"resolve.test\"\nexpect_answer = [\"192.0.2.80\"]\ninterval = \"500ms\"\n\
             timeout = \"250ms\"\n{six}"
        );
    bed.holdfast.write_config(&text)?;
    bed.holdfast.start_all(&bed.network.director, &holdfast_tests::holdfast::Daemon::ALL)?;
    bed.settled()?;
    let sixth: Vec<std::net::IpAddr> =
        (11..15).map(|last| std::net::Ipv6Addr::new(0xfd53, 0, 0, 0, 0, 0, 0, last).into()).collect();
    bed.table_when("the second virtual server is in the table", SOON, |table| {
        sixth.iter().all(|real| table.serves(VIP6.into(), *real))
    })?;
    let table = bed.table()?;
    let mut wanted: Vec<String> = Vec::new();
    for protocol in ["TCP", "UDP"] {
        wanted.push(format!("{protocol} {VIP}:53 rr"));
        wanted.push(format!("{protocol} [{VIP6}]:53 wrr"));
        for number in 1..=4 {
            wanted.push(format!("{protocol} {VIP}:53 -> 10.1.53.{}:53 Route 100", 10 + number));
            wanted.push(format!("{protocol} [{VIP6}]:53 -> [fd53::{:x}]:53 Route {number}", 10 + number));
        }
    }
    wanted.sort();
    ensure!(
        table.shape() == wanted,
        "the table is\n{}\nbut should be\n{}",
        table.shape().join("\n"),
        wanted.join("\n")
    );

    for target in [SocketAddr::from((VIP, 53)), SocketAddr::from((VIP6, 53))] {
        let asker = Asker::start(&bed.network.client, Plan::new(target, RATE))?;
        let bad = bad_of_next(&asker, 400)?;
        ensure!(bad == 0, "{bad} of 400 queries to {target} were not answered well");
        let tally = asker.tally_all();
        note(&format!(
            "{target}: {} queries, slowest {:.1} ms",
            tally.sent,
            tally.slowest.as_secs_f64() * 1e3
        ));
        asker.finish()?;
    }
    Ok(())
}
