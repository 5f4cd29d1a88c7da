//! Trouble with the kernel: what the state and an operator see of it, and that it ends by itself.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::bed::{Bed, SOON, Timing};
use holdfast_tests::harness::Case;
use holdfast_tests::holdfast::{Daemon, Status};
use holdfast_tests::netlink::shrink_buffers;
use holdfast_tests::network::VIP;
use holdfast_tests::patience::wait_for;

pub(crate) const CASES: &[Case] = &[
    Case { name: "without_the_capability_the_state_says_so", run: denied },
    Case { name: "stop_asks_removes_ours_and_start_brings_them_back", run: stopped },
    Case { name: "lost_answers_of_the_kernel_are_told_and_got_over", run: overrun },
    // Last: the module takes everybody's table with it.
    Case { name: "a_kernel_without_ipvs_is_told_and_its_return_is_seen", run: unloaded },
];

/// Where the kernel is told how to load modules.
const LOADER: &str = "/proc/sys/kernel/modprobe";

fn kernel<'s>(status: &'s Status, field: &str) -> &'s str {
    status.0["kernel"][field].as_str().unwrap_or_default()
}

fn denied(bed: &mut Bed) -> Result<()> {
    let text = bed.config(&Timing::QUICK, "", "");
    bed.holdfast.write_config(&text)?;
    bed.holdfast.start_all(&bed.network.director, &[Daemon::Agentd, Daemon::Checkd])?;
    // Without the capability, and with one that counts only in a namespace of its own, as in most containers.
    let ways: [(&str, &[&str]); 2] = [
        ("setpriv", &["--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"]),
        ("unshare", &["--user", "--net", "--map-root-user", "--"]),
    ];
    for (program, before) in ways {
        let mut command = Command::new(program);
        command
            .args(before)
            .arg(holdfast_tests::holdfast::program("lvsd")?)
            .arg("--config")
            .arg(bed.holdfast.config())
            .arg("--socket")
            .arg(bed.holdfast.socket())
            .arg("--state")
            .arg(bed.holdfast.state())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut lvsd = bed.network.director.spawn(&mut command)?;
        let pid = u64::from(lvsd.id());
        let told = bed.holdfast.status_when("the state says what lvsd may not", SOON, |status| {
            status.daemon("lvsd").is_some_and(|lvsd| lvsd["pid"] == pid)
                && kernel(status, "status") == "unusable"
                && kernel(status, "cause") == "ipvs_denied"
                && kernel(status, "remedy").contains("CAP_NET_ADMIN in the initial user namespace")
        });
        lvsd.kill().and_then(|()| lvsd.wait()).context("ending lvsd")?;
        let status = told.with_context(|| format!("with {program}"))?;
        ensure!(status.0["status"] == "critical", "{}", status.short());
    }
    // With the capability all is well, without anything else being done.
    bed.holdfast.start_all(&bed.network.director, &Daemon::ALL)?;
    bed.settled()
}

/// `holdfast lvs`, where systemd does not run lvsd.
fn stopped(bed: &mut Bed) -> Result<()> {
    bed.ipvsadm(&["-A", "-t", "203.0.113.9:80", "-s", "rr"])?;
    bed.start_holdfast(&Timing::QUICK)?;
    let (config, state) =
        (bed.holdfast.config().display().to_string(), bed.holdfast.state().display().to_string());
    let order = |bed: &Bed, words: &[&str]| {
        let mut arguments = vec!["lvs", "--config", config.as_str(), "--state", state.as_str()];
        arguments.extend_from_slice(words);
        bed.network.director.run(|| bed.holdfast.order(&arguments))?
    };
    let table = bed.saved_table()?;
    // Nobody to ask here, so nothing is done; and not while lvsd would put everything back.
    let refused = order(bed, &["stop"])?;
    ensure!(refused.status.code() == Some(2), "{refused:?}");
    ensure!(String::from_utf8_lossy(&refused.stdout).contains(&format!("-D -u {VIP}:53")), "{refused:?}");
    let running = order(bed, &["stop", "--yes"])?;
    ensure!(running.status.code() == Some(1), "{running:?}");
    ensure!(String::from_utf8_lossy(&running.stderr).contains("would put them back"), "{running:?}");
    ensure!(bed.saved_table()? == table, "it changed the table");
    bed.holdfast.stop(Daemon::Lvsd)?;
    wait_for("the agent knows that lvsd is gone", SOON, || {
        let status = bed.holdfast.status()?;
        Ok((!status.all_connected()).then_some(()))
    })?;
    let drained = order(bed, &["stop", "--yes", "--drain"])?;
    ensure!(drained.status.code() == Some(0), "{drained:?}");
    let real = bed.address(0)?;
    ensure!(bed.table()?.weights(VIP.into(), real) == [0, 0], "{}", bed.table()?);
    let gone = order(bed, &["stop", "--yes"])?;
    ensure!(gone.status.code() == Some(0), "{gone:?}");
    let left = bed.saved_table()?;
    ensure!(left.trim_end() == "-A -t 203.0.113.9:80 -s rr", "left is {left}");
    let back = order(bed, &["start"])?;
    ensure!(back.status.code() == Some(0), "{back:?}");
    ensure!(bed.saved_table()? == table, "{} is not {table}", bed.saved_table()?);
    bed.ipvsadm(&["-D", "-t", "203.0.113.9:80"])
}

/// Ten refusals in one batch, and no room for them: ENOBUFS.
fn overrun(bed: &mut Bed) -> Result<()> {
    // Broadcast addresses, which the kernel refuses as destinations; fail open wants them in all the same.
    let bad: Vec<String> = (1..=10).map(|last| format!("10.77.0.{last}")).collect();
    for address in &bad {
        let route = ["route", "add", "broadcast", address.as_str(), "dev", "eth0", "table", "local"];
        bed.network.director.output("ip", &route)?;
    }
    let mut text = bed.config(&Timing::QUICK, "", "");
    text.push_str(
        "\n[[virtual_server]]\nname = \"hopeless\"\naddress = \"192.0.2.99\"\nservices = [\"udp/53\"]\nmin_serving = \"100%\"\n\
         [virtual_server.check.exec]\ncommand = [\"/bin/false\"]\nexit_codes = \"script\"\ninterval = \"1s\"\ntimeout = \"500ms\"\nfall = 1\n",
    );
    for (number, address) in bad.iter().enumerate() {
        text.push_str(&format!(
            "[[virtual_server.real_server]]\nname = \"bad{number}\"\naddress = \"{address}\"\n"
        ));
    }
    bed.holdfast.write_config(&text)?;
    bed.holdfast.start_all(&bed.network.director, &Daemon::ALL)?;
    let told = |bed: &Bed, words: &str, what: &str, after: u64| {
        bed.holdfast.status_when(what, SOON, |status| {
            status.events_after(after).iter().any(|event| event.contains(words))
        })
    };
    let done = (|| {
        let before =
            told(bed, "the kernel does not do what is wanted", "the refusals are told", 0)?.last_event();
        let lvsd = bed.holdfast.pid(Daemon::Lvsd).context("lvsd runs")?;
        shrink_buffers(lvsd)?;
        told(bed, "did not fit into the receive buffer", "that answers were lost is told", before)?;
        told(bed, "can be used again", "it is got over", before)?;
        bed.holdfast.all_alive()?;
        // What is good has been kept up all the time, and still is.
        let (vip, real) = (format!("{VIP}:53"), bed.address(0)?);
        bed.table_when("who serves is in", SOON, |table| table.serves(VIP.into(), real))?;
        bed.ipvsadm(&["-d", "-u", &vip, "-r", &format!("{real}:53")])?;
        bed.table_when("drift is mended", SOON, |table| table.weights(VIP.into(), real) == [100, 100])
            .map(drop)
    })();
    for address in &bad {
        let route = ["route", "del", "broadcast", address.as_str(), "dev", "eth0", "table", "local"];
        bed.network.director.output("ip", &route)?;
    }
    done
}

fn unloaded(bed: &mut Bed) -> Result<()> {
    bed.start_holdfast(&Timing::QUICK)?;
    bed.holdfast.stop(Daemon::Lvsd)?;
    bed.ipvsadm(&["-C"])?;
    let loader = fs::read_to_string(LOADER)?;
    fs::write(LOADER, "/bin/false")?;
    let told = (|| {
        wait_for("ip_vs is unloaded", SOON, || unload().map(|gone| gone.then_some(())))?;
        bed.holdfast.start_all(&bed.network.director, &[Daemon::Lvsd])?;
        let status = bed.holdfast.status_when("the state says that there is no IPVS", SOON, |status| {
            kernel(status, "status") == "missing" && kernel(status, "remedy").contains("modprobe ip_vs")
        })?;
        ensure!(status.0["status"] == "critical", "{}", status.short());
        let text = bed.holdfast.order(&["status"])?;
        let text = String::from_utf8_lossy(&text.stdout).replace('\n', " ");
        ensure!(text.contains("no IPVS"), "{text}");
        bed.holdfast.all_alive()
    })();
    fs::write(LOADER, loader)?;
    told?;
    // Nobody loads the module: lvsd asks for it again and again, and then the kernel can.
    wait_for("the kernel has IPVS again", SOON, || Ok(Path::new("/proc/net/ip_vs").exists().then_some(())))?;
    bed.settled()?;
    bed.holdfast.status_when("its return is an event", SOON, |status| {
        status.events_after(0).iter().any(|event| event.contains("can be used again"))
    })?;
    Ok(())
}

/// Takes out `ip_vs` with all that uses it, as far as that goes now.
fn unload() -> Result<bool> {
    let modules = fs::read_to_string("/proc/modules")?;
    let names: Vec<&str> = modules.lines().filter_map(|line| line.split(' ').next()).collect();
    for name in names.iter().filter(|name| name.starts_with("ip_vs_")).chain(std::iter::once(&"ip_vs")) {
        let _ = Command::new("rmmod").arg(name).stderr(Stdio::null()).status();
    }
    Ok(!fs::read_to_string("/proc/modules")?.lines().any(|line| line.starts_with("ip_vs ")))
}
