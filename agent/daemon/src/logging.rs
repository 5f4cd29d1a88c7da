//! Logging to standard error.
//!
//! Owns the form of a line: under systemd a priority in angle brackets (`sd-daemon(3)`) and no time, elsewhere the time and
//! the level. One event is one line whatever its text holds. It never opens a file or a socket.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::os::fd::AsFd;

use nix::sys::stat::fstat;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::args::LogLevel;

/// Starts logging to standard error. A second call changes nothing.
pub fn init_logging(level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let started = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .event_format(Lines { journal: to_journal() })
        .try_init();
    if started.is_err() {
        tracing::debug!("logging was started already");
    }
}

/// Prints the last words of a `main`, one line each.
pub(crate) fn print_error(words: &str) {
    let prefix = if to_journal() { "<3>" } else { "" };
    let mut out = io::stderr().lock();
    for line in words.lines() {
        let mut plain = String::with_capacity(line.len());
        // Neither can fail in a way that could still be told to anyone.
        let _ = OneLine(&mut plain).write_str(line);
        let _ = writeln!(out, "{prefix}{plain}");
    }
}

/// Whether standard error is the stream that systemd connected to the journal.
fn to_journal() -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else { return false };
    let Ok(stat) = fstat(io::stderr().as_fd()) else { return false };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

/// The form of a line.
struct Lines {
    journal: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        if self.journal {
            write!(out, "<{}>", priority(level))?;
        } else {
            SystemTime.format_time(&mut out)?;
            write!(out, " {level:>5} ")?;
        }
        ctx.format_fields(Writer::new(&mut OneLine(&mut out)), event)?;
        writeln!(out)
    }
}

/// The syslog priority of a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Writes control characters escaped, so that no text can forge a second line or command a terminal.
struct OneLine<W>(W);

impl<W: fmt::Write> fmt::Write for OneLine<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() {
                write!(self.0, "{}", c.escape_default())?;
            } else {
                self.0.write_char(c)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::OneLine;

    #[test]
    fn control_characters_are_escaped() {
        let mut text = String::new();
        OneLine(&mut text).write_str("up\n<0>forged\r\x1b[31m\u{9b}grüße").unwrap();
        assert_eq!(text, "up\\n<0>forged\\r\\u{1b}[31m\\u{9b}grüße");
    }
}
