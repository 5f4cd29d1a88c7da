//! `[alert]`: who is told, how, when.
//!
//! Owns the types of the section. How they are read from the file is in the modules below. No secret is in here: only
//! where one is.

mod hours;
mod read;
mod target;
mod ways;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::alert::{Hours, Severity, SilenceTarget};
use crate::id::Name;

pub(super) use read::{Named, read_alert};

/// `[alert]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// How mail leaves; absent when no route has an address.
    pub mail: Option<Mail>,
    /// `gather`: how long after the first trouble the opening mail waits for more. Default 10 s, up to 10 minutes.
    pub gather: Duration,
    /// `settle`: how long all must be well before an incident is closed. Default 1 minute, up to 1 day.
    pub settle: Duration,
    /// `update_every`: the shortest time between two mails on one incident; it doubles with each. Default 2 minutes.
    pub update_every: Duration,
    /// `remind_every`: how often an open incident is recalled. Default 4 hours; never when absent.
    pub remind_every: Option<Duration>,
    /// `keep`: how long something that can't be delivered is tried. Default 5 days.
    pub keep: Duration,
    /// `time_zone`: an IANA name, by which hours count and which mails show. Default: the system's.
    pub time_zone: Option<String>,
    /// `quiet_hours`: incidents wait until they end, and come in one mail.
    pub quiet_hours: Hours,
    /// `quiet_break`: incidents of this severity do not wait; none when absent. Default critical.
    pub quiet_break: Option<Severity>,
    /// `standby`: what this director does while another one is Active.
    pub standby: Standby,
    /// `step_in`: how long a standby waits for the Active one to tell. Default 1 minute, up to 1 hour.
    pub step_in: Duration,
    /// The routes in the order of the file. The last one is made of `to` and takes what no other takes.
    pub routes: Vec<AlertRoute>,
    /// `[[alert.webhook]]`.
    pub webhooks: Vec<Webhook>,
    /// `[[alert.command]]`.
    pub commands: Vec<Hook>,
    /// `[[alert.silence]]`.
    pub silences: Vec<StandingSilence>,
}

/// What a director does about shared troubles while another one is Active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standby {
    /// `"quiet"`: nothing, unless there is a `[status.peer]` that does not show that it told. The default.
    #[default]
    Quiet,
    /// `"send"`: it tells as if it were Active.
    Send,
}

/// How mail leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// `from`.
    pub from: String,
    /// `smtp` or `sendmail`.
    pub transport: Transport,
}

/// The way to the mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// `smtp = "smtp://HOST:PORT"` or `"smtps://HOST:PORT"`.
    Smtp(Smtp),
    /// `sendmail = "/usr/sbin/sendmail"`: a program that takes the mail on its standard input.
    Sendmail(PathBuf),
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// Its name or address.
    pub host: String,
    /// Its port. Default 25, 465 for `smtps`.
    pub port: u16,
    /// How the connection is encrypted.
    pub security: Security,
    /// `ca`: a file of certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// `credential`: where user name and password are; two lines.
    pub credential: Option<Secret>,
    /// `smtp_timeout`: the limit of getting ready, and of one mail. Default 2 minutes.
    pub timeout: Duration,
    /// `hello`: what we call ourselves in EHLO. Default: the host's name.
    pub hello: Option<String>,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// `starttls = "never"`.
    Plain,
    /// `starttls = "opportunistic"`: when the server offers it. The default without `credential`.
    Opportunistic,
    /// `starttls = "required"`. The default with `credential`.
    Required,
    /// `smtps://`: from the first byte.
    Tls,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// In this file.
    File(PathBuf),
    /// In the file of this name among systemd's credentials (`LoadCredential=`).
    Credential(String),
}

/// An address of a web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether it begins with `https`.
    pub tls: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// From the first slash on.
    pub path: String,
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}{}", self.host, self.port, self.path)
        } else {
            write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.path)
        }
    }
}

/// One `[[alert.route]]`: which troubles go to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRoute {
    /// `name`. The last route's is `default`.
    pub name: Name,
    /// `to`: mail addresses.
    pub to: Vec<String>,
    /// `webhooks`: names.
    pub webhooks: Vec<Name>,
    /// `commands`: names.
    pub commands: Vec<Name>,
    /// `virtual_servers`: only troubles of these; with `virtual_routers` empty too, all troubles.
    pub virtual_servers: Vec<Name>,
    /// `virtual_routers`: only troubles of these.
    pub virtual_routers: Vec<Name>,
    /// `severity`: only troubles as grave as this. Default warning.
    pub severity: Severity,
    /// `hours`: only troubles in these hours; empty is always.
    pub hours: Hours,
}

/// One `[[alert.webhook]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// `name`.
    pub name: Name,
    /// `url`.
    pub url: Url,
    /// `secret`: where the key is that requests are signed with.
    pub secret: Option<Secret>,
    /// `ca`: a file of certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// `timeout`. Default 10 s, 1 s to 1 minute.
    pub timeout: Duration,
}

/// One `[[alert.command]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// `name`.
    pub name: Name,
    /// `command`: the program's absolute path and its arguments.
    pub command: Vec<String>,
    /// `timeout`. Default 10 s, 1 s to 10 minutes.
    pub timeout: Duration,
}

/// One `[[alert.silence]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingSilence {
    /// What it is about.
    pub target: SilenceTarget,
    /// `severity`: only troubles no graver than this; all when absent.
    pub severity: Option<Severity>,
    /// `hours`: when in the week; empty is always.
    pub hours: Hours,
    /// `until`: when it ends for good.
    pub until: Option<Timestamp>,
    /// `why`.
    pub why: String,
}
