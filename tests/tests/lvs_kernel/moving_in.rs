//! The first step of moving in: the shipped keepalived snippet, run by a real keepalived against real name servers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::bed::Bed;
use holdfast_tests::harness::Case;
use holdfast_tests::holdfast::program;
use holdfast_tests::keepalived::Keepalived;
use holdfast_tests::name_server::Behaviour;
use holdfast_tests::network::VIP;

/// Far more than keepalived needs to start, or to run a check of two seconds twice.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const CASES: &[Case] =
    &[Case { name: "keepalived_takes_servers_out_and_back_by_the_shipped_snippet", run: snippet }];

fn snippet(bed: &mut Bed) -> Result<()> {
    // Where its user may run it, and only root may write: what enable_script_security asks for.
    let directory = Path::new("/run/moving-in");
    fs::create_dir_all(directory)?;
    let dnscheck = directory.join("dnscheck");
    fs::copy(program("dnscheck")?, &dnscheck).context("cannot copy dnscheck")?;
    fs::set_permissions(&dnscheck, fs::Permissions::from_mode(0o755))?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;

    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../etc/keepalived/dnscheck.conf");
    let mut text =
        fs::read_to_string(&shipped).with_context(|| format!("cannot read {}", shipped.display()))?;
    let reals = [bed.address(0)?, bed.address(1)?];
    for (given, real) in ["10.1.53.2", "10.1.53.3"].into_iter().zip(reals) {
        ensure!(text.matches(given).count() == 2, "{given} is not in the snippet as expected");
        text = text.replace(given, &real.to_string());
    }
    ensure!(text.contains(&VIP.to_string()), "the snippet is for another virtual address");
    text = text.replace("/usr/bin/dnscheck", &dnscheck.display().to_string());
    let keepalived = Keepalived::start(&bed.network.director, directory, &text)?;
    let done = followed(bed, &reals);
    let said = keepalived.said();
    drop(keepalived);
    let _ = fs::remove_dir_all(directory);
    done.with_context(|| format!("keepalived said:\n{said}"))?;
    ensure!(!said.contains("disabling"), "keepalived does not run the check:\n{said}");
    Ok(())
}

/// What the table shows of what is done to the name servers.
fn followed(bed: &mut Bed, reals: &[std::net::IpAddr; 2]) -> Result<()> {
    let [first, second] = *reals;
    let vip = VIP.into();
    // A weight from the check: 100, or 10 where this machine is too busy to answer within 50 ms.
    let weighed =
        |weights: &[u32]| !weights.is_empty() && weights.iter().all(|weight| [100, 10].contains(weight));
    bed.table_when("both servers are in the table", PATIENCE, |table| {
        table.weights(vip, first) == [100] && weighed(&table.weights(vip, second))
    })?;
    // The first check looks at the answer, the second at the code alone.
    let (server, namespace) = bed.server(0)?;
    server.behave(namespace, Behaviour::Wrong)?;
    bed.table_when("who answers wrongly is out", PATIENCE, |table| {
        table.weights(vip, first).is_empty() && weighed(&table.weights(vip, second))
    })?;
    bed.mend(0)?;
    let (server, _) = bed.server(1)?;
    server.freeze()?;
    bed.table_when("who is silent is out, who is mended is back", PATIENCE, |table| {
        table.weights(vip, first) == [100] && table.weights(vip, second).is_empty()
    })?;
    bed.mend(1)?;
    bed.table_when("both servers are back", PATIENCE, |table| {
        table.weights(vip, first) == [100] && weighed(&table.weights(vip, second))
    })?;
    Ok(())
}
