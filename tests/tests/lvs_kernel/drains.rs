//! What a drain leaves to TCP: established connections go on, are counted, and end at the deadline at the latest.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::bed::{Bed, SOON, Timing};
use holdfast_tests::harness::Case;
use holdfast_tests::holdfast::Daemon;
use holdfast_tests::network::VIP;
use holdfast_tests::question::{self, Answer};

pub(crate) const CASES: &[Case] =
    &[Case { name: "a_drain_lets_tcp_go_on_counts_it_and_ends_it_at_the_deadline", run: deadline }];

/// Longer than figures take to travel.
const DEADLINE: Duration = Duration::from_secs(14);

fn deadline(bed: &mut Bed) -> Result<()> {
    let top = format!("lvs = {{ drain_deadline = \"{}s\" }}", DEADLINE.as_secs());
    let text = bed.config(&Timing::QUICK, &top, "");
    bed.holdfast.write_config(&text)?;
    bed.holdfast.start_all(&bed.network.director, &Daemon::ALL)?;
    bed.settled()?;
    let mut stream = connect(bed)?;
    ask(&mut stream, 1).context("before the drain")?;
    let number = (0..bed.servers.len())
        .find(|number| bed.address(*number).is_ok_and(|real| active(bed, real) == 1))
        .context("nobody has the connection")?;
    let (real, name) = (bed.address(number)?, format!("dns{}", number + 1));
    let drained = Instant::now();
    bed.holdfast.obeyed(&["drain", &name, "--why", "it moves"])?;
    // Of UDP it is out, of TCP it stays with weight 0.
    bed.table_when("its flows are gone", SOON, |table| table.weights(VIP.into(), real) == [0])?;
    for id in 2..6 {
        ask(&mut stream, id).context("on a connection that was there before the drain")?;
        let mut new = connect(bed)?;
        ask(&mut new, id).context("on a new connection")?;
        ensure!(active(bed, real) == 1, "a new client came to the drained server");
    }
    let counted = bed.holdfast.status_when("its connection is counted", SOON, |status| {
        let destinations = status.real_server(&name).and_then(|server| server["destinations"].as_array());
        destinations.is_some_and(|list| list.iter().any(|to| to["active_connections"] == 1))
    });
    counted.with_context(|| format!("the table is\n{:?}", bed.table()))?;
    ensure!(drained.elapsed() < DEADLINE, "the machine is too slow for the deadline");
    ask(&mut stream, 7).context("shortly before the deadline")?;
    let limit = DEADLINE.saturating_sub(drained.elapsed()) + SOON;
    let out = bed.table_when("it is out at the deadline", limit, |table| table.lacks(VIP.into(), real))?;
    ensure!(out - drained >= DEADLINE, "it was out after {:?} already", out - drained);
    ensure!(ask(&mut stream, 8).is_err(), "the connection outlived the deadline");
    bed.holdfast.obeyed(&["undrain", &name])?;
    bed.settled()
}

/// The active connections of a real server, of all services.
fn active(bed: &Bed, real: IpAddr) -> u64 {
    let table = bed.table().unwrap_or_default();
    let all = table.of(VIP.into()).flat_map(|service| &service.destinations);
    all.filter(|to| to.address.ip() == real).map(|to| to.active).sum()
}

fn connect(bed: &Bed) -> Result<TcpStream> {
    let stream =
        bed.network.client.run(|| TcpStream::connect_timeout(&SocketAddr::from((VIP, 53)), SOON))??;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(stream)
}

/// Asks over TCP: the query and its answer each come after their length.
fn ask(stream: &mut TcpStream, id: u16) -> Result<()> {
    let query = question::query(id);
    let mut bytes = u16::try_from(query.len())?.to_be_bytes().to_vec();
    bytes.extend(query);
    stream.write_all(&bytes)?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    ensure!(question::read(&answer, id) == Some(Answer::Address(question::RIGHT)), "a wrong answer");
    Ok(())
}
