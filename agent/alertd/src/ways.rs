//! From routes to destinations, and from a destination to its way out.
//!
//! Owns what the configuration says about both. It delivers nothing.

use agent_api::config::{Alert, Config, Hook, Mail, Peer, Standby, Webhook};
use agent_api::{Channel, Name};
use agent_core::digest::Settings;
use anyhow::Context;
use jiff::SignedDuration;
use jiff::tz::TimeZone;

/// What the configuration says, ready for use.
#[derive(Debug, Clone)]
pub struct Ways {
    pub alert: Option<Alert>,
    /// The other director.
    pub peer: Option<Peer>,
    pub zone: TimeZone,
    pub host: String,
    /// Digest of the configuration.
    pub config: String,
}

impl Ways {
    /// From the configuration. A time zone that the system does not know is a mistake of it.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        let Config { alert, status, digest: config, .. } = config;
        let peer = status.peer;
        let zone = match alert.as_ref().and_then(|alert| alert.time_zone.as_deref()) {
            Some(name) => TimeZone::get(name).with_context(|| {
                format!("[alert] time_zone {name:?}: this system does not know it; is tzdata installed?")
            })?,
            None => TimeZone::system(),
        };
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let host = host.map(|name| name.chars().filter(|c| !c.is_control()).take(64).collect());
        Ok(Self { alert, peer, zone, host: host.unwrap_or_else(|| "this director".to_owned()), config })
    }

    /// For the digest. Without `[alert]` there are no routes, so nobody is told.
    pub fn settings(&self) -> Settings {
        if let Some(alert) = &self.alert {
            return Settings::new(alert, self.peer.is_some(), self.host.clone(), self.zone.clone());
        }
        let span = SignedDuration::from_secs(10);
        Settings {
            host: self.host.clone(),
            zone: self.zone.clone(),
            gather: span,
            settle: span,
            update_every: span,
            remind_every: None,
            quiet_hours: agent_api::Hours::default(),
            quiet_break: None,
            standby: Standby::Quiet,
            step_in: span,
            has_peer: false,
            routes: Vec::new(),
            silences: Vec::new(),
        }
    }

    /// Where notices of `route` go.
    pub fn destinations(&self, route: &Name) -> Vec<Channel> {
        let Some(route) = self.alert.iter().flat_map(|a| &a.routes).find(|r| r.name == *route) else {
            return Vec::new();
        };
        let mail = route.to.iter().cloned().map(Channel::Mail);
        let webhooks = route.webhooks.iter().cloned().map(Channel::Webhook);
        let commands = route.commands.iter().cloned().map(Channel::Command);
        mail.chain(webhooks).chain(commands).collect()
    }

    /// The addresses of `route`, for the header.
    pub fn addresses(&self, route: &Name) -> Vec<String> {
        let routes = self.alert.iter().flat_map(|alert| &alert.routes);
        routes.filter(|r| r.name == *route).flat_map(|r| r.to.iter().cloned()).collect()
    }

    /// Whether something may still go there.
    pub fn knows(&self, to: &Channel) -> bool {
        let Some(alert) = &self.alert else { return false };
        match to {
            Channel::Mail(_) => alert.mail.is_some(),
            Channel::Webhook(name) => alert.webhooks.iter().any(|hook| hook.name == *name),
            Channel::Command(name) => alert.commands.iter().any(|hook| hook.name == *name),
        }
    }

    pub fn mail(&self) -> Option<&Mail> {
        self.alert.as_ref()?.mail.as_ref()
    }

    pub fn webhook(&self, name: &Name) -> Option<&Webhook> {
        self.alert.as_ref()?.webhooks.iter().find(|hook| hook.name == *name)
    }

    pub fn command(&self, name: &Name) -> Option<&Hook> {
        self.alert.as_ref()?.commands.iter().find(|hook| hook.name == *name)
    }
}
