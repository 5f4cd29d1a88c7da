//! What people set up every day: hooks with keepalived's words, trackers of every kind, unicast with named peers, version 2
//! with its authentications, sync groups, several routers on one interface.

#![allow(clippy::unwrap_used)]

mod bed;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bed::{Bed, VIP, config, wait_for};

const QUICK: &str = "advert_interval = \"100ms\"";

/// One router of a group.
fn member(name: &str, vrid: u8, address: &str, priority: u8, more: &str) -> String {
    format!(
        "[[virtual_router]]\nname = \"{name}\"\ninterface = \"eth0\"\nvrid = {vrid}\npriority = {priority}\n\
         addresses = [\"{address}\"]\n{QUICK}\n{more}\n"
    )
}

/// A script that everybody may run.
fn script(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    mode(path, 0o755);
    mode(path.parent().unwrap(), 0o777);
    mode(path.parent().unwrap().parent().unwrap(), 0o755);
}

/// The lines that come out of a FIFO, from now on.
fn lines_of(fifo: &Path) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (fifo, heard) = (fifo.to_owned(), Arc::clone(&lines));
    std::thread::spawn(move || {
        // Writing keeps it open, so that no end comes between two writers.
        let file = std::fs::File::options().read(true).write(true).open(fifo).unwrap();
        for line in BufReader::new(file).lines() {
            heard.lock().unwrap().push(line.unwrap());
        }
    });
    lines
}

#[test]
fn hooks_are_told_in_keepalived_s_words() {
    let mut bed = Bed::build(2);
    let directory = bed.hosts[0].directory.clone();
    let (fifo, hook, told) = (directory.join("fifo"), directory.join("hook"), directory.join("told"));
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
    let heard = lines_of(&fifo);
    script(&hook, &format!("echo \"$@\" >>{}", told.display()));
    let hook = hook.display();
    let notify = format!(
        "sync_group = \"pair\"\nnotify = {{ active = [\"{hook}\", \"up\"], backup = [\"{hook}\", \"down\"], \
         fault = [\"{hook}\", \"broken\"], stop = [\"{hook}\", \"over\"], fifo = \"{}\" }}",
        fifo.display()
    );
    let both = |priority: u8, more: &str| {
        member("one", 51, VIP, priority, more) + &member("two", 52, "10.9.0.60", priority, more)
    };
    bed.hosts[0].start(&both(150, &notify));
    let expect = |bed: &Bed, wanted: &[&str]| {
        let missing = || {
            let heard = heard.lock().unwrap();
            wanted.iter().copied().find(|line| !heard.iter().any(|known| known == line))
        };
        wait_for(
            &format!("{wanted:?}"),
            bed::SOON,
            || missing().is_none().then_some(()),
            || format!("{:?}\n{}", heard.lock().unwrap(), bed.logs()),
        );
        heard.lock().unwrap().clear();
    };
    expect(&bed, &["INSTANCE \"one\" MASTER 150", "INSTANCE \"two\" MASTER 150", "GROUP \"pair\" MASTER 0"]);
    bed.hosts[1].start(&both(200, "sync_group = \"pair\""));
    expect(&bed, &["INSTANCE \"one\" BACKUP 150", "INSTANCE \"two\" BACKUP 150", "GROUP \"pair\" BACKUP 0"]);
    bed.cable(0, false);
    expect(&bed, &["INSTANCE \"one\" FAULT 150", "INSTANCE \"two\" FAULT 150", "GROUP \"pair\" FAULT 0"]);
    bed.cable(0, true);
    expect(&bed, &["INSTANCE \"one\" BACKUP 150", "INSTANCE \"two\" BACKUP 150", "GROUP \"pair\" BACKUP 0"]);
    assert_eq!(bed.hosts[0].stop(), Some(0));
    expect(&bed, &["INSTANCE \"one\" STOP 150", "INSTANCE \"two\" STOP 150", "GROUP \"pair\" STOP 0"]);
    // Each script with its own words in front of keepalived's.
    let told = std::fs::read_to_string(&told).unwrap();
    for line in ["up INSTANCE one MASTER 150", "down INSTANCE two BACKUP 150", "over INSTANCE one STOP 150"] {
        assert!(told.lines().any(|known| known == line), "{line}\n{told}\n{}", bed.logs());
    }
}

#[test]
fn scripts_processes_and_interfaces_are_tracked() {
    let mut bed = Bed::build(2);
    let directory = bed.hosts[0].directory.clone();
    let (good, check) = (directory.join("good"), directory.join("check"));
    script(&check, &format!("test -e {}", good.display()));
    std::fs::write(&good, "").unwrap();
    bed.hosts[0].ip("link add name up0 type veth peer name up1");
    bed.hosts[0].ip("link set dev up0 up");
    bed.hosts[0].ip("link set dev up1 up");
    // A process of a name that nobody else has.
    let program = directory.join(format!("vipd-t{}", std::process::id() % 10_000));
    std::fs::copy("/bin/sleep", &program).unwrap();
    let run = || std::process::Command::new(&program).arg("1000").spawn().unwrap();
    let mut process = run();
    let track = format!(
        "{QUICK}\ntrack = [\n  {{ script = [\"{}\"], interval = \"2s\", timeout = \"2s\", priority = -60 }},\n  \
         {{ interface = \"up0\", priority = -61 }},\n  {{ process = \"{}\", priority = -62 }},\n]",
        check.display(),
        program.display()
    );
    bed.hosts[0].start(&config(150, &track));
    bed.wait_holders(VIP, &[0]);
    bed.hosts[1].start(&config(100, QUICK));
    bed.hosts[1].wait_log("initialize -> backup");
    let away = |bed: &Bed, weight: u8| {
        bed.wait_holders(VIP, &[1]);
        bed.hosts[0].wait_log(&format!("priority 150 -> {}", 150 - weight));
    };
    std::fs::remove_file(&good).unwrap();
    away(&bed, 60);
    std::fs::write(&good, "").unwrap();
    bed.wait_holders(VIP, &[0]);
    bed.hosts[0].ip("link set dev up1 down");
    away(&bed, 61);
    bed.hosts[0].ip("link set dev up1 up");
    bed.wait_holders(VIP, &[0]);
    process.kill().unwrap();
    process.wait().unwrap();
    away(&bed, 62);
    let mut process = run();
    bed.wait_holders(VIP, &[0]);
    process.kill().unwrap();
    process.wait().unwrap();
    // Without a priority there is no being active while the thing is bad.
    bed.hosts[0].configure(&config(150, &track.replace(", priority = -61", "")));
    bed.hosts[0].signal(nix::sys::signal::Signal::SIGHUP);
    bed.hosts[0].wait_log("reloaded the configuration");
    bed.hosts[0].ip("link set dev up1 down");
    bed.hosts[0].wait_log("initialize: something it tracks has failed");
    bed.wait_holders(VIP, &[1]);
}

/// Both sides by unicast; host 1 sends with this TTL.
fn unicast(bed: &mut Bed, ttl: u8, least: u8) {
    let peers = |own: u8, peer: u8, ttl: u8| {
        format!(
            "{QUICK}\nunicast = {{ source = \"10.9.0.{own}\", peers = [\"10.9.0.{peer}\"], ttl = {ttl}, \
             least_ttl = {least} }}"
        )
    };
    bed.hosts[0].start(&config(100, &peers(1, 2, 255)));
    bed.wait_holders(VIP, &[0]);
    bed.hosts[1].start(&config(150, &peers(2, 1, ttl)));
}

#[test]
fn peers_are_named_and_their_ttl_is_looked_at() {
    let mut bed = Bed::build(3);
    unicast(&mut bed, 255, 255);
    bed.wait_holders(VIP, &[1]);
    bed.hosts[0].wait_log("active -> backup: 10.9.0.2 has priority 150");
    // A third machine that thinks it is one of them is not heard, whatever its priority.
    let stranger =
        format!("{QUICK}\nunicast = {{ source = \"10.9.0.3\", peers = [\"10.9.0.1\", \"10.9.0.2\"] }}");
    bed.hosts[2].start(&config(200, &stranger));
    bed.hosts[1].wait_log("10.9.0.3: its adverts are discarded");
    assert!(bed.hosts[1].has(VIP), "{}", bed.logs());
    assert!(!bed.hosts[1].log().contains("10.9.0.3 has priority"), "{}", bed.logs());
    // One hop too many.
    let mut bed = Bed::build(2);
    unicast(&mut bed, 254, 255);
    bed.hosts[0].wait_log("10.9.0.2: its adverts are discarded: TTL or hop limit 254");
    assert!(bed.hosts[0].has(VIP), "{}", bed.logs());
    // As far away as is allowed.
    let mut bed = Bed::build(2);
    unicast(&mut bed, 254, 254);
    bed.wait_holders(VIP, &[1]);
}

#[test]
fn version_2_with_a_password() {
    version_2("pass", "ah");
}

#[test]
fn version_2_with_an_authentication_header() {
    version_2("ah", "pass");
}

/// Two routers of version 2 with this kind of authentication, and one that has the other kind.
fn version_2(kind: &str, other: &str) {
    let mut bed = Bed::build(2);
    let secret = |bed: &Bed, host: usize, text: &str| {
        let path = bed.hosts[host].directory.join("secret");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let with = |priority: u8, kind: &str, file: &str| {
        let more = format!("version = 2\nauthentication = {{ type = \"{kind}\", file = \"{file}\" }}");
        config(priority, &more)
    };
    let (ours, theirs) = (secret(&bed, 0, "s3cr3tXY"), secret(&bed, 1, "s3cr3tXY"));
    bed.hosts[0].start(&with(100, kind, &ours));
    bed.wait_holders(VIP, &[0]);
    bed.hosts[1].start(&with(150, kind, &theirs));
    bed.hosts[0].wait_log("active -> backup: 10.9.0.2 has priority 150");
    bed.wait_holders(VIP, &[1]);
    // Another secret is another router: nobody is heard, and both say so.
    assert_eq!(bed.hosts[1].stop(), Some(0));
    bed.wait_holders(VIP, &[0]);
    let _ = secret(&bed, 1, "s3cr3tXZ");
    bed.hosts[1].restart();
    bed.hosts[0].wait_log("10.9.0.2: its adverts are discarded");
    assert!(bed.hosts[0].has(VIP), "{}", bed.logs());
    // And so is another kind.
    assert_eq!(bed.hosts[1].stop(), Some(0));
    let _ = secret(&bed, 1, "s3cr3tXY");
    bed.hosts[1].start(&with(150, other, &theirs));
    bed.wait_holders(VIP, &[0, 1]);
}

#[test]
fn a_group_moves_as_one_and_a_router_beside_it_does_not() {
    let mut bed = Bed::build(2);
    let addresses = [VIP, "10.9.0.60", "10.9.0.70"];
    let all = |priority: u8, third: u8, weight: &str| {
        let group = "sync_group = \"pair\"";
        member("one", 51, VIP, priority, &format!("{group}\n{weight}"))
            + &member("two", 52, addresses[1], priority, &format!("{group}\n{weight}"))
            + &member("alone", 53, addresses[2], third, "")
    };
    let file = bed.hosts[0].directory.join("weight");
    let weight = format!("track = [{{ file = \"{}\", factor = 1 }}]", file.display());
    bed.hosts[0].start(&all(150, 100, &weight));
    for address in addresses {
        bed.wait_holders(address, &[0]);
    }
    // The one beside the group has its own priorities.
    bed.hosts[1].start(&all(100, 150, ""));
    bed.wait_holders(addresses[2], &[1]);
    assert_eq!((bed.holders(VIP), bed.holders(addresses[1])), (vec![0], vec![0]), "{}", bed.logs());
    // Both members are worse off: they go, the second because the first does.
    std::fs::write(&file, "-100\n").unwrap();
    bed.wait_holders(VIP, &[1]);
    bed.wait_holders(addresses[1], &[1]);
    bed.hosts[0].wait_log("active -> backup: another member of its sync group yielded");
    std::fs::write(&file, "0\n").unwrap();
    bed.wait_holders(VIP, &[0]);
    bed.wait_holders(addresses[1], &[0]);
    assert_eq!(bed.holders(addresses[2]), [1], "{}", bed.logs());
    // Its end gives all three to the other one.
    assert_eq!(bed.hosts[0].stop(), Some(0));
    for address in addresses {
        bed.wait_holders(address, &[1]);
    }
    std::thread::sleep(Duration::from_millis(300));
    assert!(addresses.iter().all(|address| bed.holders(address) == [1]), "{}", bed.logs());
}
