//! A check by a program: what it is and what its end means.
//!
//! Owns the two conventions of exit codes, keepalived's for scripts and the one of monitoring plugins, and the rule that a program
//! that could not be run says nothing about the server. It never starts a process.

use std::fmt;
use std::time::Duration;

use crate::dns::Timeout;
use crate::finding::{Finding, quoted};
use crate::verdict::{Cause, Verdict};

/// Octets of a program's output that are kept as evidence.
pub const OUTPUT_MAX: usize = 512;

/// What exit codes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ExitCodes {
    /// 0 passes, everything else fails: keepalived's MISC_CHECK without `misc_dynamic`.
    #[default]
    Script,
    /// 0 passes, 1 warns (Degraded), 2 fails, everything else means that the plugin could not check (Unknown).
    Plugin,
    /// 0 passes, 1 fails, 2 to 255 pass with the weight that is two less: keepalived's MISC_CHECK with `misc_dynamic`.
    Weight,
}

/// A check by a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecCheck {
    /// The program, an absolute path, and its arguments. There is no shell.
    pub command: Vec<String>,
    /// What its exit codes mean.
    pub codes: ExitCodes,
    /// Its time limit.
    pub timeout: Timeout,
    /// The user that it is run as; `None`: that of the prober.
    pub user: Option<String>,
    /// The group, and no other; `None`: the user's own, else that of the prober.
    pub group: Option<String>,
    /// What it may use.
    pub limits: Limits,
}

/// What a program and each of its children may use; what is `None` is not limited beyond what the prober itself is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Octets of address space.
    pub memory: Option<u64>,
    /// Seconds of CPU time.
    pub cpu: Option<u64>,
    /// Descriptors at a time.
    pub files: Option<u64>,
    /// Processes of its user at a time, those of other programs included.
    pub processes: Option<u64>,
}

impl fmt::Display for ExecCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("runs")?;
        for word in &self.command {
            if word.is_empty() || word.contains(|c: char| !c.is_ascii_graphic() || "\"'\\$`".contains(c)) {
                write!(f, " {}", quoted(word.as_bytes()))?;
            } else {
                write!(f, " {word}")?;
            }
        }
        f.write_str(match self.codes {
            ExitCodes::Script => "",
            ExitCodes::Plugin => " (a monitoring plugin)",
            ExitCodes::Weight => " (its exit code is a weight)",
        })?;
        match (&self.user, &self.group) {
            (Some(user), _) => write!(f, " as {user}"),
            (None, Some(group)) => write!(f, " as group {group}"),
            (None, None) => Ok(()),
        }
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal, not ours.
    Signalled(i32),
    /// It had not ended at its time limit, and was killed with all of its process group.
    TimedOut,
    /// It could not be started, and why.
    NotStarted(String),
}

/// What the end of a program means. `output` is the beginning of what it printed.
#[must_use]
pub fn judge(check: &ExecCheck, end: &End, output: &[u8], elapsed: Duration) -> Finding {
    let program = check.command.first().map_or("", String::as_str);
    let first = output.split(|octet| *octet == b'\n').find(|line| !line.is_empty()).unwrap_or_default();
    let printed = if first.is_empty() { "nothing".to_owned() } else { quoted(first) };
    let reply = |code: i32| format!("exit code {code}, printed {printed}");
    let failed = |verdict: Verdict, cause: Cause, detail: String, code: i32| Finding {
        verdict,
        latency: Some(elapsed),
        reply: reply(code),
        ..Finding::failed(cause, detail)
    };
    match (end, check.codes) {
        (End::Exited(0), _) => Finding::passed(elapsed, reply(0)),
        (End::Exited(code @ 2..=255), ExitCodes::Weight) => {
            Finding { weight: u32::try_from(code - 2).ok(), ..Finding::passed(elapsed, reply(*code)) }
        }
        (End::Exited(code), ExitCodes::Script | ExitCodes::Weight) => {
            let detail = format!("{program} ended with exit code {code} and printed {printed}");
            failed(Verdict::Down, Cause::ExecExit, detail, *code)
        }
        (End::Exited(1), ExitCodes::Plugin) => {
            let detail = format!("{program} warns and printed {printed}");
            failed(Verdict::Degraded, Cause::ExecWarning, detail, 1)
        }
        (End::Exited(2), ExitCodes::Plugin) => {
            let detail = format!("{program} says critical and printed {printed}");
            failed(Verdict::Down, Cause::ExecExit, detail, 2)
        }
        (End::Exited(code), ExitCodes::Plugin) => {
            let detail =
                format!("{program} says that it could not check (exit code {code}) and printed {printed}");
            failed(Verdict::Unknown, Cause::ExecUnknown, detail, *code)
        }
        (End::Signalled(signal), _) => {
            let detail = format!("{program} was ended by signal {signal} and printed {printed}");
            Finding::failed(Cause::ExecSignal, detail)
        }
        (End::TimedOut, _) => {
            let limit = check.timeout.get().as_millis();
            let detail =
                format!("{program} did not end within {limit} ms and was killed; it printed {printed}");
            Finding::failed(Cause::ExecTimeout, detail)
        }
        (End::NotStarted(why), _) => {
            Finding::failed(Cause::ExecMissing, format!("{program} could not be started: {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(codes: ExitCodes) -> ExecCheck {
        let command = vec!["/usr/lib/check".to_owned(), "-H".to_owned(), "a b".to_owned()];
        ExecCheck {
            command,
            codes,
            timeout: Timeout::new(Duration::from_secs(1)).unwrap(),
            user: None,
            group: None,
            limits: Limits::default(),
        }
    }

    fn verdict(codes: ExitCodes, end: &End) -> (Verdict, &'static str) {
        let finding = judge(&check(codes), end, b"\nOK - fine | t=1s\nmore", Duration::from_millis(7));
        assert!(!finding.detail.contains('\n') && !finding.reply.contains('\n'));
        (finding.verdict, finding.cause.map_or("", Cause::code))
    }

    #[test]
    fn exit_codes_mean_what_their_convention_says() {
        use ExitCodes::{Plugin, Script};
        use Verdict::{Degraded, Down, Unknown, Up};
        for (code, script, plugin) in [
            (0, (Up, ""), (Up, "")),
            (1, (Down, "exec_exit"), (Degraded, "exec_warning")),
            (2, (Down, "exec_exit"), (Down, "exec_exit")),
            (3, (Down, "exec_exit"), (Unknown, "exec_unknown")),
            (127, (Down, "exec_exit"), (Unknown, "exec_unknown")),
        ] {
            assert_eq!(verdict(Script, &End::Exited(code)), script, "{code}");
            assert_eq!(verdict(Plugin, &End::Exited(code)), plugin, "{code}");
        }
        for codes in [Script, Plugin] {
            assert_eq!(verdict(codes, &End::Signalled(11)), (Down, "exec_signal"));
            assert_eq!(verdict(codes, &End::TimedOut), (Down, "exec_timeout"));
            // A program that is not there says nothing about the server.
            assert_eq!(verdict(codes, &End::NotStarted("gone".into())), (Unknown, "exec_missing"));
        }
    }

    #[test]
    fn an_exit_code_can_be_a_weight() {
        for (code, seen, weight) in [
            (0, Verdict::Up, None),
            (1, Verdict::Down, None),
            (2, Verdict::Up, Some(0)),
            (102, Verdict::Up, Some(100)),
            (255, Verdict::Up, Some(253)),
            (256, Verdict::Down, None),
            (-1, Verdict::Down, None),
        ] {
            let finding = judge(&check(ExitCodes::Weight), &End::Exited(code), b"", Duration::ZERO);
            assert_eq!((finding.verdict, finding.weight), (seen, weight), "{code}");
        }
        let other = judge(&check(ExitCodes::Script), &End::Exited(102), b"", Duration::ZERO);
        assert_eq!((other.verdict, other.weight), (Verdict::Down, None));
    }

    #[test]
    fn it_is_told_in_words() {
        assert_eq!(check(ExitCodes::Script).to_string(), "runs /usr/lib/check -H \"a b\"");
        let own = ExecCheck { user: Some("nobody".to_owned()), ..check(ExitCodes::Plugin) };
        assert!(own.to_string().ends_with(" (a monitoring plugin) as nobody"), "{own}");
        let finding =
            judge(&check(ExitCodes::Script), &End::Exited(3), b"no\x1b[2J", Duration::from_millis(7));
        assert_eq!(finding.detail, "/usr/lib/check ended with exit code 3 and printed \"no\\x1b[2J\"");
        assert_eq!(finding.latency, Some(Duration::from_millis(7)));
    }
}
