//! One check by SMTP.
//!
//! Owns the way from a [`Dialogue`] to a connection, secured at once, by STARTTLS or not, and back. What is said and expected is
//! [`checker_core::smtp`]'s.

use std::io;
use std::time::Duration;

use checker_core::smtp::{Dialogue, Security, SmtpCheck, Step};
use checker_core::tls::Tls;
use checker_core::{Cause, Finding};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::errand::{Course, Phase};
use super::tls::{self, Clients};
use super::{Broken, dial, verify};
use crate::socket::Target;

const TALKING: Phase = Phase { cause: Cause::SmtpTimeout, missing: "no complete dialogue in SMTP" };
/// How long a server may take to hear that this is all.
const LEAVE: Duration = Duration::from_millis(100);

/// Runs a probe to its end.
pub(super) async fn run(check: &SmtpCheck, target: &Target, clients: &Clients) -> Finding {
    let mut course = Course::new(check.timeout);
    let result = timeout(check.timeout.get(), ask(check, target, clients, &mut course)).await;
    course.finding(result)
}

async fn ask(
    check: &SmtpCheck,
    target: &Target,
    clients: &Clients,
    course: &mut Course,
) -> Result<String, Broken> {
    let mut stream = dial::tcp(target).await?;
    let mut dialogue = Dialogue::default();
    let mut next = Step::Wait;
    let tls = match &check.security {
        Security::Tls(tls) => tls,
        plain => {
            course.phase = TALKING;
            match (talk(check, &mut dialogue, &mut stream, next).await?, plain) {
                (None, Security::Starttls(tls)) => {
                    next = dialogue.secured(check);
                    tls
                }
                (greeting, _) => return leave(stream, greeting).await,
            }
        }
    };
    let mut stream = secure(tls, target, clients, stream, course).await?;
    course.phase = TALKING;
    let greeting = talk(check, &mut dialogue, &mut stream, next).await?;
    leave(stream, greeting).await
}

async fn secure(
    tls: &Tls,
    target: &Target,
    clients: &Clients,
    stream: TcpStream,
    course: &mut Course,
) -> Result<TlsStream<TcpStream>, Broken> {
    let client = clients.get(tls, &[])?;
    course.phase = Phase::SECURING;
    let stream = dial::secure(&client, tls, target, stream).await?;
    course.expiring = tls::expiring(tls, dial::chain(&stream));
    Ok(stream)
}

/// Goes on until all is said (then there is a greeting) or the connection is to be secured.
async fn talk(
    check: &SmtpCheck,
    dialogue: &mut Dialogue,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut step: Step,
) -> Result<Option<String>, Broken> {
    let mut buffer = [0; 1_024];
    loop {
        let waits_for = dialogue.waits_for();
        let of_io = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => closed(waits_for),
            _ => verify::of_io(&error, &format!("before the {waits_for}")),
        };
        match step {
            Step::Wait => {}
            Step::Send(line) => {
                stream.write_all(line.as_bytes()).await.map_err(of_io)?;
                stream.flush().await.map_err(of_io)?;
            }
            Step::Secure => return Ok(None),
            Step::Done(greeting) => return Ok(Some(greeting)),
        }
        let length = stream.read(&mut buffer).await.map_err(of_io)?;
        if length == 0 {
            return Err(closed(waits_for));
        }
        step = dialogue
            .handle(check, buffer.get(..length).unwrap_or_default())
            .map_err(|(cause, detail)| Broken::new(cause, detail))?;
    }
}

fn closed(waits_for: &str) -> Broken {
    Broken::new(Cause::TcpClosed, format!("the server closed the connection before its {waits_for}"))
}

/// Takes its leave. What the server says to that is not judged.
async fn leave(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    greeting: Option<String>,
) -> Result<String, Broken> {
    // Only a dialogue that is to be secured ends without one.
    let greeting = greeting.ok_or_else(|| Broken::bare(Cause::SmtpProtocol))?;
    let mut buffer = [0; 256];
    let _ = timeout(LEAVE, async {
        stream.write_all(b"QUIT\r\n").await?;
        stream.flush().await?;
        let _said = stream.read(&mut buffer).await?;
        stream.shutdown().await
    })
    .await;
    Ok(greeting)
}
