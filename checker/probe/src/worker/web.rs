//! One HTTP check: its requests one after the other.
//!
//! Owns the way from a request of the check to a connection, redirections to the same server, and the digests of bodies. What a
//! response means is [`checker_core::http`]'s.

use checker_core::Finding;
use checker_core::dns::HttpVersion;
use checker_core::finding::quoted;
use checker_core::http::{Hash, HttpCheck, Request, Response, Version, judge};
use checker_core::tls::Tls;
use checker_core::{Cause, http as words};
use http::header;
use http::uri::Uri;
use http_body_util::Full;
use md5::{Digest as _, Md5};
use ring::digest::{SHA256, digest as sha};
use tokio::time::timeout;

use super::errand::{Course, Phase};
use super::tls::{self, Clients, Protocols};
use super::{Broken, dial, http as web};
use crate::socket::Target;

const ANSWERING: Phase = Phase { cause: Cause::HttpTimeout, missing: "no complete HTTP response" };

/// Runs a probe to its end.
pub(super) async fn run(check: &HttpCheck, target: &Target, clients: &Clients) -> Finding {
    let mut course = Course::new(check.timeout);
    let result = timeout(check.timeout.get(), all(check, target, clients, &mut course)).await;
    course.finding(result)
}

async fn all(
    check: &HttpCheck,
    target: &Target,
    clients: &Clients,
    course: &mut Course,
) -> Result<String, Broken> {
    let mut reply = String::new();
    for request in &check.requests {
        reply = one(check, request, target, clients, course).await?;
    }
    Ok(match check.requests.len() {
        1 => reply,
        count => format!("{count} requests, the last: {reply}"),
    })
}

/// Where a request goes, after redirections.
struct Place {
    authority: String,
    path: String,
}

async fn one(
    check: &HttpCheck,
    request: &Request,
    target: &Target,
    clients: &Clients,
    course: &mut Course,
) -> Result<String, Broken> {
    // The name of the server is that of TLS, unless that has one of its own.
    let host = request.host.as_ref().map(words::Host::name);
    let secure = check.tls.as_deref().map(|tls| {
        let name = tls.name.clone().or_else(|| host.cloned());
        Tls { name, ..tls.clone() }
    });
    let usual = if secure.is_some() { 443 } else { 80 };
    let authority = match &request.host {
        Some(host) => host.to_string(),
        None => web::authority(secure.as_ref().and_then(|tls| tls.name.as_ref()), target, usual),
    };
    let mut place = Place { authority, path: request.path.as_str().to_owned() };
    let mut followed = 0;
    loop {
        let (response, version) =
            fetch(check, request, &place, secure.as_ref(), target, clients, course).await?;
        let status = response.status;
        let location = response.headers.get(header::LOCATION).filter(|_| status.is_redirection());
        // One that is expected is where the way ends.
        if let Some(to) = location
            && check.redirects > 0
            && !request.expect.status.has(status.as_u16())
        {
            if followed >= check.redirects {
                let detail = format!(
                    "{}: more than {followed} redirections, the next to {}",
                    request.path,
                    quoted(to.as_bytes())
                );
                return Err(Broken::new(Cause::HttpStatus, detail));
            }
            followed += 1;
            place = redirected(to.as_bytes(), place, secure.is_some())?;
            continue;
        }
        let headers: Vec<(&str, &[u8])> =
            response.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let seen = Response { status: status.as_u16(), headers: &headers, body: &response.body };
        judge(request, &seen, digest).map_err(|(cause, detail)| Broken::new(cause, detail))?;
        let begins =
            if response.body.is_empty() { String::new() } else { format!(": {}", quoted(&response.body)) };
        let length = response.body.len();
        return Ok(format!("status {} over HTTP/{version}, {length} octets{begins}", status.as_u16()));
    }
}

/// Where a redirection leads: only to the same server, and never to or from TLS.
fn redirected(to: &[u8], from: Place, secured: bool) -> Result<Place, Broken> {
    let bad =
        |why: &str| Broken::new(Cause::HttpStatus, format!("the server redirects to {}, {why}", quoted(to)));
    let uri = Uri::try_from(to).map_err(|_| bad("which is no address"))?;
    let scheme = if secured { "https" } else { "http" };
    if uri.scheme_str().is_some_and(|other| other != scheme) {
        return Err(bad("which is another scheme than that of the check"));
    }
    let path = uri.path_and_query().map(|path| path.as_str().to_owned());
    let path =
        path.filter(|path| path.starts_with('/')).ok_or_else(|| bad("which is no path from the root"))?;
    let authority = uri.authority().map_or(from.authority, ToString::to_string);
    Ok(Place { authority, path })
}

async fn fetch(
    check: &HttpCheck,
    request: &Request,
    place: &Place,
    secure: Option<&Tls>,
    target: &Target,
    clients: &Clients,
    course: &mut Course,
) -> Result<(web::Response, &'static str), Broken> {
    let connecting = connect(check, secure, target, clients, course);
    let stream = match check.connect_timeout {
        None => connecting.await?,
        Some(limit) => match timeout(limit, connecting).await {
            Ok(stream) => stream?,
            Err(_) => return Err(course.phase.over(limit)),
        },
    };
    course.phase = ANSWERING;
    let (version, shown) = match (check.version, &stream) {
        (Some(Version::Http2), Stream::Secured(stream)) if web::negotiated(stream) != HttpVersion::Http2 => {
            return Err(Broken::new(Cause::HttpProtocol, "the server does not speak HTTP/2"));
        }
        (Some(Version::Http2), _) => (HttpVersion::Http2, "2"),
        (Some(Version::Http10), _) => (HttpVersion::Http1, "1.0"),
        (Some(Version::Http11), _) | (None, Stream::Plain(_)) => (HttpVersion::Http1, "1.1"),
        (None, Stream::Secured(stream)) => {
            let version = web::negotiated(stream);
            (version, version.as_str())
        }
    };
    let message = message(check, request, place, version, secure.is_some())?;
    let response = match stream {
        Stream::Plain(stream) => web::exchange(stream, version, message, check.body_max).await,
        Stream::Secured(stream) => web::exchange(*stream, version, message, check.body_max).await,
    };
    Ok((response?, shown))
}

enum Stream {
    Plain(tokio::net::TcpStream),
    Secured(Box<tokio_rustls::client::TlsStream<tokio::net::TcpStream>>),
}

async fn connect(
    check: &HttpCheck,
    secure: Option<&Tls>,
    target: &Target,
    clients: &Clients,
    course: &mut Course,
) -> Result<Stream, Broken> {
    course.phase = Phase::CONNECTING;
    let Some(tls) = secure else { return Ok(Stream::Plain(dial::tcp(target).await?)) };
    let protocols: Protocols = match check.version {
        None => &[b"h2", b"http/1.1"],
        Some(Version::Http2) => &[b"h2"],
        Some(Version::Http11) => &[b"http/1.1"],
        Some(Version::Http10) => &[],
    };
    let client = clients.get(tls, protocols)?;
    let stream = dial::tcp(target).await?;
    course.phase = Phase::SECURING;
    let stream = dial::secure(&client, tls, target, stream).await?;
    if let Some(expiring) = tls::expiring(tls, dial::chain(&stream)) {
        course.expiring = Some(expiring);
    }
    Ok(Stream::Secured(Box::new(stream)))
}

fn message(
    check: &HttpCheck,
    request: &Request,
    place: &Place,
    version: HttpVersion,
    secured: bool,
) -> Result<http::Request<Full<bytes::Bytes>>, Broken> {
    let broken =
        |error: http::Error| Broken::new(Cause::HttpProtocol, format!("no request can be made: {error}"));
    let Place { authority, path } = place;
    let scheme = if secured { "https" } else { "http" };
    let uri = match version {
        HttpVersion::Http1 => path.clone(),
        HttpVersion::Http2 => format!("{scheme}://{authority}{path}"),
    };
    let mut message = http::Request::builder().method(request.method.as_str()).uri(uri);
    if check.version == Some(Version::Http10) {
        message = message.version(http::Version::HTTP_10);
    }
    if version == HttpVersion::Http1 {
        message = message.header(header::HOST, authority).header(header::CONNECTION, "close");
    }
    let has = |name: header::HeaderName| request.headers.iter().any(|header| header.name == name.as_str());
    if !has(header::USER_AGENT) {
        message = message.header(header::USER_AGENT, "holdfast");
    }
    if !has(header::ACCEPT) {
        message = message.header(header::ACCEPT, "*/*");
    }
    for header in &request.headers {
        message = message.header(&header.name, &header.value);
    }
    message.body(web::body(request.body.clone().into_bytes())).map_err(broken)
}

fn digest(hash: Hash, body: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Md5 => Md5::digest(body).to_vec(),
        Hash::Sha256 => sha(&SHA256, body).as_ref().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_stay_with_the_server() {
        let to = |to: &str, secured| {
            let from = Place { authority: "a.test".to_owned(), path: "/x".to_owned() };
            match redirected(to.as_bytes(), from, secured) {
                Ok(Place { authority, path }) => format!("{authority} {path}"),
                Err(broken) => broken.detail.unwrap_or_default(),
            }
        };
        assert_eq!(to("/login?next=/", false), "a.test /login?next=/");
        assert_eq!(to("https://b.test:8443/y", true), "b.test:8443 /y");
        assert_eq!(to("http://b.test", false), "b.test /");
        assert!(to("https://a.test/x", false).ends_with("another scheme than that of the check"));
        assert!(to("http://a.test/x", true).ends_with("another scheme than that of the check"));
        assert!(to("\r\nx", true).ends_with("which is no address"), "{}", to("\r\nx", true));
    }

    #[test]
    fn digests_are_those_of_others() {
        let hex = |octets: Vec<u8>| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        // RFC 1321 section A.5; FIPS 180-4's example.
        assert_eq!(hex(digest(Hash::Md5, b"abc")), "900150983cd24fb0d6963f7d28e17f72");
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(digest(Hash::Sha256, b"abc")), sha);
    }
}
