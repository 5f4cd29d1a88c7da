//! What a check asks of TLS.
//!
//! Owns the settings of a client: the name that the certificate must be for, whom to trust, keys that are pinned, how early a
//! certificate's end is worth a warning. It opens no file and knows no TLS: `checker-probe` does the handshake.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What a check asks of TLS. The default asks for a certificate that the system trusts, for the server's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Tls {
    /// The name that is sent (SNI, RFC 6066) and that the certificate must be for. `None`: no name is sent, the certificate
    /// must be for the server's address.
    pub name: Option<ServerName>,
    /// Whose signature makes a certificate good.
    pub trust: Trust,
    /// The key of the server's own certificate must be one of these; any when empty.
    pub pins: Vec<Pin>,
    /// The certificate to show when the server asks for one.
    pub identity: Option<Identity>,
    /// A certificate of the chain that ends within this time degrades.
    pub expiry_warn: Option<Duration>,
}

/// Whose signature makes a certificate good.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Trust {
    /// The authorities that the system trusts.
    #[default]
    System,
    /// Those in this PEM file. A certificate that is itself in there is good, too.
    File(PathBuf),
    /// Nobody's is asked for: neither signatures nor names nor dates are looked at. Pins are.
    Unverified,
}

/// A certificate and its key, both as PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The certificate, followed by those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A server's name in TLS: a host name in ASCII, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerName(String);

impl ServerName {
    /// The name as it was written, without a dot at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no part of TLS settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsError {
    /// No name of a server.
    Name(String),
    /// No hash of a key.
    Pin(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(text) => {
                write!(f, "{text:?} is no name of a server: write a host name such as dns.example.net")
            }
            Self::Pin(text) => write!(
                f,
                "{text:?} is no pin: write the SHA-256 of the public key in base64 (44 characters) or hex (64 digits)"
            ),
        }
    }
}

impl std::error::Error for TlsError {}

impl FromStr for ServerName {
    type Err = TlsError;

    fn from_str(text: &str) -> Result<Self, TlsError> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            (1..=63).contains(&label.len())
                && label.bytes().all(good)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // What ends in a number is an address, or nothing (RFC 1123 section 2.1).
        let number =
            |name: &str| name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        let host = name.len() <= 253 && name.split('.').all(label) && !number(name);
        if host || name.parse::<IpAddr>().is_ok() {
            Ok(Self(name.to_ascii_lowercase()))
        } else {
            Err(TlsError::Name(text.chars().take(80).collect()))
        }
    }
}

/// The SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469 section 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin(pub [u8; 32]);

impl fmt::Display for Pin {
    /// In base64.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64(&self.0))
    }
}

impl FromStr for Pin {
    type Err = TlsError;

    /// Reads base64 or hex, with `sha256//` or `sha256:` before it or not.
    fn from_str(text: &str) -> Result<Self, TlsError> {
        let bare = text.strip_prefix("sha256//").or_else(|| text.strip_prefix("sha256:")).unwrap_or(text);
        let octets = match bare.len() {
            64 => unhex(bare),
            44 => unbase64(bare),
            _ => None,
        };
        let octets = octets.and_then(|octets| <[u8; 32]>::try_from(octets).ok());
        octets.map(Self).ok_or_else(|| TlsError::Pin(text.chars().take(80).collect()))
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Octets in base64 with padding (RFC 4648 section 4).
#[must_use]
pub fn base64(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for group in octets.chunks(3) {
        let word =
            group.iter().enumerate().fold(0, |word, (n, octet)| word | u32::from(*octet) << (16 - 8 * n));
        for n in 0..4 {
            let letter = ALPHABET.get((word >> (18 - 6 * n)) as usize & 63).copied().unwrap_or(b'=');
            text.push(if n <= group.len() { letter.into() } else { '=' });
        }
    }
    text
}

/// Octets from base64 with padding.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut bits) = (0u32, 0);
    for letter in body.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        word = word << 6 | u32::try_from(value).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            octets.push((word >> bits) as u8);
        }
    }
    // What is left over must be nothing.
    (text.len().is_multiple_of(4) && text.len() - body.len() <= 2 && word & ((1 << bits) - 1) == 0)
        .then_some(octets)
}

/// Octets from hex digits.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |octet: u8| char::from(octet).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        for good in
            ["dns.example.net", "a", "xn--bcher-kva.example", "_dns.x", "192.0.2.1", "2001:db8::1", "A.B."]
        {
            assert!(good.parse::<ServerName>().is_ok(), "{good}");
        }
        assert_eq!("Dns.Example.NET.".parse::<ServerName>().unwrap().as_str(), "dns.example.net");
        for bad in ["", ".", "a..b", "-a.b", "a b", "bücher.example", "192.0.2", "1.2.3.4.5", &"a".repeat(64)]
        {
            assert!(bad.parse::<ServerName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn pins_are_read_in_both_forms() {
        let pin = Pin(std::array::from_fn(|n| (n * 7) as u8));
        assert_eq!(pin.to_string().len(), 44);
        assert_eq!(pin.to_string().parse(), Ok(pin));
        assert_eq!(format!("sha256//{pin}").parse(), Ok(pin));
        let hex: String = pin.0.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(hex.parse(), Ok(pin));
        assert_eq!(format!("sha256:{}", hex.to_uppercase()).parse(), Ok(pin));
        for bad in ["", "abc", &"=".repeat(44), &"A".repeat(44), &"g".repeat(64), &"é".repeat(22)] {
            assert!(bad.parse::<Pin>().is_err(), "{bad}");
        }
    }

    #[test]
    fn base64_goes_both_ways() {
        // RFC 4648 section 10.
        for (octets, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(octets.as_bytes()), text);
            assert_eq!(unbase64(text).as_deref(), Some(octets.as_bytes()));
        }
        assert_eq!(unbase64("Zh=="), None);
        assert_eq!(unbase64("Z==="), None);
    }
}
