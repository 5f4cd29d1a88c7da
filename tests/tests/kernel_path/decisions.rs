//! What is decided beyond up and down, in the real table: the sorry server, slow start, limits of ejection, both protocols of a server.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::bed::{Bed, SOON, Timing};
use holdfast_tests::harness::{Case, note};
use holdfast_tests::holdfast::Daemon;
use holdfast_tests::network::VIP;
use holdfast_tests::patience::{stays, wait_for};
use holdfast_tests::witness::Witness;

use crate::{bad_of_next, client};

pub(crate) const CASES: &[Case] = &[
    Case { name: "the_sorry_server_serves_only_while_it_is_needed", run: sorry_server },
    Case { name: "servers_are_ejected_no_faster_and_no_more_than_is_allowed", run: limits },
    Case { name: "a_server_without_tcp_leaves_what_it_is_judged_for", run: protocols },
];

/// Starts all daemons with `text`.
fn start(bed: &mut Bed, text: &str) -> Result<()> {
    bed.holdfast.write_config(text)?;
    bed.holdfast.start_all(&bed.network.director, &Daemon::ALL)
}

/// `text` without its last real server.
fn without_last(text: &str) -> Result<&str> {
    text.rsplit_once("\n  [[virtual_server.real_server]]").map(|(rest, _)| rest).context("no real server")
}

/// dns4 is the sorry server of the other three. It comes before the last of them leaves, and leaves after the first has come, which has a
/// small weight first.
fn sorry_server(bed: &mut Bed) -> Result<()> {
    let inside = "slow_start = \"5s\"\nsorry_server = { address = \"10.1.53.14\" }\n";
    let text = bed.config(&Timing::QUICK, "", inside).replace("scheduler = \"rr\"", "scheduler = \"wrr\"");
    start(bed, without_last(&text)?)?;
    let reals: Vec<IpAddr> = (0..4).map(|number| bed.address(number)).collect::<Result<_>>()?;
    let (sorry, reals) = reals.split_last().context("no servers")?;
    bed.table_when("the three are in the table", SOON, |table| {
        reals.iter().all(|real| table.weights(VIP.into(), *real) == [100, 100])
    })?;
    ensure!(bed.table()?.lacks(VIP.into(), *sorry), "nobody needs the sorry server:\n{}", bed.table()?);
    let (witness, began) = (Witness::start(&bed.network.director)?, Instant::now());
    for number in 0..reals.len() {
        bed.server(number)?.0.kill()?;
    }
    bed.table_when("only the sorry server is left", SOON, |table| {
        table.weights(VIP.into(), *sorry) == [1, 1] && reals.iter().all(|real| table.lacks(VIP.into(), *real))
    })?;
    let asker = client(bed)?;
    let bad = bad_of_next(&asker, 100)?;
    ensure!(bad == 0, "{bad} of 100 queries were not answered by the sorry server");
    asker.finish()?;
    let told = bed.holdfast.status_when("the status shows the sorry server", SOON, |status| {
        status.0["virtual_servers"][0]["sorry"] == true
    })?;
    ensure!(
        told.events().iter().any(|event| event.contains("sorry server")),
        "no event: {:?}",
        told.events()
    );

    let returned = Instant::now();
    bed.mend(1)?;
    bed.table_when("the first that is back has replaced the sorry server", SOON, |table| {
        table.serves(VIP.into(), reals[1]) && table.lacks(VIP.into(), *sorry)
    })?;
    bed.table_when("it has its full weight", SOON, |table| {
        table.weights(VIP.into(), reals[1]) == [100, 100]
    })?;
    let sights = witness.since(began);
    let empty = sights.iter().find(|sight| sight.table.of(VIP.into()).any(|s| s.destinations.is_empty()));
    ensure!(empty.is_none(), "the table was empty in between");
    let weights: Vec<u32> = witness
        .since(returned)
        .iter()
        .filter_map(|sight| sight.table.weights(VIP.into(), reals[1]).into_iter().min())
        .collect();
    ensure!(weights.is_sorted(), "its weight fell: {weights:?}");
    ensure!(
        weights.first().is_some_and(|weight| (1..=30).contains(weight)) && weights.len() >= 4,
        "it did not start slowly: {weights:?}"
    );
    note(&format!("weights of the returned: {weights:?}"));
    witness.finish()
}

/// Three of four fail at once: one goes, the second three seconds later, the third never, and that is said.
fn limits(bed: &mut Bed) -> Result<()> {
    let inside = "max_ejected = \"50%\"\nejection_rate = { servers = 1, per = \"3s\" }\n";
    let text = bed.config(&Timing::QUICK, "", inside);
    start(bed, &text)?;
    bed.settled()?;
    let (witness, began) = (Witness::start(&bed.network.director)?, Instant::now());
    for number in 0..3 {
        bed.server(number)?.0.kill()?;
    }
    let victims: Vec<IpAddr> = (0..3).map(|number| bed.address(number)).collect::<Result<_>>()?;
    let leavings = || -> Vec<Instant> {
        let mut left: Vec<Instant> =
            victims.iter().filter_map(|real| witness.left(began, VIP.into(), *real)).collect();
        left.sort();
        left
    };
    let left = wait_for("two have left", SOON, || Ok(Some(leavings()).filter(|left| left.len() >= 2)))?;
    let apart = left[1].saturating_duration_since(left[0]);
    ensure!(apart >= Duration::from_millis(2_900), "the second left {apart:?} after the first");
    bed.holdfast.status_when("all three are down, and it fails open", SOON, |status| {
        ["dns1", "dns2", "dns3"].iter().all(|name| status.verdict(name) == "down")
            && status.0["virtual_servers"][0]["fail_open"] == true
    })?;
    stays("the third stays in", Duration::from_secs(4), || Ok(leavings().len() == 2))?;
    note(&format!("the second left {:.2} s after the first", apart.as_secs_f64()));
    witness.finish()
}

/// dns1 answers over UDP only. Judged for both protocols together it leaves both services; judged apart it leaves that of TCP.
fn protocols(bed: &mut Bed) -> Result<()> {
    let rule = ["ipproto", "tcp", "sport", "53", "blackhole"];
    let together = bed
        .config(&Timing::QUICK, "", "")
        .replace("  qtype = \"A\"", "  transport = \"udp+tcp\"\n  qtype = \"A\"");
    let one = |transport: &str| {
        bed.config(&Timing::QUICK, "", "")
            .replace("name = \"resolver\"", &format!("name = \"{transport}\""))
            .replace("\"udp/53\", \"tcp/53\"", &format!("\"{transport}/53\""))
            .replace("  qtype = \"A\"", &format!("  transport = \"{transport}\"\n  qtype = \"A\""))
    };
    let apart = one("udp") + &one("tcp");
    let real = bed.address(0)?;
    start(bed, &together)?;
    bed.settled()?;
    let server = |bed: &Bed, what: &str| -> Result<()> {
        let namespace = bed.network.servers.first().context("no server")?;
        namespace.output("ip", &[&["rule", what][..], &rule].concat()).map(drop)
    };
    server(bed, "add")?;
    let checked = (|| -> Result<()> {
        bed.table_when("it is in neither service", SOON, |table| table.lacks(VIP.into(), real))?;
        bed.holdfast.write_config(&apart)?;
        for daemon in Daemon::ALL {
            bed.holdfast.signal(daemon, nix::sys::signal::Signal::SIGHUP)?;
        }
        bed.table_when("it serves UDP, and TCP not", SOON, |table| {
            let has = |protocol: &str| {
                let services = table.of(VIP.into()).filter(|service| service.protocol == protocol);
                services.flat_map(|service| &service.destinations).any(|to| to.address.ip() == real)
            };
            has("UDP") && !has("TCP") && table.of(VIP.into()).count() == 2
        })?;
        Ok(())
    })();
    server(bed, "del")?;
    checked?;
    bed.table_when("it serves both again", SOON, |table| table.serves(VIP.into(), real)).map(drop)
}
