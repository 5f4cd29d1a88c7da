//! A probe through a VRF: `--interface` takes the routes of the VRF, where the main table leads nowhere.

use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::bed::Bed;
use holdfast_tests::harness::Case;
use holdfast_tests::holdfast::program;
use holdfast_tests::question::NAME;

pub(crate) const CASES: &[Case] = &[Case { name: "a_vrf_is_probed_through", run: through_a_vrf }];

fn through_a_vrf(bed: &mut Bed) -> Result<()> {
    let server = bed.address(0)?.to_string();
    let client = &bed.network.client;
    let lines = [
        "link add blue type vrf table 10".to_owned(),
        "link set blue up".to_owned(),
        "link add inside type veth peer name eth1 netns dns1".to_owned(),
        "link set inside master blue up".to_owned(),
        "address add 10.99.0.1/24 dev inside".to_owned(),
        "-n dns1 address add 10.99.0.2/24 dev eth1".to_owned(),
        "-n dns1 link set eth1 up".to_owned(),
        format!("route add {server}/32 via 10.99.0.2 dev inside table 10"),
        format!("route add unreachable {server}/32"),
    ];
    for line in &lines {
        client.output("ip", &line.split(' ').collect::<Vec<_>>())?;
    }
    let asked = probes(bed, &server);
    for line in ["link del inside", "link del blue", &format!("route del unreachable {server}/32")] {
        client.output("ip", &line.split(' ').collect::<Vec<_>>())?;
    }
    asked
}

fn probes(bed: &Bed, server: &str) -> Result<()> {
    for transport in ["udp", "tcp"] {
        let outside = dnscheck(bed, server, &["--transport", transport])?;
        ensure!(
            outside.status.code() == Some(1)
                && String::from_utf8_lossy(&outside.stdout).contains("unreachable"),
            "without the VRF over {transport}: {outside:?}"
        );
        let inside = dnscheck(bed, server, &["--transport", transport, "--interface", "blue"])?;
        ensure!(inside.status.success(), "through the VRF over {transport}: {inside:?}");
    }
    Ok(())
}

fn dnscheck(bed: &Bed, server: &str, more: &[&str]) -> Result<Output> {
    let mut command = Command::new(program("dnscheck")?);
    command.args(["--server", server, "--qname", NAME, "--timeout", "5s"]).args(more);
    bed.network.client.run(|| command.output())?.context("cannot start dnscheck")
}
