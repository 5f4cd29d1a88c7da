//! What the kernel refuses, and how that is told.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, ExitCode};

use agent_ipvs::{
    ConnectOptions, Destination, DestinationKey, Edit, Error, Forwarding, Ipvs, Protocol, Refusal, Scheduler,
    Weight,
};

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::bed::{self, apply, connect, direct, ip, key, run, service, table, udp};

/// The refusal of a single edit, and its text.
fn refusal(ipvs: &mut Ipvs, edit: Edit) -> (Refusal, String) {
    let applied = ipvs.apply(&[edit]).unwrap();
    assert_eq!((applied.done, applied.failures.len()), (0, 1), "{edit} was done");
    let failure = applied.failures[0];
    assert_eq!((failure.index, failure.edit), (0, edit));
    (failure.refusal, failure.to_string())
}

pub fn each_has_its_cause() {
    let mut ipvs = connect();
    let here = udp("10.0.0.1");
    let gone = udp("10.0.0.9");
    let server = direct("10.1.0.1", 53, 1);
    apply(
        &mut ipvs,
        &[Edit::AddService(service(here)), Edit::AddDestination { service: here, destination: server }],
    );
    let mut unknown = service(udp("10.0.0.2"));
    unknown.scheduler = Scheduler::new("nonesuch").unwrap();
    let mut unknown_here = service(here);
    unknown_here.scheduler = unknown.scheduler;
    let mut same_key = server;
    same_key.forwarding = Forwarding::Masquerade;
    let mixed = direct("2001:db8::1", 53, 1);
    let multicast = direct("224.0.0.1", 53, 1);
    let add = |service, destination| Edit::AddDestination { service, destination };
    let set = |service, destination| Edit::SetDestination { service, destination };
    let remove =
        |service| Edit::RemoveDestination { service, destination: DestinationKey::new(ip("10.1.0.7"), 53) };
    let cases = [
        (Edit::AddService(service(here)), Refusal::Exists, "udp 10.0.0.1:53 is already there"),
        (add(here, same_key), Refusal::Exists, "udp 10.0.0.1:53 already has the destination 10.1.0.1:53"),
        (Edit::SetService(service(gone)), Refusal::ServiceMissing, "there is no service udp 10.0.0.9:53"),
        (Edit::RemoveService(gone), Refusal::ServiceMissing, "there is no service udp 10.0.0.9:53"),
        (add(gone, server), Refusal::ServiceMissing, "there is no service udp 10.0.0.9:53"),
        (remove(gone), Refusal::ServiceMissing, "there is no service udp 10.0.0.9:53"),
        (
            set(here, direct("10.1.0.7", 53, 1)),
            Refusal::DestinationMissing,
            "udp 10.0.0.1:53 has no such destination",
        ),
        (remove(here), Refusal::DestinationMissing, "udp 10.0.0.1:53 has no such destination"),
        (
            Edit::AddService(unknown),
            Refusal::ModuleMissing,
            "the kernel has no scheduler `nonesuch` (`modprobe ip_vs_nonesuch`)",
        ),
        (Edit::SetService(unknown_here), Refusal::ModuleMissing, "the kernel has no scheduler `nonesuch`"),
        (add(here, mixed), Refusal::Invalid, "another address family needs tunnel forwarding"),
        (add(here, multicast), Refusal::Invalid, "its address must be unicast"),
    ];
    for (edit, expected, words) in cases {
        let (found, told) = refusal(&mut ipvs, edit);
        assert_eq!(found, expected, "{told}");
        assert!(told.starts_with(&format!("`{edit}` was refused: ")), "{told}");
        assert!(told.contains(words), "{told}");
    }
    // Nothing of that has left a trace, nor closed the socket for good.
    assert_eq!(bed::saved(), "-A -u 10.0.0.1:53 -s wrr\n-a -u 10.0.0.1:53 -r 10.1.0.1:53 -g -w 1\n");
}

/// Refusals in the middle and at the end of several batches, each told with its place.
pub fn do_not_stop_the_rest() {
    let mut ipvs = connect();
    let dns = udp("10.0.0.1");
    let mut edits = vec![Edit::AddService(service(dns))];
    let mut bad = Vec::new();
    for n in 0..2_500_u16 {
        let [high, low] = n.to_be_bytes();
        let destination = if n % 100 == 99 {
            bad.push(edits.len());
            direct("224.0.0.1", 53, 1)
        } else {
            direct(&format!("10.{}.{low}.1", 1 + high), 53, 1)
        };
        edits.push(Edit::AddDestination { service: dns, destination });
    }
    let applied = ipvs.apply(&edits).unwrap();
    assert_eq!(applied.done, edits.len() - bad.len());
    assert_eq!(applied.failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), bad);
    assert!(applied.failures.iter().all(|f| f.refusal == Refusal::Invalid && f.edit == edits[f.index]));
    assert_eq!(table(&mut ipvs)[&dns].destinations.len(), 2_500 - bad.len());
}

/// A default receive buffer holds 277 refusals; what does not fit must not be asked for.
pub fn more_than_a_default_buffer_holds() {
    for receive_buffer in [0, 4_096, 106_496] {
        let mut ipvs =
            Ipvs::connect_with(ConnectOptions { receive_buffer, ..ConnectOptions::default() }).unwrap();
        let gone = udp("10.0.0.9");
        let edits = vec![Edit::RemoveService(gone); 1_000];
        let applied = ipvs.apply(&edits).unwrap();
        assert_eq!((applied.done, applied.failures.len()), (0, 1_000), "buffer of {receive_buffer}");
        let places = applied.failures.iter().map(|failure| failure.index);
        assert!(places.eq(0..1_000));
        assert_eq!(ipvs.requests_written(), 1_000);
    }
}

/// Answers that do not fit are lost (ENOBUFS). That is told, and over with the next call.
pub fn an_overrun_is_told_and_over_with_the_next_call() {
    let sockets = || -> BTreeSet<i32> {
        let fds = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap());
        let socket = |entry: &fs::DirEntry| {
            fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
        };
        fds.filter(socket).map(|entry| entry.file_name().to_string_lossy().parse().unwrap()).collect()
    };
    let before = sockets();
    let mut ipvs = connect();
    let own: Vec<i32> = sockets().difference(&before).copied().collect();
    assert_eq!(own.len(), 1, "one socket was opened");
    // The library has sized its batches by the buffer that it got. Now somebody takes that away.
    let process = pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).unwrap();
    let socket = pidfd_getfd(&process, own[0], PidfdGetfdFlags::empty()).unwrap();
    set_socket_recv_buffer_size(&socket, 0).unwrap();

    let dns = udp("10.0.0.1");
    let mut edits = vec![Edit::RemoveService(udp("10.0.0.9")); 100];
    edits.push(Edit::AddService(service(dns)));
    let error = ipvs.apply(&edits).unwrap_err();
    assert!(matches!(error, Error::Overrun), "{error}");
    assert!(error.to_string().ends_with("some are lost: read the table again"), "{error}");
    // What was sent has been done all the same, as the text says, and a reading shows it.
    assert!(table(&mut ipvs).contains_key(&dns));
    assert_eq!(ipvs.apply(&edits).unwrap().failures.len(), 101);
}

/// Runs this program again without the capability.
pub fn without_capability() {
    let program = std::env::current_exe().unwrap();
    let output = Command::new("setpriv")
        .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"])
        .arg(program)
        .env(bed::DENIED, "1")
        .output()
        .expect("setpriv");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        told,
        "IPVS may not be read or changed: it needs the capability CAP_NET_ADMIN in the initial user namespace\n"
    );
}

/// What the child of [`without_capability`] does.
pub fn in_denied_child() -> ExitCode {
    match Ipvs::connect() {
        Err(error @ Error::Denied) => {
            println!("{error}");
            ExitCode::SUCCESS
        }
        other => {
            eprintln!("{other:?}");
            ExitCode::FAILURE
        }
    }
}

/// The kernel without IPVS, and IPVS coming back: the same connection gets over it.
pub fn module_unloaded_and_back() {
    const LOADER: &str = "/proc/sys/kernel/modprobe";
    let mut ipvs = connect();
    let tcp = key(Protocol::Tcp, "10.0.0.1", 80);
    apply(&mut ipvs, &[Edit::AddService(service(tcp)), Edit::RemoveService(tcp)]);
    let loader = fs::read_to_string(LOADER).unwrap();
    fs::write(LOADER, "/bin/false").unwrap();
    unload();

    for _ in 0..2 {
        assert!(matches!(ipvs.table(), Err(Error::Missing)), "{:?}", ipvs.table());
    }
    let told = Ipvs::connect().unwrap_err().to_string();
    assert!(told.starts_with("the running kernel has no IPVS: load it with `modprobe ip_vs`"), "{told}");
    let edits = [Edit::AddService(service(tcp))];
    assert!(matches!(ipvs.apply(&edits), Err(Error::Missing)));

    // Loaded by the kernel itself, on being asked for the family.
    fs::write(LOADER, loader).unwrap();
    assert!(table(&mut ipvs).is_empty());
    apply(&mut ipvs, &edits);
    let server = Destination::new(DestinationKey::new(ip("10.1.0.1"), 80), Forwarding::Direct, Weight::ONE);
    apply(&mut ipvs, &[Edit::AddDestination { service: tcp, destination: server }, Edit::RemoveService(tcp)]);

    // Unloaded between two calls of an open connection, then written to at once.
    fs::write(LOADER, "/bin/false").unwrap();
    unload();
    assert!(matches!(ipvs.apply(&edits), Err(Error::Missing)));
    fs::write(LOADER, "/run/modprobe").unwrap();
    run("modprobe ip_vs");
    apply(&mut ipvs, &edits);
}

/// Takes out `ip_vs` with all that uses it. Namespaces of earlier cases go away in the background, with their tables.
fn unload() {
    bed::until("ip_vs is unloaded", || {
        let modules = fs::read_to_string("/proc/modules").unwrap();
        let loaded = |name: &str| modules.lines().any(|line| line.split(' ').next() == Some(name));
        for line in modules.lines() {
            let name = line.split(' ').next().unwrap_or_default();
            if name.starts_with("ip_vs_") {
                bed::try_run(&format!("rmmod {name}"));
            }
        }
        bed::try_run("rmmod ip_vs");
        !loaded("ip_vs")
    });
}
