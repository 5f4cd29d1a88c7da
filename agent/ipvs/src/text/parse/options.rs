//! Splits one line into options with their values, as popt does for `ipvsadm`.
//!
//! Short options may be bundled (`-At 10.0.0.1:80`) and have their value attached (`-w10`); long ones take it as
//! the next token or after `=`. There is no quoting.

use super::{Fault, Problem};

/// An option, whatever way it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opt {
    AddService,
    SetService,
    RemoveService,
    AddDestination,
    SetDestination,
    RemoveDestination,
    /// A command that is no part of a table: clear, zero, timeouts, sync daemon, list, save, restore.
    Foreign,
    Tcp,
    Udp,
    Sctp,
    UnknownProtocol,
    FirewallMark,
    Ipv6,
    Scheduler,
    Persistent,
    Netmask,
    Engine,
    OnePacket,
    SchedulerFlags,
    RealServer,
    Direct,
    Tunnel,
    Masquerade,
    Weight,
    UpperThreshold,
    LowerThreshold,
    TunnelType,
    TunnelPort,
    TunnelNoChecksum,
    TunnelChecksum,
    TunnelRemoteChecksum,
}

/// Whether a value follows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    None,
    Optional,
    Required,
}

/// Long name, short name (or NUL), option, value.
type Row = (&'static str, char, Opt, Value);

const ROWS: &[Row] = &[
    ("add-service", 'A', Opt::AddService, Value::None),
    ("edit-service", 'E', Opt::SetService, Value::None),
    ("delete-service", 'D', Opt::RemoveService, Value::None),
    ("add-server", 'a', Opt::AddDestination, Value::None),
    ("edit-server", 'e', Opt::SetDestination, Value::None),
    ("delete-server", 'd', Opt::RemoveDestination, Value::None),
    ("clear", 'C', Opt::Foreign, Value::None),
    ("zero", 'Z', Opt::Foreign, Value::None),
    ("set", '\0', Opt::Foreign, Value::None),
    ("start-daemon", '\0', Opt::Foreign, Value::None),
    ("stop-daemon", '\0', Opt::Foreign, Value::None),
    ("list", 'L', Opt::Foreign, Value::None),
    ("save", 'S', Opt::Foreign, Value::None),
    ("restore", 'R', Opt::Foreign, Value::None),
    ("tcp-service", 't', Opt::Tcp, Value::Required),
    ("udp-service", 'u', Opt::Udp, Value::Required),
    ("sctp-service", '\0', Opt::Sctp, Value::Required),
    ("xxx-service", '\0', Opt::UnknownProtocol, Value::Required),
    ("fwmark-service", 'f', Opt::FirewallMark, Value::Required),
    ("ipv6", '6', Opt::Ipv6, Value::None),
    ("scheduler", 's', Opt::Scheduler, Value::Required),
    ("persistent", 'p', Opt::Persistent, Value::Optional),
    ("netmask", 'M', Opt::Netmask, Value::Required),
    ("pe", '\0', Opt::Engine, Value::Required),
    ("ops", 'o', Opt::OnePacket, Value::None),
    ("sched-flags", 'b', Opt::SchedulerFlags, Value::Required),
    ("real-server", 'r', Opt::RealServer, Value::Required),
    ("gatewaying", 'g', Opt::Direct, Value::None),
    ("ipip", 'i', Opt::Tunnel, Value::None),
    ("masquerading", 'm', Opt::Masquerade, Value::None),
    ("weight", 'w', Opt::Weight, Value::Required),
    ("u-threshold", 'x', Opt::UpperThreshold, Value::Required),
    ("l-threshold", 'y', Opt::LowerThreshold, Value::Required),
    ("tun-type", '\0', Opt::TunnelType, Value::Required),
    ("tun-port", '\0', Opt::TunnelPort, Value::Required),
    ("tun-nocsum", '\0', Opt::TunnelNoChecksum, Value::None),
    ("tun-csum", '\0', Opt::TunnelChecksum, Value::None),
    ("tun-remcsum", '\0', Opt::TunnelRemoteChecksum, Value::None),
];

impl Opt {
    /// The short form of a command, for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Opt::AddService => "-A",
            Opt::SetService => "-E",
            Opt::RemoveService => "-D",
            Opt::AddDestination => "-a",
            Opt::SetDestination => "-e",
            Opt::RemoveDestination => "-d",
            _ => "this command",
        }
    }

    fn is_command(self) -> bool {
        matches!(
            self,
            Opt::AddService
                | Opt::SetService
                | Opt::RemoveService
                | Opt::AddDestination
                | Opt::SetDestination
                | Opt::RemoveDestination
                | Opt::Foreign
        )
    }
}

/// An option on the line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'l> {
    pub(super) opt: Opt,
    /// The token it stood in.
    pub(super) token: &'l str,
    /// Its value; empty if it has none.
    pub(super) value: &'l str,
}

impl Given<'_> {
    /// A problem with the option's value, or with the option if it has none.
    pub(super) fn fault(&self, problem: Problem) -> Fault {
        let token = if self.value.is_empty() { self.token } else { self.value };
        (token.to_owned(), problem)
    }
}

/// The options of one line that no one has asked for yet.
pub(super) struct Options<'l> {
    given: Vec<Given<'l>>,
}

impl<'l> Options<'l> {
    /// Takes the line's command out.
    pub(super) fn command(&mut self) -> Option<Given<'l>> {
        let at = self.given.iter().position(|given| given.opt.is_command())?;
        Some(self.given.remove(at))
    }

    /// Takes out one of several options that exclude each other.
    pub(super) fn take(&mut self, wanted: &[Opt]) -> Result<Option<Given<'l>>, Fault> {
        let Some(at) = self.given.iter().position(|given| wanted.contains(&given.opt)) else {
            return Ok(None);
        };
        let taken = self.given.remove(at);
        match self.given.iter().find(|given| wanted.contains(&given.opt)) {
            Some(second) => Err((second.token.to_owned(), Problem::Excluded(taken.token.to_owned()))),
            None => Ok(Some(taken)),
        }
    }

    /// The first token of the line, if there is any option on it.
    pub(super) fn first(&self) -> Option<&'l str> {
        self.given.first().map(|given| given.token)
    }

    /// An option that has not been taken.
    pub(super) fn left_over(&self) -> Option<Given<'l>> {
        self.given.first().copied()
    }
}

/// Splits a line. A word `ipvsadm` in front is skipped, and a blank line has no options.
pub(super) fn read(line: &str) -> Result<Options<'_>, Fault> {
    let mut tokens = line.split([' ', '\t', '\r']).filter(|token| !token.is_empty()).peekable();
    tokens.next_if_eq(&"ipvsadm");
    let mut given = Vec::new();
    while let Some(token) = tokens.next() {
        let fault = |problem| (token.to_owned(), problem);
        if let Some(long) = token.strip_prefix("--") {
            let (name, mut value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let row = ROWS.iter().find(|row| row.0 == name).ok_or_else(|| fault(Problem::UnknownOption))?;
            if row.3 == Value::None && value.is_some() {
                return Err(fault(Problem::NoValueExpected));
            }
            value = value.or_else(|| next_value(row.3, &mut tokens));
            given.push(finish(row, token, value)?);
        } else if let Some(shorts) = token.strip_prefix('-')
            && !shorts.is_empty()
        {
            let mut rest = shorts.chars();
            while let Some(short) = rest.next() {
                let row = ROWS.iter().find(|row| row.1 == short && short != '\0');
                let row = row.ok_or_else(|| fault(Problem::UnknownOption))?;
                if row.3 == Value::None {
                    given.push(finish(row, token, None)?);
                    continue;
                }
                let attached = rest.as_str();
                let attached = attached.strip_prefix('=').unwrap_or(attached);
                let value = if attached.is_empty() { next_value(row.3, &mut tokens) } else { Some(attached) };
                given.push(finish(row, token, value)?);
                break;
            }
        } else {
            return Err(fault(if token == "(null)" { Problem::NoMethod } else { Problem::NotAnOption }));
        }
        // What follows a foreign command has a grammar of its own, and is refused as a whole.
        if given.last().is_some_and(|given| given.opt == Opt::Foreign) {
            return Err(fault(Problem::ForeignCommand));
        }
    }
    if let Some(second) = given.iter().filter(|given| given.opt.is_command()).nth(1) {
        let first = given.iter().find(|given| given.opt.is_command()).map_or("", |given| given.token);
        return Err((second.token.to_owned(), Problem::Excluded(first.to_owned())));
    }
    Ok(Options { given })
}

/// The next token, if it can be a value: an optional one does not begin with a dash.
fn next_value<'l>(
    value: Value,
    tokens: &mut std::iter::Peekable<impl Iterator<Item = &'l str>>,
) -> Option<&'l str> {
    match value {
        Value::None => None,
        Value::Optional => tokens.next_if(|token| !token.starts_with('-')),
        Value::Required => tokens.next(),
    }
}

fn finish<'l>(row: &Row, token: &'l str, value: Option<&'l str>) -> Result<Given<'l>, Fault> {
    let value = value.unwrap_or("");
    if row.2 == Opt::UnknownProtocol {
        return Err((token.to_owned(), Problem::NoProtocol));
    }
    if row.3 == Value::Required && value.is_empty() {
        return Err((token.to_owned(), Problem::ValueExpected));
    }
    Ok(Given { opt: row.2, token, value })
}
