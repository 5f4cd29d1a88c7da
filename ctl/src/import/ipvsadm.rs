//! From `ipvsadm -Sn` to virtual servers.
//!
//! Owns which services of a table become one virtual server: those at one address that are served alike. What the configuration
//! has no words for is told. A table says nothing of checks, so the plainest is written, and that is told as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use agent_core::blueprint::service_address;
use agent_ipvs::text;
use agent_ipvs::{
    Checksum, Destination, Edit, Encapsulation, Flags, Forwarding, Granularity, Service, ServiceEntry,
    ServiceKey, Thresholds,
};

use super::draft::{Imported, list, name_in};

/// A virtual server as far as services can share it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    address: Option<std::net::IpAddr>,
    /// Its keys that are about scheduling.
    keys: String,
    /// Its real servers, without names and checks.
    servers: Vec<String>,
    /// The port: one check is to speak for all.
    port: u16,
}

/// Reads `text`, which messages call `file`.
#[must_use]
pub fn import(file: &str, text: &str) -> Imported {
    let mut out = Imported::default();
    let table = match text::parse(text) {
        Ok(table) => table,
        Err(errors) => {
            for error in errors {
                out.remark(file, error.line, format!("`{}`: {}", error.token, error.problem));
            }
            return out;
        }
    };
    let mut groups: BTreeMap<Alike, Vec<&ServiceEntry>> = BTreeMap::new();
    for entry in table.values() {
        match alike(entry) {
            Ok(alike) => groups.entry(alike).or_default().push(entry),
            Err(why) => out.remark(file, line_of(text, &entry.service), format!("left out: {why}")),
        }
    }
    // In the order of the file.
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, entries)| entries.first().map(|entry| line_of(text, &entry.service)));
    for (alike, mut entries) in groups {
        entries.sort_by_key(|entry| line_of(text, &entry.service));
        let line = entries.first().map_or(1, |entry| line_of(text, &entry.service));
        let written = virtual_server(&mut out, &alike, &entries);
        out.remark(
            file,
            line,
            "a table says nothing of checks; a plain one is written, which you should replace by one that asks a question",
        );
        out.table(file, line, written);
    }
    out
}

/// The line that makes `service`, as far as it is written in the usual way; 1 if it is not found.
fn line_of(text: &str, service: &Service) -> usize {
    let key = Edit::RemoveService(*service.key()).to_string().replacen("-D ", "-A ", 1);
    let saved = match service.key() {
        // A save writes marks from 2³¹ as negative numbers.
        ServiceKey::FirewallMark { mark, .. } => format!("-A -f {} ", mark.get().cast_signed()),
        ServiceKey::Address { .. } => format!("{key} "),
    };
    let found = |line: &str| {
        let line = format!("{line} ");
        line.contains(&saved) || line.contains(&format!("{key} "))
    };
    text.lines().position(found).map_or(1, |index| index + 1)
}

fn alike(entry: &ServiceEntry) -> Result<Alike, String> {
    let service = &entry.service;
    let address = service_address(service.key()).ok_or("the configuration has no word for its protocol")?;
    if entry.destinations.is_empty() {
        return Err("it has no destination, and a virtual server needs a real server".to_owned());
    }
    let (ip, port) = match service.key() {
        ServiceKey::Address { address, port, .. } => (Some(*address), *port),
        ServiceKey::FirewallMark { .. } => (None, 0),
    };
    let mut servers =
        entry.destinations.values().map(|one| server(one, port)).collect::<Result<Vec<_>, String>>()?;
    servers.sort();
    if address.protocol().is_none() && service.engine.is_some() {
        return Err("it has a persistence engine, which the configuration has for UDP only".to_owned());
    }
    Ok(Alike { address: ip, keys: scheduling(service)?, servers, port })
}

fn scheduling(service: &Service) -> Result<String, String> {
    let mut keys = format!("scheduler = \"{}\"\n", service.scheduler);
    let names = service.scheduler.flag_names();
    let flag = |(index, flag)| {
        let plain = ["flag-1", "flag-2", "flag-3"];
        service
            .flags
            .contains(flag)
            .then(|| names.get(index).or(plain.get(index)).copied().unwrap_or_default())
    };
    let flags: Vec<&str> = Flags::SCHEDULER.into_iter().enumerate().filter_map(flag).collect();
    if !flags.is_empty() {
        let _ = writeln!(keys, "scheduler_flags = {}", list(&flags));
    }
    if service.flags.contains(Flags::ONE_PACKET) {
        keys.push_str("one_packet = true\n");
    }
    if let Some(persistence) = service.persistence() {
        let prefix = match persistence.granularity() {
            Granularity::Host => String::new(),
            Granularity::Prefix(length) => format!(", prefix = {length}"),
            Granularity::Mask(mask) if mask.to_bits().leading_ones() == mask.to_bits().count_ones() => {
                format!(", prefix = {}", mask.to_bits().count_ones())
            }
            Granularity::Mask(mask) => return Err(format!("its persistence mask {mask} is no network's")),
        };
        let engine = service.engine.map_or_else(String::new, |engine| format!(", engine = \"{engine}\""));
        let _ = writeln!(
            keys,
            "persistence = {{ timeout = \"{}s\"{prefix}{engine} }}",
            persistence.timeout_secs()
        );
    }
    Ok(keys)
}

/// The keys of a real server for a destination of a service with `port`.
fn server(destination: &Destination, port: u16) -> Result<String, String> {
    let key = destination.key;
    let mut keys = format!("address = \"{}\"\nweight = {}\n", key.address, destination.weight);
    if destination.thresholds != Thresholds::NONE {
        let (upper, lower) = (destination.thresholds.upper(), destination.thresholds.lower());
        let _ = write!(keys, "upper_threshold = {upper}\nlower_threshold = {lower}\n");
    }
    let checksum = |checksum| match checksum {
        Checksum::None => Ok(""),
        Checksum::Full => Ok(", checksum = \"full\""),
        Checksum::Remote => Ok(", checksum = \"remote\""),
        Checksum::Other(bits) => Err(format!("{key} has tunnel flags {bits:#x}, which nobody knows")),
    };
    match destination.forwarding {
        Forwarding::Direct => keys.push_str("forwarding = \"direct\"\n"),
        Forwarding::Masquerade => {
            keys.push_str("forwarding = \"nat\"\n");
            if key.port != port {
                let _ = writeln!(keys, "port = {}", key.port);
            }
        }
        Forwarding::Tunnel(encapsulation) => {
            keys.push_str("forwarding = \"tunnel\"\n");
            match encapsulation {
                Encapsulation::Ipip => {}
                Encapsulation::Gue { port, checksum: sum } => {
                    let _ = writeln!(keys, "tunnel = {{ type = \"gue\", port = {port}{} }}", checksum(sum)?);
                }
                Encapsulation::Gre { checksum: sum } => {
                    let _ = writeln!(keys, "tunnel = {{ type = \"gre\"{} }}", checksum(sum)?);
                }
                Encapsulation::Other { kind, .. } => {
                    return Err(format!("{key} has a tunnel of type {kind}"));
                }
            }
        }
        other => return Err(format!("{key} is forwarded in a way that can't be asked for: {other}")),
    }
    Ok(keys)
}

fn virtual_server(out: &mut Imported, alike: &Alike, entries: &[&ServiceEntry]) -> String {
    let mut services: Vec<String> = Vec::new();
    for entry in entries {
        services.push(match entry.service.key() {
            ServiceKey::Address { protocol, port, .. } => format!("{protocol}/{port}"),
            key => service_address(key).map_or_else(String::new, |address| address.to_string()),
        });
    }
    let first = services.first().map_or("", String::as_str);
    let wish = match alike.address {
        Some(address) => format!("{address}-{first}").replace([':', '/'], "-"),
        None => first.replace('/', "-"),
    };
    let mut text = format!("[[virtual_server]]\nname = \"{}\"\n", out.name(&wish));
    if let Some(address) = alike.address {
        let _ = writeln!(text, "address = \"{address}\"");
    }
    let _ = write!(text, "services = {}\n{}", list(&services), alike.keys);
    let connects = services.iter().any(|service| service.starts_with("tcp/")) && alike.port != 0;
    text.push_str(if connects {
        "\n  [virtual_server.check.tcp]\n"
    } else {
        // Up for good, as it is in the table.
        "\n  [virtual_server.check.exec]\n  command = [\"/bin/true\"]\n"
    });
    text.push_str("  initial = \"up\"\n");
    let mut names = BTreeSet::new();
    for server in &alike.servers {
        let address = server.split('"').nth(1).unwrap_or_default();
        let name = name_in(&mut names, &address.replace(':', "-"));
        let _ = write!(text, "\n  [[virtual_server.real_server]]\n  name = \"{name}\"\n");
        for line in server.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use agent_api::config::{Source, parse};

    use super::*;

    const SAVED: &str = "\
-A -t 192.0.2.53:53 -s wrr
-a -t 192.0.2.53:53 -r 10.1.0.1:53 -g -w 100
-a -t 192.0.2.53:53 -r 10.1.0.2:53 -g -w 50
-A -u 192.0.2.53:53 -s wrr
-a -u 192.0.2.53:53 -r 10.1.0.1:53 -g -w 100
-a -u 192.0.2.53:53 -r 10.1.0.2:53 -g -w 50
-A -t 192.0.2.80:80 -s sh -p 300 -M 255.255.255.0 -b sh-fallback,sh-port
-a -t 192.0.2.80:80 -r 10.2.0.1:8080 -m -w 1
-A -t 192.0.2.81:80 -s rr
-A -f 7 -s wlc -p 60
-a -f 7 -r 10.3.0.1:0 -i -w 1 --tun-type gre --tun-csum
";

    #[test]
    fn services_that_are_served_alike_become_one_virtual_server() {
        let imported = import("saved", SAVED);
        let text = imported.text().unwrap();
        let config = parse(&[Source { path: "out".into(), text: text.clone() }])
            .unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
        let services: Vec<Vec<String>> = config
            .virtual_servers
            .iter()
            .map(|pool| pool.service_addresses().map(|one| one.to_string()).collect())
            .collect();
        assert_eq!(
            services,
            [vec!["tcp/192.0.2.53:53", "udp/192.0.2.53:53"], vec!["tcp/192.0.2.80:80"], vec!["fwmark/7"]],
            "{text}"
        );
        let told: Vec<&str> = imported.remarks.iter().map(|one| one.split(": ").next().unwrap()).collect();
        assert_eq!(told, ["saved:9", "saved:1", "saved:7", "saved:10"], "{:#?}", imported.remarks);
        assert_eq!(
            imported.remarks[0],
            "saved:9: left out: it has no destination, and a virtual server needs a real server"
        );
    }

    #[test]
    fn what_is_no_table_is_told_by_line() {
        let imported = import("saved", "-A -t 192.0.2.53:53 -s wrr\n# no\n");
        assert_eq!(imported.text(), None);
        assert_eq!(
            imported.remarks,
            ["saved:2: `#`: an option is expected here; the format has neither comments nor quotes"]
        );
    }
}
