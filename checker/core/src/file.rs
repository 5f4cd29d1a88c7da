//! A check by a file: an operator's or a program's word on disk.
//!
//! Owns what such a file may say and what that means, a plain function of its content and its age. It never opens a file.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::dns::Timeout;
use crate::finding::{Finding, quoted};
use crate::verdict::{Cause, Verdict};

/// Octets of a file that are read; a longer one is not understood.
pub const LENGTH_MAX: u64 = 4_096;
/// The largest weight that the kernel's table takes here.
const WEIGHT_MAX: i64 = 65_535;

/// A check by a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCheck {
    /// Where it is, an absolute path.
    pub path: PathBuf,
    /// What a number in it means.
    pub numbers: Numbers,
    /// What it means that it is not there.
    pub missing: Verdict,
    /// How old its last change may be.
    pub max_age: Option<Duration>,
    /// What it means that it is older.
    pub stale: Verdict,
    /// The limit of reading it.
    pub timeout: Timeout,
}

/// What a number in a file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Numbers {
    /// It is the weight, 0 to 65535.
    #[default]
    Weight,
    /// 0 passes, every other fails: keepalived's FILE_CHECK with weight 0.
    Failure,
    /// It is added to the configured weight (`base`), `factor` times: keepalived's FILE_CHECK with a weight.
    Added {
        /// How many times.
        factor: i32,
        /// The configured weight of the real server.
        base: u32,
    },
}

impl fmt::Display for FileCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reads {}", self.path.display())?;
        f.write_str(match self.numbers {
            Numbers::Weight => ", where a number is the weight",
            Numbers::Failure => ", where a number but 0 is a failure",
            Numbers::Added { .. } => ", where a number changes the weight",
        })
    }
}

/// What was found in place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// Its content, and how long ago it was changed.
    Content(&'a [u8], Duration),
    /// There is none.
    Nothing,
    /// It can't be read, and why.
    Unreadable(String),
}

/// What the word on disk means.
#[must_use]
pub fn judge(check: &FileCheck, found: &Found<'_>) -> Finding {
    let path = check.path.display();
    match found {
        Found::Unreadable(why) => Finding::failed(Cause::FileInvalid, format!("{path} can't be read: {why}")),
        Found::Nothing => settled(check.missing, Cause::FileMissing, &format!("{path} is not there")),
        Found::Content(_, age) if check.max_age.is_some_and(|limit| *age > limit) => {
            let limit = check.max_age.unwrap_or_default().as_secs();
            let what = format!("{path} was last changed {} s ago, expected at most {limit} s", age.as_secs());
            settled(check.stale, Cause::FileStale, &what)
        }
        Found::Content(content, _) => said(check, content),
    }
}

/// What is configured for a file that says nothing.
fn settled(verdict: Verdict, unknown: Cause, what: &str) -> Finding {
    match verdict {
        Verdict::Up => Finding::passed(Duration::ZERO, format!("{what}, which counts as up")),
        Verdict::Down => Finding::failed(Cause::FileDown, format!("{what}, which counts as down")),
        Verdict::Degraded => degraded(format!("{what}, which counts as degraded")),
        Verdict::Unknown => Finding::failed(unknown, what.to_owned()),
    }
}

fn degraded(detail: String) -> Finding {
    Finding { verdict: Verdict::Degraded, ..Finding::failed(Cause::FileDegraded, detail) }
}

/// The first line: a word or a number, and behind it why, for people.
fn said(check: &FileCheck, content: &[u8]) -> Finding {
    let path = check.path.display();
    let line = content.split(|octet| *octet == b'\n').next().unwrap_or_default().trim_ascii();
    let shown = quoted(line);
    let unclear = || {
        let detail = format!("{path} says {shown}, expected up, down, degraded, unknown or a number");
        Finding::failed(Cause::FileInvalid, detail)
    };
    let Ok(text) = std::str::from_utf8(line) else { return unclear() };
    let mut words = text.split_ascii_whitespace();
    let Some(mut word) = words.next() else { return unclear() };
    if word == "weight" {
        word = words.next().unwrap_or_default();
        let Some(weight) = word.parse().ok().filter(|weight| (0..=WEIGHT_MAX).contains(weight)) else {
            return unclear();
        };
        return weighed(weight, shown);
    }
    let detail = || format!("{path} says {shown}");
    match word {
        "up" => Finding::passed(Duration::ZERO, shown),
        "down" => Finding::failed(Cause::FileDown, detail()),
        "degraded" => degraded(detail()),
        "unknown" => Finding::failed(Cause::FileUnknown, detail()),
        number => match (number.parse::<i64>(), check.numbers) {
            (Ok(weight), Numbers::Weight) if (0..=WEIGHT_MAX).contains(&weight) => weighed(weight, shown),
            (Ok(0), Numbers::Failure) => Finding::passed(Duration::ZERO, shown),
            (Ok(_), Numbers::Failure) => Finding::failed(Cause::FileDown, detail()),
            // keepalived's word for a failure.
            (Ok(number), Numbers::Added { .. }) if number <= i64::from(i32::MIN) => {
                Finding::failed(Cause::FileDown, detail())
            }
            (Ok(number), Numbers::Added { factor, base }) => {
                let added = number.saturating_mul(factor.into()).saturating_add(base.into());
                weighed(added.clamp(0, WEIGHT_MAX), shown)
            }
            _ => unclear(),
        },
    }
}

fn weighed(weight: i64, shown: String) -> Finding {
    let weight = u32::try_from(weight).ok();
    Finding { weight, ..Finding::passed(Duration::ZERO, shown) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(numbers: Numbers) -> FileCheck {
        FileCheck {
            path: "/run/word".into(),
            numbers,
            missing: Verdict::Unknown,
            max_age: Some(Duration::from_secs(60)),
            stale: Verdict::Unknown,
            timeout: Timeout::default(),
        }
    }

    fn told(numbers: Numbers, content: &str) -> (Verdict, &'static str, Option<u32>) {
        let finding = judge(&check(numbers), &Found::Content(content.as_bytes(), Duration::from_secs(1)));
        assert!(!finding.detail.contains('\n') && !finding.reply.contains('\n'), "{finding:?}");
        (finding.verdict, finding.cause.map_or("up", Cause::code), finding.weight)
    }

    #[test]
    fn words_mean_what_they_say() {
        use Verdict::{Degraded, Down, Unknown, Up};
        for (content, seen) in [
            ("up", (Up, "up", None)),
            ("up\n", (Up, "up", None)),
            ("  down  kernel update, ask Ann\nmore\n", (Down, "file_down", None)),
            ("degraded", (Degraded, "file_degraded", None)),
            ("unknown", (Unknown, "file_unknown", None)),
            ("weight 30 while it is warm", (Up, "up", Some(30))),
            ("30", (Up, "up", Some(30))),
            ("0\n", (Up, "up", Some(0))),
            ("65535", (Up, "up", Some(65_535))),
        ] {
            assert_eq!(told(Numbers::Weight, content), seen, "{content:?}");
        }
        for unclear in [
            "",
            "\n",
            "\nup",
            "Up",
            "UP!",
            "65536",
            "-1",
            "weight",
            "weight x",
            "weight -1",
            "weight 65536",
            "3.5",
        ] {
            assert_eq!(told(Numbers::Weight, unclear), (Unknown, "file_invalid", None), "{unclear:?}");
        }
        let finding = judge(&check(Numbers::Weight), &Found::Content(b"down\xff\x1b[2J", Duration::ZERO));
        assert_eq!(
            finding.detail,
            "/run/word says \"down\\xff\\x1b[2J\", expected up, down, degraded, unknown or a number"
        );
    }

    #[test]
    fn numbers_can_mean_what_they_mean_to_keepalived() {
        use Verdict::{Down, Unknown, Up};
        for (content, seen) in
            [("0", (Up, "up", None)), ("1", (Down, "file_down", None)), ("-7", (Down, "file_down", None))]
        {
            assert_eq!(told(Numbers::Failure, content), seen, "{content:?}");
        }
        let added = Numbers::Added { factor: -2, base: 100 };
        for (content, seen) in [
            ("0", (Up, "up", Some(100))),
            ("10", (Up, "up", Some(80))),
            ("-10", (Up, "up", Some(120))),
            ("90", (Up, "up", Some(0))),
            ("-9223372036854775808", (Down, "file_down", None)),
            ("-2147483648", (Down, "file_down", None)),
            ("9223372036854775807", (Up, "up", Some(0))),
            ("weight 5", (Up, "up", Some(5))),
            ("x", (Unknown, "file_invalid", None)),
        ] {
            assert_eq!(told(added, content), seen, "{content:?}");
        }
    }

    #[test]
    fn what_is_missing_or_old_counts_as_it_is_said() {
        let old = Found::Content(b"up", Duration::from_secs(61));
        let mut check = check(Numbers::Weight);
        assert_eq!(judge(&check, &Found::Nothing).cause, Some(Cause::FileMissing));
        assert_eq!(judge(&check, &old).cause, Some(Cause::FileStale));
        assert_eq!(judge(&check, &Found::Content(b"up", Duration::from_secs(60))).cause, None);
        for verdict in Verdict::ALL {
            (check.missing, check.stale) = (verdict, verdict);
            for found in [&Found::Nothing, &old] {
                assert_eq!(judge(&check, found).verdict, verdict);
            }
        }
        check.max_age = None;
        assert_eq!(judge(&check, &old).verdict, Verdict::Up);
        let finding = judge(&check, &Found::Unreadable("no".to_owned()));
        assert_eq!(
            (finding.verdict, finding.detail.as_str()),
            (Verdict::Unknown, "/run/word can't be read: no")
        );
    }
}
