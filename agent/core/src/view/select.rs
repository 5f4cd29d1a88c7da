//! A part of the view, and a view of old news.
//!
//! Owns what a name on the command line picks, and how a view says that it did not come from the agent just now.

use agent_api::config::nearest;
use agent_api::{Name, RealServerId};

use super::build::{age, length};
use super::{Level, Reason, Source, View};

/// What to show: `resolver`, `dns1` or `resolver/dns1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The virtual server of that name, and the real servers of that name in every virtual server.
    Named(Name),
    /// One real server.
    One(RealServerId),
}

impl std::str::FromStr for Selection {
    type Err = agent_api::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('/') { text.parse().map(Self::One) } else { text.parse().map(Self::Named) }
    }
}

impl std::fmt::Display for Selection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name) => name.fmt(f),
            Self::One(id) => id.fmt(f),
        }
    }
}

impl Selection {
    fn takes_pool(&self, pool: &Name) -> bool {
        matches!(self, Self::Named(name) if name == pool)
    }

    fn takes_server(&self, pool: &Name, server: &Name) -> bool {
        match self {
            Self::Named(name) => name == server,
            Self::One(id) => id.virtual_server == *pool && id.real_server == *server,
        }
    }
}

impl View {
    /// The view of a state that did not come from the agent just now: says so, and is unknown at best.
    #[must_use]
    pub fn from_source(mut self, source: Source) -> Self {
        self.source = source;
        let text = match source {
            Source::Agent => return self,
            Source::LastHeard => "the agent does not answer any more: this is the last it said".to_owned(),
            Source::Nowhere => {
                self.reasons.clear();
                "neither the agent nor the state file says anything".to_owned()
            }
            Source::StateFile => format!(
                "the agent does not answer: this is the state file, written {} ago",
                length(age(self.written_at, self.generated_at))
            ),
        };
        let reason = Reason {
            level: Level::Unknown,
            code: "agent_silent",
            virtual_server: None,
            real_server: None,
            text,
        };
        // That the daemons are not heard follows from that.
        let rest = self.reasons.drain(..).filter(|reason| !reason.code.starts_with("daemon_"));
        let reasons: Vec<Reason> = std::iter::once(reason).chain(rest).collect();
        self.judge(reasons);
        self
    }

    /// Only what `selection` names, judged by what concerns it (and by what concerns everything).
    /// Counts stay those of the whole virtual server.
    ///
    /// # Errors
    /// Nothing has that name; holds the nearest name that something has, if one is near.
    pub fn select(mut self, selection: &Selection) -> Result<Self, Option<String>> {
        let names = self.names();
        self.virtual_servers.retain_mut(|pool| {
            if selection.takes_pool(&pool.name) {
                return true;
            }
            pool.real_servers.retain(|server| selection.takes_server(&pool.name, &server.name));
            !pool.real_servers.is_empty()
        });
        self.virtual_routers.retain(|router| selection.takes_pool(&router.name));
        if self.virtual_servers.is_empty() && self.virtual_routers.is_empty() {
            let wanted = selection.to_string();
            return Err(nearest(&wanted, names.iter().map(String::as_str)).map(str::to_owned));
        }
        let shows = |pool: &Option<Name>, server: &Option<Name>| match (pool, server) {
            (None, _) => true,
            (Some(pool), None) => self.virtual_servers.iter().any(|shown| shown.name == *pool),
            (Some(pool), Some(server)) => self
                .virtual_servers
                .iter()
                .any(|shown| shown.name == *pool && shown.real_servers.iter().any(|s| s.name == *server)),
        };
        let reasons: Vec<Reason> =
            self.reasons.iter().filter(|r| shows(&r.virtual_server, &r.real_server)).cloned().collect();
        let events = self
            .events
            .iter()
            .filter(|event| {
                event.what.virtual_server.is_some()
                    && shows(&event.what.virtual_server, &event.what.real_server)
            })
            .cloned()
            .collect();
        let mut drains = std::mem::take(&mut self.drains);
        drains.retain(|order| {
            order
                .real_servers
                .iter()
                .any(|id| shows(&Some(id.virtual_server.clone()), &Some(id.real_server.clone())))
        });
        self.drains = drains;
        self.events = events;
        self.judge(reasons);
        Ok(self)
    }

    /// Every name that [`Self::select`] takes.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for pool in &self.virtual_servers {
            names.push(pool.name.to_string());
            for server in &pool.real_servers {
                names.push(server.name.to_string());
                names.push(format!("{}/{}", pool.name, server.name));
            }
        }
        names.sort();
        names.dedup();
        names
    }
}
