//! The whole path in the test kernel: real name servers, real packets, the real table, Holdfast's own binaries.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use holdfast_tests::asker::{Asker, Plan};
use holdfast_tests::bed::{Bed, SOON};
use holdfast_tests::harness::{self, Case, note};
use holdfast_tests::name_server::Make;
use holdfast_tests::network::VIP;
use holdfast_tests::patience::wait_for;

fn main() -> ExitCode {
    let cases = [Case { name: "a_table_made_by_hand_serves_every_query", run: bed_by_hand }];
    harness::main(&cases, 600, || Bed::build(&[Make::Bind, Make::Nsd, Make::Knot, Make::Unbound]))
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
    thread::sleep(Duration::from_millis(1));
    let queries = asker.finish()?;
    note(&format!("{} queries in {:.1} s", queries.len(), start.elapsed().as_secs_f64()));
    Ok(())
}
