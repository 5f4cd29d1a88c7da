//! A server's address as people write it.
//!
//! Owns `192.0.2.1`, `2001:db8::1` and `fe80::1%eth0`, with the interface's name looked up. It never resolves a host
//! name: a check must not depend on the DNS that it checks.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use nix::net::if_::if_nametoindex;

/// Why a text is no address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an address at all.
    #[error("{0:?} is not an IP address: write one such as 192.0.2.1 or 2001:db8::1, not a host name")]
    Address(String),
    /// An interface that this machine does not have.
    #[error("{0:?} is no interface of this machine: see `ip link`")]
    Interface(String),
    /// A link-local address on no interface in particular.
    #[error("{0} is a link-local address: write the interface behind it, as in {0}%eth0")]
    NoInterface(Ipv6Addr),
}

/// Reads a server's address, with `port`.
///
/// # Errors
/// The text is no address, or its interface is not to be found.
pub fn parse_server(text: &str, port: u16) -> Result<SocketAddr, AddressError> {
    let bad = || AddressError::Address(text.chars().take(80).collect());
    let Some((address, zone)) = text.split_once('%') else {
        return match text.parse().map_err(|_| bad())? {
            IpAddr::V6(address) if address.is_unicast_link_local() => Err(AddressError::NoInterface(address)),
            address => Ok(SocketAddr::new(address, port)),
        };
    };
    let address: Ipv6Addr = address.parse().map_err(|_| bad())?;
    let scope = match zone.parse() {
        Ok(index) => index,
        Err(_) => {
            if_nametoindex(zone).map_err(|_| AddressError::Interface(zone.chars().take(40).collect()))?
        }
    };
    Ok(SocketAddrV6::new(address, port, 0, scope).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        assert_eq!(parse_server("192.0.2.1", 53), Ok("192.0.2.1:53".parse().unwrap()));
        assert_eq!(parse_server("2001:db8::1", 5353), Ok("[2001:db8::1]:5353".parse().unwrap()));
        assert_eq!(parse_server("fe80::1%7", 53), Ok("[fe80::1%7]:53".parse().unwrap()));
        assert!(matches!(parse_server("fe80::1%lo", 53), Ok(SocketAddr::V6(a)) if a.scope_id() > 0));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "ns1.example.test", "192.0.2.1:53", "192.0.2", "[::1]", "192.0.2.1%lo", "::1 "] {
            assert!(matches!(parse_server(text, 53), Err(AddressError::Address(_))), "{text}");
        }
        assert!(matches!(parse_server("fe80::1%no-such-interface", 53), Err(AddressError::Interface(_))));
        assert_eq!(
            parse_server("fe80::1", 53).unwrap_err().to_string(),
            "fe80::1 is a link-local address: write the interface behind it, as in fe80::1%eth0"
        );
    }
}
