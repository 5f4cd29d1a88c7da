//! Runs the probes that libraries do best: TLS, HTTP, QUIC, and what is like them.
//!
//! Owns one thread with an asynchronous runtime, which is started by the first such probe and not before: whoever never runs one
//! pays nothing. What has ended comes back through a channel and the waker of the epoll loop. Probes under way are capped, the
//! others wait, and their time does not run meanwhile. Every probe has its deadline here, whatever the library does. It judges
//! nothing.

mod certificate;
mod dial;
mod dns;
mod errand;
mod http;
mod pair;
mod ping;
mod quic;
mod smtp;
mod talk;
mod tls;
mod verify;
mod web;
mod word;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use checker_core::Cause;
use checker_core::dns::{DnsCheck, Transport};
use nix::errno::Errno;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::cause;
use crate::prober::{Finished, Waker};
use crate::random::Random;
use crate::socket::Target;
use crate::talk::Ended;
pub use errand::Errand;
pub(crate) use pair::Workers;
use tls::Clients;

/// Probes that may wait for their turn. Beyond that they end at once, Unknown.
const WAITING_MAX: usize = 100_000;

/// Threads that read files.
const BLOCKING: usize = 16;

/// Why a probe could not go on.
#[derive(Debug, Clone)]
pub(crate) struct Broken {
    pub(crate) cause: Cause,
    /// What was seen; `None` where the cause says it all.
    pub(crate) detail: Option<String>,
}

impl Broken {
    fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self { cause, detail: Some(detail.into()) }
    }

    fn bare(cause: Cause) -> Self {
        Self { cause, detail: None }
    }

    /// What an error of a TCP connection that stood means.
    fn of_errno(error: &io::Error, doing: &str) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(errno) => match cause::waiting(errno, Transport::Tcp) {
                Cause::TcpReset => {
                    Self::new(Cause::TcpReset, format!("the TCP connection was reset {doing}"))
                }
                other => Self::bare(other),
            },
            None => Self::new(Cause::TcpClosed, format!("the connection ended {doing}: {error}")),
        }
    }
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Job {
    /// A DNS check over a secured transport.
    Dns {
        check: Arc<DnsCheck>,
        target: Target,
        /// What is random about the probe.
        key: u64,
        keep_reply: bool,
    },
    /// Another check.
    Errand {
        errand: Errand,
        target: Target,
        /// What is random about the probe.
        key: u64,
    },
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Done {
    Dns(Finished),
    Errand(Ended),
}

/// Runs such probes. See the module for how.
#[derive(Debug)]
pub(crate) struct Worker {
    at_a_time: usize,
    waker: Waker,
    running: Option<Running>,
    under_way: usize,
    waiting: VecDeque<(u64, Job)>,
    /// Those that could not be begun.
    refused: VecDeque<Done>,
    random: Random,
}

#[derive(Debug)]
struct Running {
    /// `None` once the thread is to end.
    begin: Option<UnboundedSender<(u64, Job)>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.begin = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Worker {
    /// A worker with nothing to do, and no thread yet. `waker` is used when a probe has ended.
    pub(crate) fn new(at_a_time: usize, waker: Waker) -> Self {
        Self {
            at_a_time: at_a_time.max(1),
            waker,
            running: None,
            under_way: 0,
            waiting: VecDeque::new(),
            refused: VecDeque::new(),
            random: Random::default(),
        }
    }

    /// Begins a DNS probe now, or as soon as there is room for it.
    pub(crate) fn start_dns(&mut self, token: u64, check: Arc<DnsCheck>, target: Target, keep_reply: bool) {
        match self.random.next() {
            Ok(key) => self.start(token, Job::Dns { check, target, key, keep_reply }),
            Err(_) => {
                let job = Job::Dns { check, target, key: 0, keep_reply };
                self.refused.push_back(job.refused(token, Cause::NoSocket));
            }
        }
    }

    /// Begins another probe now, or as soon as there is room for it.
    pub(crate) fn start_errand(&mut self, token: u64, errand: Errand, target: Target) {
        match self.random.next() {
            Ok(key) => self.start(token, Job::Errand { errand, target, key }),
            Err(_) => self.refused.push_back(Done::Errand(errand::refused(token, Cause::NoSocket))),
        }
    }

    fn start(&mut self, token: u64, job: Job) {
        if self.waiting.len() >= WAITING_MAX {
            self.refused.push_back(job.refused(token, Cause::NoSocket));
            return;
        }
        self.waiting.push_back((token, job));
        self.begin();
    }

    /// Hands over what there is room for.
    fn begin(&mut self) {
        while self.under_way < self.at_a_time
            && let Some((token, job)) = self.waiting.pop_front()
        {
            if self.running.is_none() {
                self.running = launch(self.waker.clone()).ok();
            }
            let begin = self.running.as_ref().and_then(|running| running.begin.as_ref());
            let left = match begin {
                Some(begin) => begin.send((token, job)).err().map(|unsent| unsent.0),
                None => Some((token, job)),
            };
            match left {
                None => self.under_way += 1,
                Some((token, job)) => {
                    // No thread is to be had, or it has died: the next probe tries to start another one.
                    self.running = None;
                    self.under_way = 0;
                    self.refused.push_back(job.refused(token, Cause::NoSocket));
                }
            }
        }
    }

    /// The next probe that is over.
    pub(crate) fn next_done(&mut self) -> Option<Done> {
        if let Some(done) = self.running.as_ref().and_then(|running| running.done.try_recv().ok()) {
            self.under_way = self.under_way.saturating_sub(1);
            self.begin();
            return Some(done);
        }
        self.refused.pop_front()
    }

    /// Whether [`Worker::next_done`] has something at once that no waker told of.
    pub(crate) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// How many probes are under way, and how many wait.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.under_way, self.waiting.len())
    }
}

impl Job {
    /// The end of a probe that could not be begun.
    fn refused(&self, token: u64, cause: Cause) -> Done {
        match self {
            Self::Dns { check, target, .. } => Done::Dns(dns::refused(token, check, target, cause)),
            Self::Errand { .. } => Done::Errand(errand::refused(token, cause)),
        }
    }
}

/// Tells of the end of a probe, in any case.
struct Teller {
    done: Sender<Done>,
    waker: Waker,
    /// What to tell if the probe does not come to its end.
    otherwise: Option<Done>,
}

impl Teller {
    fn tell(mut self, done: Done) {
        self.otherwise = Some(done);
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if let Some(done) = self.otherwise.take() {
            // Whoever listened is gone when this fails.
            let _ = self.done.send(done);
            self.waker.wake();
        }
    }
}

/// Starts the thread.
fn launch(waker: Waker) -> io::Result<Running> {
    let runtime =
        Builder::new_current_thread().enable_io().enable_time().max_blocking_threads(BLOCKING).build()?;
    let (begin, jobs) = unbounded_channel();
    let (tell, done) = channel();
    let thread = std::thread::Builder::new().name("worker".to_owned()).spawn(move || {
        runtime.block_on(serve(jobs, tell, waker));
        // A file that hangs does not hold up the end.
        runtime.shutdown_background();
    })?;
    Ok(Running { begin: Some(begin), done, thread: Some(thread) })
}

/// Runs jobs until there will be none. What is under way then is dropped.
async fn serve(mut jobs: UnboundedReceiver<(u64, Job)>, tell: Sender<Done>, waker: Waker) {
    let clients = Arc::new(Clients::default());
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            job = jobs.recv() => {
                let Some((token, job)) = job else { return };
                let otherwise = Some(job.refused(token, Cause::LateTimer));
                let teller = Teller { done: tell.clone(), waker: waker.clone(), otherwise };
                let clients = Arc::clone(&clients);
                tasks.spawn(async move { teller.tell(run(token, job, &clients).await) });
            }
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn run(token: u64, job: Job, clients: &Clients) -> Done {
    match job {
        Job::Dns { check, target, key, keep_reply } => {
            Done::Dns(dns::run(token, &check, target, key, keep_reply, clients).await)
        }
        Job::Errand { errand, target, key } => {
            Done::Errand(errand::run(token, errand, target, key, clients).await)
        }
    }
}
