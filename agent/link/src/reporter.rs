//! Keeping the agent told.
//!
//! Owns one thread that holds everything a daemon has to report, sends all of it on every new connection and only what
//! changed afterwards. Who reports never waits: values lie in a map by key, so that a slow or missing agent costs one
//! value for each key, and events in a short queue whose losses are counted. A daemon with thousands of items keeps them itself and is
//! asked for them in lots ([`Reporter::start_asking`]): then they are in memory once. It never interprets what is reported.

mod news;
mod worker;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use agent_api::section::SectionUpdate;
use agent_api::wire::{Report, ReportedEvent};
use agent_api::{
    AlertHead, AlertUpdate, Channel, ChannelReport, LvsHead, Name, NewEvent, RealServerHealth, RealServerId,
    RouterReport, RouterUpdate, ServiceAddress, ServiceReport, VipHead, section::CheckHead,
};
use serde::Serialize;

use crate::wake::Wake;
use news::News;

pub use news::Ask;

/// A daemon that reports: the types of its section.
pub trait Daemon: Send + 'static {
    /// Its name, `checkd`.
    const NAME: &'static str;
    /// What its items are found by.
    type Key: Ord + Clone + Debug + Serialize + Send + 'static;
    /// Its single facts.
    type Head: Clone + PartialEq + Debug + Serialize + Send + 'static;
    /// One item.
    type Item: Clone + PartialEq + Debug + Serialize + Send + 'static;

    /// The call's parameters.
    fn report(update: SectionUpdate<Self::Key, Self::Head, Self::Item>, events: Vec<ReportedEvent>)
    -> Report;
}

/// `checkd`: verdicts by real server.
#[derive(Debug, Clone, Copy)]
pub enum Checkd {}

impl Daemon for Checkd {
    const NAME: &'static str = "checkd";
    type Key = RealServerId;
    type Head = CheckHead;
    type Item = RealServerHealth;

    fn report(
        update: SectionUpdate<RealServerId, CheckHead, RealServerHealth>,
        events: Vec<ReportedEvent>,
    ) -> Report {
        Report { checkd: Some(update), events, ..Report::default() }
    }
}

/// `lvsd`: the kernel's table by service.
#[derive(Debug, Clone, Copy)]
pub enum Lvsd {}

impl Daemon for Lvsd {
    const NAME: &'static str = "lvsd";
    type Key = ServiceAddress;
    type Head = LvsHead;
    type Item = ServiceReport;

    fn report(
        update: SectionUpdate<ServiceAddress, LvsHead, ServiceReport>,
        events: Vec<ReportedEvent>,
    ) -> Report {
        Report { lvsd: Some(update), events, ..Report::default() }
    }
}

/// `vipd`: virtual routers by name.
#[derive(Debug, Clone, Copy)]
pub enum Vipd {}

impl Daemon for Vipd {
    const NAME: &'static str = "vipd";
    type Key = Name;
    type Head = VipHead;
    type Item = RouterReport;

    fn report(update: RouterUpdate, events: Vec<ReportedEvent>) -> Report {
        Report { vipd: Some(update), events, ..Report::default() }
    }
}

/// `alertd`: channels.
#[derive(Debug, Clone, Copy)]
pub enum Alertd {}

impl Daemon for Alertd {
    const NAME: &'static str = "alertd";
    type Key = Channel;
    type Head = AlertHead;
    type Item = ChannelReport;

    fn report(update: AlertUpdate, events: Vec<ReportedEvent>) -> Report {
        Report { alertd: Some(update), events, ..Report::default() }
    }
}

/// What the thread and the callers share.
struct Shared<D: Daemon> {
    news: Mutex<News<D>>,
    acknowledged: Condvar,
    connected: AtomicBool,
    wake: Arc<Wake>,
    /// Wakes a daemon that keeps its items itself.
    ask: Box<dyn Fn() + Send + Sync>,
}

impl<D: Daemon> Debug for Shared<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("connected", &self.connected).finish_non_exhaustive()
    }
}

impl<D: Daemon> Shared<D> {
    fn ask(&self) {
        (self.ask)();
    }

    fn news(&self) -> MutexGuard<'_, News<D>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports one daemon's section to the agent, for as long as it lives. No method waits for the agent but [`Self::flush`].
#[derive(Debug)]
pub struct Reporter<D: Daemon> {
    shared: Arc<Shared<D>>,
    thread: Option<JoinHandle<()>>,
}

impl<D: Daemon> Reporter<D> {
    /// Starts to report to the agent at `socket`. `head` and `items` are the whole section as it is now: the first report
    /// replaces what the agent has, so an item that is not in there is gone.
    ///
    /// # Errors
    /// The system has no thread or descriptor left.
    pub fn start(
        socket: &Path,
        identity: agent_api::Reporter,
        head: D::Head,
        items: BTreeMap<D::Key, D::Item>,
    ) -> io::Result<Self> {
        Self::run(socket, News::new(identity, head, items), Box::new(|| ()))
    }

    /// The same for a daemon that keeps its items itself. `wake` is called from another thread whenever it is worth calling
    /// [`Self::ask`]; what is asked for then is to be given to [`Self::hand`].
    ///
    /// # Errors
    /// The system has no thread or descriptor left.
    pub fn start_asking(
        socket: &Path,
        identity: agent_api::Reporter,
        head: D::Head,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::run(socket, News::asked(identity, head), Box::new(wake))
    }

    fn run(socket: &Path, news: News<D>, ask: Box<dyn Fn() + Send + Sync>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            news: Mutex::new(news),
            acknowledged: Condvar::new(),
            connected: AtomicBool::new(false),
            wake: Arc::new(Wake::new()?),
            ask,
        });
        let for_thread = Arc::clone(&shared);
        let socket = socket.to_owned();
        let thread = std::thread::Builder::new()
            .name("reporter".to_owned())
            .spawn(move || worker::run(&for_thread, &socket))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What a daemon that keeps its items itself is to hand over now. `whole` is said once; from then on every item is wanted.
    #[must_use]
    pub fn ask(&self) -> Ask {
        self.shared.news().ask()
    }

    /// Hands over items that were asked for; `unfinished` while some of the whole section are still to come.
    pub fn hand(&self, items: impl IntoIterator<Item = (D::Key, D::Item)>, unfinished: bool) {
        self.tell(|news| news.hand(items, unfinished));
    }

    /// Changes the single facts.
    pub fn set_head(&self, head: D::Head) {
        self.tell(|news| news.set_head(head));
    }

    /// Adds or changes an item.
    pub fn set_item(&self, key: D::Key, item: D::Item) {
        self.tell(|news| news.set_item(key, Some(item)));
    }

    /// Adds or changes several items: they travel in one report.
    pub fn set_items(&self, items: impl IntoIterator<Item = (D::Key, D::Item)>) {
        self.tell(|news| items.into_iter().for_each(|(key, item)| news.set_item(key, Some(item))));
    }

    /// Removes an item.
    pub fn remove_item(&self, key: D::Key) {
        self.tell(|news| news.set_item(key, None));
    }

    /// Changes who reports, after a reload: the digest of the configuration.
    pub fn set_identity(&self, identity: agent_api::Reporter) {
        self.tell(|news| news.set_identity(identity));
    }

    /// Reports an event that only this daemon can see.
    pub fn event(&self, event: NewEvent) {
        self.tell(|news| news.push_event(event));
    }

    /// Events that were lost because the agent did not take them in time.
    #[must_use]
    pub fn dropped_events(&self) -> u64 {
        self.shared.news().dropped_events()
    }

    /// Whether the agent has the section: the last exchange with it went well.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shared.connected.load(Ordering::Acquire)
    }

    /// Waits until the agent has acknowledged all that was said before, at most for `wait`. Says whether it has. For
    /// the end of a daemon and for tests.
    #[must_use]
    pub fn flush(&self, wait: Duration) -> bool {
        let deadline = Instant::now() + wait;
        let mut news = self.shared.news();
        let said = news.said();
        while news.acknowledged() < said {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            news =
                self.shared.acknowledged.wait_timeout(news, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn tell(&self, change: impl FnOnce(&mut News<D>)) {
        change(&mut self.shared.news());
        self.shared.wake.ring();
    }
}

impl<D: Daemon> Drop for Reporter<D> {
    fn drop(&mut self) {
        self.shared.wake.stop();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
