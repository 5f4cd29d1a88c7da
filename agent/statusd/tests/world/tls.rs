//! Certificates of the test's own, users, and a client that speaks TLS.

use std::fs::{self, Permissions};
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::LONG;
use super::http::{Answer, exchange};

/// A folder with all that `[status]` may name: `ca.pem`, `page.pem`, `page.key`, `users`, `credentials`.
pub struct Files {
    folder: tempfile::TempDir,
}

/// Writes a file that only its owner may read.
pub fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

impl Files {
    /// `anna`, with password `secret`, may look.
    pub fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        files.certify("page");
        write_secret(&files.path("users"), &user("anna", "secret"));
        write_secret(&files.path("credentials"), "anna:secret\n");
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a certificate for this machine, `NAME.pem` and `NAME.key`, which vouches for itself as `ca.pem`: by the command that
    /// docs/status-page.md shows.
    pub fn certify(&self, name: &str) {
        let (certificate, key) = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        let made = Command::new("openssl")
            .args(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj /CN=director1"
                    .split(' '),
            )
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .expect("openssl is installed (Debian package openssl)");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::copy(certificate, self.path("ca.pem")).unwrap();
    }

    /// Keys of `[status]` for TLS with these files.
    pub fn tls(&self) -> String {
        format!("certificate = {:?}\nkey = {:?}\n", self.path("page.pem"), self.path("page.key"))
    }

    /// Keys of `[status]` for TLS and users.
    pub fn both(&self) -> String {
        format!("{}users = {:?}\n", self.tls(), self.path("users"))
    }

    /// `[status.peer]` as one key.
    pub fn peer(&self, address: SocketAddr) -> String {
        format!(
            "peer = {{ url = \"https://localhost:{}\", name = \"<second>\", ca = {:?}, credentials = {:?} }}\n",
            address.port(),
            self.path("ca.pem"),
            self.path("credentials")
        )
    }

    /// A connection to `address` that trusts `ca.pem` alone.
    pub fn connect(
        &self,
        address: SocketAddr,
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<BufReader<StreamOwned<ClientConnection, TcpStream>>> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(self.path("ca.pem")).map_err(io::Error::other)?;
        roots.add(authority).map_err(io::Error::other)?;
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect_timeout(&address, LONG)?;
        stream.set_read_timeout(Some(LONG))?;
        stream.set_write_timeout(Some(LONG))?;
        Ok(BufReader::new(StreamOwned::new(client, stream)))
    }

    /// Asks for `path`, as the user `pair` if there is one.
    pub fn ask(&self, address: SocketAddr, path: &str, pair: Option<&str>) -> io::Result<Answer> {
        let mut connection = self.connect(address, rustls::DEFAULT_VERSIONS)?;
        exchange(&mut connection, &request(address, path, pair))
    }

    pub fn status(&self, address: SocketAddr, path: &str, pair: Option<&str>) -> u16 {
        self.ask(address, path, pair).unwrap().status
    }
}

/// A line of a file of users.
pub fn user(name: &str, password: &str) -> String {
    format!("{name}:{}\n", bcrypt::hash(password, 4).unwrap())
}

pub fn request(address: SocketAddr, path: &str, pair: Option<&str>) -> String {
    let pair =
        pair.map_or_else(String::new, |pair| format!("Authorization: Basic {}\r\n", STANDARD.encode(pair)));
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{pair}Connection: close\r\n\r\n")
}

/// Serves one answer to whoever comes, over and over, until the test ends: a director that misbehaves.
pub fn misbehaving(answer: impl Fn(&mut TcpStream) + Send + 'static) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let _request = stream.read(&mut head);
            answer(&mut stream);
            let _flushed = stream.flush();
        }
    });
    address
}
