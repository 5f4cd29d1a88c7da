//! Delivery: one job after the other for mail, one at a time for each web hook and command.
//!
//! Owns the lanes and the connection to the mail server, which is kept for a moment between two mails. It decides neither what is
//! delivered nor what is tried again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent_api::Channel;
use agent_api::config::{Hook, Smtp, Transport};
use agent_core::digest::outbox::Outcome;
use agent_core::digest::{Kind, Notice};
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::letter::{self, Style};
use crate::smtp::{Conversation, SmtpError};
use crate::ways::Ways;
use crate::{program, webhook};

/// How long a connection to the mail server is kept between two mails.
const IDLE: Duration = Duration::from_secs(3);
/// The limit of one sendmail.
const SENDMAIL: Duration = Duration::from_secs(60);
/// `EX_USAGE` to `EX_NOHOST` without `EX_TEMPFAIL`, from `sysexits.h`: sendmail will never take this mail.
const NEVER: [&str; 3] = ["exited with 65", "exited with 67", "exited with 68"];

/// One delivery.
#[derive(Debug, Clone)]
pub struct Job {
    /// The entry's number and file.
    pub number: u64,
    pub file: u64,
    pub to: Channel,
    pub notice: Arc<Notice>,
    pub ways: Arc<Ways>,
    /// Which test it is of, if it is one: then there is no entry, and it is not tried again.
    pub test: Option<Timestamp>,
}

/// What came of one.
#[derive(Debug)]
pub struct Result {
    pub number: u64,
    pub file: u64,
    pub to: Channel,
    pub outcome: Outcome,
    /// What was answered to a notice that was delivered.
    pub answer: String,
    /// Which test it was of, if it was one.
    pub test: Option<Timestamp>,
}

/// The lanes.
#[derive(Debug)]
pub struct Post {
    mail: mpsc::Sender<Job>,
    results: mpsc::Sender<Result>,
}

impl Post {
    /// Starts the lanes; results come out at the other end.
    pub fn start() -> (Self, mpsc::Receiver<Result>) {
        let (results, receiver) = mpsc::channel(64);
        let (mail, jobs) = mpsc::channel(1);
        tokio::spawn(mail_lane(jobs, results.clone()));
        (Self { mail, results }, receiver)
    }

    /// Begins a delivery. The caller sees to it that one mail and one job for each other destination is under way at a time.
    pub fn begin(&self, job: Job) {
        if matches!(job.to, Channel::Mail(_)) {
            if let Err(error) = self.mail.try_send(job) {
                tracing::error!("the mail lane is stuck: {error}");
            }
            return;
        }
        let results = self.results.clone();
        tokio::spawn(async move {
            let (outcome, answer) = match &job.to {
                Channel::Webhook(name) => match job.ways.webhook(name) {
                    Some(hook) => webhook::send(hook, &job.notice, Timestamp::now()).await,
                    None => (gone(), String::new()),
                },
                Channel::Command(name) => match job.ways.command(name) {
                    Some(hook) => (command(hook, &job.notice).await, "it exited with 0".to_owned()),
                    None => (gone(), String::new()),
                },
                Channel::Mail(_) => (gone(), String::new()),
            };
            let Job { number, file, to, test, .. } = job;
            let _ended = results.send(Result { number, file, to, outcome, answer, test }).await;
        });
    }
}

fn gone() -> Outcome {
    Outcome::Refused { why: "it is configured no more".to_owned() }
}

async fn mail_lane(mut jobs: mpsc::Receiver<Job>, results: mpsc::Sender<Result>) {
    let mut conversation: Option<(Smtp, Conversation)> = None;
    loop {
        let job = if conversation.is_some() {
            match tokio::time::timeout(IDLE, jobs.recv()).await {
                Ok(job) => job,
                Err(_) => {
                    if let Some((_, conversation)) = conversation.take() {
                        conversation.close().await;
                    }
                    continue;
                }
            }
        } else {
            jobs.recv().await
        };
        let Some(job) = job else { return };
        let (outcome, answer) = mail(&job, &mut conversation).await;
        let Job { number, file, to, test, .. } = job;
        if results.send(Result { number, file, to, outcome, answer, test }).await.is_err() {
            return;
        }
    }
}

async fn mail(job: &Job, conversation: &mut Option<(Smtp, Conversation)>) -> (Outcome, String) {
    let none = |outcome| (outcome, String::new());
    let Some(mail) = job.ways.mail() else { return none(gone()) };
    let Channel::Mail(to) = &job.to else { return none(gone()) };
    let style = Style { from: mail.from.clone(), zone: job.ways.zone.clone() };
    let mut shown = job.ways.addresses(&job.notice.route);
    if !shown.contains(to) {
        shown = vec![to.clone()];
    }
    let bytes = match letter::mail(&job.notice, &style, &shown) {
        Ok(bytes) => bytes,
        Err(error) => return none(Outcome::Refused { why: error.to_string() }),
    };
    match &mail.transport {
        Transport::Sendmail(program) => {
            (sendmail(program, &mail.from, to, &bytes).await, "it exited with 0".to_owned())
        }
        Transport::Smtp(smtp) => over_smtp(smtp, &mail.from, to, &bytes, conversation).await,
    }
}

async fn over_smtp(
    smtp: &Smtp,
    from: &str,
    to: &str,
    bytes: &[u8],
    kept: &mut Option<(Smtp, Conversation)>,
) -> (Outcome, String) {
    // A connection that was kept may have been closed from the other end meanwhile: then a fresh one is tried at once.
    if let Some((server, mut conversation)) = kept.take().filter(|(server, _)| server == smtp) {
        match conversation.send(from, to, bytes).await {
            Err(SmtpError::Server(why)) => tracing::debug!("the kept connection is of no use: {why}"),
            result => {
                if !conversation.is_broken() {
                    *kept = Some((server, conversation));
                }
                return outcome(result);
            }
        }
    }
    let mut conversation = match Conversation::open(smtp).await {
        Ok(conversation) => conversation,
        Err(error) => return outcome(Err(error)),
    };
    let result = conversation.send(from, to, bytes).await;
    if !matches!(result, Err(SmtpError::Server(_))) && !conversation.is_broken() {
        *kept = Some((smtp.clone(), conversation));
    }
    outcome(result)
}

fn outcome(result: std::result::Result<String, SmtpError>) -> (Outcome, String) {
    let none = |outcome| (outcome, String::new());
    match result {
        Ok(answer) => (Outcome::Delivered, answer),
        Err(SmtpError::Never(why)) => none(Outcome::Refused { why }),
        Err(SmtpError::Later(why)) => none(Outcome::Failed { why, all: false }),
        Err(SmtpError::Server(why)) => none(Outcome::Failed { why, all: true }),
    }
}

async fn sendmail(program: &Path, from: &str, to: &str, mail: &[u8]) -> Outcome {
    let arguments: Vec<String> = ["-i", "-f", from, "--", to].map(str::to_owned).to_vec();
    // It reads lines that end as this system's do.
    let mail: Vec<u8> = String::from_utf8_lossy(mail).replace("\r\n", "\n").into_bytes();
    match program::run(program, &arguments, &[], &mail, SENDMAIL).await {
        Ok(()) => Outcome::Delivered,
        Err(error) => {
            let why = error.to_string();
            if NEVER.iter().any(|never| why.contains(never)) {
                Outcome::Refused { why }
            } else {
                Outcome::Failed { why, all: true }
            }
        }
    }
}

async fn command(hook: &Hook, notice: &Notice) -> Outcome {
    let Some((program, arguments)) = hook.command.split_first() else { return gone() };
    let environment = [
        ("HOLDFAST_KIND", notice.kind.as_str().to_owned()),
        ("HOLDFAST_SEVERITY", notice.severity.as_str().to_owned()),
        ("HOLDFAST_INCIDENT", notice.incident.to_string()),
        ("HOLDFAST_ROUTE", notice.route.to_string()),
        ("HOLDFAST_SUBJECT", letter::subject(notice)),
    ];
    let input = match serde_json::to_vec(notice) {
        Ok(input) => input,
        Err(error) => return Outcome::Refused { why: error.to_string() },
    };
    match program::run(Path::new(program), arguments, &environment, &input, hook.timeout).await {
        Ok(()) => Outcome::Delivered,
        Err(error) => Outcome::Failed { why: error.to_string(), all: false },
    }
}

/// What is said beside a notice that comes later than it should.
pub fn remark(notice: &mut Notice, stands_for: u32, now: Timestamp) {
    let late = now.duration_since(notice.at);
    if notice.kind != Kind::Test && late > jiff::SignedDuration::from_mins(5) {
        notice.remarks.push(format!("this could not be delivered for {}", letter::duration(late)));
    }
    if stands_for > 0 {
        let notices = if stands_for == 1 { "one earlier notice" } else { "earlier notices" };
        notice.remarks.push(format!(
            "it stands for {notices} on this incident that could not be delivered ({stands_for})"
        ));
    }
}
