//! A client that asks all the time.
//!
//! Owns its two threads and what came of each question. What that means is the test's to say.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::priority::first_in_line;
use super::{SOON, inside, wait_for};

/// What came of one question.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub asked: Instant,
    pub answered: Option<(Duration, usize)>,
}

/// Asks all the time, and notes who answers.
pub struct Asker {
    questions: Arc<Mutex<Vec<Question>>>,
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Asker {
    pub(super) fn start(namespace: &str, to: SocketAddr, every: Duration) -> Self {
        let socket = inside(namespace, || {
            let any: SocketAddr =
                if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
            let socket = std::net::UdpSocket::bind(any).expect("a socket");
            socket.connect(to).expect("a route");
            socket.set_read_timeout(Some(Duration::from_millis(100))).expect("timeout");
            socket
        });
        let questions = Arc::new(Mutex::new(Vec::<Question>::new()));
        let stopping = Arc::new(AtomicBool::new(false));
        let listener = {
            let (socket, questions, stopping) =
                (socket.try_clone().expect("a socket"), Arc::clone(&questions), Arc::clone(&stopping));
            thread::spawn(move || {
                first_in_line();
                let mut buffer = [0; 16];
                while !stopping.load(Ordering::Relaxed) {
                    // A refusal by the network is an answer that does not come.
                    let Ok(5) = socket.recv(&mut buffer) else { continue };
                    let at = u32::from_be_bytes(buffer[..4].try_into().unwrap()) as usize;
                    let mut questions = questions.lock().unwrap();
                    if let Some(question) = questions.get_mut(at) {
                        question.answered = Some((question.asked.elapsed(), buffer[4].into()));
                    }
                }
            })
        };
        let asker = {
            let (questions, stopping) = (Arc::clone(&questions), Arc::clone(&stopping));
            thread::spawn(move || {
                first_in_line();
                let mut next = Instant::now();
                while !stopping.load(Ordering::Relaxed) {
                    let number = {
                        let mut questions = questions.lock().unwrap();
                        questions.push(Question { asked: Instant::now(), answered: None });
                        (questions.len() - 1) as u32
                    };
                    let _ = socket.send(&number.to_be_bytes());
                    next += every;
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                    // After a stall of this machine it does not catch up.
                    next = next.max(Instant::now() - every);
                }
            })
        };
        Self { questions, stopping, threads: vec![listener, asker] }
    }

    /// What was asked between two moments.
    pub fn asked(&self, from: Instant, to: Instant) -> Vec<Question> {
        let questions = self.questions.lock().unwrap();
        questions.iter().filter(|question| (from..to).contains(&question.asked)).copied().collect()
    }

    /// Waits until the last answer came from this host.
    pub fn wait_answered_by(&self, host: usize, explain: impl FnOnce() -> String) {
        wait_for(
            &format!("host {host} answers"),
            SOON,
            || {
                let questions = self.questions.lock().unwrap();
                let last = questions.iter().rev().take(50).find_map(|question| question.answered);
                last.is_some_and(|(_, by)| by == host).then_some(())
            },
            explain,
        );
    }

    /// Ends asking, once late answers had their time.
    pub fn finish(mut self) -> Vec<Question> {
        self.threads.truncate(2);
        let asker = self.threads.pop();
        // The asker looks at the same flag as the listener; answers of the last questions are taken by waiting first.
        thread::sleep(Duration::from_millis(200));
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(asker) = asker {
            let _ = asker.join();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        let mut questions = std::mem::take(&mut *self.questions.lock().unwrap());
        // Those of the last moment could not be answered any more.
        let end = Instant::now();
        questions.retain(|question| end.duration_since(question.asked) > Duration::from_millis(150));
        questions
    }
}

/// The longest span in which no question was answered.
pub fn longest_gap(questions: &[Question]) -> Duration {
    let answered: Vec<Instant> = questions
        .iter()
        .filter_map(|question| question.answered.map(|(after, _)| question.asked + after))
        .collect();
    answered.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0])).max().unwrap_or_default()
}

/// Questions without an answer.
pub fn unanswered(questions: &[Question]) -> usize {
    questions.iter().filter(|question| question.answered.is_none()).count()
}
