//! The classic set-up by ARP with everything real: a director, a real server that is its standby, a second real server, and on
//! both of the former an agent and an `alertd` that writes to a real mail server. Wherever something breaks, the address is on
//! one machine, and staff are told by whoever saw it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bed;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bed::{Asker, Bed, Host, VIP, inside, wait_for};

const DIRECTOR: usize = 0;
const STANDBY: usize = 1;
const SECOND: usize = 2;

/// A program of the suite that is built beside `vipd`.
fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_vipd")).with_file_name(name);
    if !path.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = Command::new(cargo)
            .args(["build", "--locked", "-p", name])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(build.unwrap().success(), "can't build {name}");
    }
    path
}

/// Children that are killed when dropped.
struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The mail server of a machine, which outlives its crashes as the mails in it do.
struct Post {
    directory: PathBuf,
    port: u16,
    _server: Children,
}

impl Post {
    fn open(host: &Host) -> Self {
        let directory = host.directory.join("post");
        fs::create_dir_all(directory.join("accepted")).unwrap();
        fs::write(directory.join("mode"), "ok").unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agent/alertd/tests/bed/server.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).arg(&directory).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut server = inside(&host.namespace, || command.spawn()).expect("python3 starts");
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("a port; is python3-aiosmtpd installed?");
        Self { directory, port, _server: Children(vec![server]) }
    }

    /// All mails, one behind the other.
    fn text(&self) -> String {
        let mut paths: Vec<PathBuf> = fs::read_dir(self.directory.join("accepted"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        // As quoted-printable breaks and as a reader sees them.
        let read = |path: &PathBuf| fs::read_to_string(path).unwrap_or_default().replace("=\r\n", "");
        paths.iter().map(read).collect()
    }
}

/// Starts the agent and `alertd` of a machine.
fn start_others(host: &Host) -> Children {
    let mut children = Children(Vec::new());
    let directory = &host.directory;
    for (name, option, path) in [("agentd", "--state", "state.json"), ("alertd", "--spool", "spool")] {
        let log =
            File::options().create(true).append(true).open(directory.join(format!("{name}.log"))).unwrap();
        let mut command = Command::new(program(name));
        command
            .arg("--config")
            .arg(directory.join("holdfast.toml"))
            .arg("--socket")
            .arg(directory.join("agent.sock"))
            .arg(option)
            .arg(directory.join(path))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        children.0.push(inside(&host.namespace, || command.spawn()).unwrap());
    }
    children
}

struct Classic {
    bed: Bed,
    posts: [Post; 2],
    others: [Option<Children>; 2],
    asker: Asker,
}

impl Classic {
    fn build() -> Self {
        let mut bed = Bed::build(3);
        bed.serve(&[VIP.parse().unwrap()]);
        let posts = [DIRECTOR, STANDBY].map(|at| Post::open(&bed.hosts[at]));
        let alert = |at: usize| {
            format!(
                "[alert]\nsmtp = \"smtp://127.0.0.1:{}\"\nfrom = \"holdfast@{}.test\"\nto = [\"staff@b.test\"]\n\
                 gather = \"1s\"\nsettle = \"0s\"\nupdate_every = \"1s\"\n",
                posts[at].port,
                ["director", "standby"][at]
            )
        };
        let router = |role: &str, more: &str| {
            format!(
                "[[virtual_router]]\nname = \"vip\"\nmode = \"arp\"\nrole = \"{role}\"\ninterface = \"eth0\"\n\
                 addresses = [\"{VIP}\"]\nlease = \"1s\"\n{more}\n"
            )
        };
        let watch = "watch = { targets = [\"10.9.0.1\"], sentinels = [\"10.9.0.3\"], interval = \"200ms\" }";
        bed.hosts[DIRECTOR].configure(&(alert(DIRECTOR) + &router("director", "")));
        bed.hosts[STANDBY].configure(&(alert(STANDBY) + &router("standby", watch)));
        let mut others = [None, None];
        for at in [DIRECTOR, STANDBY] {
            others[at] = Some(start_others(&bed.hosts[at]));
            bed.hosts[at].restart();
        }
        let asker = bed.ask(VIP, Duration::from_millis(5));
        let classic = Self { bed, posts, others, asker };
        classic.is_at(DIRECTOR);
        for at in [DIRECTOR, STANDBY] {
            let log =
                || fs::read_to_string(classic.bed.hosts[at].directory.join("alertd.log")).unwrap_or_default();
            wait_for("alertd watches", bed::SOON, || log().contains("watching the agent").then_some(()), log);
        }
        classic
    }

    /// The address is there and nowhere else, and its service answers the client.
    fn is_at(&self, host: usize) {
        self.bed.wait_holders(VIP, &[host]);
        self.asker.wait_answered_by(host, || self.bed.logs());
        assert_eq!(self.bed.holders(VIP), [host], "{}", self.bed.logs());
    }

    /// Staff were told so by a machine.
    fn told(&self, at: usize, words: &str) {
        wait_for(
            &format!("machine {at} writes {words:?}"),
            Duration::from_secs(60),
            || self.posts[at].text().contains(words).then_some(()),
            || {
                let log = |name: &str| {
                    fs::read_to_string(self.bed.hosts[at].directory.join(name)).unwrap_or_default()
                };
                format!("{}\n{}\n{}", self.posts[at].text(), log("alertd.log"), self.bed.logs())
            },
        );
    }
}

#[test]
fn the_director_s_power_is_cut_and_comes_back() {
    let mut all = Classic::build();
    // Nothing of it runs, and its cable is dead.
    all.bed.hosts[DIRECTOR].end();
    all.others[DIRECTOR] = None;
    all.bed.cable(DIRECTOR, false);
    all.is_at(STANDBY);
    all.told(STANDBY, "vip: the director answers no more");
    all.told(STANDBY, "backup -> active: the director does not answer");
    all.bed.cable(DIRECTOR, true);
    all.others[DIRECTOR] = Some(start_others(&all.bed.hosts[DIRECTOR]));
    all.bed.hosts[DIRECTOR].restart();
    all.is_at(DIRECTOR);
    all.told(STANDBY, "active -> backup: the director is back");
    all.told(STANDBY, "over     vip: the director answers no more");
    all.told(DIRECTOR, "the standby gave the addresses to us");
}

#[test]
fn the_standby_s_cable_is_cut_and_mended() {
    let all = Classic::build();
    all.bed.cable(STANDBY, false);
    all.told(STANDBY, "backup -> initialize: the interface went down");
    all.is_at(DIRECTOR);
    all.bed.cable(STANDBY, true);
    all.told(STANDBY, "initialize -> backup");
    all.told(STANDBY, "X-Holdfast: closed");
    all.is_at(DIRECTOR);
    // The director had nothing to say.
    assert!(!all.posts[DIRECTOR].text().contains("interface"), "{}", all.posts[DIRECTOR].text());
}

#[test]
fn the_director_s_cable_is_cut_and_mended() {
    let all = Classic::build();
    // First it is the standby that is cut off, behind a switch that works: nobody answers it.
    all.bed.cable(SECOND, false);
    all.bed.cable(DIRECTOR, false);
    all.told(STANDBY, "this machine is cut off, and takes nothing");
    all.told(DIRECTOR, "active -> initialize: the interface went down");
    assert!(!all.bed.hosts[STANDBY].has(VIP), "{}", all.bed.logs());
    // The second real server answers again: so it is the director.
    all.bed.cable(SECOND, true);
    all.is_at(STANDBY);
    all.told(STANDBY, "backup -> active: the director does not answer");
    all.bed.cable(DIRECTOR, true);
    all.is_at(DIRECTOR);
    all.told(STANDBY, "active -> backup: the director is back");
    all.told(DIRECTOR, "over     vip: active -> initialize: the interface went down");
}
