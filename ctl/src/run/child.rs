//! One daemon as a child: found, started so that it can't outlive us, its log lines relayed.
//!
//! Owns how a child is started. The child first becomes this program again, asks the kernel to be killed when its
//! parent dies, and then becomes the daemon; so no unsafe code runs between fork and exec.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, PipeReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

use crate::args::BecomeDaemon;
use crate::text::escaped;

/// Where the daemons are installed.
const LIBEXEC: &str = "/usr/libexec/holdfast";
/// The longest piece of a log line that is relayed as one.
const LINE: u64 = 8 * 1024;

/// The daemon `name`: beside this program's own executable, else where it is installed.
pub fn find(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("finding this program's own path")?;
    let places = [own.parent().unwrap_or(Path::new("/")), Path::new(LIBEXEC)];
    for place in places {
        let path = place.join(name);
        if path.is_file() {
            return Ok(path);
        }
    }
    let [beside, installed] = places.map(Path::display);
    bail!("{name} is neither in {beside} nor in {installed}; build or install it")
}

/// Starts `program` with `arguments` as the daemon `name`, and a thread that relays what it writes.
pub fn start(name: &'static str, program: &Path, arguments: &[OsString]) -> anyhow::Result<Child> {
    let (reader, writer) = std::io::pipe().context("making a pipe for its log")?;
    let child = Command::new("/proc/self/exe")
        .arg0("holdfast")
        .args(["become-daemon", "--parent", &std::process::id().to_string(), "--"])
        .arg(program)
        .args(arguments)
        // What systemd told us is not for them.
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_USEC")
        .env_remove("WATCHDOG_PID")
        .env_remove("JOURNAL_STREAM")
        .env_remove("LISTEN_PID")
        .env_remove("LISTEN_FDS")
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("sharing the pipe for its log")?)
        .stderr(writer)
        // An interrupt from the keyboard is for us alone: we pass it on.
        .process_group(0)
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    std::thread::Builder::new()
        .name(format!("log-{name}"))
        .spawn(move || relay(name, reader))
        .context("starting the thread that relays its log")?;
    Ok(child)
}

/// The other side of [`start`]: becomes the daemon, and returns only if that fails.
pub fn become_daemon(daemon: &BecomeDaemon) -> anyhow::Error {
    if let Err(error) = set_pdeathsig(Signal::SIGKILL) {
        return anyhow::Error::new(error).context("asking to be killed when the parent dies");
    }
    // The parent may have died before that.
    if getppid().as_raw() != daemon.parent {
        return anyhow::anyhow!("the parent is gone already");
    }
    let mut words = daemon.command.iter();
    let Some(program) = words.next() else { return anyhow::anyhow!("no program is given") };
    let error = Command::new(program).args(words).exec();
    anyhow::Error::new(error).context(format!("executing {}", Path::new(program).display()))
}

/// Passes every line on with the daemon's name before it, until the daemon is gone.
fn relay(name: &str, reader: PipeReader) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line));
        let _ = writeln!(std::io::stderr().lock(), "{name}: {}", escaped(&text));
    }
}
