//! What stands between strangers and the page: TLS and passwords, as the configuration asks for them.
//!
//! Owns the reading of the files that `[status]` names. What a request is answered when it has no right to ask is in `gate`,
//! who counts as failing in `failures`, what a file of users says in `users`. No secret is ever logged or shown.

mod failures;
mod gate;
mod users;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_api::config::{PageTls, Status};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};

pub use gate::{Denied, Gate};
use users::Users;

/// The longest of the files, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It can't be read.
    #[error("can't read {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// It holds a secret that others could read.
    #[error("{} is open to others; run: chmod o= {}", .path.display(), .path.display())]
    Open { path: PathBuf },
    /// It says something else than it should.
    #[error("{}: {why}", .path.display())]
    Wrong { path: PathBuf, why: String },
}

impl FileError {
    pub fn wrong(path: &Path, why: impl fmt::Display) -> Self {
        Self::Wrong { path: path.to_owned(), why: why.to_string() }
    }
}

/// What protects the page.
#[derive(Debug, Clone, Default)]
pub struct Protection {
    /// How TLS is spoken; `None` is plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
    /// Who is let in; `None` is everybody.
    pub gate: Option<Arc<Gate>>,
}

impl Protection {
    /// Reads what `status` names.
    pub fn load(status: &Status) -> Result<Self, FileError> {
        let gate = |path: &PathBuf| {
            let users = Users::parse(&secret(path)?).map_err(|why| FileError::wrong(path, why))?;
            Ok(Arc::new(Gate::new(users)))
        };
        Ok(Self {
            tls: status.tls.as_ref().map(server_tls).transpose()?,
            gate: status.users.as_ref().map(gate).transpose()?,
        })
    }
}

fn server_tls(files: &PageTls) -> Result<Arc<ServerConfig>, FileError> {
    let PageTls { certificate, key } = files;
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_slice(secret(key)?.as_bytes()).map_err(|error| match error {
        pem::Error::NoItemsFound => FileError::wrong(key, "there is no private key in it; it takes PEM"),
        error => FileError::wrong(key, error),
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                FileError::wrong(key, format_args!("it does not belong to {}", certificate.display()))
            }
            error => FileError::wrong(certificate, error),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The certificates in a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let text = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match chain {
        Ok(chain) if chain.is_empty() => {
            Err(FileError::wrong(path, "there is no certificate in it; it takes PEM"))
        }
        Ok(chain) => Ok(chain),
        Err(error) => Err(FileError::wrong(path, error)),
    }
}

/// Those who vouch for others, from a file of certificates.
pub fn authorities(path: &Path) -> Result<RootCertStore, FileError> {
    let mut store = RootCertStore::empty();
    let (good, _) = store.add_parsable_certificates(certificates(path)?);
    if good == 0 {
        return Err(FileError::wrong(path, "none of its certificates can be used"));
    }
    Ok(store)
}

/// The text of a file that others may not read.
pub fn secret(path: &Path) -> Result<String, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    if fs::metadata(path).map_err(unreadable)?.mode() & 0o007 != 0 {
        return Err(FileError::Open { path: path.to_owned() });
    }
    read(path)
}

fn read(path: &Path) -> Result<String, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    // A named pipe would block on open; so its kind is looked at first.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(FileError::wrong(path, "it is no regular file"));
    }
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_MAX {
        return Err(FileError::wrong(path, format_args!("it is longer than {} KiB", FILE_MAX >> 10)));
    }
    Ok(text)
}
