//! Reads lines of the `ipvsadm` format into a table.
//!
//! All lines are read and all that is wrong is told, by line and token; nothing ambiguous is guessed at: no host or service
//! names, no octal addresses, no port that `ipvsadm -R` would silently change. Nothing that clears, zeroes or starts
//! something is carried out.

mod options;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use crate::edit::{Conflict, Edit};
use crate::types::{
    Checksum, Destination, DestinationKey, Encapsulation, Family, Flags, Forwarding, Granularity,
    MAX_TIMEOUT_SECS, Persistence, PersistenceEngine, Protocol, Scheduler, Service, ServiceKey, Table,
    Thresholds, ValueError, Weight,
};
use options::{Given, Opt, Options};

/// How many errors are told at most; the rest of the text is not read.
pub const MAX_ERRORS: usize = 100;

/// What is wrong with one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{token}`: {problem}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// The token that is at fault, or the line's command where something is missing.
    pub token: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Why a token cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// An option that the format does not have.
    #[error("unknown option")]
    UnknownOption,
    /// `#` or words where an option should be.
    #[error("an option is expected here; the format has neither comments nor quotes")]
    NotAnOption,
    /// `(null)`, which `ipvsadm` prints for a forwarding method it has no option for.
    #[error("ipvsadm had no option for this destination's forwarding method: write -g, -i or -m")]
    NoMethod,
    /// `--xxx-service`, which `ipvsadm` prints for a protocol it has no option for.
    #[error("ipvsadm had no option for this service's protocol: write -t, -u or --sctp-service")]
    NoProtocol,
    /// An option without the value that it needs.
    #[error("a value must follow")]
    ValueExpected,
    /// A value after `=` for an option that has none.
    #[error("this option takes no value")]
    NoValueExpected,
    /// An option twice, or two that exclude each other.
    #[error("goes against `{0}` on the same line")]
    Excluded(String),
    /// No command on the line.
    #[error("no command: begin with -A, -E, -D, -a, -e or -d")]
    NoCommand,
    /// A command that a table cannot hold.
    #[error("not part of a saved table: leave the line out")]
    ForeignCommand,
    /// An option that does not go with the command.
    #[error("does not go with {0}")]
    OptionForCommand(&'static str),
    /// The command needs something that is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Not an address, or a name, or octal, or shortened.
    #[error(
        "not an IP address with an optional port (10.0.0.1:53 or [2001:db8::1]:53; save with ipvsadm -Sn)"
    )]
    Address,
    /// Not a number within bounds.
    #[error("give a number from {min} to {max}")]
    Number {
        /// The lowest.
        min: u32,
        /// The highest.
        max: u32,
    },
    /// Not one of a few words.
    #[error("give {0}")]
    Word(&'static str),
    /// A flag that belongs to another scheduler.
    #[error("not a flag of scheduler {0}")]
    SchedulerFlag(Scheduler),
    /// An option that makes sense with another only.
    #[error("needs {0}")]
    Needs(&'static str),
    /// A value that cannot be part of a table.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The line does not fit the lines before it.
    #[error(transparent)]
    Conflict(#[from] Conflict),
}

/// Reads a saved table.
///
/// Besides `-A` and `-a`, the edits `-E`, `-D`, `-e`, `-d` are understood and applied to what the lines before them
/// gave. What `ipvsadm -R` would refuse is refused, and what it would change is refused too. The daemon's own
/// rules, such as no one-packet scheduling with masquerading, are not applied here: the text is what some kernel has.
///
/// # Errors
/// Every wrong line, up to [`MAX_ERRORS`].
///
/// ```
/// let table = agent_ipvs::text::parse("-A -u 10.0.0.1:53 -s wrr\n-a -u 10.0.0.1:53 -r 10.1.53.2 -g -w 100\n").unwrap();
/// assert_eq!(table.len(), 1);
/// ```
pub fn parse(text: &str) -> Result<Table, Vec<ParseError>> {
    let mut table = Table::new();
    let mut errors = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let result = parse_line(line).and_then(|parsed| match parsed {
            Some((command, edit)) => {
                apply(&edit, &mut table).map_err(|problem| (command.to_owned(), problem))
            }
            None => Ok(()),
        });
        if let Err((token, problem)) = result {
            errors.push(ParseError { line: index + 1, token, problem });
            if errors.len() == MAX_ERRORS {
                break;
            }
        }
    }
    if errors.is_empty() { Ok(table) } else { Err(errors) }
}

/// Checks that need the service a destination is for, then does the edit.
fn apply(edit: &Edit, table: &mut Table) -> Result<(), Problem> {
    let entry = table.get(edit.service());
    let check = |service: &Service, destination: &Destination| match service.check_destination(destination) {
        // Unwise, but it is what the text says, and a kernel can hold it.
        Ok(()) | Err(ValueError::OnePacketMasquerade) => Ok(()),
        Err(error) => Err(error),
    };
    match (edit, entry) {
        (
            Edit::AddDestination { destination, .. } | Edit::SetDestination { destination, .. },
            Some(entry),
        ) => {
            check(&entry.service, destination)?;
        }
        (Edit::AddService(service) | Edit::SetService(service), _) => service.check()?,
        _ => {}
    }
    Ok(edit.apply_to(table)?)
}

type Fault = (String, Problem);

/// The command of a line and what it does; `None` for a blank line.
fn parse_line(line: &str) -> Result<Option<(&str, Edit)>, Fault> {
    let mut options = options::read(line)?;
    let Some(command) = options.command() else {
        return match options.first() {
            Some(token) => Err((token.to_owned(), Problem::NoCommand)),
            None => Ok(None),
        };
    };
    let token = command.token;
    let fault = |problem| (token.to_owned(), problem);
    let edit = match command.opt {
        Opt::AddService => Edit::AddService(service(&mut options, token)?),
        Opt::SetService => Edit::SetService(service(&mut options, token)?),
        Opt::RemoveService => Edit::RemoveService(service_key(&mut options, token)?),
        Opt::AddDestination => {
            let (service, destination) = destination(&mut options, token)?;
            Edit::AddDestination { service, destination }
        }
        Opt::SetDestination => {
            let (service, destination) = destination(&mut options, token)?;
            Edit::SetDestination { service, destination }
        }
        Opt::RemoveDestination => {
            let service = service_key(&mut options, token)?;
            Edit::RemoveDestination { service, destination: destination_key(&mut options, token, &service)? }
        }
        _ => return Err(fault(Problem::ForeignCommand)),
    };
    match options.left_over() {
        Some(given) => Err((given.token.to_owned(), Problem::OptionForCommand(command.opt.name()))),
        None => Ok(Some((token, edit))),
    }
}

fn service_key(options: &mut Options<'_>, command: &str) -> Result<ServiceKey, Fault> {
    let given = options.take(&[Opt::Tcp, Opt::Udp, Opt::Sctp, Opt::FirewallMark])?.ok_or_else(|| {
        (command.to_owned(), Problem::Missing("the service (-t, -u, --sctp-service or -f)"))
    })?;
    let protocol = match given.opt {
        Opt::Tcp => Protocol::Tcp,
        Opt::Udp => Protocol::Udp,
        Opt::Sctp => Protocol::Sctp,
        _ => {
            // A save writes marks from 2^31 as negative numbers.
            let negative = || given.value.strip_prefix('-').and_then(|_| given.value.parse::<i32>().ok());
            let mark = digits(given.value)
                .or_else(|| negative().map(i32::cast_unsigned))
                .ok_or_else(|| given.fault(Problem::Number { min: 1, max: u32::MAX }))?;
            let family = if options.take(&[Opt::Ipv6])?.is_some() { Family::Ipv6 } else { Family::Ipv4 };
            return ServiceKey::firewall_mark(family, mark).map_err(|error| given.fault(error.into()));
        }
    };
    let (address, port) = host(&given)?;
    ServiceKey::new(protocol, address, port.unwrap_or(0)).map_err(|error| given.fault(error.into()))
}

fn service(options: &mut Options<'_>, command: &str) -> Result<Service, Fault> {
    let key = service_key(options, command)?;
    let scheduler = match options.take(&[Opt::Scheduler])? {
        Some(given) => Scheduler::new(given.value).map_err(|error| given.fault(error.into()))?,
        None => Scheduler::default(),
    };
    let mut service = Service::new(key, scheduler);
    if let Some(given) = options.take(&[Opt::Persistent])? {
        let timeout = match given.value {
            "" => Persistence::DEFAULT_TIMEOUT_SECS,
            _ => number(&given, 1, MAX_TIMEOUT_SECS)?,
        };
        let granularity = match options.take(&[Opt::Netmask])? {
            Some(given) => granularity(&given, key.family())?,
            None => Granularity::Host,
        };
        // Not `new`: a kernel may hold a mask with holes.
        service
            .set_persistence(Some(Persistence::from_kernel(timeout, granularity)))
            .map_err(|error| given.fault(error.into()))?;
    } else if let Some(given) = options.take(&[Opt::Netmask])? {
        return Err(given.fault(Problem::Needs("-p")));
    }
    if let Some(given) = options.take(&[Opt::Engine])? {
        if service.persistence().is_none() {
            return Err(given.fault(Problem::Needs("-p")));
        }
        let engine = PersistenceEngine::new(given.value).map_err(|error| given.fault(error.into()))?;
        service.engine = Some(engine);
    }
    if options.take(&[Opt::OnePacket])?.is_some() {
        service.flags = service.flags | Flags::ONE_PACKET;
    }
    if let Some(given) = options.take(&[Opt::SchedulerFlags])? {
        service.flags = service.flags | scheduler_flags(&given, scheduler)?;
    }
    Ok(service)
}

fn granularity(given: &Given<'_>, family: Family) -> Result<Granularity, Fault> {
    match family {
        Family::Ipv4 => match given.value.parse::<Ipv4Addr>() {
            Ok(mask) => Ok(Granularity::from_mask(mask)),
            Err(_) => Err(given.fault(Problem::Word("a mask such as 255.255.255.0"))),
        },
        Family::Ipv6 => {
            let length = number(given, 1, 128)?;
            let length = u8::try_from(length).unwrap_or(u8::MAX);
            Granularity::prefix(length).map_err(|error| given.fault(error.into()))
        }
    }
}

fn scheduler_flags(given: &Given<'_>, scheduler: Scheduler) -> Result<Flags, Fault> {
    let mut flags = Flags::NONE;
    for word in given.value.split(',') {
        let position = |names: &[&str]| names.iter().position(|name| *name == word);
        let index = position(scheduler.flag_names()).or_else(|| position(Scheduler::RR.flag_names()));
        match index.and_then(|i| Flags::SCHEDULER.get(i)) {
            Some(flag) => flags = flags | *flag,
            None => return Err((word.to_owned(), Problem::SchedulerFlag(scheduler))),
        }
    }
    Ok(flags)
}

fn destination_key(
    options: &mut Options<'_>,
    command: &str,
    service: &ServiceKey,
) -> Result<DestinationKey, Fault> {
    let given = options
        .take(&[Opt::RealServer])?
        .ok_or_else(|| (command.to_owned(), Problem::Missing("the real server (-r)")))?;
    let (address, port) = host(&given)?;
    let default = match service {
        ServiceKey::Address { port, .. } => *port,
        ServiceKey::FirewallMark { .. } => 0,
    };
    Ok(DestinationKey { address, port: port.unwrap_or(default) })
}

fn destination(options: &mut Options<'_>, command: &str) -> Result<(ServiceKey, Destination), Fault> {
    let service = service_key(options, command)?;
    let key = destination_key(options, command, &service)?;
    let forwarding = match options.take(&[Opt::Direct, Opt::Tunnel, Opt::Masquerade])?.map(|given| given.opt)
    {
        Some(Opt::Tunnel) => Forwarding::Tunnel(encapsulation(options)?),
        Some(Opt::Masquerade) => Forwarding::Masquerade,
        _ => Forwarding::Direct,
    };
    if let Some(given) = options.take(&[Opt::TunnelType])? {
        return Err(given.fault(Problem::Needs("-i")));
    }
    let weight = match options.take(&[Opt::Weight])? {
        Some(given) => {
            Weight::new(number(&given, 0, Weight::MAX.get())?).map_err(|e| given.fault(e.into()))?
        }
        None => Weight::default(),
    };
    let upper = options.take(&[Opt::UpperThreshold])?;
    let lower = options.take(&[Opt::LowerThreshold])?;
    let threshold = |given: &Option<Given<'_>>| match given {
        Some(given) => number(given, 0, i32::MAX as u32),
        None => Ok(0),
    };
    let thresholds = Thresholds::new(threshold(&upper)?, threshold(&lower)?)
        .map_err(|error| (lower.map_or(command, |given| given.value).to_owned(), error.into()))?;
    Ok((service, Destination { key, forwarding, weight, thresholds }))
}

fn encapsulation(options: &mut Options<'_>) -> Result<Encapsulation, Fault> {
    let kind = options.take(&[Opt::TunnelType])?;
    match kind.as_ref().map_or("ipip", |given| given.value) {
        // What is left of the tunnel options is an error of the caller's.
        "ipip" => Ok(Encapsulation::Ipip),
        "gue" => {
            let Some(given) = options.take(&[Opt::TunnelPort])? else {
                return Err(("gue".to_owned(), Problem::Needs("--tun-port")));
            };
            let port = u16::try_from(number(&given, 1, 65_535)?).ok().and_then(NonZeroU16::new);
            let port = port.ok_or_else(|| given.fault(Problem::Number { min: 1, max: 65_535 }))?;
            Ok(Encapsulation::Gue { port, checksum: checksum(options)? })
        }
        "gre" => Ok(Encapsulation::Gre { checksum: checksum(options)? }),
        other => Err((other.to_owned(), Problem::Word("ipip, gue or gre"))),
    }
}

fn checksum(options: &mut Options<'_>) -> Result<Checksum, Fault> {
    let given = options.take(&[Opt::TunnelNoChecksum, Opt::TunnelChecksum, Opt::TunnelRemoteChecksum])?;
    Ok(match given.map(|given| given.opt) {
        Some(Opt::TunnelChecksum) => Checksum::Full,
        Some(Opt::TunnelRemoteChecksum) => Checksum::Remote,
        _ => Checksum::None,
    })
}

/// Digits only: no sign, no blanks.
fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn number(given: &Given<'_>, min: u32, max: u32) -> Result<u32, Fault> {
    match digits(given.value) {
        Some(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(given.fault(Problem::Number { min, max })),
    }
}

/// `10.0.0.1`, `10.0.0.1:53`, `[2001:db8::1]:53` or `2001:db8::1`.
fn host(given: &Given<'_>) -> Result<(IpAddr, Option<u16>), Fault> {
    let text = given.value;
    let parsed = if let Some(rest) = text.strip_prefix('[') {
        rest.split_once("]:")
            .and_then(|(address, port)| Some((address.parse::<Ipv6Addr>().ok()?.into(), Some(digits(port)?))))
    } else if let Ok(address) = text.parse::<Ipv6Addr>() {
        Some((address.into(), None))
    } else {
        let (address, port) = match text.split_once(':') {
            Some((address, port)) => (address, digits(port).map(Some)),
            None => (text, Some(None)),
        };
        address.parse::<Ipv4Addr>().ok().map(IpAddr::from).zip(port)
    };
    parsed.ok_or_else(|| given.fault(Problem::Address))
}
