//! A client that asks through the virtual address at a steady rate and remembers what became of every single query.
//!
//! Owns one thread in the client's namespace. It never repeats a query: a lost one counts as lost.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::network::Namespace;
use crate::question::{self, Answer};

/// What to ask, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whom.
    pub target: SocketAddr,
    /// Queries per second.
    pub rate: u32,
    /// A query without an answer after this time is lost.
    pub patience: Duration,
    /// From one port all the time, instead of a new one for every query.
    pub same_port: bool,
}

impl Plan {
    /// `rate` queries a second to `target` from new ports, with two seconds of patience.
    #[must_use]
    pub fn new(target: SocketAddr, rate: u32) -> Self {
        Self { target, rate, patience: Duration::from_secs(2), same_port: false }
    }
}

/// What became of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Still waiting.
    Waiting,
    /// The right answer, after this time.
    Right(Duration),
    /// Another answer.
    Other(Answer),
    /// No answer.
    Lost,
    /// No answer, and an ICMP error instead: the port was closed.
    Refused,
}

/// One query.
#[derive(Debug, Clone)]
pub struct Query {
    /// When it was sent.
    pub sent: Instant,
    /// What became of it.
    pub outcome: Outcome,
}

/// How many queries had which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub sent: usize,
    /// Still waiting.
    pub waiting: usize,
    /// Right answers.
    pub right: usize,
    /// Other answers.
    pub other: usize,
    /// No answer, by silence or ICMP error.
    pub lost: usize,
    /// The longest time to a right answer.
    pub slowest: Duration,
}

impl Tally {
    /// Queries that did not get what they should have.
    #[must_use]
    pub fn bad(&self) -> usize {
        self.lost + self.other
    }
}

/// The running client.
#[derive(Debug)]
pub struct Asker {
    queries: Arc<Mutex<Vec<Query>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
    patience: Duration,
}

impl Asker {
    /// Starts asking from that namespace.
    ///
    /// # Errors
    /// The namespace cannot be entered, or a first socket cannot be made there.
    pub fn start(namespace: &Namespace, plan: Plan) -> Result<Self> {
        let queries = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let patience = plan.patience;
        let mut course = Course::new(plan, Arc::clone(&queries), Arc::clone(&stop))?;
        // A thread that a thread starts is in the same namespace as that one.
        let thread = namespace.run(move || thread::spawn(move || course.run()))?;
        Ok(Self { queries, stop, thread: Some(thread), patience })
    }

    /// The outcomes of the queries sent between these times.
    #[must_use]
    pub fn tally(&self, from: Instant, to: Instant) -> Tally {
        let queries = lock(&self.queries);
        let first = queries.partition_point(|query| query.sent < from);
        let last = queries.partition_point(|query| query.sent < to);
        let mut tally = Tally::default();
        for query in queries.get(first..last).unwrap_or_default() {
            tally.sent += 1;
            match &query.outcome {
                Outcome::Waiting => tally.waiting += 1,
                Outcome::Right(time) => {
                    tally.right += 1;
                    tally.slowest = tally.slowest.max(*time);
                }
                Outcome::Other(_) => tally.other += 1,
                Outcome::Lost | Outcome::Refused => tally.lost += 1,
            }
        }
        tally
    }

    /// The same for all queries up to now.
    #[must_use]
    pub fn tally_all(&self) -> Tally {
        let now = Instant::now();
        let start = lock(&self.queries).first().map_or(now, |query| query.sent);
        self.tally(start, now)
    }

    /// How long a query waits for its answer at most.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Stops asking, waits for the last answers, and returns every query.
    ///
    /// # Errors
    /// The client could not go on at some time.
    pub fn finish(mut self) -> Result<Vec<Query>> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| anyhow!("the client panicked"))?.context("the client")?;
        }
        Ok(std::mem::take(&mut *lock(&self.queries)))
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn lock(queries: &Mutex<Vec<Query>>) -> MutexGuard<'_, Vec<Query>> {
    queries.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The client's thread.
struct Course {
    plan: Plan,
    queries: Arc<Mutex<Vec<Query>>>,
    stop: Arc<AtomicBool>,
    epoll: Epoll,
    shared: Option<UdpSocket>,
    /// Number of the query and its socket, oldest first; with a shared port there is no socket of its own.
    waiting: VecDeque<(usize, Option<UdpSocket>)>,
}

impl Course {
    fn new(plan: Plan, queries: Arc<Mutex<Vec<Query>>>, stop: Arc<AtomicBool>) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("cannot make an epoll")?;
        Ok(Self { plan, queries, stop, epoll, shared: None, waiting: VecDeque::new() })
    }

    fn run(&mut self) -> Result<()> {
        let step = Duration::from_secs(1) / self.plan.rate.max(1);
        let mut next = Instant::now();
        loop {
            let stopping = self.stop.load(Ordering::Relaxed);
            if stopping && self.waiting.is_empty() {
                return Ok(());
            }
            let now = Instant::now();
            if !stopping && now >= next {
                self.send()?;
                // A client that was kept from running does not make up for it with a burst.
                next = (next + step).max(now.checked_sub(step).unwrap_or(now));
            }
            self.give_up();
            let until = if stopping { Instant::now() + Duration::from_millis(10) } else { next };
            self.receive(until)?;
        }
    }

    fn socket(&self) -> Result<UdpSocket> {
        let wildcard: SocketAddr = match self.plan.target {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(wildcard).context("cannot make a socket")?;
        socket
            .connect(self.plan.target)
            .with_context(|| format!("cannot connect to {}", self.plan.target))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    fn send(&mut self) -> Result<()> {
        let number = lock(&self.queries).len();
        let own = if self.plan.same_port {
            if self.shared.is_none() {
                let socket = self.socket()?;
                self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, u64::MAX))?;
                self.shared = Some(socket);
            }
            None
        } else {
            let socket = self.socket()?;
            self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
            Some(socket)
        };
        let Some(socket) = own.as_ref().or(self.shared.as_ref()) else { return Ok(()) };
        let sent = Instant::now();
        // An error here is a late ICMP error about a former query of the same port, or no route: the query counts as lost.
        let _ = socket.send(&question::query(id(number)));
        lock(&self.queries).push(Query { sent, outcome: Outcome::Waiting });
        self.waiting.push_back((number, own));
        Ok(())
    }

    /// Takes what has come, until `until`.
    fn receive(&mut self, until: Instant) -> Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // Rounded down: the rest is less than a millisecond, and is slept.
            let limit = EpollTimeout::try_from(left).unwrap_or(EpollTimeout::ZERO);
            let count = match self.epoll.wait(&mut events, limit) {
                Err(nix::errno::Errno::EINTR) => 0,
                other => other.context("cannot wait for answers")?,
            };
            for event in events.iter().take(count) {
                self.take(event.data());
            }
            if count == 0 {
                thread::sleep(until.saturating_duration_since(Instant::now()).min(Duration::from_millis(1)));
            }
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }

    fn take(&mut self, token: u64) {
        let mut reply = [0; 1232];
        let at = self.waiting.iter().position(|(number, own)| own.is_some() && *number as u64 == token);
        let socket = match at.and_then(|at| self.waiting.get(at)) {
            Some((_, Some(own))) => own,
            _ => match &self.shared {
                Some(shared) => shared,
                None => return,
            },
        };
        match socket.recv(&mut reply) {
            Ok(length) => {
                let bytes = reply.get(..length).unwrap_or_default();
                let found = match at {
                    Some(at) => Some(at),
                    None => self
                        .waiting
                        .iter()
                        .position(|(number, _)| question::read(bytes, id(*number)).is_some()),
                };
                let Some(at) = found else { return };
                let Some(number) = self.waiting.get(at).map(|(number, _)| *number) else { return };
                if let Some(answer) = question::read(bytes, id(number)) {
                    self.settle(at, |sent| match answer {
                        Answer::Address(question::RIGHT) => Outcome::Right(sent.elapsed()),
                        other => Outcome::Other(other),
                    });
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => {
                // With a shared port the ICMP error does not say which query it is about: that one will time out.
                if let Some(at) = at {
                    self.settle(at, |_| Outcome::Refused);
                }
            }
        }
    }

    fn settle(&mut self, at: usize, outcome: impl FnOnce(Instant) -> Outcome) {
        if let Some((number, _)) = self.waiting.remove(at)
            && let Some(query) = lock(&self.queries).get_mut(number)
        {
            query.outcome = outcome(query.sent);
        }
    }

    fn give_up(&mut self) {
        while let Some((number, _)) = self.waiting.front() {
            let sent = lock(&self.queries).get(*number).map(|query| query.sent);
            if sent.is_some_and(|sent| sent.elapsed() < self.plan.patience) {
                return;
            }
            self.settle(0, |_| Outcome::Lost);
        }
    }
}

/// Two queries that wait at the same time have different ids.
fn id(number: usize) -> u16 {
    u16::try_from(number % 65_521).unwrap_or(0)
}
