//! Whether a server's certificate is good, and what is said when it is not.
//!
//! Owns the verifier that rustls calls: the chain is the library's affair; a certificate that is itself among those trusted, pins
//! and the absence of all verification are added here. It also owns the one table from errors of TLS to [`Cause`].

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use checker_core::Cause;
use checker_core::finding::quoted;
use checker_core::tls::Pin;
use ring::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use super::Broken;
use super::certificate::{dates, spoken};

/// Says whether a certificate is good.
#[derive(Debug)]
pub(super) struct Verifier {
    /// Verifies chains; `None` where nobody is asked.
    pub(super) chain: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are good by themselves.
    pub(super) exact: Vec<CertificateDer<'static>>,
    pub(super) pins: Vec<Pin>,
    pub(super) provider: Arc<CryptoProvider>,
}

/// None of the pins is the server's own key's, which it holds.
#[derive(Debug)]
struct PinMismatch(Option<Pin>);

impl std::fmt::Display for PinMismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(pin) => write!(f, "the server's key is none of the pinned ones; its pin is {pin}"),
            None => f.write_str("the server's key can't be read, so it is none of the pinned ones"),
        }
    }
}

impl std::error::Error for PinMismatch {}

fn pin_of(certificate: &CertificateDer<'_>) -> Option<Pin> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let hash = digest(&SHA256, &parsed.subject_public_key_info());
    hash.as_ref().try_into().ok().map(Pin)
}

impl Verifier {
    /// Whether anything at all is asked of the server's identity.
    fn is_asked(&self) -> bool {
        self.chain.is_some() || !self.pins.is_empty()
    }

    fn is_trusted_itself(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        let dates = dates(certificate).ok_or(CertificateError::BadEncoding)?;
        let at = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if at > dates.not_after {
            Err(CertificateError::Expired.into())
        } else if at < dates.not_before {
            Err(CertificateError::NotValidYet.into())
        } else {
            Ok(())
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(chain) = &self.chain {
            if self.exact.iter().any(|trusted| trusted.as_ref() == end_entity.as_ref()) {
                self.is_trusted_itself(end_entity, server_name, now)?;
            } else {
                chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
            }
        }
        if !self.pins.is_empty() {
            let own = pin_of(end_entity);
            // Only this key is proven by the handshake: anybody can send another's certificate along.
            if !own.is_some_and(|pin| self.pins.contains(&pin)) {
                let error = OtherError(Arc::new(PinMismatch(own)));
                return Err(CertificateError::Other(error).into());
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.is_asked() {
            // Certificates of a form that the library does not read are welcome, too.
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.is_asked() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A verifier that keeps what it refused, for a transport that does not hand errors through.
#[derive(Debug)]
pub(super) struct Noting {
    pub(super) verifier: Arc<Verifier>,
    pub(super) refused: Arc<Mutex<Option<Error>>>,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .inspect_err(|error| {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// What an error of TLS means.
pub(super) fn meaning(error: &Error) -> Broken {
    let (cause, detail) = match error {
        Error::InvalidCertificate(error) => return certificate(error),
        Error::AlertReceived(alert) => {
            (Cause::TlsHandshake, format!("the server ended the TLS handshake with the alert {alert:?}"))
        }
        Error::InvalidMessage(_) => (Cause::TlsHandshake, "the server does not speak TLS here".to_owned()),
        Error::NoCertificatesPresented => {
            (Cause::TlsCertificate, "the server shows no certificate".to_owned())
        }
        other => (Cause::TlsHandshake, format!("the TLS handshake failed: {other}")),
    };
    Broken::new(cause, detail)
}

fn certificate(error: &CertificateError) -> Broken {
    let span = |from: &UnixTime, to: &UnixTime| {
        let seconds = from.as_secs().saturating_sub(to.as_secs());
        spoken(i64::try_from(seconds).unwrap_or(i64::MAX))
    };
    let (cause, detail) = match error {
        CertificateError::ExpiredContext { time, not_after } => (
            Cause::TlsCertificateExpired,
            format!("the server's certificate expired {} ago", span(time, not_after)),
        ),
        CertificateError::Expired => {
            (Cause::TlsCertificateExpired, "the server's certificate has expired".to_owned())
        }
        CertificateError::NotValidYetContext { time, not_before } => (
            Cause::TlsCertificateFuture,
            format!("the server's certificate is valid only in {}", span(not_before, time)),
        ),
        CertificateError::NotValidYet => {
            (Cause::TlsCertificateFuture, "the server's certificate is not valid yet".to_owned())
        }
        // The second is an authority of the same name as one that is trusted, with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            (Cause::TlsUnknownCa, "the server's certificate is signed by nobody who is trusted".to_owned())
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().map(String::as_str).take(8).collect();
            let presented = match names.as_slice() {
                [] => "no name".to_owned(),
                names => quoted(names.join(", ").as_bytes()),
            };
            (
                Cause::TlsNameMismatch,
                format!("the server's certificate is for {presented}, expected {}", expected.to_str()),
            )
        }
        CertificateError::NotValidForName => {
            (Cause::TlsNameMismatch, "the server's certificate is for another name".to_owned())
        }
        CertificateError::Other(OtherError(other)) if other.is::<PinMismatch>() => {
            (Cause::TlsPinMismatch, other.to_string())
        }
        CertificateError::Other(OtherError(other)) if other.to_string() == "CaUsedAsEndEntity" => (
            Cause::TlsUnknownCa,
            "the server's certificate is that of an authority, and not itself among those trusted".to_owned(),
        ),
        other => (Cause::TlsCertificate, format!("the server's certificate is not good: {other}")),
    };
    Broken::new(cause, detail)
}

/// What an error of a connection means that ought to be secured.
pub(super) fn of_io(error: &io::Error, doing: &str) -> Broken {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return meaning(tls);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Broken::new(Cause::TlsClosed, format!("the server closed the connection {doing}"))
        }
        _ => Broken::of_errno(error, doing),
    }
}
