//! Secrets: where they are read, and that they are not shown.
//!
//! Owns the reading. A secret is read when it is needed and dropped with the delivery: it is in no log, no state, no argument
//! list and no error text.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use agent_api::config::Secret;

/// The longest file of a secret.
const LONGEST: u64 = 4_096;

/// What was read, which prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// Why a secret can't be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// systemd gave no credentials.
    #[error(
        "credential {0:?} is not there: systemd gave none; add LoadCredential={0}:/etc/holdfast/{0} to holdfast-alertd.service"
    )]
    NoCredentials(String),
    /// The file can't be read.
    #[error("can't read the secret {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Everybody may read it.
    #[error("the secret {} may be read by everybody: chmod 0600 it, or 0640 with group holdfast-alert", .0.display())]
    Open(PathBuf),
    /// It has not the form it should have.
    #[error("the secret {} is {form}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What it should be.
        form: &'static str,
    },
}

/// User name and password: two lines.
pub fn credential(secret: &Secret) -> Result<(String, Hidden), SecretError> {
    let (path, text) = read(secret)?;
    let mut lines = text.reveal().lines();
    let (user, password) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let rest = lines.all(|line| line.trim().is_empty());
    if user.is_empty() || password.is_empty() || !rest {
        return Err(SecretError::Form { path, form: "not two lines: user name and password" });
    }
    Ok((user.to_owned(), Hidden(password.to_owned())))
}

/// A key of at least 16 characters: one line.
pub fn key(secret: &Secret) -> Result<Hidden, SecretError> {
    let (path, text) = read(secret)?;
    let key = text.reveal().trim_end_matches(['\r', '\n']);
    if key.len() < 16 || key.contains('\n') {
        return Err(SecretError::Form { path, form: "not one line of 16 characters or more" });
    }
    Ok(Hidden(key.to_owned()))
}

/// One line, `NAME:PASSWORD` as a rule.
pub fn line(secret: &Secret) -> Result<Hidden, SecretError> {
    let (path, text) = read(secret)?;
    let line = text.reveal().trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.contains(['\r', '\n']) {
        return Err(SecretError::Form { path, form: "not one line" });
    }
    Ok(Hidden(line.to_owned()))
}

fn read(secret: &Secret) -> Result<(PathBuf, Hidden), SecretError> {
    let path = match secret {
        Secret::File(path) => path.clone(),
        Secret::Credential(name) => {
            let folder = std::env::var_os("CREDENTIALS_DIRECTORY")
                .ok_or_else(|| SecretError::NoCredentials(name.clone()))?;
            Path::new(&folder).join(name)
        }
    };
    let unreadable = |source| SecretError::Unreadable { path: path.clone(), source };
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let mut file =
        std::fs::OpenOptions::new().read(true).custom_flags(flags).open(&path).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    if !meta.is_file() || meta.len() > LONGEST {
        return Err(SecretError::Form { path, form: "no file of at most 4096 octets" });
    }
    if meta.mode() & 0o007 != 0 {
        return Err(SecretError::Open(path));
    }
    let mut text = String::new();
    file.by_ref().take(LONGEST).read_to_string(&mut text).map_err(unreadable)?;
    Ok((path, Hidden(text)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(folder: &Path, text: &str, mode: u32) -> Secret {
        let path = folder.join("secret");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Secret::File(path)
    }

    #[test]
    fn a_credential_is_two_lines_that_not_everybody_reads() {
        let folder = tempfile::tempdir().unwrap();
        let (user, password) = credential(&file(folder.path(), "staff\np w\n", 0o640)).unwrap();
        assert_eq!((user.as_str(), password.reveal()), ("staff", "p w"));
        assert_eq!(format!("{password:?}"), "Hidden");
        for (text, mode) in [("staff", 0o600), ("", 0o600), ("a\nb\nc\n", 0o600), ("staff\npw\n", 0o644)] {
            let error = credential(&file(folder.path(), text, mode)).unwrap_err().to_string();
            assert!(!error.contains("pw"), "{error}");
        }
        assert!(key(&file(folder.path(), "too short\n", 0o600)).is_err());
        assert_eq!(key(&file(folder.path(), "0123456789abcdef\n", 0o600)).unwrap().reveal().len(), 16);
    }
}
