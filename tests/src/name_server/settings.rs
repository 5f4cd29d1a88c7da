//! The name servers' own configuration files: as small as each of them allows.
//!
//! Owns texts only. All of them stay in the foreground, keep their files in one directory, open no control port, and use
//! one thread.

use std::net::IpAddr;
use std::path::Path;

use super::{Behaviour, Make};
use crate::question;

/// The program and its arguments.
pub(super) fn command(make: Make, directory: &Path) -> (&'static str, Vec<String>) {
    let config = directory.join("server.conf").display().to_string();
    let (program, arguments): (_, &[&str]) = match make {
        Make::Bind => ("named", &["-g", "-n", "1", "-U", "1", "-c"]),
        Make::Nsd => ("nsd", &["-d", "-c"]),
        Make::Knot => ("knotd", &["-c"]),
        Make::Unbound => ("unbound", &["-d", "-c"]),
    };
    (program, arguments.iter().map(|argument| (*argument).to_owned()).chain([config]).collect())
}

/// The files and what is in them.
pub(super) fn files(
    make: Make,
    directory: &Path,
    addresses: &[IpAddr],
    behaviour: Behaviour,
    serial: u32,
) -> Vec<(&'static str, String)> {
    let directory = directory.display().to_string();
    // An authoritative server with a zone that it cannot load says SERVFAIL.
    let zone = if behaviour == Behaviour::ServFail { "missing" } else { "zone" };
    let config = match make {
        Make::Bind => bind(&directory, addresses, zone),
        Make::Nsd => nsd(&directory, addresses, zone),
        Make::Knot => knot(&directory, addresses, zone),
        Make::Unbound => unbound(&directory, addresses, behaviour),
    };
    vec![("server.conf", config), ("zone", zone_file(behaviour, serial))]
}

fn zone_file(behaviour: Behaviour, serial: u32) -> String {
    let address = if behaviour == Behaviour::Wrong { question::WRONG } else { question::RIGHT };
    format!(
        "$TTL 1\n@ IN SOA ns hostmaster {serial} 10 10 100 1\n@ IN NS ns\n@ IN A {address}\nns IN A 127.0.0.1\n"
    )
}

/// One line per address.
fn lines(addresses: &[IpAddr], line: impl Fn(&IpAddr) -> String) -> String {
    addresses.iter().map(line).collect()
}

fn bind(directory: &str, addresses: &[IpAddr], zone: &str) -> String {
    let (four, six): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|address| address.is_ipv4());
    let list = |addresses: &[IpAddr]| match addresses {
        [] => "none;".to_owned(),
        some => lines(some, |address| format!("{address}; ")),
    };
    format!(
        "options {{
  directory \"{directory}\";
  listen-on port 53 {{ {} }};
  listen-on-v6 port 53 {{ {} }};
  pid-file none;
  session-keyfile none;
  recursion no;
  dnssec-validation no;
  notify no;
  max-cache-size 8m;
}};
controls {{ }};
zone \"{}\" {{ type primary; file \"{zone}\"; }};
",
        list(&four),
        list(&six),
        question::NAME
    )
}

fn nsd(directory: &str, addresses: &[IpAddr], zone: &str) -> String {
    format!(
        "server:
{}  username: \"\"
  database: \"\"
  zonesdir: \"{directory}\"
  pidfile: \"\"
  zonelistfile: \"{directory}/zonelist\"
  xfrdfile: \"\"
  xfrdir: \"{directory}\"
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: {}
  zonefile: {zone}
",
        lines(addresses, |address| format!("  ip-address: {address}@53\n")),
        question::NAME
    )
}

fn knot(directory: &str, addresses: &[IpAddr], zone: &str) -> String {
    format!(
        "server:
{}  rundir: {directory}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: {directory}
  timer-db-max-size: 1M
  kasp-db-max-size: 5M
  journal-db-max-size: 5M
  catalog-db-max-size: 5M
control:
  listen: {directory}/control
log:
  - target: stderr
    any: warning
zone:
  - domain: {}
    file: {directory}/{zone}
    zonefile-sync: -1
    journal-content: none
",
        lines(addresses, |address| format!("  listen: {address}@53\n")),
        question::NAME
    )
}

/// A resolver. It has the zone for itself, and says SERVFAIL when it must trust a key that did not sign it.
fn unbound(directory: &str, addresses: &[IpAddr], behaviour: Behaviour) -> String {
    let (modules, anchor) = match behaviour {
        Behaviour::ServFail => {
            ("validator iterator", format!("  trust-anchor: \"{}. DS 1 8 2 {:064}\"\n", question::NAME, 1))
        }
        Behaviour::Right | Behaviour::Wrong => ("iterator", String::new()),
    };
    format!(
        "server:
{}  do-daemonize: no
  username: \"\"
  chroot: \"\"
  directory: \"{directory}\"
  pidfile: \"\"
  use-syslog: no
  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  num-threads: 1
  module-config: \"{modules}\"
  local-zone: \"test.\" nodefault
{anchor}remote-control:
  control-enable: no
auth-zone:
  name: {}
  zonefile: \"{directory}/zone\"
  for-downstream: no
  for-upstream: yes
  fallback-enabled: no
",
        lines(addresses, |address| format!("  interface: {address}@53\n")),
        question::NAME
    )
}
