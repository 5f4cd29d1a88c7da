//! From the configuration to a plan.
//!
//! Owns which virtual routers form a group, which address belongs to which of them, and the reading of the secrets, which
//! stand in files of their own. Secrets are never shown.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use agent_api::Name;
use agent_api::config::{
    AuthenticationFile, AuthenticationKind, Config, RouterMode, VirtualAddress, VirtualRouter, Vrrp,
};
use vrrp_core::RouterConfig;
use vrrp_core::codec::{Authentication, Family, Secret};

use crate::clerk::desk::tracked_interfaces;

use super::{GroupPlan, Lease, MemberPlan, Mode, Placed, Plan};

/// Why a configuration that is right cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A file with a secret.
    #[error("virtual router {router}: the secret in {path}: {why}")]
    Secret {
        /// Virtual router.
        router: Name,
        /// The file.
        path: String,
        /// What is wrong and what to do.
        why: String,
    },
}

impl Plan {
    /// The plan of a configuration. Reads the secrets it names.
    ///
    /// # Errors
    /// A secret can't be read, or is none.
    pub fn of(config: &Config) -> Result<Self, PlanError> {
        let mut groups: Vec<GroupPlan> = Vec::new();
        // The places of the groups with a name, in the order of the file.
        let mut named: BTreeMap<Name, usize> = BTreeMap::new();
        for router in &config.virtual_routers {
            let mut members = Vec::new();
            match &router.mode {
                RouterMode::Vrrp(vrrp) => {
                    for config in &vrrp.routers {
                        members.push(speaker(router, vrrp, config, members.is_empty())?);
                    }
                }
                RouterMode::Arp(arp) => {
                    let addresses = arp.config.settings().addresses.clone();
                    let mode = Mode::Arp { config: Box::new(arp.config.clone()), check: arp.check.clone() };
                    members.push(member(router, mode, addresses, true));
                }
            }
            match &router.sync_group {
                Some(name) => match named.get(name).and_then(|at| groups.get_mut(*at)) {
                    Some(group) => group.members.extend(members),
                    None => {
                        named.insert(name.clone(), groups.len());
                        groups.push(GroupPlan { name: name.as_str().into(), members });
                    }
                },
                None => groups.push(GroupPlan { name: router.name.as_str().into(), members }),
            }
        }
        let rates = config.virtual_routers.iter().map(|router| router.announce.rate);
        let announcement_rate = rates.min().unwrap_or(1_000);
        let mut plan = Self { groups, announcement_rate, tracked_interfaces: Vec::new() };
        plan.tracked_interfaces = tracked_interfaces(&plan);
        Ok(plan)
    }
}

/// A member that speaks VRRP.
fn speaker(
    router: &VirtualRouter,
    vrrp: &Vrrp,
    config: &RouterConfig,
    is_first: bool,
) -> Result<MemberPlan, PlanError> {
    let family = config.settings().family;
    let config = match &vrrp.authentication {
        Some(file) if family == Family::Ipv4 => {
            let why = |why| PlanError::Secret { router: router.name.clone(), path: file.file.clone(), why };
            let authentication = read_secret(file).map_err(why)?;
            config.clone().with_authentication(authentication).map_err(|error| why(error.to_string()))?
        }
        _ => config.clone(),
    };
    let addresses = config.addresses().collect();
    let hop_limit = if config.settings().peers.is_empty() { 255 } else { vrrp.ttl };
    Ok(MemberPlan {
        source: vrrp.source(family),
        hop_limit,
        virtual_mac: vrrp.virtual_mac,
        ..member(router, Mode::Vrrp(Box::new(config)), addresses, is_first)
    })
}

/// What all members have in common.
fn member(router: &VirtualRouter, mode: Mode, addresses: Vec<IpAddr>, is_first: bool) -> MemberPlan {
    let place = |address: IpAddr| {
        let known = router.all_addresses().find(|known| known.address == address)?;
        Some(Placed { lease: lease(known), interface: known.interface.clone() })
    };
    let name: Arc<str> = router.name.as_str().into();
    MemberPlan {
        name,
        leads: is_first,
        interface: router.interface.clone(),
        addresses: addresses.into_iter().filter_map(place).collect(),
        // They are for the virtual router as a whole, whose members are Active together.
        routes: if is_first { router.routes.clone() } else { Vec::new() },
        rules: if is_first { router.rules.clone() } else { Vec::new() },
        source: None,
        hop_limit: 255,
        reply_form: router.announce.reply,
        virtual_mac: false,
        on_exit: router.on_exit,
        track: router.track.clone(),
        notify: router.notify.clone(),
        mode,
    }
}

fn lease(known: &VirtualAddress) -> Lease {
    Lease {
        address: known.address,
        prefix: known.prefix,
        scope: known.scope.number(),
        label: known.label.clone(),
        prefix_route: known.prefix_route,
        dad: known.dad,
    }
}

/// Reads a secret: the first line of its file.
fn read_secret(file: &AuthenticationFile) -> Result<Authentication, String> {
    /// More than the longest secret with its line's end.
    const MOST: u64 = 64;
    let meta = std::fs::metadata(&file.file).map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if meta.permissions().mode() & 0o007 != 0 {
        return Err("everybody on this machine may read or change it; chmod 0640 it".to_owned());
    }
    let mut bytes = Vec::new();
    let opened = File::open(&file.file).map_err(|error| error.to_string())?;
    opened.take(MOST).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let secret = Secret::new(line)
        .ok_or("its first line is not 1 to 8 octets long; the protocol has room for no more")?;
    Ok(match file.kind {
        AuthenticationKind::Pass => Authentication::Password(secret),
        AuthenticationKind::Ah => Authentication::Header(secret),
    })
}
