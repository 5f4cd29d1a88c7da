//! A certification authority for tests, made with `openssl`.
//!
//! Owns a folder with its key and the certificates that it issues, for any names and any dates. It uses none of the code under test.

#![allow(dead_code, reason = "every test file uses its own part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An authority. Its folder is below the build's, and stays until the next run.
pub struct Authority {
    directory: PathBuf,
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Long gone.
pub const PAST: (&str, &str) = ("20200101000000Z", "20200201000000Z");
/// From long ago to far away.
pub const PRESENT: (&str, &str) = ("20200101000000Z", "20490101000000Z");
/// Not yet.
pub const FUTURE: (&str, &str) = ("20480101000000Z", "20490101000000Z");

fn openssl(directory: &Path, words: &str) {
    let output = Command::new("openssl")
        .args(words.split_whitespace())
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr));
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

impl Authority {
    /// A new authority. `label` is its own among all test programs.
    pub fn new(label: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(label);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        openssl(
            &directory,
            &format!("req -x509 {KEY} -keyout ca.key -out ca.pem -days 30 -subj /CN=authority"),
        );
        Self { directory }
    }

    /// The file with its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// Its folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Issues a certificate, as `DNS:dns.test,IP:127.0.0.1`.
    pub fn issue(&self, name: &str, subject: &str, (from, until): (&str, &str)) -> Issued {
        let directory = self.directory.join(name);
        fs::create_dir(&directory).unwrap();
        let config = "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\npolicy=p\n\
                      copy_extensions=copy\nemail_in_dn=no\n[p]\ncommonName=supplied\n";
        fs::write(directory.join("ca.conf"), config).unwrap();
        fs::write(directory.join("index"), "").unwrap();
        fs::write(directory.join("serial"), "01\n").unwrap();
        openssl(
            &directory,
            &format!("req {KEY} -keyout key.pem -out csr -subj /CN={name} -addext subjectAltName={subject}"),
        );
        openssl(
            &directory,
            &format!(
                "ca -batch -notext -config ca.conf -cert ../ca.pem -keyfile ../ca.key -in csr -out cert.pem -startdate {from} -enddate {until}"
            ),
        );
        Issued { certificate: directory.join("cert.pem"), key: directory.join("key.pem") }
    }

    /// Makes a certificate that signs itself, for `localhost` and the address.
    pub fn self_signed(&self, name: &str) -> Issued {
        let directory = self.directory.join(name);
        fs::create_dir(&directory).unwrap();
        openssl(
            &directory,
            &format!(
                "req -x509 {KEY} -keyout key.pem -out cert.pem -days 30 -subj /CN={name} -addext subjectAltName=IP:127.0.0.1"
            ),
        );
        Issued { certificate: directory.join("cert.pem"), key: directory.join("key.pem") }
    }

    /// The pin of a certificate's key, as other tools compute it.
    pub fn pin(&self, issued: &Issued) -> String {
        let certificate = issued.certificate.display();
        let script = format!(
            "openssl x509 -in {certificate} -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl base64"
        );
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
