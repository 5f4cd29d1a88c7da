//! Reading what is there.

use std::net::UdpSocket;

use agent_ipvs::{Edit, Error, Interface, Protocol, SyncDaemon, SyncRole, Timeouts, Version, text};

use crate::bed::{self, apply, connect, direct, key, run, saved, service, table, udp};

pub fn version_and_empty_table() {
    let mut ipvs = connect();
    let info = ipvs.info().unwrap();
    assert_eq!(info.version, Version { major: 1, minor: 2, patch: 1 });
    assert!(info.connection_table_size >= 256, "{info:?}");
    assert!(table(&mut ipvs).is_empty());
    assert!(ipvs.apply(&[]).unwrap().failures.is_empty());
    assert_eq!(ipvs.requests_written(), 0, "reading and an empty list write nothing");
}

pub fn timeouts() {
    let mut ipvs = connect();
    let before = ipvs.timeouts().unwrap();
    assert_eq!((before.tcp_secs(), before.tcp_fin_secs(), before.udp_secs()), (900, 120, 300));
    ipvs.set_timeouts(&Timeouts::new(0, 0, 7).unwrap()).unwrap();
    assert_eq!(run("ipvsadm -L --timeout"), "Timeout (tcp tcpfin udp): 900 120 7\n");
    ipvs.set_timeouts(&Timeouts::new(agent_ipvs::MAX_TIMEOUT_SECS, 33, 0).unwrap()).unwrap();
    let after = ipvs.timeouts().unwrap();
    assert_eq!((after.tcp_secs(), after.tcp_fin_secs(), after.udp_secs()), (2_678_400, 33, 7));
    assert_eq!(ipvs.requests_written(), 2);
}

pub fn sync_daemons() {
    let mut ipvs = connect();
    assert_eq!(ipvs.sync_daemons().unwrap(), []);
    let lo = Interface::new("lo").unwrap();
    let master =
        SyncDaemon { port: 8850, ttl: 3, max_length: 1400, ..SyncDaemon::new(SyncRole::Master, lo, 51) };
    let backup =
        SyncDaemon { group: "ff02::51".parse().unwrap(), ..SyncDaemon::new(SyncRole::Backup, lo, 52) };
    for daemon in [master, backup] {
        daemon.check().unwrap();
        ipvs.start_sync_daemon(&daemon).unwrap();
    }
    assert_eq!(ipvs.sync_daemons().unwrap(), [master, backup]);
    let shown = run("ipvsadm -L --daemon");
    assert!(
        shown.contains(
            "master sync daemon (mcast=lo, syncid=51, maxlen=1400, group=224.0.0.81, port=8850, ttl=3)"
        ),
        "{shown}"
    );
    let again = ipvs.start_sync_daemon(&master).unwrap_err();
    assert!(matches!(again, Error::Refused { errno: libc::EEXIST, .. }), "{again}");
    ipvs.stop_sync_daemon(SyncRole::Master).unwrap();
    let gone = ipvs.stop_sync_daemon(SyncRole::Master).unwrap_err();
    assert!(matches!(gone, Error::Refused { errno: libc::ESRCH, .. }), "{gone}");
    assert_eq!(ipvs.sync_daemons().unwrap(), [backup]);
    ipvs.stop_sync_daemon(SyncRole::Backup).unwrap();
}

/// Everything that `ipvsadm` can say, typed by hand, read as what its text means.
pub fn adopts_what_ipvsadm_made() {
    const LINES: &str = "\
-A -t 10.0.0.1:80 -s wlc
-a -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 1
-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 0
-a -t 10.0.0.1:80 -r 10.1.0.3:80 -i -w 65535 --tun-type ipip
-A -t 10.0.0.2:0 -s sh -p 300 -M 255.255.255.0 -b sh-fallback,sh-port
-A -u 10.0.0.1:53 -s rr -o -b flag-1,flag-3
-a -u 10.0.0.1:53 -r 10.1.0.1:53 -g -w 7
-A -u 10.0.0.1:5060 -s rr -p 2678400 --pe sip
-A --sctp-service 10.0.0.1:9 -s mh -b mh-port
-A -t [2001:db8::1]:443 -s lc -p 20 -M 64
-a -t [2001:db8::1]:443 -r 10.1.0.9:443 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum
-a -t [2001:db8::1]:443 -r [2001:db8::9]:443 -i -w 1 --tun-type gre --tun-csum
-A -f 7 -s rr
-a -f 7 -r 10.1.0.1:0 -g -w 1
-A -f 7 -6 -s rr
-a -f 7 -6 -r [2001:db8::9]:0 -m -w 1
-A -f 4294967295 -s wrr
";
    bed::restore(LINES);
    let mut ipvs = connect();
    let found = table(&mut ipvs);
    assert_eq!(found, text::parse(LINES).unwrap());
    let snapshot = ipvs.snapshot().unwrap();
    assert_eq!(snapshot.table(), found);
    assert_eq!(text::export_snapshot(&snapshot, text::Style::Saved), saved());
    assert_eq!(text::export(&found, text::Style::Saved), saved());
    assert_eq!(text::parse(&saved()).unwrap(), found);
    // What is found is stated again in place, and nothing has changed.
    let again: Vec<Edit> = found
        .iter()
        .flat_map(|(key, entry)| {
            let set = |&destination| Edit::SetDestination { service: *key, destination };
            std::iter::once(Edit::SetService(entry.service)).chain(entry.destinations.values().map(set))
        })
        .collect();
    let before = saved();
    apply(&mut ipvs, &again);
    assert_eq!(saved(), before);
    assert_eq!(table(&mut ipvs), found);
}

pub fn missing_objects() {
    let mut ipvs = connect();
    let key = udp("10.0.0.1");
    assert_eq!(ipvs.service(&key).unwrap(), None);
    assert_eq!(ipvs.destinations(&key).unwrap(), None, "the kernel says: an empty list");
    apply(&mut ipvs, &[Edit::AddService(service(key))]);
    assert_eq!(ipvs.service(&key).unwrap().unwrap().service, service(key));
    assert_eq!(ipvs.destinations(&key).unwrap(), Some(Vec::new()));
    assert_eq!(
        ipvs.zero(&udp("10.0.0.2")).unwrap_err().to_string(),
        "zeroing statistics was refused: No such process (os error 3)"
    );
}

pub fn namespaces_are_apart() {
    let mut first = connect();
    apply(&mut first, &[Edit::AddService(service(udp("10.0.0.1")))]);
    bed::fresh_namespace();
    let mut second = connect();
    assert!(table(&mut second).is_empty());
    apply(&mut second, &[Edit::AddService(service(udp("10.0.0.2")))]);
    assert_eq!(table(&mut first).keys().copied().collect::<Vec<_>>(), [udp("10.0.0.1")]);
    assert_eq!(table(&mut second).keys().copied().collect::<Vec<_>>(), [udp("10.0.0.2")]);
}

/// Traffic through a service is counted, and can be zeroed.
pub fn statistics() {
    let mut ipvs = connect();
    let vip = traffic(&mut ipvs);
    let read = |ipvs: &mut agent_ipvs::Ipvs| ipvs.snapshot().unwrap().services.remove(0);
    bed::until("three packets are counted", || {
        let status = read(&mut ipvs);
        status.stats.packets_in == 3 && status.destinations[0].stats.packets_in == 3
    });
    let status = read(&mut ipvs);
    assert_eq!(status.stats.connections, 3);
    // Header 28, payload 5.
    assert_eq!(status.stats.bytes_in, 3 * 33);
    let connections = status.destinations[0].connections;
    assert_eq!((connections.active, connections.inactive, connections.persistent), (0, 3, 0));
    let shown = |stats| {
        let mut shown = Vec::new();
        crate::example::print(&mut shown, stats).unwrap();
        String::from_utf8(shown).unwrap()
    };
    assert_eq!(shown(false), bed::saved());
    let figures = shown(true);
    for part in ["3 connections, 99 bytes in, ", "; now 0 active, 3 inactive"] {
        assert!(figures.contains(part), "{figures}");
    }
    ipvs.zero(&vip).unwrap();
    assert_eq!(read(&mut ipvs).stats.packets_in, 0);
    assert_eq!(ipvs.requests_written(), 3);
}

/// A service on this host with one destination, also on this host, and three clients that have sent one packet each.
pub fn traffic(ipvs: &mut agent_ipvs::Ipvs) -> agent_ipvs::ServiceKey {
    run("ip address add 10.0.0.1/32 dev lo");
    run("ip address add 10.1.0.1/32 dev lo");
    let vip = key(Protocol::Udp, "10.0.0.1", 53);
    let edits = [
        Edit::AddService(service(vip)),
        Edit::AddDestination { service: vip, destination: direct("10.1.0.1", 53, 10) },
    ];
    apply(ipvs, &edits);
    let server = UdpSocket::bind("0.0.0.0:53").unwrap();
    server.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    for _ in 0..3 {
        let client = UdpSocket::bind("0.0.0.0:0").unwrap();
        client.send_to(b"query", "10.0.0.1:53").unwrap();
        let (len, _) = server.recv_from(&mut [0; 16]).expect("the packet comes through");
        assert_eq!(len, 5);
    }
    vip
}
