//! What the forwarding methods need on the director and the real servers, as docs/lvs.md has it.
//!
//! Owns setting it up in the bed and taking back what would disturb another method. It starts nothing.

use anyhow::Result;

use crate::network::{CLIENT, DIRECTOR, Network};

/// How the director passes packets on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// Unchanged, with another link-layer address.
    Direct,
    /// In another IP packet.
    Tunnel,
    /// With the server's address.
    Nat,
}

impl Forwarding {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Direct, Self::Tunnel, Self::Nat];

    /// Its name in Holdfast's configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Tunnel => "tunnel",
            Self::Nat => "nat",
        }
    }

    /// Its name in keepalived's configuration.
    #[must_use]
    pub const fn keepalived(self) -> &'static str {
        match self {
            Self::Direct => "DR",
            Self::Tunnel => "TUN",
            Self::Nat => "NAT",
        }
    }

    /// Makes the network fit for it.
    ///
    /// # Errors
    /// Something cannot be set.
    pub fn set_up(self, network: &Network) -> Result<()> {
        match self {
            Self::Direct => Ok(()),
            Self::Tunnel => network.servers.iter().try_for_each(|server| {
                let _there_already = server.output("ip", &["link", "add", "name", "tunl0", "type", "ipip"]);
                server.output("ip", &["link", "set", "tunl0", "up"])?;
                server.set(&[("net/ipv4/conf/tunl0/rp_filter", "0"), ("net/ipv4/conf/all/rp_filter", "0")])
            }),
            Self::Nat => {
                network.director.set(&[("net/ipv4/ip_forward", "1")])?;
                // It switches these on again where it is switched on itself.
                network.director.set(&[
                    ("net/ipv4/conf/all/send_redirects", "0"),
                    ("net/ipv4/conf/eth0/send_redirects", "0"),
                ])?;
                let (client, director) = (format!("{CLIENT}/32"), DIRECTOR.to_string());
                network.servers.iter().try_for_each(|server| {
                    server.output("ip", &["route", "replace", &client, "via", &director]).map(drop)
                })
            }
        }
    }

    /// Takes back what would disturb another method.
    ///
    /// # Errors
    /// Something cannot be set.
    pub fn take_back(self, network: &Network) -> Result<()> {
        if self != Self::Nat {
            return Ok(());
        }
        let client = format!("{CLIENT}/32");
        network
            .servers
            .iter()
            .try_for_each(|server| server.output("ip", &["route", "del", &client]).map(drop))
    }
}
