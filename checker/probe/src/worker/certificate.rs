//! The dates in a certificate.
//!
//! Owns one walk over the DER of RFC 5280 section 4.1, down to `Validity`: the library that verifies a chain does not tell how
//! long it is good. Any octets give dates or `None`. It verifies nothing.

/// A certificate's dates, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dates {
    /// From when it is good.
    pub(super) not_before: i64,
    /// Until when.
    pub(super) not_after: i64,
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The dates in a certificate.
pub(super) fn dates(der: &[u8]) -> Option<Dates> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest, VERSION)?.1;
    }
    // Serial number, algorithm of the signature, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        rest = element(rest, tag)?.1;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    let (not_before, rest) = time(validity)?;
    let (not_after, _) = time(rest)?;
    Some(Dates { not_before, not_after })
}

/// The content of the element at the beginning, which must have this tag, and what is behind it.
fn element(octets: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], mut rest) = octets.split_first_chunk::<2>()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (digits, behind) = rest.split_at_checked(count)?;
        length = digits
            .iter()
            .try_fold(0usize, |sum, digit| sum.checked_mul(256)?.checked_add((*digit).into()))?;
        rest = behind;
    }
    if found == tag { rest.split_at_checked(length) } else { None }
}

/// The time at the beginning, and what is behind it: `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(octets: &[u8]) -> Option<(i64, &[u8])> {
    let tag = *octets.first()?;
    let (text, rest) = element(octets, tag)?;
    let digits = text.strip_suffix(b"Z")?;
    let number = |from: usize| {
        let (pair, _) = digits.get(from..)?.split_first_chunk::<2>()?;
        pair.iter()
            .all(u8::is_ascii_digit)
            .then(|| i64::from(pair[0] - b'0') * 10 + i64::from(pair[1] - b'0'))
    };
    let (year, at) = match (tag, digits.len()) {
        // RFC 5280 section 4.1.2.5.1: 50 and more are of the last century.
        (UTC_TIME, 12) => (number(0).map(|year| if year >= 50 { 1900 + year } else { 2000 + year })?, 2),
        (GENERALIZED_TIME, 14) => (number(0)? * 100 + number(2)?, 4),
        _ => return None,
    };
    let (month, day) = (number(at)?, number(at + 2)?);
    let (hour, minute, second) = (number(at + 4)?, number(at + 6)?, number(at + 8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second, rest))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. The year is taken to begin in March, so that leap days are at its end.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A span in seconds as people say it: `3 days`, `5 hours`.
pub(super) fn spoken(seconds: i64) -> String {
    let (count, unit) = match seconds.unsigned_abs() {
        s @ 0..120 => (s, "second"),
        s @ 120..7_200 => (s / 60, "minute"),
        s @ 7_200..172_800 => (s / 3_600, "hour"),
        s => (s / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut octets = vec![tag];
        if content.len() < 0x80 {
            octets.push(content.len() as u8);
        } else {
            octets.extend([0x82, (content.len() >> 8) as u8, content.len() as u8]);
        }
        octets.extend(content);
        octets
    }

    fn certificate(from: &[u8], to: &[u8]) -> Vec<u8> {
        let issuer = vec![0; 200];
        let body = [
            tlv(VERSION, &tlv(INTEGER, &[2])),
            tlv(INTEGER, &[7]),
            tlv(SEQUENCE, &[]),
            tlv(SEQUENCE, &issuer),
            tlv(SEQUENCE, &[from, to].concat()),
            vec![0xff; 20],
        ];
        tlv(SEQUENCE, &tlv(SEQUENCE, &body.concat()))
    }

    #[test]
    fn dates_are_found() {
        let der = certificate(&tlv(UTC_TIME, b"700101000000Z"), &tlv(GENERALIZED_TIME, b"20500301000001Z"));
        assert_eq!(dates(&der), Some(Dates { not_before: 0, not_after: 2_529_705_601 }));
        let der = certificate(&tlv(UTC_TIME, b"500101000000Z"), &tlv(UTC_TIME, b"491231235959Z"));
        assert_eq!(dates(&der), Some(Dates { not_before: -631_152_000, not_after: 2_524_607_999 }));
        assert_eq!(days(2000, 2, 29), 11_016);
        assert_eq!(days(1969, 12, 31), -1);
    }

    #[test]
    fn octets_that_are_no_certificate_have_no_dates() {
        let good = certificate(&tlv(UTC_TIME, b"700101000000Z"), &tlv(UTC_TIME, b"491231235959Z"));
        // The dates end before the last 20 octets.
        for length in 0..good.len() - 20 {
            assert_eq!(dates(&good[..length]), None, "{length}");
        }
        for at in 0..good.len() {
            for octet in [0, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut bad = good.clone();
                bad[at] = octet;
                let _ = dates(&bad);
            }
        }
        let bad = certificate(&tlv(UTC_TIME, b"701301000000Z"), &tlv(UTC_TIME, b"491231235959Z"));
        assert_eq!(dates(&bad), None);
        assert_eq!(dates(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }

    #[test]
    fn spans_are_said() {
        assert_eq!(spoken(1), "1 second");
        assert_eq!(spoken(-7_300), "2 hours");
        assert_eq!(spoken(90 * 86_400), "90 days");
    }
}
