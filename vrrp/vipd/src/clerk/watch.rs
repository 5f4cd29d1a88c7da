//! The things that virtual routers track on this machine: scripts, processes, files.
//!
//! Owns one thread for each script, and one that looks at processes and files. Each says a fact when it has one. What
//! a fact does to a priority is the core's to say.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use agent_api::config::{Script, Tracked};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use vrrp_core::track::Fact;

use crate::plan::Plan;
use crate::tale::{Tale, Teller};

/// How often processes and files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often a running script is looked at.
const STEP: Duration = Duration::from_millis(10);
/// The most of a file that is read: its first line has one number.
const FILE_MAX: u64 = 64;

/// What is watched, for as long as this lives.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    /// Dropped to end the threads.
    _stops: Vec<SyncSender<()>>,
}

impl Watches {
    /// Watches what a plan's routers track.
    pub(crate) fn start(plan: &Plan, teller: &Teller) -> Self {
        let mut stops = Vec::new();
        let mut looks: Vec<(Arc<str>, usize, Tracked)> = Vec::new();
        for (router, index, tracked) in tracked(plan) {
            match tracked {
                Tracked::Script(script) => {
                    let (stop, stopped) = sync_channel(0);
                    let (teller, script) = (teller.clone(), script.clone());
                    let work = move || watch_script(&router, index, &script, &teller, &stopped);
                    if spawn("script", work) {
                        stops.push(stop);
                    }
                }
                Tracked::Process { .. } | Tracked::File(_) => looks.push((router, index, tracked.clone())),
                // The agent tells of these, and the engine of interfaces.
                Tracked::Quorum(_) | Tracked::Score(_) | Tracked::Blind | Tracked::Interface(_) => {}
            }
        }
        if !looks.is_empty() {
            let (stop, stopped) = sync_channel(0);
            let teller = teller.clone();
            if spawn("looks", move || look(&looks, &teller, &stopped)) {
                stops.push(stop);
            }
        }
        Self { _stops: stops }
    }
}

/// What a plan's routers track, each once: both families of a router share its trackers.
pub(crate) fn tracked(plan: &Plan) -> impl Iterator<Item = (Arc<str>, usize, &Tracked)> {
    let members = plan.groups.iter().flat_map(|group| &group.members).filter(|member| member.leads);
    members.flat_map(|member| {
        member.track.iter().enumerate().map(|(index, track)| (member.name.clone(), index, &track.what))
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> bool {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    if let Err(error) = &thread {
        tracing::error!("something that is tracked can't be watched, no thread: {error}");
    }
    thread.is_ok()
}

/// Waits for the next time; false when it is over.
fn pause(stopped: &Receiver<()>, span: Duration) -> bool {
    stopped.recv_timeout(span) == Err(RecvTimeoutError::Timeout)
}

fn watch_script(router: &Arc<str>, index: usize, script: &Script, teller: &Teller, stopped: &Receiver<()>) {
    let mut complained = false;
    loop {
        let begin = Instant::now();
        let (fact, trouble) = run(script, stopped);
        if let (Some(trouble), false) = (&trouble, complained) {
            tracing::warn!("{router}: tracked script: {trouble}");
        }
        complained = trouble.is_some();
        teller.tell(Tale::Fact { router: router.clone(), index, fact });
        if !pause(stopped, script.interval.saturating_sub(begin.elapsed())) {
            return;
        }
    }
}

/// Runs a script once. One that can't be run says nothing of what it was to look at.
fn run(script: &Script, stopped: &Receiver<()>) -> (Fact, Option<String>) {
    let Some((program, arguments)) = script.command.split_first() else { return (Fact::Unknown, None) };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return (Fact::Unknown, Some(format!("{program} can't be run: {error}"))),
    };
    let deadline = Instant::now() + script.timeout;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return (Fact::Good, None),
            Ok(Some(_)) => return (Fact::Bad, None),
            Ok(None) if Instant::now() < deadline && pause(stopped, STEP) => {}
            Ok(None) => {
                // It has not been waited for, so the number is still its own.
                if let Ok(pid) = i32::try_from(child.id()) {
                    let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
                }
                let _ = child.wait();
                let late = Instant::now() >= deadline;
                let trouble = late.then(|| format!("{program} took longer than {:?}", script.timeout));
                return (if late { Fact::Bad } else { Fact::Unknown }, trouble);
            }
            Err(error) => return (Fact::Unknown, Some(format!("{program} was lost: {error}"))),
        }
    }
}

fn look(looks: &[(Arc<str>, usize, Tracked)], teller: &Teller, stopped: &Receiver<()>) {
    let mut last: Vec<Option<Fact>> = vec![None; looks.len()];
    let mut complained = false;
    loop {
        let wants_processes = looks.iter().any(|(_, _, what)| matches!(what, Tracked::Process { .. }));
        // A sandbox that hides the others' processes says nothing about whether they run.
        let sees = !wants_processes || std::fs::exists("/proc/1/comm").unwrap_or(false);
        if !std::mem::replace(&mut complained, !sees) && !sees {
            tracing::warn!("tracked processes can't be seen; ProtectProc=default in the unit shows them");
        }
        let processes = if wants_processes && sees { processes() } else { Vec::new() };
        for ((router, index, what), last) in looks.iter().zip(&mut last) {
            let fact = match what {
                Tracked::Process { .. } if !sees => Fact::Unknown,
                Tracked::Process { name, count } => {
                    let running = processes.iter().filter(|process| process.is(name)).count();
                    let enough = running >= usize::try_from(*count).unwrap_or(usize::MAX);
                    if enough { Fact::Good } else { Fact::Bad }
                }
                Tracked::File(path) => read_number(path),
                _ => Fact::Unknown,
            };
            if *last != Some(fact) {
                teller.tell(Tale::Fact { router: router.clone(), index: *index, fact });
                *last = Some(fact);
            }
        }
        if !pause(stopped, LOOK) {
            return;
        }
    }
}

/// The number in a file's first line; 0 when there is no file.
fn read_number(path: &str) -> Fact {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Fact::Number(0),
        // A pipe of that name would keep us waiting.
        Ok(meta) if meta.is_file() => {}
        _ => return Fact::Unknown,
    }
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_MAX).read_to_string(&mut text));
    if read.is_err() {
        return Fact::Unknown;
    }
    text.lines().next().and_then(|line| line.trim().parse().ok()).map_or(Fact::Unknown, Fact::Number)
}

struct Process {
    name: String,
    program: Option<std::path::PathBuf>,
}

impl Process {
    fn is(&self, name: &str) -> bool {
        if name.starts_with('/') {
            self.program.as_deref().is_some_and(|program| program == std::path::Path::new(name))
        } else {
            self.name == name
        }
    }
}

/// The processes of this machine that can be seen.
fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let is_number = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let folders = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_number));
    folders
        .filter_map(|entry| {
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            let program = std::fs::read_link(entry.path().join("exe")).ok();
            Some(Process { name: name.trim_end_matches('\n').to_owned(), program })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weight");
        let read = || read_number(path.to_str().unwrap());
        assert_eq!(read(), Fact::Number(0));
        std::fs::write(&path, "-7\nand more\n").unwrap();
        assert_eq!(read(), Fact::Number(-7));
        std::fs::write(&path, "many").unwrap();
        assert_eq!(read(), Fact::Unknown);
        assert_eq!(read_number(directory.path().to_str().unwrap()), Fact::Unknown);
    }

    #[test]
    fn processes_are_seen() {
        let own = std::env::current_exe().unwrap();
        assert!(processes().iter().any(|process| process.is(own.to_str().unwrap())));
        assert!(!processes().iter().any(|process| process.is("/no/such/program")));
    }

    #[test]
    fn scripts_are_judged_by_their_end() {
        let (_stop, stopped) = sync_channel(0);
        let script = |words: &[&str]| Script {
            command: words.iter().map(|word| (*word).to_owned()).collect(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_millis(300),
        };
        let slow = ["/bin/sleep", "100"];
        // A busy machine may need longer than that for a program that does nothing.
        let patient = |words| Script { timeout: Duration::from_secs(20), ..script(words) };
        assert_eq!(run(&patient(&["/bin/true"]), &stopped).0, Fact::Good);
        assert_eq!(run(&patient(&["/bin/false"]), &stopped).0, Fact::Bad);
        assert_eq!(run(&script(&slow), &stopped).0, Fact::Bad);
        assert_eq!(run(&script(&["/no/such/program"]), &stopped).0, Fact::Unknown);
    }
}
