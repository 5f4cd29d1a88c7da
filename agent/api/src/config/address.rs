//! Addresses and services as the file writes them: `"10.1.53.2"`, `"udp/53"`.
//!
//! Owns which addresses can serve which purpose, and the remedy for the usual slips (a name, a prefix length, a
//! port). It resolves nothing.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::Service;
use super::book::quoted;
use crate::id::Protocol;

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Clients ask it.
    Virtual,
    /// Packets are sent on to it.
    RealServer,
    /// Probes come from it.
    ProbeSource,
    /// A virtual router has it, hears it or speaks from it.
    Router,
}

/// Reads an address for `purpose`.
///
/// # Errors
/// What is wrong with it and what to write instead, to stand behind the key's name.
pub(super) fn address(text: &str, purpose: Purpose) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| no_address(text))?;
    let shown = quoted(text);
    if address.is_unspecified() || matches!(address, IpAddr::V4(v4) if v4.octets().starts_with(&[0])) {
        return Err(match purpose {
            Purpose::ProbeSource => format!("{shown} stands for any address; leave the key out instead"),
            _ => format!("{shown} is no host's address; write the one that packets go to"),
        });
    }
    if address.is_multicast() {
        return Err(format!("{shown} is a multicast address; write the address of one host"));
    }
    match address {
        IpAddr::V4(v4) if v4.is_broadcast() => {
            Err(format!("{shown} is the broadcast address; write the address of one host"))
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => Err(format!("{shown} is an IPv4 address in IPv6 form; write \"{v4}\"")),
            None if v6.is_unicast_link_local() && purpose != Purpose::Router => Err(format!(
                "{shown} is link-local, and IPVS can't name the link; write a global or unique local address"
            )),
            None => Ok(address),
        },
        IpAddr::V4(_) => Ok(address),
    }
}

/// Why `text` is no address.
fn no_address(text: &str) -> String {
    let shown = quoted(text);
    if text.is_empty() {
        return "an address is empty; write one such as \"10.1.53.2\" or \"2001:db8::2\"".to_owned();
    }
    if text.trim() != text {
        return format!("{shown} has blanks around it; remove them");
    }
    if let Some((host, length)) = text.split_once('/')
        && host.parse::<IpAddr>().is_ok()
    {
        return format!(
            "{shown} has a prefix length; write the address alone: \"{host}\", without /{}",
            brief(length)
        );
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return format!("{shown} has a port; write the address alone: \"{}\"", socket.ip());
    }
    if let Some(bare) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
        && bare.parse::<Ipv6Addr>().is_ok()
    {
        return format!("{shown} has brackets; write \"{bare}\"");
    }
    if let Some((host, _)) = text.split_once('%')
        && host.parse::<Ipv6Addr>().is_ok()
    {
        return format!("{shown} names an interface, which IPVS can't; write an address without %");
    }
    let digits = text.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '.' | ':'));
    if !digits {
        return format!("{shown} is no IP address; host names are not resolved, write the address itself");
    }
    if text.split('.').any(|part| part.len() > 1 && part.starts_with('0')) && !text.contains(':') {
        return format!(
            "{shown} has leading zeros, which some programs read as octal; write it without them"
        );
    }
    format!("{shown} is no IP address; write one such as \"10.1.53.2\" or \"2001:db8::2\"")
}

fn brief(text: &str) -> String {
    text.chars().take(10).collect()
}

/// `IPv4` or `IPv6`.
pub(super) fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// Reads a service, `udp/53`.
///
/// # Errors
/// What is wrong with it and what to write instead.
pub(super) fn service(text: &str) -> Result<Service, String> {
    let shown = quoted(text);
    let wanted = "write PROTOCOL/PORT, as in \"udp/53\"";
    let Some((protocol, port)) = text.split_once('/') else {
        return Err(format!("service {shown} has no slash; {wanted}"));
    };
    let Ok(protocol) = protocol.parse::<Protocol>() else {
        let swapped: Result<Protocol, _> = port.to_ascii_lowercase().parse();
        let lowered: Result<Protocol, _> = protocol.to_ascii_lowercase().parse();
        return Err(match (swapped, lowered) {
            (Ok(swapped), _) => {
                format!("service {shown} is the wrong way round; write \"{swapped}/{}\"", brief(protocol))
            }
            (_, Ok(lowered)) => {
                format!("service {shown} is in capitals; write \"{lowered}/{}\"", brief(port))
            }
            _ => format!("service {shown}: the protocol is udp, tcp or sctp; {wanted}"),
        });
    };
    if !port.is_empty() && !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("service {shown}: the port is a number from 0 to 65535, not a name; {wanted}"));
    }
    match port.parse::<u16>() {
        Ok(port) => Ok(Service { protocol, port }),
        Err(_) => Err(format!("service {shown}: the port is a number from 0 to 65535; {wanted}")),
    }
}
