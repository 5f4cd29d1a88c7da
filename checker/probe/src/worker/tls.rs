//! Clients of TLS, made from the settings of a check.
//!
//! Owns the reading of certificates and keys, and the clients that were made of them: a client is used again while its files are
//! the same and it is not an hour old. It opens no connection.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use checker_core::tls::{Identity, Tls, Trust};
use checker_core::{Cause, Time};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::Broken;
use super::certificate::{dates, spoken};
use super::verify::Verifier;
use crate::clock;
use crate::socket::Target;

/// How long a client is used before its files are read again, in any case.
const FRESH: Duration = Duration::from_secs(3_600);
/// Clients that are kept; more are made afresh.
const KEPT_MAX: usize = 256;
/// Octets of a file with certificates.
const FILE_MAX: u64 = 4 << 20;

/// The protocols that are offered (RFC 7301).
pub(super) type Protocols = &'static [&'static [u8]];

/// A client of TLS.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) config: Arc<ClientConfig>,
    pub(super) verifier: Arc<Verifier>,
}

#[derive(Debug)]
struct Made {
    client: Client,
    at: Time,
    stamp: Vec<Option<(SystemTime, u64)>>,
}

/// The clients that were made so far.
#[derive(Debug, Default)]
pub(super) struct Clients {
    kept: Mutex<HashMap<(Tls, Protocols), Made>>,
    system: Mutex<Option<(Time, Arc<RootCertStore>)>>,
}

impl Clients {
    /// The client for these settings. Reads files when it has to.
    pub(super) fn get(&self, tls: &Tls, protocols: Protocols) -> Result<Client, Broken> {
        let key = (tls.clone(), protocols);
        let (now, stamp) = (clock::now(), stamp(tls));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = kept.get(&key)
            && made.stamp == stamp
            && now.since(made.at) < FRESH
        {
            return Ok(made.client.clone());
        }
        let client = self.make(tls, protocols)?;
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, Made { client: client.clone(), at: now, stamp });
        Ok(client)
    }

    fn make(&self, tls: &Tls, protocols: Protocols) -> Result<Client, Broken> {
        let provider = Arc::new(ring::default_provider());
        let (chain, exact) = match &tls.trust {
            Trust::Unverified => (None, Vec::new()),
            Trust::System => (Some(verifier(&provider, self.system()?)?), Vec::new()),
            Trust::File(path) => {
                let certificates = certificates(path)?;
                let mut roots = RootCertStore::empty();
                let (good, _) = roots.add_parsable_certificates(certificates.iter().cloned());
                if good == 0 {
                    return Err(settings(path, "it holds no certificate"));
                }
                (Some(verifier(&provider, Arc::new(roots))?), certificates)
            }
        };
        let pins = tls.pins.clone();
        let verifier = Arc::new(Verifier { chain, exact, pins, provider: Arc::clone(&provider) });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Broken::new(Cause::TlsSettings, error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as _);
        let mut config = match &tls.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let chain = certificates(certificate)?;
                let secret = PrivateKeyDer::from_pem_slice(&read(key)?)
                    .map_err(|_| settings(key, "it holds no private key"))?;
                builder.with_client_auth_cert(chain, secret).map_err(|error| {
                    settings(key, &format!("it does not go with the certificate: {error}"))
                })?
            }
        };
        // Every probe sees a whole handshake, and with it the certificate.
        config.resumption = Resumption::disabled();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Client { config: Arc::new(config), verifier })
    }

    /// The authorities that the system trusts.
    fn system(&self) -> Result<Arc<RootCertStore>, Broken> {
        let mut held = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        if let Some((at, roots)) = &*held
            && now.since(*at) < FRESH
        {
            return Ok(Arc::clone(roots));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let detail =
                "this system has no list of trusted authorities: install ca-certificates, or name a file";
            return Err(Broken::new(Cause::TlsSettings, detail));
        }
        let roots = Arc::new(roots);
        *held = Some((now, Arc::clone(&roots)));
        Ok(roots)
    }
}

fn verifier(
    provider: &Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
) -> Result<Arc<WebPkiServerVerifier>, Broken> {
    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|error| Broken::new(Cause::TlsSettings, error.to_string()))
}

fn settings(path: &Path, why: &str) -> Broken {
    Broken::new(Cause::TlsSettings, format!("{}: {why}", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>, Broken> {
    crate::file::read(path, FILE_MAX).map_err(|error: io::Error| settings(path, &error.to_string()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Broken> {
    let text = read(path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(settings(path, "it holds no certificate in PEM form")),
    }
}

/// What tells a file from the same file at another time.
fn stamp(tls: &Tls) -> Vec<Option<(SystemTime, u64)>> {
    let trust = match &tls.trust {
        Trust::File(path) => Some(path),
        Trust::System | Trust::Unverified => None,
    };
    let identity = tls.identity.iter().flat_map(|identity| [&identity.certificate, &identity.key]);
    let stamp = |path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    trust.into_iter().chain(identity).map(stamp).collect()
}

/// The name that the certificate must be for.
pub(super) fn server_name(tls: &Tls, target: &Target) -> Result<ServerName<'static>, Broken> {
    match &tls.name {
        None => Ok(ServerName::from(target.server().ip())),
        Some(name) => ServerName::try_from(name.as_str().to_owned())
            .map_err(|_| Broken::new(Cause::TlsSettings, format!("{name} is no name that TLS knows"))),
    }
}

/// Whether one of the certificates ends within the time that is worth a warning, and what is said of it.
pub(super) fn expiring(tls: &Tls, chain: &[CertificateDer<'_>]) -> Option<String> {
    let warn = i64::try_from(tls.expiry_warn?.as_secs()).unwrap_or(i64::MAX);
    let left = seconds_left(chain)?;
    (left < warn).then(|| match left {
        0.. => format!("the server's certificate expires in {}, expected {}", spoken(left), spoken(warn)),
        _ => format!("the server's certificate expired {} ago", spoken(left)),
    })
}

/// For how many seconds all of the certificates are still good.
pub(super) fn seconds_left(chain: &[CertificateDer<'_>]) -> Option<i64> {
    let end = chain.iter().filter_map(|certificate| dates(certificate)).map(|dates| dates.not_after).min()?;
    Some(end.saturating_sub(i64::try_from(clock::epoch()).unwrap_or(i64::MAX)))
}
