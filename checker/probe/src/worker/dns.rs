//! One DNS probe over TLS, HTTPS or QUIC.
//!
//! Owns the way from an [`Exchange`] to a secured connection and back. What is asked, which reply counts and what it means is
//! the exchange's, as for UDP and TCP; a certificate that ends soon is added to what it says.

use std::sync::Arc;
use std::time::Duration;

use checker_core::dns::{
    After, Circumstances, DnsCheck, DohMethod, Exchange, HttpVersion, Input, Outcome, Query, Secure,
    Transport, Validation, base64url,
};
use checker_core::finding::quoted;
use checker_core::{Cause, Time, Verdict};
use http::{Method, Request, Uri, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::tls::{self, Clients, Protocols};
use super::{Broken, dial, http as web, quic, verify};
use crate::clock;
use crate::crypto::Ring;
use crate::prober::Finished;
use crate::random::Random;
use crate::socket::Target;

/// The one attempt that there is.
const ATTEMPT: u8 = 0;
/// The type of a DNS message (RFC 8484 section 6).
const MESSAGE: &str = "application/dns-message";
/// Octets of the longest message.
const MESSAGE_MAX: usize = 65_535;
/// Octets that are read at a time.
const BUFFER: usize = 4_096;

/// A probe under way.
pub(super) struct Probe<'a> {
    check: &'a DnsCheck,
    exchange: Exchange,
    pub(super) target: Target,
    pub(super) secure: Secure,
    /// What is said of a certificate that ends soon.
    expiring: Option<String>,
}

impl Probe<'_> {
    pub(super) fn handle(&mut self, input: Input<'_>) {
        self.handle_at(input, clock::now());
    }

    fn handle_at(&mut self, input: Input<'_>, now: Time) {
        self.exchange.handle(self.check, input, now);
        // What is to be done next is known here.
        while self.exchange.poll_action().is_some() {}
    }

    pub(super) fn is_over(&self) -> bool {
        self.exchange.is_over()
    }

    pub(super) fn query(&self) -> Query {
        self.exchange.query(self.check, ATTEMPT)
    }

    /// The connection is secured, with these certificates.
    pub(super) fn secured(&mut self, chain: &[rustls::pki_types::CertificateDer<'_>]) {
        self.expiring = tls::expiring(&self.secure.tls, chain);
        self.handle(Input::Secured { attempt: ATTEMPT });
    }

    pub(super) fn arrived(&mut self, octets: &[u8]) {
        self.handle(Input::OctetsArrived { attempt: ATTEMPT, octets });
    }

    /// A whole message arrived.
    fn message(&mut self, message: &[u8]) {
        // Its length is checked where it is read.
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        self.arrived(&length.to_be_bytes());
        self.arrived(message);
    }

    pub(super) fn closed(&mut self) {
        self.handle(Input::Closed { attempt: ATTEMPT });
    }
}

/// Runs a probe to its end, with the further ones that validating it takes.
pub(super) async fn run(
    token: u64,
    check: &Arc<DnsCheck>,
    target: Target,
    key: u64,
    keep_reply: bool,
    clients: &Clients,
) -> Finished {
    let started = clock::now();
    let circumstances = Circumstances { key, epoch: clock::epoch(), server: target.server().ip() };
    let mut random = Random::default();
    let Some(mut validation) = Validation::new(check, circumstances, started) else {
        let outcome = one(check, target, circumstances, keep_reply, clients).await;
        return Finished { token, started, outcome };
    };
    let mut outcome = one(check, target, circumstances, true, clients).await;
    loop {
        match validation.handle(outcome, &Ring, clock::now()) {
            After::Over(whole) => {
                let reply = whole.reply.filter(|_| keep_reply);
                return Finished { token, started, outcome: Outcome { reply, ..whole } };
            }
            After::Ask(next) => {
                let Ok(key) = random.next() else { return refused(token, check, &target, Cause::NoSocket) };
                let circumstances = Circumstances { key, epoch: 0, ..circumstances };
                outcome = one(&next, target, circumstances, true, clients).await;
            }
        }
    }
}

/// Runs one exchange to its end.
async fn one(
    check: &DnsCheck,
    target: Target,
    circumstances: Circumstances,
    keep_reply: bool,
    clients: &Clients,
) -> Outcome {
    let started = clock::now();
    let mut exchange = Exchange::new(check, circumstances, keep_reply, started);
    while exchange.poll_action().is_some() {}
    let secure = check.secure.as_deref().cloned().unwrap_or_default();
    let mut probe = Probe { check, exchange, target, secure, expiring: None };
    let end = started + check.timeout.get();
    if let Ok(Err(Broken { cause, detail })) = timeout(check.timeout.get(), ask(&mut probe, clients)).await {
        probe.handle(match &detail {
            Some(detail) => Input::Broken { attempt: ATTEMPT, cause, detail },
            None => Input::Failed { attempt: ATTEMPT, cause },
        });
    }
    if !probe.is_over() {
        // A message that did not count was all that came: the rest of the time would have brought nothing.
        tokio::time::sleep(end.since(clock::now())).await;
        probe.handle_at(Input::TimePassed, clock::now().max(end));
    }
    let Probe { exchange, expiring, .. } = probe;
    // An exchange is over once its time is.
    let mut outcome = exchange.into_outcome().unwrap_or_else(|| failed(check, Cause::LateTimer));
    if outcome.verdict == Verdict::Up
        && let Some(detail) = expiring
    {
        outcome.verdict = Verdict::Degraded;
        outcome.cause = Some(Cause::TlsCertificateExpiring);
        outcome.detail = detail;
    }
    outcome
}

/// The end of a probe that could not be run.
pub(super) fn refused(token: u64, check: &DnsCheck, target: &Target, cause: Cause) -> Finished {
    let started = clock::now();
    let circumstances = Circumstances { key: 0, epoch: 0, server: target.server().ip() };
    let mut exchange = Exchange::new(check, circumstances, false, started);
    exchange.handle(check, Input::Failed { attempt: ATTEMPT, cause }, started);
    let outcome = exchange.into_outcome().unwrap_or_else(|| failed(check, cause));
    Finished { token, started, outcome }
}

fn failed(check: &DnsCheck, cause: Cause) -> Outcome {
    Outcome {
        verdict: cause.blame().verdict(),
        cause: Some(cause),
        detail: cause.meaning().to_owned(),
        elapsed: Duration::ZERO,
        latency: None,
        connect: None,
        tls: None,
        attempts: 0,
        strays: 0,
        transport: check.transport,
        essentials: None,
        reply: None,
    }
}

async fn ask(probe: &mut Probe<'_>, clients: &Clients) -> Result<(), Broken> {
    match probe.check.transport {
        Transport::Quic => quic::ask(probe, clients).await,
        Transport::Https => {
            let protocols: Protocols = match probe.secure.doh.version {
                None => &[b"h2", b"http/1.1"],
                Some(HttpVersion::Http1) => &[b"http/1.1"],
                Some(HttpVersion::Http2) => &[b"h2"],
            };
            let stream = connect(probe, clients, protocols).await?;
            over_https(probe, stream).await
        }
        Transport::Tls | Transport::Tcp | Transport::Udp => {
            let stream = connect(probe, clients, &[b"dot"]).await?;
            over_tls(probe, stream).await
        }
    }
}

async fn connect(
    probe: &mut Probe<'_>,
    clients: &Clients,
    protocols: Protocols,
) -> Result<TlsStream<TcpStream>, Broken> {
    let client = clients.get(&probe.secure.tls, protocols)?;
    let stream = dial::tcp(&probe.target).await?;
    probe.handle(Input::Connected { attempt: ATTEMPT });
    let stream = dial::secure(&client, &probe.secure.tls, &probe.target, stream).await?;
    probe.secured(dial::chain(&stream));
    Ok(stream)
}

async fn over_tls(probe: &mut Probe<'_>, mut stream: TlsStream<TcpStream>) -> Result<(), Broken> {
    let doing = "before the answer was complete";
    let of_io = |error| verify::of_io(&error, doing);
    stream.write_all(probe.query().segment()).await.map_err(of_io)?;
    stream.flush().await.map_err(of_io)?;
    let mut buffer = [0; BUFFER];
    while !probe.is_over() {
        match stream.read(&mut buffer).await {
            Ok(0) => probe.closed(),
            // Many a server does not take its leave.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => probe.closed(),
            Ok(length) => probe.arrived(buffer.get(..length).unwrap_or_default()),
            Err(error) => return Err(of_io(error)),
        }
    }
    Ok(())
}

async fn over_https(probe: &mut Probe<'_>, stream: TlsStream<TcpStream>) -> Result<(), Broken> {
    let version = web::negotiated(&stream);
    let query = probe.query();
    let doh = &probe.secure.doh;
    let (method, path, body) = match doh.method {
        DohMethod::Post => (Method::POST, doh.path.as_str().to_owned(), query.datagram().to_vec()),
        DohMethod::Get => {
            let path = format!("{}?dns={}", doh.path.as_str(), base64url(query.datagram()));
            (Method::GET, path, Vec::new())
        }
    };
    let authority = web::authority(probe.secure.tls.name.as_ref(), &probe.target, Transport::Https.port());
    let settings = |error: &dyn std::fmt::Display| Broken::new(Cause::HttpProtocol, error.to_string());
    let uri: Uri = match version {
        HttpVersion::Http1 => path.parse().map_err(|error| settings(&error))?,
        HttpVersion::Http2 => {
            format!("https://{authority}{path}").parse().map_err(|error| settings(&error))?
        }
    };
    let mut request = Request::builder().method(method).uri(uri).header(header::ACCEPT, MESSAGE);
    if version == HttpVersion::Http1 {
        request = request.header(header::HOST, &authority);
    }
    if doh.method == DohMethod::Post {
        request = request.header(header::CONTENT_TYPE, MESSAGE);
    }
    let request = request.body(web::body(body)).map_err(|error| settings(&error))?;
    let response = web::exchange(stream, version, request, MESSAGE_MAX).await?;
    if !response.status.is_success() {
        let begins = match response.body.as_slice() {
            [] => String::new(),
            body => format!(" and {}", quoted(body)),
        };
        let detail = format!("the server answered with HTTP status {}{begins}", response.status);
        return Err(Broken::new(Cause::HttpStatus, detail));
    }
    let kind = response.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let bare = kind.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii();
    if !bare.eq_ignore_ascii_case(MESSAGE.as_bytes()) {
        let detail = format!("the response is of type {}, expected {MESSAGE}", quoted(kind));
        return Err(Broken::new(Cause::HttpHeader, detail));
    }
    probe.message(&response.body);
    if !probe.is_over() {
        let detail = "the response holds no reply to the query".to_owned();
        return Err(Broken::new(Cause::DnsMalformed, detail));
    }
    Ok(())
}
