//! Whose certificates are believed.
//!
//! Owns the reading of a private CA and the making of TLS settings. It opens no connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The largest file of certificates.
const LARGEST: u64 = 1 << 20;

/// Why there is nobody to trust.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file can't be read.
    #[error("can't read the certificates {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds none.
    #[error("{} holds no certificate in PEM form, or is larger than 1 MiB", .0.display())]
    Nothing(PathBuf),
    /// The system has none.
    #[error("the system has no certificates to trust: install ca-certificates, or set ca")]
    NoSystem,
    /// The library refuses them.
    #[error("the certificates can't be used: {0}")]
    Unusable(String),
}

fn pem(path: &Path) -> Result<Vec<u8>, TrustError> {
    let unreadable = |source| TrustError::Unreadable { path: path.to_owned(), source };
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() || meta.len() > LARGEST {
        return Err(TrustError::Nothing(path.to_owned()));
    }
    std::fs::read(path).map_err(unreadable)
}

/// For a mail server called `host`. Without `verify` any certificate does: whoever could present a wrong one could as well
/// say that there is no encryption.
pub fn mail(host: &str, ca: Option<&Path>, verify: bool) -> Result<TlsParameters, TrustError> {
    let unusable = |error: lettre::transport::smtp::Error| TrustError::Unusable(error.to_string());
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = ca {
        let pem = pem(path)?;
        let all: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
        if all.is_empty() {
            return Err(TrustError::Nothing(path.to_owned()));
        }
        builder = builder.certificate_store(CertificateStore::None);
        for certificate in all {
            builder =
                builder.add_root_certificate(Certificate::from_der(certificate.to_vec()).map_err(unusable)?);
        }
    } else if !verify {
        builder = builder.dangerous_accept_invalid_certs(true);
    }
    builder.build_rustls().map_err(unusable)
}

/// For web servers.
pub fn web(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TrustError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in CertificateDer::pem_slice_iter(&pem(path)?).filter_map(Result::ok) {
                roots.add(certificate).map_err(|error| TrustError::Unusable(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(TrustError::Nothing(path.to_owned()));
            }
        }
        None => {
            let (_, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(TrustError::NoSystem);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TrustError::Unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
