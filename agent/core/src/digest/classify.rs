//! What an event means: which trouble begins or ends with it, and how grave that is.
//!
//! Owns the table from event kinds to troubles. Everything else follows from it.

use agent_api::{EventKind, Name, NewEvent, RealServerId, Severity};

use super::trouble::{Begun, Change, Key};

/// What `event` means to people.
pub fn changes(event: &NewEvent) -> Vec<Change> {
    // Whoever silences knows, and the mails that still go say it.
    if matches!(event.kind, EventKind::SilenceOrdered | EventKind::SilenceEnded) {
        return Vec::new();
    }
    let Some(router) = &event.virtual_router else { return change(event).into_iter().collect() };
    use EventKind as E;
    let (fault, moved) = (Key::RouterFault(router.clone()), Key::Router(router.clone()));
    let begins = |key, severity, passing| {
        let (cause, text) = (event.cause.clone(), event.text.clone());
        Change::Begins(Begun { key, severity, passing, at: event.at, cause, text })
    };
    let ends = || Change::Ends { key: fault.clone(), at: event.at, text: event.text.clone() };
    match event.kind {
        E::RouterFaulted | E::DirectorFellSilent => vec![begins(fault, Severity::Critical, false)],
        E::DirectorReturned => vec![ends()],
        E::RouterBecameActive => vec![ends(), begins(moved, Severity::Warning, true)],
        E::RouterBecameBackup => vec![ends(), begins(moved, Severity::Info, true)],
        E::SplitBrainSeen | E::DuplicateAddressSeen | E::StandbyCutOff => {
            vec![begins(moved, Severity::Critical, true)]
        }
        E::RouterDiscrepancySeen | E::AddressPutBack | E::RouterStalled => {
            vec![begins(moved, Severity::Warning, true)]
        }
        _ => vec![begins(moved, Severity::Info, true)],
    }
}

fn change(event: &NewEvent) -> Option<Change> {
    use EventKind as E;
    let key = key(event)?;
    let (severity, passing) = match event.kind {
        E::RealServerWentUp
        | E::FailOpenEnded
        | E::QuorumRegained
        | E::SorryServerLeft
        | E::AdvisoryCheckPassed
        | E::DependencyWentUp
        | E::DirectorSawAgain
        | E::IpvsFound
        | E::DrainEnded
        | E::ReporterReturned => {
            return Some(Change::Ends { key, at: event.at, text: event.text.clone() });
        }
        E::RealServerWentDown | E::RealServerDegraded | E::RealServerBecameUnknown => {
            (Severity::Warning, false)
        }
        E::FailOpenBegan
        | E::DirectorWentBlind
        | E::IpvsLost
        | E::ReporterFellSilent
        | E::QuorumLost
        | E::SorryServerTookOver => (Severity::Critical, false),
        E::AdvisoryCheckFailed | E::DependencyWentDown => (Severity::Warning, false),
        E::DrainOrdered => (Severity::Info, false),
        E::DriftMended | E::EditRefused => (Severity::Warning, true),
        _ => (Severity::Info, true),
    };
    Some(Change::Begins(Begun {
        key,
        severity,
        passing,
        at: event.at,
        cause: event.cause.clone(),
        text: event.text.clone(),
    }))
}

fn key(event: &NewEvent) -> Option<Key> {
    use EventKind as E;
    Some(match event.kind {
        E::RealServerWentUp | E::RealServerWentDown | E::RealServerDegraded | E::RealServerBecameUnknown => {
            let virtual_server = event.virtual_server.clone()?;
            Key::Server(RealServerId { virtual_server, real_server: event.real_server.clone()? })
        }
        E::FailOpenBegan | E::FailOpenEnded => Key::FailOpen(event.virtual_server.clone()?),
        E::IpvsLost | E::IpvsFound => Key::Ipvs,
        E::EditRefused => Key::Edits,
        E::DriftMended => Key::Drift,
        E::DrainOrdered | E::DrainEnded => {
            let server = event.real_server.as_ref()?;
            Key::Drain(match &event.virtual_server {
                Some(pool) => format!("{pool}/{server}"),
                None => server.to_string(),
            })
        }
        E::ReporterFellSilent | E::ReporterReturned => Key::Daemon(daemon(event)?),
        E::QuorumLost | E::QuorumRegained => Key::Pool(event.virtual_server.clone()?),
        E::SorryServerTookOver | E::SorryServerLeft => Key::Sorry(event.virtual_server.clone()?),
        E::AdvisoryCheckFailed | E::AdvisoryCheckPassed => {
            let virtual_server = event.virtual_server.clone()?;
            Key::Advisory(RealServerId { virtual_server, real_server: event.real_server.clone()? })
        }
        E::DependencyWentDown | E::DependencyWentUp => Key::Dependency(event.dependency.clone()?),
        E::DirectorWentBlind | E::DirectorSawAgain => Key::Blind,
        _ => Key::Other,
    })
}

/// `checkd` from `checkd_silent`.
fn daemon(event: &NewEvent) -> Option<Name> {
    let code = event.cause.as_ref()?.as_str();
    code.strip_suffix("_silent").unwrap_or(code).parse().ok()
}
