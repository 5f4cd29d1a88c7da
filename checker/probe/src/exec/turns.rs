//! Whose turn it is when more programs are to run than may at a time.
//!
//! Owns the queue, and the rule that programs which did not end last time leave a quarter of the places to the others, and have a
//! quarter for themselves: hundreds that hang hold up neither those that work nor their own return. It starts nothing.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use checker_core::exec::ExecCheck;

/// Probes that may wait. Beyond that they end at once, Unknown.
const WAITING_MAX: usize = 100_000;
/// Programs that are known to hang. Of more, the rest is taken for good.
const HUNG_MAX: usize = 20_000;

/// A program that is to run.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) token: u64,
    pub(super) check: Arc<ExecCheck>,
    /// It hung the last time.
    doubtful: bool,
}

impl Job {
    pub(super) fn new(token: u64, check: &Arc<ExecCheck>) -> Self {
        Self { token, check: Arc::clone(check), doubtful: false }
    }
}

/// What becomes of a job.
#[derive(Debug)]
pub(super) enum Turn {
    /// It is run now.
    Now(Job),
    Waits,
    /// Too many wait.
    Refused(Job),
}

/// The programs that run and those that wait.
#[derive(Debug)]
pub(super) struct Turns {
    at_a_time: usize,
    running: usize,
    doubtful_running: usize,
    waiting: VecDeque<Job>,
    doubtful: VecDeque<Job>,
    hung: HashSet<Vec<String>>,
}

impl Turns {
    /// So many at a time.
    pub(super) fn new(at_a_time: usize) -> Self {
        Self {
            at_a_time: at_a_time.max(1),
            running: 0,
            doubtful_running: 0,
            waiting: VecDeque::new(),
            doubtful: VecDeque::new(),
            hung: HashSet::new(),
        }
    }

    /// How many run, and how many wait.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.running, self.waiting.len() + self.doubtful.len())
    }

    /// Takes a job, which may be run now, in a place of its own.
    pub(super) fn offer(&mut self, mut job: Job) -> Turn {
        job.doubtful = self.hung.contains(&job.check.command);
        let room =
            self.running < self.at_a_time && (!job.doubtful || self.doubtful_running < self.doubtful_most());
        if room {
            self.running += 1;
            self.doubtful_running += usize::from(job.doubtful);
            return Turn::Now(job);
        }
        if self.waiting.len() + self.doubtful.len() >= WAITING_MAX {
            return Turn::Refused(job);
        }
        if job.doubtful { &mut self.doubtful } else { &mut self.waiting }.push_back(job);
        Turn::Waits
    }

    /// A job has ended: `hung`, or by itself, or that can't be said. The next is run in its place.
    pub(super) fn ended(&mut self, job: &Job, hung: Option<bool>) -> Option<Job> {
        match hung {
            Some(true) if self.hung.len() < HUNG_MAX => drop(self.hung.insert(job.check.command.clone())),
            Some(false) => drop(self.hung.remove(&job.check.command)),
            Some(true) | None => {}
        }
        self.doubtful_running -= usize::from(job.doubtful);
        let quarter = self.at_a_time / 4;
        let next = match (self.waiting.is_empty(), self.doubtful.is_empty()) {
            (_, false) if self.doubtful_running < quarter => self.doubtful.pop_front(),
            (false, _) => self.waiting.pop_front(),
            (true, false) if self.doubtful_running < self.doubtful_most() => self.doubtful.pop_front(),
            (true, _) => None,
        };
        match &next {
            Some(next) => self.doubtful_running += usize::from(next.doubtful),
            None => self.running -= 1,
        }
        next
    }

    /// A job that was to run now could not be begun.
    pub(super) fn not_begun(&mut self, job: &Job) {
        self.running -= 1;
        self.doubtful_running -= usize::from(job.doubtful);
    }

    /// Forgets all that wait.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.doubtful.clear();
    }

    fn doubtful_most(&self) -> usize {
        self.at_a_time - self.at_a_time / 4
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use checker_core::dns::Timeout;
    use checker_core::exec::{ExitCodes, Limits};

    use super::*;

    fn job(token: u64, program: &str) -> Job {
        let check = ExecCheck {
            command: vec![program.to_owned()],
            codes: ExitCodes::Script,
            timeout: Timeout::new(Duration::from_secs(1)).unwrap(),
            user: None,
            group: None,
            limits: Limits::default(),
        };
        Job::new(token, &Arc::new(check))
    }

    fn now(turn: Turn) -> Option<Job> {
        match turn {
            Turn::Now(job) => Some(job),
            Turn::Waits => None,
            Turn::Refused(job) => panic!("{job:?} is refused"),
        }
    }

    /// Eight at a time, all of which are known to hang.
    fn hanging() -> Turns {
        let mut turns = Turns::new(8);
        for token in 0..20 {
            let program = format!("/hangs{token}");
            let job = now(turns.offer(job(token, &program))).unwrap();
            assert!(turns.ended(&job, Some(true)).is_none());
        }
        turns
    }

    #[test]
    fn those_that_hang_leave_places_to_the_others() {
        let mut turns = hanging();
        let hanging: Vec<Job> =
            (0..20).filter_map(|token| now(turns.offer(job(token, &format!("/hangs{token}"))))).collect();
        assert_eq!((hanging.len(), turns.load()), (6, (6, 14)));
        let well = now(turns.offer(job(100, "/well"))).expect("there is a place for it");
        let other = now(turns.offer(job(101, "/other"))).expect("and for another");
        assert!(now(turns.offer(job(102, "/third"))).is_none());
        // Its place goes to the next that is well, not to one of the fourteen.
        let third = turns.ended(&well, Some(false)).unwrap();
        assert_eq!(third.token, 102);
        assert!(turns.ended(&third, Some(false)).is_none() && turns.ended(&other, Some(false)).is_none());
        assert_eq!(turns.ended(&hanging[0], Some(true)).unwrap().token, 6);
        assert_eq!(turns.load(), (6, 13));
    }

    #[test]
    fn those_that_hang_have_places_too_and_return() {
        let mut turns = hanging();
        let busy: Vec<Job> = (0..8).map(|token| now(turns.offer(job(token, "/well"))).unwrap()).collect();
        for token in 8..50 {
            assert!(now(turns.offer(job(token, "/well"))).is_none());
        }
        for token in 100..110 {
            assert!(now(turns.offer(job(token, &format!("/hangs{}", token - 100)))).is_none());
        }
        // Two of eight are theirs however many others wait.
        let next: Vec<u64> = busy.iter().map(|job| turns.ended(job, Some(false)).unwrap().token).collect();
        assert_eq!(next, [100, 101, 8, 9, 10, 11, 12, 13]);
        // One that ends by itself is as good as any other from then on; what can't be said changes nothing.
        let mut turns = hanging_one(Some(false));
        assert!((0..8).all(|token| now(turns.offer(job(token, "/hangs0"))).is_some()));
        let mut turns = hanging_one(None);
        assert_eq!((0..8).filter_map(|token| now(turns.offer(job(token, "/hangs0")))).count(), 6);
    }

    /// The same, where one of them has been run again.
    fn hanging_one(hung: Option<bool>) -> Turns {
        let mut turns = hanging();
        let job = now(turns.offer(job(0, "/hangs0"))).unwrap();
        assert!(turns.ended(&job, hung).is_none());
        turns
    }

    #[test]
    fn one_at_a_time_is_enough() {
        let mut turns = Turns::new(1);
        let first = now(turns.offer(job(1, "/a"))).unwrap();
        assert!(now(turns.offer(job(2, "/b"))).is_none());
        let second = turns.ended(&first, Some(true)).unwrap();
        assert!(now(turns.offer(job(3, "/a"))).is_none());
        let third = turns.ended(&second, Some(false)).unwrap();
        assert_eq!((third.token, turns.load()), (3, (1, 0)));
        turns.not_begun(&third);
        assert_eq!(turns.load(), (0, 0));
    }
}
