//! Runs checks that are programs.
//!
//! Owns the child processes: each is the leader of a process group of its own, so that its time limit ends all that it started. At
//! most a fixed number run at a time, the others wait for their turn, and their time does not run meanwhile. There is no shell; the
//! environment holds a path and nothing else; output is read to its end and its beginning kept. No child outlives its
//! probe, however it behaves, and none is left unreaped.
//!
//! A child that leaves its group (`setsid`) can't be found again; where the service manager holds the daemon in a control
//! group it ends with that.

mod spawn;
mod turns;

use std::io::{self, PipeReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use checker_core::exec::{End, ExecCheck, OUTPUT_MAX, judge};
use checker_core::{Cause, Finding, Time, late};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::clock;
use crate::prober::Waker;
use crate::talk::Ended;

pub use spawn::may_become;
use turns::{Job, Turn, Turns};

/// Programs at a time, unless told otherwise.
pub const AT_A_TIME: usize = 64;
/// How long a group has between the request to end and its being killed.
const GRACE: Duration = Duration::from_millis(200);
/// How often a child is looked after that says nothing.
const LOOK: Duration = Duration::from_millis(20);
/// Pieces of output that are read before the child is looked after again.
const READS_MAX: usize = 64;
/// The stack of a thread that looks after a child.
const STACK: usize = 192 << 10;

/// What the threads share.
#[derive(Debug)]
struct Shared {
    turns: Mutex<Turns>,
    stop: AtomicBool,
    waker: Waker,
}

impl Shared {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs programs as checks. When it is dropped all of them are killed.
#[derive(Debug)]
pub struct ExecRunner {
    shared: Arc<Shared>,
    tell: Sender<Ended>,
    ended: Receiver<Ended>,
    threads: Vec<JoinHandle<()>>,
}

impl ExecRunner {
    /// A runner with nothing to do. `waker` is used when a program has ended.
    #[must_use]
    pub fn new(at_a_time: usize, waker: Waker) -> Self {
        let (tell, ended) = channel();
        let shared = Shared { turns: Mutex::new(Turns::new(at_a_time)), stop: AtomicBool::new(false), waker };
        Self { shared: Arc::new(shared), tell, ended, threads: Vec::new() }
    }

    /// Starts a program now, or as soon as there is room for it.
    pub fn start(&mut self, token: u64, check: &Arc<ExecCheck>) {
        let turn = self.shared.turns().offer(Job::new(token, check));
        let job = match turn {
            Turn::Now(job) => Arc::new(job),
            Turn::Waits => return,
            Turn::Refused(job) => return self.refuse(&job, "too many programs wait for their turn"),
        };
        self.threads.retain(|thread| !thread.is_finished());
        let (shared, tell, first) = (Arc::clone(&self.shared), self.tell.clone(), Arc::clone(&job));
        let work = move || serve(&first, &shared, &tell);
        match std::thread::Builder::new().name("exec".to_owned()).stack_size(STACK).spawn(work) {
            Ok(thread) => self.threads.push(thread),
            Err(error) => {
                self.shared.turns().not_begun(&job);
                self.refuse(&job, &format!("no thread to look after it: {error}"));
            }
        }
    }

    /// The next probe that is over.
    pub fn next_ended(&mut self) -> Option<Ended> {
        self.ended.try_recv().ok()
    }

    /// How many programs run now, and how many wait.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        self.shared.turns().load()
    }

    fn refuse(&self, job: &Job, why: &str) {
        let finding = judge(&job.check, &End::NotStarted(why.to_owned()), &[], Duration::ZERO);
        // The receiver is ours.
        let _ = self.tell.send(Ended { token: job.token, started: clock::now(), finding });
    }
}

impl Drop for ExecRunner {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.turns().clear();
        for thread in self.threads.drain(..) {
            let _panicked = thread.join();
        }
    }
}

/// Runs one job after another until none waits for this place.
fn serve(first: &Job, shared: &Shared, tell: &Sender<Ended>) {
    let run_one = |job: &Job| {
        let started = clock::now();
        let finding = run(&job.check, started, &shared.stop);
        let hung = match finding.cause {
            // It was this process that stood still.
            Some(Cause::LateTimer) => None,
            cause => Some(cause == Some(Cause::ExecTimeout)),
        };
        // Whoever listened is gone when this fails.
        let _ = tell.send(Ended { token: job.token, started, finding });
        shared.waker.wake();
        shared.turns().ended(job, hung)
    };
    let mut next = run_one(first);
    while let Some(job) = next {
        next = run_one(&job);
    }
}

/// Runs one program to its end and says what that means.
fn run(check: &ExecCheck, started: Time, stop: &AtomicBool) -> Finding {
    let mut output = Vec::new();
    let (end, late) = match spawn::spawn(check) {
        Ok((child, reader)) => look_after(child, reader, started + check.timeout.get(), stop, &mut output),
        Err(why) => (End::NotStarted(why), Duration::ZERO),
    };
    if end == End::TimedOut
        && let Some(late) = late::noticed_late(late)
    {
        return late;
    }
    let now = clock::now();
    late::in_time(judge(check, &end, &output, now.since(started)), now.since(started + check.timeout.get()))
}

/// Waits for the end of a child, by itself or by us, kills what is left of its group, and reaps it. Says how late after
/// its time limit it was looked at.
fn look_after(
    mut child: Child,
    mut reader: PipeReader,
    deadline: Time,
    stop: &AtomicBool,
    output: &mut Vec<u8>,
) -> (End, Duration) {
    let group = Pid::from_raw(child.id().cast_signed());
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).ok();
    let watched =
        epoll.as_ref().is_some_and(|e| e.add(&reader, EpollEvent::new(EpollFlags::EPOLLIN, 0)).is_ok());
    let mut open = watched;
    let mut pause = Duration::from_millis(1);
    let mut killed: Option<(Time, Duration)> = None;
    let mut firm = false;
    while !has_ended(group) {
        let now = clock::now();
        let stopping = stop.load(Ordering::Relaxed);
        if killed.is_none() && (now >= deadline || stopping) {
            // The whole group is asked first; what it does not heed is taken below.
            let _ = killpg(group, Signal::SIGTERM);
            killed = Some((now, now.since(deadline)));
            pause = Duration::from_millis(1);
        }
        if let Some((at, _)) = killed
            && !firm
            && (now.since(at) >= GRACE || stopping)
        {
            let _ = killpg(group, Signal::SIGKILL);
            firm = true;
        }
        let left = deadline.since(now);
        let wait = if killed.is_none() { LOOK.min(left.max(Duration::from_millis(1))) } else { pause };
        match (&epoll, open) {
            (Some(epoll), true) => {
                let mut events = [EpollEvent::empty()];
                let ms = u16::try_from(wait.as_millis()).unwrap_or(u16::MAX).max(1);
                let ready = epoll.wait(&mut events, EpollTimeout::from(ms)).unwrap_or(0) > 0;
                if ready && !drain(&mut reader, output) {
                    // It is about to end, most likely.
                    open = false;
                    let _ = epoll.delete(&reader);
                }
            }
            _ => {
                std::thread::sleep(wait.min(pause));
                pause = (pause * 2).min(LOOK);
            }
        }
    }
    drain(&mut reader, output);
    // The leader is not reaped yet, so the group's number is still its own.
    let _ = killpg(group, Signal::SIGKILL);
    let status = child.wait();
    if let Some((_, late)) = killed {
        return (End::TimedOut, late);
    }
    let end = match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => End::Exited(code),
            (None, Some(signal)) => End::Signalled(signal),
            (None, None) => End::NotStarted("its end is not known".to_owned()),
        },
        Err(error) => End::NotStarted(format!("its end is not known: {error}")),
    };
    (end, Duration::ZERO)
}

/// Whether the leader of the group has ended. It stays a zombie until it is reaped, so that its number is not given
/// to another.
fn has_ended(leader: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    !matches!(waitid(Id::Pid(leader), flags), Ok(WaitStatus::StillAlive) | Err(Errno::EINTR))
}

/// Reads what there is, keeping the beginning. Says whether more may come.
fn drain(reader: &mut PipeReader, output: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4_096];
    for _ in 0..READS_MAX {
        match reader.read(&mut buffer) {
            Ok(0) => return false,
            Ok(length) => {
                let room = OUTPUT_MAX.saturating_sub(output.len());
                output.extend(buffer.iter().take(length.min(room)));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
    true
}
