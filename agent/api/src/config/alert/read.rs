//! The keys of `[alert]`, `[[alert.route]]` and `[[alert.silence]]`.
//!
//! Owns their defaults and limits, and that routes name only what there is. The ways out (mail server, web hooks, commands)
//! are read beside it.

use std::time::Duration;

use super::super::book::{Book, Place, quoted};
use super::super::keys;
use super::super::lvs::word;
use super::super::suggest::nearest;
use super::super::table::{At, Given, Table};
use super::{Alert, AlertRoute, Hook, Standby, StandingSilence, Webhook, hours::hours, target, ways};
use crate::alert::{Severity, SilenceTarget};
use crate::id::Name;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;
/// The most addresses of one route.
const ADDRESSES_MAX: usize = 32;
/// The most routes, web hooks, commands and silences, each.
const TABLES_MAX: usize = 64;
const WHY_MAX: usize = 500;

/// The name of the route that `to` makes.
const DEFAULT: &str = "default";

/// Names that routes and silences hold, to be looked for when all are known.
#[derive(Debug, Default)]
pub(in super::super) struct Named {
    /// Of virtual servers.
    pub(in super::super) virtual_servers: Vec<At<Name>>,
    /// Of virtual routers.
    pub(in super::super) virtual_routers: Vec<At<Name>>,
}

/// Reads `[alert]`, which may stand in one file only. `named` is what it speaks of.
pub(in super::super) fn read_alert(
    book: &mut Book<'_>,
    table: &Table<'_>,
    alert: &mut Option<(Alert, Place)>,
    named: &mut Named,
) {
    let Given::Good(table, at) = table.table(book, "alert", &keys::ALERT) else { return };
    if let Some((_, first)) = alert {
        let first = book.name_of(*first);
        book.wrong(at, format!("[alert] is there already, at {first}; put all its keys into one"));
    }
    if let Some(read) = read(book, &table, named)
        && alert.is_none()
    {
        *alert = Some((read, at));
    }
}

fn read(book: &mut Book<'_>, table: &Table<'_>, named: &mut Named) -> Option<Alert> {
    let seconds = Duration::from_secs;
    let gather = table.duration(book, "gather", Duration::ZERO..=seconds(10 * MINUTE), "10s");
    let settle = table.duration(book, "settle", Duration::ZERO..=seconds(DAY), "1m");
    let update_every = table.duration(book, "update_every", seconds(1)..=seconds(DAY), "2m");
    let remind_every = table.duration(book, "remind_every", Duration::ZERO..=seconds(31 * DAY), "4h");
    let remind_every = remind_every.convert(|every, at| {
        let bearable = every.is_zero() || every >= seconds(MINUTE);
        if !bearable {
            book.wrong(at, "remind_every is below a minute; write \"4h\", or \"0s\" for never");
        }
        bearable.then_some(every)
    });
    let keep = table.duration(book, "keep", seconds(HOUR)..=seconds(31 * DAY), "5d");
    let step_in = table.duration(book, "step_in", seconds(5)..=seconds(HOUR), "1m");
    let standby = word(book, table, "standby", &[("quiet", Standby::Quiet), ("send", Standby::Send)]);
    let time_zone = time_zone(book, table);
    let quiet_hours = hours(book, table, "quiet_hours");
    let breaks =
        [("critical", Some(Severity::Critical)), ("warning", Some(Severity::Warning)), ("never", None)];
    let quiet_break = word(book, table, "quiet_break", &breaks);
    let default_severity = severity(book, table);
    let webhooks: Option<Vec<Webhook>> = several(book, table, "webhook", &keys::ALERT_WEBHOOK, ways::webhook);
    let commands: Option<Vec<Hook>> = several(book, table, "command", &keys::ALERT_COMMAND, ways::hook);
    let to = addresses(book, table, "to");
    let names = |hooks: &Option<Vec<Webhook>>| -> Vec<Name> {
        hooks.iter().flatten().map(|hook| hook.name.clone()).collect()
    };
    let webhook_names = names(&webhooks);
    let command_names: Vec<Name> = commands.iter().flatten().map(|hook| hook.name.clone()).collect();
    // While one of them is wrong, not all names are known.
    let ways_named =
        (webhooks.is_some().then_some(&*webhook_names), commands.is_some().then_some(&*command_names));
    let routes = several(book, table, "route", &keys::ALERT_ROUTE, |book, table| {
        route(book, table, ways_named, default_severity, named)
    });
    let silences =
        several(book, table, "silence", &keys::ALERT_SILENCE, |book, table| silence(book, table, named));
    doubles(book, table, "webhook", &webhook_names);
    doubles(book, table, "command", &command_names);
    let routes_want = routes.iter().flatten().any(|route: &AlertRoute| !route.to.is_empty());
    let mail = ways::mail(book, table, routes_want || to.as_ref().is_some_and(|to| !to.is_empty()));
    let mut routes: Vec<AlertRoute> = routes?;
    let own: Vec<Name> = routes.iter().map(|route| route.name.clone()).collect();
    doubles(book, table, "route", &own);
    let to = to?;
    let rest_webhooks = webhook_names.iter().filter(|name| !routes.iter().any(|r| r.webhooks.contains(name)));
    let rest_commands = command_names.iter().filter(|name| !routes.iter().any(|r| r.commands.contains(name)));
    let rest = AlertRoute {
        name: DEFAULT.parse().ok()?,
        to,
        webhooks: rest_webhooks.cloned().collect(),
        commands: rest_commands.cloned().collect(),
        virtual_servers: Vec::new(),
        virtual_routers: Vec::new(),
        severity: default_severity?,
        hours: crate::alert::Hours::default(),
    };
    routes.push(rest);
    if routes.iter().all(|r| r.to.is_empty() && r.webhooks.is_empty() && r.commands.is_empty()) {
        book.missing(table.at, "[alert] tells nobody; write to = [\"linuxstaff@example.net\"]");
        return None;
    }
    let mail = mail?;
    let remind_every = remind_every.or(seconds(4 * HOUR))?;
    Some(Alert {
        mail,
        gather: gather.or(seconds(10))?,
        settle: settle.or(seconds(MINUTE))?,
        update_every: update_every.or(seconds(2 * MINUTE))?,
        remind_every: (!remind_every.is_zero()).then_some(remind_every),
        keep: keep.or(seconds(5 * DAY))?,
        time_zone: time_zone?,
        quiet_hours: quiet_hours?,
        quiet_break: quiet_break.or(Some(Severity::Critical))?,
        standby: standby.or(Standby::default())?,
        step_in: step_in.or(seconds(MINUTE))?,
        routes,
        webhooks: webhooks?,
        commands: commands?,
        silences: silences?,
    })
}

/// The tables `[[alert.KEY]]`; none when one of them is wrong.
fn several<'t, T>(
    book: &mut Book<'_>,
    table: &Table<'t>,
    key: &str,
    kind: &'static keys::Kind,
    mut read: impl FnMut(&mut Book<'_>, &Table<'t>) -> Option<T>,
) -> Option<Vec<T>> {
    let (tables, at) = match table.tables(book, key, kind) {
        Given::Absent => return Some(Vec::new()),
        Given::Wrong => return None,
        Given::Good(tables, at) => (tables, at),
    };
    if tables.len() > TABLES_MAX {
        book.wrong(at, format!("there are {} {}; {TABLES_MAX} are the most", tables.len(), kind.header));
        return None;
    }
    let read: Vec<Option<T>> = tables.iter().map(|table| read(book, table)).collect();
    read.into_iter().collect()
}

fn doubles(book: &mut Book<'_>, table: &Table<'_>, what: &str, names: &[Name]) {
    for (index, name) in names.iter().enumerate() {
        let reserved = what == "route" && name.as_str() == DEFAULT;
        if reserved {
            book.wrong(
                table.at,
                "a route is named \"default\", which is the name of what `to` makes; choose another",
            );
        } else if names.iter().take(index).any(|other| other == name) {
            book.wrong(table.at, format!("two [[alert.{what}]] are named \"{name}\"; choose other names"));
        }
    }
}

fn route(
    book: &mut Book<'_>,
    table: &Table<'_>,
    (webhooks, commands): (Option<&[Name]>, Option<&[Name]>),
    default_severity: Option<Severity>,
    named: &mut Named,
) -> Option<AlertRoute> {
    let name = name(book, table, "name", true);
    let to = addresses(book, table, "to");
    let mut chosen = |key: &str, known: Option<&[Name]>| -> Option<Vec<Name>> {
        let wanted = name_list(book, table, key)?;
        let known = known?;
        let mut good = true;
        for (name, at) in &wanted {
            if !known.contains(name) {
                good = false;
                let remedy = match nearest(name.as_str(), known.iter().map(Name::as_str)) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("write an [[alert.{}]] of that name", key.trim_end_matches('s')),
                };
                book.wrong(*at, format!("{key}: there is no \"{name}\"; {remedy}"));
            }
        }
        good.then(|| wanted.into_iter().map(|(name, _)| name).collect())
    };
    let webhooks = chosen("webhooks", webhooks);
    let commands = chosen("commands", commands);
    let virtual_servers = name_list(book, table, "virtual_servers");
    named.virtual_servers.extend(virtual_servers.iter().flatten().cloned());
    let virtual_routers = name_list(book, table, "virtual_routers");
    named.virtual_routers.extend(virtual_routers.iter().flatten().cloned());
    let severity = match table.text(book, "severity", "severity = \"warning\"") {
        Given::Absent => default_severity,
        _ => self::severity(book, table),
    };
    let hours = hours(book, table, "hours");
    let (to, webhooks, commands) = (to?, webhooks?, commands?);
    if to.is_empty() && webhooks.is_empty() && commands.is_empty() {
        book.missing(table.at, "[[alert.route]] tells nobody; write to = [\"linuxstaff@example.net\"]");
        return None;
    }
    let plain = |names: Vec<At<Name>>| names.into_iter().map(|(name, _)| name).collect();
    Some(AlertRoute {
        name: name??,
        to,
        webhooks,
        commands,
        virtual_servers: plain(virtual_servers?),
        virtual_routers: plain(virtual_routers?),
        severity: severity?,
        hours: hours?,
    })
}

const SEVERITIES: [(&str, Severity); 3] =
    [("warning", Severity::Warning), ("critical", Severity::Critical), ("info", Severity::Info)];

fn silence(book: &mut Book<'_>, table: &Table<'_>, named: &mut Named) -> Option<StandingSilence> {
    let virtual_server = name(book, table, "virtual_server", false);
    let real_server = name(book, table, "real_server", false);
    let virtual_router = name(book, table, "virtual_router", false);
    if let Some(Some(name)) = &virtual_server {
        named.virtual_servers.push((name.clone(), table.at));
    }
    if let Some(Some(name)) = &virtual_router {
        named.virtual_routers.push((name.clone(), table.at));
    }
    let most = word(book, table, "severity", &SEVERITIES).not_wrong().map(Given::good);
    let hours = hours(book, table, "hours");
    let until = table.text(book, "until", "until = \"2027-01-01T06:00:00+01:00\"").convert(|text, at| {
        let until = text.parse().ok();
        if until.is_none() {
            let example = "\"2027-01-01T06:00:00+01:00\"";
            book.wrong(at, format!("until: {} is no moment; write one such as {example}", quoted(text)));
        }
        until
    });
    let why = table.needed(book, "why", "why = \"backup every night\"").convert(|text, at| {
        let good =
            !text.trim().is_empty() && text.chars().count() <= WHY_MAX && !text.chars().any(char::is_control);
        if !good {
            book.wrong(at, format!("why is empty, longer than {WHY_MAX} characters or not one line"));
        }
        good.then_some(text)
    });
    let target = SilenceTarget {
        virtual_server: virtual_server?,
        real_server: real_server?,
        virtual_router: virtual_router?,
    };
    let (hours, until) = (hours?, until.not_wrong()?.good());
    if target.virtual_router.is_some() && (target.virtual_server.is_some() || target.real_server.is_some()) {
        book.wrong(table.at, "a silence is about a virtual router or about servers; write two");
        return None;
    }
    if target.covers_all() && hours.is_empty() && until.is_none() {
        book.missing(table.at, "this silence is about everything for ever; name a target, hours or until");
        return None;
    }
    Some(StandingSilence { target, severity: most?, hours, until, why: why.good()?.to_owned() })
}

/// A name; the inner one is absent when the key is and need not be there.
pub(super) fn name(book: &mut Book<'_>, table: &Table<'_>, key: &str, needed: bool) -> Option<Option<Name>> {
    let example = format!("{key} = \"night\"");
    let given = if needed { table.needed(book, key, &example) } else { table.text(book, key, &example) };
    let name = given.convert(|text, at| match text.parse::<Name>() {
        Ok(name) => Some(name),
        Err(error) => {
            book.wrong(at, format!("{key}: {error}"));
            None
        }
    });
    Some(name.not_wrong()?.good())
}

fn name_list(book: &mut Book<'_>, table: &Table<'_>, key: &str) -> Option<Vec<At<Name>>> {
    let given = table.texts(book, key, false, &format!("{key} = [\"resolver\"]"));
    let Some(texts) = given.not_wrong()?.good() else { return Some(Vec::new()) };
    let mut names = Vec::with_capacity(texts.len());
    for (text, at) in &texts {
        match text.parse::<Name>() {
            Ok(name) => names.push((name, *at)),
            Err(error) => book.wrong(*at, format!("{key}: {error}")),
        }
    }
    (names.len() == texts.len()).then_some(names)
}

fn addresses(book: &mut Book<'_>, table: &Table<'_>, key: &str) -> Option<Vec<String>> {
    let given = table.texts(book, key, true, &format!("{key} = [\"linuxstaff@example.net\"]"));
    let (texts, at) = match given.not_wrong()? {
        Given::Good(texts, at) => (texts, at),
        _ => return Some(Vec::new()),
    };
    if texts.len() > ADDRESSES_MAX {
        book.wrong(
            at,
            format!("{key} has {} addresses; {ADDRESSES_MAX} are the most: use a mailing list", texts.len()),
        );
        return None;
    }
    let mut all: Vec<String> = Vec::new();
    let mut good = true;
    for (text, at) in texts {
        match target::mail_address(text) {
            Ok(address) if all.contains(&address) => {
                book.wrong(at, format!("{key} has {} twice; remove one", quoted(text)));
                good = false;
            }
            Ok(address) => all.push(address),
            Err(why) => {
                book.wrong(at, format!("{key}: {why}"));
                good = false;
            }
        }
    }
    good.then_some(all)
}

fn severity(book: &mut Book<'_>, table: &Table<'_>) -> Option<Severity> {
    word(book, table, "severity", &SEVERITIES).or(Severity::Warning)
}

fn time_zone(book: &mut Book<'_>, table: &Table<'_>) -> Option<Option<String>> {
    let given = table.text(book, "time_zone", "time_zone = \"Europe/Berlin\"").convert(|text, at| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
        let good = !text.is_empty()
            && text.len() <= 64
            && text.split('/').all(|part| !part.is_empty() && part.chars().all(plain));
        if !good {
            book.wrong(
                at,
                format!("time_zone {} is no time zone; write one such as \"Europe/Berlin\"", quoted(text)),
            );
        }
        good.then(|| text.to_owned())
    });
    Some(given.not_wrong()?.good())
}
