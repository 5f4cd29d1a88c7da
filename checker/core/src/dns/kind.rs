//! Record types, classes and response codes: numbers with names.
//!
//! Owns the mnemonics of the IANA registries "Resource Record (RR) TYPEs", "DNS CLASSes" and "DNS RCODEs", and the
//! generic `TYPEnnn` and `CLASSnnn` of RFC 3597 section 5. Every 16-bit number is a valid value.

use std::fmt;
use std::str::FromStr;

/// A text that names no record type, class or response code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindError {
    what: &'static str,
    text: String,
    remedy: &'static str,
}

impl fmt::Display for KindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no {}: {}", self.text, self.what, self.remedy)
    }
}

impl std::error::Error for KindError {}

macro_rules! kind {
    (
        $(#[$doc:meta])* $name:ident, $what:literal, generic $generic:literal, max $max:literal, remedy $remedy:literal;
        $($(#[$alias:meta])* $constant:ident = $number:literal $mnemonic:literal;)+
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u16);

        impl $name {
            $(#[doc = concat!("`", $mnemonic, "`, ", stringify!($number), ".")] pub const $constant: Self = Self($number);)+

            const MNEMONICS: &'static [(&'static str, u16)] = &[$(($mnemonic, $number)),+];

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u16 {
                self.0
            }

            /// The mnemonic, if the number has one.
            #[must_use]
            pub fn mnemonic(self) -> Option<&'static str> {
                Self::MNEMONICS.iter().find(|(_, number)| *number == self.0).map(|(mnemonic, _)| *mnemonic)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.mnemonic() {
                    Some(mnemonic) => f.pad(mnemonic),
                    None => f.pad(&format!(concat!($generic, "{}"), self.0)),
                }
            }
        }

        impl FromStr for $name {
            type Err = KindError;

            /// Reads a mnemonic in any case, or the generic form.
            fn from_str(text: &str) -> Result<Self, KindError> {
                if let Some((_, number)) = Self::MNEMONICS.iter().find(|(m, _)| m.eq_ignore_ascii_case(text)) {
                    return Ok(Self(*number));
                }
                let digits = match text.split_at_checked($generic.len()) {
                    Some((head, tail)) if head.eq_ignore_ascii_case($generic) => Some(tail),
                    _ => None,
                };
                digits
                    .filter(|d| !d.is_empty() && d.len() <= 5 && d.bytes().all(|b| b.is_ascii_digit()))
                    .and_then(|d| d.parse().ok())
                    .filter(|number| u32::from(*number) <= $max)
                    .map(Self)
                    .ok_or_else(|| KindError { what: $what, text: text.chars().take(40).collect(), remedy: $remedy })
            }
        }
    };
}

kind! {
    /// The type of a record or question.
    RecordType, "DNS record type", generic "TYPE", max 65535,
    remedy "use a mnemonic such as A, AAAA, SOA or TXT, or TYPEnnn with a number up to 65535";
    A = 1 "A"; NS = 2 "NS"; CNAME = 5 "CNAME"; SOA = 6 "SOA"; NULL = 10 "NULL"; PTR = 12 "PTR"; HINFO = 13 "HINFO";
    MX = 15 "MX"; TXT = 16 "TXT"; RP = 17 "RP"; AFSDB = 18 "AFSDB"; AAAA = 28 "AAAA"; LOC = 29 "LOC"; SRV = 33 "SRV";
    NAPTR = 35 "NAPTR"; KX = 36 "KX"; CERT = 37 "CERT"; DNAME = 39 "DNAME"; OPT = 41 "OPT"; APL = 42 "APL"; DS = 43 "DS";
    SSHFP = 44 "SSHFP"; RRSIG = 46 "RRSIG"; NSEC = 47 "NSEC"; DNSKEY = 48 "DNSKEY"; DHCID = 49 "DHCID"; NSEC3 = 50 "NSEC3";
    NSEC3PARAM = 51 "NSEC3PARAM"; TLSA = 52 "TLSA"; SMIMEA = 53 "SMIMEA"; CDS = 59 "CDS"; CDNSKEY = 60 "CDNSKEY";
    OPENPGPKEY = 61 "OPENPGPKEY"; CSYNC = 62 "CSYNC"; ZONEMD = 63 "ZONEMD"; SVCB = 64 "SVCB"; HTTPS = 65 "HTTPS";
    SPF = 99 "SPF"; TKEY = 249 "TKEY"; TSIG = 250 "TSIG"; IXFR = 251 "IXFR"; AXFR = 252 "AXFR"; ANY = 255 "ANY";
    URI = 256 "URI"; CAA = 257 "CAA";
}

impl RecordType {
    /// A type from its number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }
}

kind! {
    /// The class of a record or question.
    Class, "DNS class", generic "CLASS", max 65535, remedy "use IN, CH or HS, or CLASSnnn with a number up to 65535";
    IN = 1 "IN"; CH = 3 "CH"; HS = 4 "HS"; NONE = 254 "NONE"; ANY = 255 "ANY";
}

impl Class {
    /// A class from its number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }
}

kind! {
    /// A response code, with the upper eight bits of EDNS (RFC 6891 section 6.1.3): 0 to 4095.
    Rcode, "DNS response code", generic "RCODE", max 4095,
    remedy "use a mnemonic such as NOERROR, NXDOMAIN, SERVFAIL or REFUSED, or RCODEnnn with a number up to 4095";
    NOERROR = 0 "NOERROR"; FORMERR = 1 "FORMERR"; SERVFAIL = 2 "SERVFAIL"; NXDOMAIN = 3 "NXDOMAIN"; NOTIMP = 4 "NOTIMP";
    REFUSED = 5 "REFUSED"; YXDOMAIN = 6 "YXDOMAIN"; YXRRSET = 7 "YXRRSET"; NXRRSET = 8 "NXRRSET"; NOTAUTH = 9 "NOTAUTH";
    NOTZONE = 10 "NOTZONE"; DSOTYPENI = 11 "DSOTYPENI"; BADVERS = 16 "BADVERS"; BADKEY = 17 "BADKEY";
    BADTIME = 18 "BADTIME"; BADMODE = 19 "BADMODE"; BADNAME = 20 "BADNAME"; BADALG = 21 "BADALG"; BADTRUNC = 22 "BADTRUNC";
    BADCOOKIE = 23 "BADCOOKIE";
}

impl Rcode {
    /// A response code from its number, of which the lower twelve bits count.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number & 0x0fff)
    }
}

/// A set of response codes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct RcodeSet(Vec<Rcode>);

impl RcodeSet {
    /// Whether `rcode` is in the set.
    #[must_use]
    pub fn contains(&self, rcode: Rcode) -> bool {
        self.0.contains(&rcode)
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The codes, in rising order.
    pub fn iter(&self) -> impl Iterator<Item = Rcode> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Rcode> for RcodeSet {
    fn from_iter<I: IntoIterator<Item = Rcode>>(rcodes: I) -> Self {
        let mut rcodes: Vec<Rcode> = rcodes.into_iter().collect();
        rcodes.sort_unstable();
        rcodes.dedup();
        Self(rcodes)
    }
}

impl fmt::Display for RcodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, rcode) in self.0.iter().enumerate() {
            write!(f, "{}{rcode}", if n == 0 { "" } else { " or " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mnemonics_read_back_in_any_case() {
        for number in 0..=65535 {
            let rtype = RecordType::new(number);
            assert_eq!(rtype.to_string().parse(), Ok(rtype));
            assert_eq!(rtype.to_string().to_lowercase().parse(), Ok(rtype));
            let class = Class::new(number);
            assert_eq!(class.to_string().parse(), Ok(class));
            let rcode = Rcode::new(number);
            assert_eq!(rcode.to_string().parse(), Ok(rcode));
        }
        assert_eq!("type1".parse(), Ok(RecordType::A));
        assert_eq!("TYPE65280".parse::<RecordType>().map(RecordType::number), Ok(65280));
    }

    #[test]
    fn what_is_no_kind_is_refused() {
        for text in [
            "",
            "AAAAA",
            "TYPE",
            "TYPE65536",
            "TYPE-1",
            "TYPE+1",
            "TYPE1 ",
            "TYPE 1",
            "1",
            "é",
            "TYPÉ1",
            "TYPE000001",
        ] {
            assert!(text.parse::<RecordType>().is_err(), "{text}");
        }
        for text in ["", "INN", "CLASS65536", "CLASS"] {
            assert!(text.parse::<Class>().is_err(), "{text}");
        }
        for text in ["", "OK", "RCODE4096", "0"] {
            assert!(text.parse::<Rcode>().is_err(), "{text}");
        }
        assert_eq!(
            "NOERORR".parse::<Rcode>().unwrap_err().to_string(),
            "\"NOERORR\" is no DNS response code: use a mnemonic such as NOERROR, NXDOMAIN, SERVFAIL or REFUSED, \
             or RCODEnnn with a number up to 4095"
        );
    }
}
