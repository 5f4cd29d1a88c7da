//! The kernel's sync daemon, which follows the virtual router: vipd, agentd, lvsd and the kernel in a row.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::bed::{Bed, SOON, Timing};
use holdfast_tests::harness::Case;
use holdfast_tests::holdfast::Daemon;
use holdfast_tests::patience::wait_for;

pub(crate) const CASES: &[Case] =
    &[Case { name: "the_sync_daemon_follows_the_virtual_router", run: follows }];

/// User-mode Linux hangs when a sync daemon is stopped right after its start.
const STARTED: Duration = Duration::from_secs(2);

const CONFIG: &str = "
[lvs.sync]
follow = \"gateway\"
interface = \"eth0\"
id = 7

[[virtual_router]]
name = \"gateway\"
interface = \"ha0\"
vrid = 51
advert_interval = \"100ms\"
addresses = [\"10.88.0.53/24\"]
";

/// The roles of the daemons that run, as `ipvsadm` says.
fn roles(bed: &Bed) -> Result<Vec<String>> {
    let told = bed.network.director.output("ipvsadm", &["-L", "--daemon"])?;
    let roles = told.lines().filter(|line| line.contains("sync daemon"));
    ensure!(roles.clone().all(|line| line.contains("mcast=eth0, syncid=7")), "{told}");
    Ok(roles.filter_map(|line| line.split(' ').next().map(str::to_owned)).collect())
}

fn becomes(bed: &Bed, role: &str) -> Result<()> {
    wait_for(&format!("{role} alone runs"), SOON, || Ok((roles(bed)? == [role]).then_some(())))
        .with_context(|| format!("what runs is {:?}", roles(bed)))?;
    sleep(STARTED);
    Ok(())
}

fn follows(bed: &mut Bed) -> Result<()> {
    let ip = |bed: &Bed, line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        bed.network.director.output("ip", &words).map(drop)
    };
    ip(bed, "link add ha0 type dummy")?;
    ip(bed, "address add 10.88.0.1/24 dev ha0")?;
    ip(bed, "link set ha0 up")?;
    let text = bed.config(&Timing::QUICK, CONFIG, "");
    bed.holdfast.write_config(&text)?;
    bed.holdfast
        .start_all(&bed.network.director, &[Daemon::Agentd, Daemon::Checkd, Daemon::Lvsd, Daemon::Vipd])?;
    let done = (|| {
        becomes(bed, "master")?;
        ip(bed, "link set ha0 down")?;
        becomes(bed, "backup")?;
        ip(bed, "link set ha0 up")?;
        becomes(bed, "master")?;
        // What is not known changes nothing.
        bed.holdfast.kill(Daemon::Vipd)?;
        sleep(STARTED);
        ensure!(roles(bed)? == ["master"], "{:?}", roles(bed));
        // A role that is configured is kept whatever the router is.
        let text = bed.config(&Timing::QUICK, &CONFIG.replace("follow = \"gateway\"", "role = \"both\""), "");
        bed.holdfast.write_config(&text)?;
        bed.holdfast.signal(Daemon::Lvsd, nix::sys::signal::Signal::SIGHUP)?;
        wait_for("both run", SOON, || Ok((roles(bed)? == ["master", "backup"]).then_some(())))?;
        sleep(STARTED);
        Ok(())
    })();
    bed.holdfast.forget()?;
    for role in roles(bed)? {
        bed.network.director.output("ipvsadm", &["--stop-daemon", &role])?;
    }
    ip(bed, "link del ha0")?;
    done
}
