//! The daemon: with the real agent, with an agent that goes and comes back, with signals and wrong configurations.

#![cfg(test)]

mod world;

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use agent_api::{CheckHead, LvsHead, Reporter as Identity, Verdict};
use agent_link::{Checkd, Lvsd, Reporter};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use world::http::{next_event, stream};
use world::{Process, World, command, config, free_address, states, until};

fn signal(process: &Process, signal: Signal) {
    kill(Pid::from_raw(process.0.id().try_into().unwrap()), signal).unwrap();
}

/// The real agent, which is built beside this crate's own program.
fn agentd(folder: &Path) -> Process {
    let program = Path::new(env!("CARGO_BIN_EXE_statusd")).with_file_name("agentd");
    assert!(program.exists(), "agentd is not built: cargo build -p agentd");
    let mut command = Command::new(program);
    command.arg("--config").arg(folder.join("holdfast.toml"));
    command.arg("--socket").arg(folder.join("agent.sock")).arg("--state").arg(folder.join("state.json"));
    Process(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn identity() -> Identity {
    Identity { version: "0.1.0".into(), pid: 1, started_at: states::ago(60), config: "abc".into() }
}

#[test]
fn what_the_real_agent_hears_is_shown_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("holdfast.toml"), config(free_address(), "x")).unwrap();
    let agent = agentd(folder.path());
    let socket = folder.path().join("agent.sock");
    let world = World::alone(folder);
    until("ready", || world.get("/readyz").status == 200);
    assert!(world.text("/").contains("never heard"));
    let state = states::good();
    let health = |verdict: Verdict| {
        let mut state = states::good();
        states::set(&mut state, "resolver/dns1", verdict, None, "as the test says");
        state.checkd.items.remove(&"resolver/dns1".parse().unwrap()).unwrap()
    };
    let items = BTreeMap::from([("resolver/dns1".parse().unwrap(), health(Verdict::Up))]);
    let checkd = Reporter::<Checkd>::start(&socket, identity(), CheckHead::default(), items).unwrap();
    let services = state.lvsd.items.clone();
    let head = LvsHead { kernel: state.lvsd.head.kernel.clone(), ..LvsHead::default() };
    let _lvsd = Reporter::<Lvsd>::start(&socket, identity(), head, services).unwrap();
    until("both daemons", || world.text("/").matches(" connected, version").count() == 2);
    let mut stream = stream(world.address).unwrap();
    next_event(&mut stream).unwrap();
    let began = Instant::now();
    checkd.set_item("resolver/dns1".parse().unwrap(), health(Verdict::Down));
    until("the change", || world.text("/api/v1/real-servers/resolver/dns1").contains("\"verdict\":\"down\""));
    eprintln!("shown after {} ms", began.elapsed().as_millis());
    while next_event(&mut stream).unwrap()["status"] == "ok" {}
    assert!(world.text("/events").contains("resolver/dns1"));
    // The agent ends: what is shown is called old, and the page goes on.
    drop(agent);
    until("not ready", || world.get("/readyz").status == 503);
    until("old news", || world.text("/").contains("the agent does not answer any more"));
    assert_eq!(world.json("/api/v1/status")["source"], "last_heard");
    let agent = agentd(world.path("").as_path());
    until("ready again", || world.get("/readyz").status == 200);
    drop(agent);
}

#[test]
fn without_an_agent_the_state_file_is_shown_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = states::bad();
    state.boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned();
    std::fs::write(folder.path().join("state.json"), serde_json::to_vec(&state).unwrap()).unwrap();
    let world = World::alone(folder);
    let page = world.text("/");
    assert!(page.contains("this is the state file, written") && page.contains("resolver"), "{page}");
    assert_eq!(world.json("/api/v1/status")["source"], "state_file");
    assert_eq!(world.get("/readyz").status, 503);
    assert_eq!(world.get("/healthz").status, 200);
    assert!(world.text("/metrics").contains("holdfast_agent_connected 0"));
}

#[test]
fn without_anything_that_is_said() {
    let world = World::alone(tempfile::tempdir().unwrap());
    assert!(world.text("/").contains("neither the agent nor the state file says anything"));
    assert_eq!(world.json("/api/v1/status")["source"], "nowhere");
    assert_eq!(world.json("/api/v1/real-servers")["real_servers"].as_array().unwrap().len(), 0);
    assert!(world.text("/metrics").contains("holdfast_status{level=\"unknown\"} 1"));
}

#[test]
fn silence_is_seen_though_nothing_is_said() {
    let world = World::of(states::good());
    let mut stream = stream(world.address).unwrap();
    assert_eq!(next_event(&mut stream).unwrap()["status"], "ok");
    world.agent().stop_beating();
    world.agent().change(|state| state.checkd.heard_at = Some(states::ago(28)));
    while next_event(&mut stream).unwrap()["status"] != "unknown" {}
    assert!(world.text("/").contains("checkd was last heard"));
}

#[test]
fn signals_reload_and_end() {
    let mut world = World::of(states::good());
    let path = world.path("holdfast.toml");
    std::fs::write(&path, config(world.address, "Renamed")).unwrap();
    signal(&world.statusd, Signal::SIGHUP);
    until("the new title", || world.text("/").contains("All is well · Renamed"));
    std::fs::write(&path, "nonsense = 1\n").unwrap();
    signal(&world.statusd, Signal::SIGHUP);
    std::thread::sleep(Duration::from_millis(300));
    assert!(world.text("/").contains("Renamed"), "a wrong configuration changes nothing");
    let mut stream = stream(world.address).unwrap();
    next_event(&mut stream).unwrap();
    signal(&world.statusd, Signal::SIGTERM);
    let status = world.statusd.0.wait().unwrap();
    assert_eq!(status.code(), Some(0), "streams do not hold it up");
}

#[test]
fn what_is_wrong_at_the_start_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let run = |text: &str| {
        std::fs::write(folder.path().join("holdfast.toml"), text).unwrap();
        let output = command(folder.path()).stderr(Stdio::piped()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&config("192.0.2.1:80".parse().unwrap(), "x"));
    assert_eq!(code, Some(2));
    assert!(said.contains("holdfast.toml:2:10: listen: \"192.0.2.1:80\" is open to others"), "{said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, said) = run(&config(taken.local_addr().unwrap(), "x"));
    assert_eq!(code, Some(1));
    assert!(said.contains("can't listen on 127.0.0.1:"), "{said}");
    std::fs::remove_file(folder.path().join("holdfast.toml")).unwrap();
    assert_eq!(command(folder.path()).status().unwrap().code(), Some(2));
}

#[test]
fn systemd_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(world::LONG)).unwrap();
    std::fs::write(folder.path().join("holdfast.toml"), config(free_address(), "x")).unwrap();
    let mut command = command(folder.path());
    let statusd =
        Process(command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000").spawn().unwrap());
    let heard = || {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    while !heard().contains("READY=1") {}
    for _ in 0..3 {
        while !heard().contains("WATCHDOG=1") {}
    }
    signal(&statusd, Signal::SIGTERM);
    while !heard().contains("STOPPING=1") {}
}
