//! The clerk: the thread that passes on what the engine tells, and may take its time.
//!
//! Owns logging, the hooks, the report to the agent and the loading of a new configuration. Nothing here is on the way
//! of an advert, and the engine never waits for it.

pub(crate) mod desk;
mod events;
mod facts;
mod hooks;
mod report;
mod watch;
pub mod words;

use std::sync::mpsc::Receiver;

use vrrp_core::arp::ArpEvent;

use crate::tale::{Note, Tale};

/// What the clerk does for each kind of tale besides logging it.
pub trait Office {
    /// Something was told. Called after it was logged.
    fn told(&mut self, tale: &Tale);
}

/// Works until the engine is gone.
pub fn work(tales: &Receiver<Tale>, office: &mut impl Office) {
    while let Ok(tale) = tales.recv() {
        log(&tale);
        office.told(&tale);
        if matches!(tale, Tale::End) {
            return;
        }
    }
}

fn log(tale: &Tale) {
    match tale {
        Tale::Event { router, family, event, priority, .. } => {
            let who = words::who(router, *family);
            let text = words::event(event, *priority);
            match words::gravity(event) {
                tracing::Level::INFO => tracing::info!("{who}: {text}"),
                tracing::Level::DEBUG => tracing::debug!("{who}: {text}"),
                _ => tracing::warn!("{who}: {text}"),
            }
        }
        Tale::ArpEvent { router, event: event @ ArpEvent::StateChanged { .. }, .. } => {
            tracing::info!("{router}: {}", words::arp_event(event));
        }
        Tale::ArpEvent { router, event, .. } => tracing::warn!("{router}: {}", words::arp_event(event)),
        Tale::Note { router: Some(router), note } => tracing::warn!("{router}: {note}"),
        Tale::Note { router: None, note: note @ Note::StrayRemoved { .. } } => tracing::info!("{note}"),
        Tale::Note { router: None, note } => tracing::warn!("{note}"),
        Tale::Trouble(text) => tracing::warn!("{text}"),
        Tale::Alive { figures } => tracing::debug!(
            "adverts: {} sent, {} heard; the latest timer was {} µs late",
            figures.sent,
            figures.heard,
            figures.lateness.as_micros()
        ),
        Tale::Granted(grants) => grants.refusals.iter().for_each(|refusal| tracing::warn!("{refusal}")),
        Tale::Snapshot(_)
        | Tale::ReloadWanted
        | Tale::FactsChanged
        | Tale::Fact { .. }
        | Tale::Link { .. }
        | Tale::End => {}
    }
}
