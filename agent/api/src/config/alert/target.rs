//! Addresses: of mail boxes, of servers, of secrets.
//!
//! Owns what is taken as one. Only the plain forms are: what could carry a second header, a second recipient or an option
//! to a program is refused here already. It looks nothing up.

use std::net::IpAddr;
use std::path::PathBuf;

use super::super::book::quoted;
use super::{Secret, Url};

/// The longest mail address (RFC 5321, section 4.5.3.1.3).
const ADDRESS_MAX: usize = 254;
/// The longest host name.
const HOST_MAX: usize = 253;
const PATH_MAX: usize = 1_024;

/// A mail address without a name.
pub(super) fn mail_address(text: &str) -> Result<String, String> {
    let wrong = || {
        let shown = quoted(text);
        format!("{shown} is no mail address; write one such as \"linuxstaff@example.net\", without a name")
    };
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let dotted = |text: &str, plain: &dyn Fn(char) -> bool| {
        !text.is_empty() && text.split('.').all(|part| !part.is_empty() && part.chars().all(plain))
    };
    // A leading '-' would look like an option to sendmail.
    let good = text.len() <= ADDRESS_MAX
        && local.len() <= 64
        && !local.starts_with('-')
        && dotted(local, &atom)
        && dotted(domain, &|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if good { Ok(text.to_owned()) } else { Err(wrong()) }
}

/// A host's name or address.
pub(super) fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(bare) = bare {
        return bare.parse::<IpAddr>().ok().map(|address| address.to_string());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let good = (1..=HOST_MAX).contains(&text.len())
        && text.split('.').all(|label| !label.is_empty() && label.len() <= 63 && label.chars().all(plain));
    good.then(|| text.to_ascii_lowercase())
}

/// Host and port of what stands between scheme and path.
fn authority(text: &str, default: u16) -> Option<(String, u16)> {
    let after_host = text.rfind(']').unwrap_or(0);
    let (name, port) = match text.get(after_host..)?.rfind(':') {
        Some(colon) => (text.get(..after_host + colon)?, text.get(after_host + colon + 1..)?.parse().ok()?),
        None => (text, default),
    };
    Some((host(name)?, (port > 0).then_some(port)?))
}

/// `smtp://HOST[:PORT]` or `smtps://…`: whether it is encrypted from the first byte, host and port.
pub(super) fn smtp(text: &str) -> Result<(bool, String, u16), String> {
    let split = |text: &str| -> Option<(bool, String, u16)> {
        let (tls, rest) = match text.split_once("://")? {
            ("smtp", rest) => (false, rest),
            ("smtps", rest) => (true, rest),
            _ => return None,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = authority(rest, if tls { 465 } else { 25 })?;
        Some((tls, host, port))
    };
    split(text).ok_or_else(|| {
        if text.contains('@') {
            return "smtp holds a user or a password; leave them out and name a file in credential"
                .to_owned();
        }
        let shown = quoted(text);
        format!("smtp: {shown} is no mail server; write \"smtp://mail.example.net:25\" or \"smtps://…\"")
    })
}

/// `https://HOST[:PORT]/PATH`; `http://` for this machine itself only.
pub(super) fn url(key: &str, text: &str) -> Result<Url, String> {
    let wrong = || {
        let shown = quoted(text);
        format!(
            "{key}: {shown} is no address of a web server; write one such as \"https://chat.example.net/hook\""
        )
    };
    let (tls, rest) = match text.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        _ => return Err(wrong()),
    };
    let slash = rest.find('/').unwrap_or(rest.len());
    let (before, path) = rest.split_at(slash);
    let printable = path.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    if !printable || path.len() > PATH_MAX {
        return Err(wrong());
    }
    let (host, port) = authority(before, if tls { 443 } else { 80 }).ok_or_else(wrong)?;
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if !tls && !here {
        return Err(format!("{key}: only https goes to other machines; write \"https://{before}{path}\""));
    }
    let path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
    Ok(Url { tls, host, port, path })
}

/// An absolute path.
pub(super) fn path(key: &str, text: &str) -> Result<PathBuf, String> {
    if text.starts_with('/') && !text.ends_with('/') && !text.contains('\0') && text.len() <= PATH_MAX {
        return Ok(PathBuf::from(text));
    }
    Err(format!("{key}: {} is no absolute path of a file", quoted(text)))
}

/// An absolute path, or the name of one of systemd's credentials.
pub(super) fn secret(key: &str, text: &str) -> Result<Secret, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !text.is_empty() && text.len() <= 64 && !text.starts_with('.') && text.chars().all(plain) {
        return Ok(Secret::Credential(text.to_owned()));
    }
    let remedy = "write the absolute path of a file, or the name that LoadCredential= has for it";
    path(key, text).map(Secret::File).map_err(|_| format!("{key}: {} is neither; {remedy}", quoted(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_taken() {
        for good in ["a@b", "linux.staff+x@mail.example.net", "o'neill@example.net"] {
            assert_eq!(mail_address(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a b@c",
            "a@b\r\nBcc: x@y",
            "Me <a@b>",
            "a@b,c@d",
            "-oQ/tmp@b",
            "a..b@c",
            "a@b..c",
            "é@b",
        ] {
            assert!(mail_address(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn servers_have_a_host_and_a_port() {
        assert_eq!(smtp("smtp://mail.example.net"), Ok((false, "mail.example.net".into(), 25)));
        assert_eq!(smtp("smtps://[2001:db8::1]:466/"), Ok((true, "2001:db8::1".into(), 466)));
        for bad in [
            "mail.example.net",
            "smtp://",
            "smtp://a:b",
            "smtp://a:0",
            "smtp://u:p@h",
            "smtp://a/b",
            "http://a",
        ] {
            assert!(smtp(bad).is_err(), "{bad:?}");
        }
        let hook = url("url", "https://chat.example.net/a?b=c").unwrap();
        assert_eq!(hook.to_string(), "https://chat.example.net:443/a?b=c");
        assert_eq!(url("url", "http://[::1]:8080").unwrap().to_string(), "http://[::1]:8080/");
        for bad in ["http://chat.example.net/", "https://", "https://a b/", "https://a/\r\nx", "ftp://a/"] {
            assert!(url("url", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn secrets_are_files_or_credentials() {
        assert_eq!(secret("credential", "smtp"), Ok(Secret::Credential("smtp".into())));
        assert_eq!(secret("credential", "/etc/x"), Ok(Secret::File("/etc/x".into())));
        for bad in ["", "../x", "etc/x", "/etc/", "a\nb"] {
            assert!(secret("credential", bad).is_err(), "{bad:?}");
        }
    }
}
