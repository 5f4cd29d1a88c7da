//! The gate: who is let in, by HTTP Basic authentication.
//!
//! Owns the answers to those who are not. Checking a password is slow on purpose, so it is done in a thread of its own, for a
//! few at a time, and a pair that was right is known again for some minutes by a keyed digest that only this process has. An
//! address that fails too often waits.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{hmac, rand};
use tokio::sync::Semaphore;

use super::failures::Failures;
use super::users::Users;
use crate::reply::refusal;

/// How many passwords may wait to be checked.
const CHECKS_AT_ONCE: usize = 16;
/// How long a pair that was right is known again.
const KNOWN_FOR: Duration = Duration::from_secs(300);
/// How many pairs are known at most.
const KNOWN_MAX: usize = 256;
/// The longest name and password together, in bytes.
const PAIR_MAX: usize = 512;

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// No name and password, or wrong ones.
    Unknown,
    /// Too many wrong ones; it may try again after this time.
    Wait(Duration),
    /// Too many passwords are being checked.
    Busy,
}

/// Who may ask, and who has tried in vain.
#[derive(Debug)]
pub struct Gate {
    users: Arc<Users>,
    key: hmac::Key,
    known: Mutex<BTreeMap<Vec<u8>, Instant>>,
    failures: Mutex<Failures>,
    checks: Semaphore,
}

impl Gate {
    pub fn new(users: Users) -> Self {
        // Without randomness nothing is safe; the system had some long before this process began.
        let random = rand::SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random).unwrap_or_else(|_| std::process::abort());
        Self {
            users: Arc::new(users),
            key,
            known: Mutex::default(),
            failures: Mutex::default(),
            checks: Semaphore::new(CHECKS_AT_ONCE),
        }
    }

    /// Whether a request with these headers, from that address, is let in.
    pub async fn admit(&self, headers: &HeaderMap, from: IpAddr) -> Result<(), Denied> {
        let pair = headers.get(header::AUTHORIZATION).and_then(decode).ok_or(Denied::Unknown)?;
        let tag = hmac::sign(&self.key, &pair).as_ref().to_vec();
        if self.is_known(&tag) {
            return Ok(());
        }
        let wait = |gate: &Self| {
            let failures = gate.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.wait(from, Instant::now()).map_or(Ok(()), |wait| Err(Denied::Wait(wait)))
        };
        wait(self)?;
        let _permit = self.checks.try_acquire().map_err(|_| Denied::Busy)?;
        let users = Arc::clone(&self.users);
        let checked = tokio::task::spawn_blocking(move || {
            let mut parts = pair.splitn(2, |b| *b == b':');
            let (name, password) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            str::from_utf8(name).is_ok_and(|name| users.knows(name, password))
        });
        let right = checked.await.unwrap_or(false);
        // Many may have been let in to the check at once: what they found out counts only within the limit.
        wait(self)?;
        if right {
            self.know(tag);
            Ok(())
        } else {
            self.failures.lock().unwrap_or_else(PoisonError::into_inner).note(from, Instant::now());
            Err(Denied::Unknown)
        }
    }

    fn is_known(&self, tag: &[u8]) -> bool {
        // The tags are secret digests: how long a look-up takes says nothing of a password.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(tag).is_some_and(|since| since.elapsed() < KNOWN_FOR)
    }

    fn know(&self, tag: Vec<u8>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, since| since.elapsed() < KNOWN_FOR);
        if known.len() >= KNOWN_MAX {
            let oldest = known.iter().min_by_key(|(_, since)| **since).map(|(tag, _)| tag.clone());
            oldest.map(|tag| known.remove(&tag));
        }
        known.insert(tag, Instant::now());
    }
}

/// `NAME:PASSWORD` of a header of Basic authentication (RFC 7617).
fn decode(header: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, value) = header.to_str().ok()?.split_once(' ')?;
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(value.trim()).ok())??;
    (pair.len() <= PAIR_MAX && pair.contains(&b':')).then_some(pair)
}

impl Denied {
    /// The answer.
    pub fn answer(self) -> Response {
        let (status, said, header, value) = match self {
            Self::Unknown => (
                StatusCode::UNAUTHORIZED,
                "this page asks for a name and a password",
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Holdfast\", charset=\"UTF-8\""),
            ),
            Self::Wait(wait) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many wrong passwords came from there; try again later",
                header::RETRY_AFTER,
                HeaderValue::from(wait.as_secs() + 1),
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too many passwords are being checked; try again in a second",
                header::RETRY_AFTER,
                HeaderValue::from(1_u64),
            ),
        };
        let mut answer = refusal(status, said);
        answer.headers_mut().insert(header, value);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::super::failures::FREE;
    use super::*;

    fn gate() -> Gate {
        Gate::new(Users::parse(&format!("anna:{}", bcrypt::hash("a:b", 4).unwrap())).unwrap())
    }

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    fn basic(pair: &str) -> HeaderMap {
        headers(&format!("Basic {}", STANDARD.encode(pair)))
    }

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
    }

    const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn only_who_knows_is_let_in() {
        let gate = gate();
        block_on(async {
            assert_eq!(gate.admit(&basic("anna:a:b"), FROM).await, Ok(()), "a password may hold a colon");
            assert_eq!(gate.known.lock().unwrap().len(), 1);
            for pair in ["anna:a", "anna:", ":a:b", "annaa:b", "Anna:a:b", "anna:a:b "] {
                assert_eq!(gate.admit(&basic(pair), FROM).await, Err(Denied::Unknown), "{pair}");
            }
            let encoded = STANDARD.encode("anna:a:b");
            for value in ["", "Basic", "Basic ====", &encoded, &format!("Bearer {encoded}")] {
                assert_eq!(gate.admit(&headers(value), FROM).await, Err(Denied::Unknown), "{value}");
            }
            assert_eq!(gate.admit(&HeaderMap::new(), FROM).await, Err(Denied::Unknown));
            let lower = headers(&format!("basic {encoded}"));
            assert_eq!(gate.admit(&lower, FROM).await, Ok(()));
        });
    }

    #[test]
    fn who_fails_too_often_waits_and_who_is_known_does_not() {
        let gate = gate();
        block_on(async {
            assert_eq!(gate.admit(&basic("anna:a:b"), FROM).await, Ok(()));
            for _ in 0..FREE {
                assert_eq!(gate.admit(&basic("anna:wrong"), FROM).await, Err(Denied::Unknown));
            }
            assert!(matches!(gate.admit(&basic("anna:wrong"), FROM).await, Err(Denied::Wait(_))));
            assert_eq!(gate.admit(&basic("anna:a:b"), FROM).await, Ok(()), "known before");
            gate.known.lock().unwrap().clear();
            assert!(matches!(gate.admit(&basic("anna:a:b"), FROM).await, Err(Denied::Wait(_))));
            // Asking without a password is no failure.
            assert_eq!(gate.admit(&HeaderMap::new(), FROM).await, Err(Denied::Unknown));
        });
    }

    #[test]
    fn guesses_at_the_same_time_have_the_same_limit() {
        let gate = Arc::new(gate());
        let found = block_on(async {
            let mut guesses = tokio::task::JoinSet::new();
            for n in 0..200 {
                let gate = Arc::clone(&gate);
                guesses.spawn(async move { gate.admit(&basic(&format!("anna:{n}")), FROM).await });
            }
            guesses.join_all().await
        });
        let checked = found.iter().filter(|found| **found == Err(Denied::Unknown)).count();
        assert!(checked <= FREE as usize, "{checked}");
        assert!(found.contains(&Err(Denied::Busy)));
    }
}
