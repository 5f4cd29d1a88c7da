//! One talk over TLS.
//!
//! Owns the way from a [`Talk`] to a secured connection and back. What is expected and when it is over is
//! [`checker_core::talk`]'s, as without TLS.

use std::io;

use checker_core::talk::{Input, Talk, TalkCheck};
use checker_core::{Cause, Finding};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::tls::{self, Clients};
use super::{Broken, dial, errand, verify};
use crate::clock;
use crate::socket::Target;

/// Octets that are read at a time.
const BUFFER: usize = 4_096;

struct Course<'a> {
    check: &'a TalkCheck,
    talk: Talk,
    expiring: Option<String>,
}

impl Course<'_> {
    fn handle(&mut self, input: Input<'_>) {
        self.talk.handle(self.check, input, clock::now());
    }
}

/// Runs a probe to its end.
pub(super) async fn run(check: &TalkCheck, target: &Target, clients: &Clients) -> Finding {
    let talk = Talk::new(check, clock::now());
    let mut course = Course { check, talk, expiring: None };
    if let Ok(Err(broken)) = timeout(check.timeout.get(), ask(&mut course, target, clients)).await {
        let Finding { cause, detail, .. } = broken.into();
        course.handle(Input::Broken(cause.unwrap_or(Cause::NoSocket), &detail));
    }
    if !course.talk.is_over() {
        let end = course.talk.deadline();
        course.talk.handle(check, Input::TimePassed, clock::now().max(end));
    }
    let Course { talk, expiring, .. } = course;
    // A talk is over once its time is.
    let mut finding = talk.into_finding().unwrap_or_else(|| Broken::bare(Cause::LateTimer).into());
    errand::degrade(&mut finding, expiring.as_deref());
    finding
}

async fn ask(course: &mut Course<'_>, target: &Target, clients: &Clients) -> Result<(), Broken> {
    let check = course.check;
    let settings = check.tls.as_deref().cloned().unwrap_or_default();
    let client = clients.get(&settings, &[])?;
    let stream = dial::tcp(target).await?;
    course.handle(Input::Securing);
    let mut stream = dial::secure(&client, &settings, target, stream).await?;
    course.expiring = tls::expiring(&settings, dial::chain(&stream));
    let doing = "before the expected text came";
    course.handle(Input::Connected);
    let mut buffer = [0; BUFFER];
    loop {
        while let Some(octets) = course.talk.to_send(check) {
            stream.write_all(octets).await.map_err(|error| verify::of_io(&error, doing))?;
            stream.flush().await.map_err(|error| verify::of_io(&error, doing))?;
            course.handle(Input::Sent);
        }
        if course.talk.is_over() {
            break;
        }
        match stream.read(&mut buffer).await {
            Ok(0) => course.handle(Input::Closed),
            // Many a server does not take its leave.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => course.handle(Input::Closed),
            Ok(length) => course.handle(Input::Arrived(buffer.get(..length).unwrap_or_default())),
            Err(error) => return Err(verify::of_io(&error, doing)),
        }
    }
    // That it is over is told; whether the server hears of it is its own affair.
    let _ = timeout(std::time::Duration::from_millis(100), stream.shutdown()).await;
    Ok(())
}
