//! `[lvs]`: how `lvsd` treats the kernel's table and what belongs to it.
//!
//! Owns the keys of `[lvs]`, `[lvs.timeouts]` and `[lvs.sync]`, their defaults and limits (`linux/ip_vs.h`). It reads and sets
//! nothing in a kernel: that is `lvsd`'s.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::book::{Book, Place, quoted};
use super::keys;
use super::suggest::nearest;
use super::table::{Given, Table};
use crate::id::Name;

const DAY: u64 = 86_400;
/// Names of network interfaces are shorter than `IFNAMSIZ`, 16.
const INTERFACE_MAX: usize = 15;

/// `[lvs]`: how `lvsd` treats the kernel's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lvs {
    /// `adopt`: what becomes of services that are not in the configuration.
    pub adopt: Adopt,
    /// `exclusive_grace`: how long a service of others is left and warned of before `"exclusive"` removes it. Default
    /// 3 s, up to 1 day.
    pub exclusive_grace: Duration,
    /// `interval`: how often the kernel's table is read and compared. Default 1 s, 100 ms to 5 s.
    pub interval: Duration,
    /// `sysctls`: whether kernel settings are set or only looked at.
    pub sysctls: Sysctls,
    /// `drain_deadline`: how long connections of a drained server may last; then they are ended. Default: as long as they
    /// want. 1 s to 31 days.
    pub drain_deadline: Option<Duration>,
    /// `timeouts`: the kernel's timeouts of idle connections.
    pub timeouts: Timeouts,
    /// `sync`: the kernel's daemons that tell another director of connections.
    pub sync: Option<SyncDaemon>,
}

impl Default for Lvs {
    fn default() -> Self {
        Self {
            adopt: Adopt::Named,
            exclusive_grace: Duration::from_secs(3),
            interval: Duration::from_secs(1),
            sysctls: Sysctls::Check,
            drain_deadline: None,
            timeouts: Timeouts::default(),
            sync: None,
        }
    }
}

/// What becomes of services in the kernel that are not in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Adopt {
    /// `"named"`: they are left alone, unless a former configuration of ours made them.
    #[default]
    Named,
    /// `"exclusive"`: they are removed, after a warning and [`Lvs::exclusive_grace`].
    Exclusive,
}

/// Whether `lvsd` sets the kernel settings that decide whether clients leave a dead server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sysctls {
    /// `"check"`: they are looked at, and what is wrong is told.
    #[default]
    Check,
    /// `"set"`: they are set, at the start and whenever they differ; what can't be set is told.
    Set,
}

/// `[lvs.timeouts]`: seconds that the kernel keeps an idle connection; absent ones are left as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// `tcp`: an established TCP connection. The kernel begins with 900.
    pub tcp: Option<u32>,
    /// `tcp_fin`: a TCP connection after a FIN. The kernel begins with 120.
    pub tcp_fin: Option<u32>,
    /// `udp`: a UDP flow. The kernel begins with 300.
    pub udp: Option<u32>,
}

/// `[lvs.sync]`: the kernel's daemons that tell another director of connections, and are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncDaemon {
    /// `role`: which of the two run; with `follow` not looked at.
    pub role: SyncRoles,
    /// `follow`: the virtual router that decides which of the two runs: the one that tells where it is Active, the one that is told
    /// everywhere else.
    pub follow: Option<Name>,
    /// `interface`: where the messages go, 1 to 15 characters.
    pub interface: String,
    /// `id`: only messages of the same id are taken. Default 0, up to 255.
    pub id: u8,
    /// `group`: the multicast group. Default 224.0.0.81.
    pub group: IpAddr,
    /// `port`: the UDP port. Default 8848.
    pub port: u16,
    /// `ttl`: over how many networks the messages may go. Default 1.
    pub ttl: u8,
    /// `max_length`: bytes of a message. Default 1472; 96 to 65507.
    pub max_length: u16,
}

/// Which sync daemons run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncRoles {
    /// `"master"`: it tells.
    Master,
    /// `"backup"`: it is told.
    Backup,
    /// `"both"`: both, so that a change of roles needs no change here. The default.
    Both,
}

/// Reads `[lvs]`, which may stand in one file only.
///
/// The virtual routers that it names are added to `followed`.
pub(super) fn read_lvs(
    book: &mut Book<'_>,
    table: &Table<'_>,
    lvs: &mut Option<(Lvs, Place)>,
    followed: &mut Vec<(Name, Place)>,
) {
    let Given::Good(table, at) = table.table(book, "lvs", &keys::LVS) else { return };
    if let Some((_, first)) = lvs {
        let first = book.name_of(*first);
        book.wrong(at, format!("[lvs] is there already, at {first}; put all its keys into one"));
    }
    if let Some(read) = read(book, &table, followed)
        && lvs.is_none()
    {
        *lvs = Some((read, at));
    }
}

fn read(book: &mut Book<'_>, table: &Table<'_>, followed: &mut Vec<(Name, Place)>) -> Option<Lvs> {
    let default = Lvs::default();
    let adopts = [("named", Adopt::Named), ("exclusive", Adopt::Exclusive)];
    let adopt = word(book, table, "adopt", &adopts);
    let seconds = Duration::from_secs;
    let grace = table.duration(book, "exclusive_grace", Duration::ZERO..=seconds(DAY), "30s");
    let interval = table.duration(book, "interval", Duration::from_millis(100)..=seconds(5), "1s");
    let sysctls = word(book, table, "sysctls", &[("check", Sysctls::Check), ("set", Sysctls::Set)]);
    let deadline = table.duration(book, "drain_deadline", seconds(1)..=seconds(31 * DAY), "10m");
    let timeouts = match table.table(book, "timeouts", &keys::TIMEOUTS) {
        Given::Good(table, _) => timeouts(book, &table),
        Given::Absent => Some(default.timeouts),
        Given::Wrong => None,
    };
    let sync = match table.table(book, "sync", &keys::SYNC) {
        Given::Good(table, _) => sync(book, &table, followed).map(Some),
        Given::Absent => Some(None),
        Given::Wrong => None,
    };
    Some(Lvs {
        adopt: adopt.or(default.adopt)?,
        exclusive_grace: grace.or(default.exclusive_grace)?,
        interval: interval.or(default.interval)?,
        sysctls: sysctls.or(default.sysctls)?,
        drain_deadline: deadline.not_wrong()?.good(),
        timeouts: timeouts?,
        sync: sync?,
    })
}

/// One of a few words.
pub(super) fn word<T: Copy>(
    book: &mut Book<'_>,
    table: &Table<'_>,
    key: &str,
    words: &[(&str, T)],
) -> Given<T> {
    let names = || words.iter().map(|(name, _)| *name);
    let example = format!("{key} = {:?}", names().next().unwrap_or_default());
    table.text(book, key, &example).convert(|text, at| {
        let found = words.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            let remedy = match nearest(text, names()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => {
                    format!(
                        "write {}",
                        names().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" or ")
                    )
                }
            };
            book.wrong(at, format!("unknown {key} {}; {remedy}", quoted(text)));
        }
        found
    })
}

fn timeouts(book: &mut Book<'_>, table: &Table<'_>) -> Option<Timeouts> {
    let mut seconds = |key: &str, example: &str| {
        let limits = Duration::from_secs(1)..=Duration::from_secs(31 * DAY);
        let given = table.duration(book, key, limits, example).convert(|timeout, at| {
            let whole = u32::try_from(timeout.as_secs()).ok().filter(|_| timeout.subsec_nanos() == 0);
            if whole.is_none() {
                book.wrong(
                    at,
                    format!("the kernel counts whole seconds; write {key} = \"{}s\"", timeout.as_secs() + 1),
                );
            }
            whole
        });
        given.not_wrong().map(Given::good)
    };
    let (tcp, tcp_fin, udp) = (seconds("tcp", "15m"), seconds("tcp_fin", "2m"), seconds("udp", "10s"));
    Some(Timeouts { tcp: tcp?, tcp_fin: tcp_fin?, udp: udp? })
}

fn sync(book: &mut Book<'_>, table: &Table<'_>, followed: &mut Vec<(Name, Place)>) -> Option<SyncDaemon> {
    let roles = [("both", SyncRoles::Both), ("master", SyncRoles::Master), ("backup", SyncRoles::Backup)];
    let role = word(book, table, "role", &roles);
    let follow = table.text(book, "follow", "follow = \"gateway\"").convert(|text, at| {
        let name = text.parse::<Name>().map_err(|error| book.wrong(at, format!("follow: {error}"))).ok()?;
        followed.push((name.clone(), at));
        Some(name)
    });
    if let (Given::Good(..), Given::Good(_, at)) = (&role, &follow) {
        book.wrong(
            *at,
            "role and follow exclude each other: the virtual router decides the role; remove one of them",
        );
    }
    let interface = table.needed(book, "interface", "interface = \"eth1\"").convert(|text, at| {
        let plain = |c: char| c.is_ascii_graphic() && c != '/' && c != ':';
        let good = (1..=INTERFACE_MAX).contains(&text.len()) && text.chars().all(plain);
        if !good {
            book.wrong(
                at,
                format!("interface {} is no interface's name; write one such as \"eth1\"", quoted(text)),
            );
        }
        good.then(|| text.to_owned())
    });
    let id = table.number(book, "id", 0..=255);
    let group = table.text(book, "group", "group = \"224.0.0.81\"").convert(|text, at| {
        let group = text.parse::<IpAddr>().ok().filter(IpAddr::is_multicast);
        if group.is_none() {
            book.wrong(
                at,
                format!("group {} is no multicast address; write one such as \"224.0.0.81\"", quoted(text)),
            );
        }
        group
    });
    let port = table.number(book, "port", 1..=65_535);
    let ttl = table.number(book, "ttl", 1..=255);
    let max_length = table.number(book, "max_length", 96..=65_507);
    Some(SyncDaemon {
        role: role.or(SyncRoles::Both)?,
        follow: follow.not_wrong()?.good(),
        interface: interface.good()?,
        id: u8::try_from(id.or(0)?).ok()?,
        group: group.or(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81)))?,
        port: u16::try_from(port.or(8848)?).ok()?,
        ttl: u8::try_from(ttl.or(1)?).ok()?,
        max_length: u16::try_from(max_length.or(1472)?).ok()?,
    })
}
