//! Running a program: sendmail, or a command of `[[alert.command]]`.
//!
//! Owns how one is run: without a shell, in a process group of its own, with the data on its standard input and a time limit,
//! after which the whole group is killed. What it prints is kept up to a limit, for the error text.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::clean;

/// How much of what a program prints is kept, in octets.
const SAID_MAX: u64 = 2_048;

/// Why a program did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("can't start {program}: {source}")]
    NotStarted {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It took too long.
    #[error("{program} was killed: it was not done within {} s", .limit.as_secs())]
    Slow {
        /// The program.
        program: String,
        /// The limit.
        limit: Duration,
    },
    /// It failed.
    #[error("{program} {how}{said}")]
    Failed {
        /// The program.
        program: String,
        /// `exited with 1`.
        how: String,
        /// What it said, after a colon.
        said: String,
    },
}

/// Kills a process group unless told that all is over.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.take() {
            // Gone already is as good.
            let _gone = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Runs `program` with `arguments`, `input` on its standard input and `environment` beside a small fixed one.
pub async fn run(
    program: &Path,
    arguments: &[String],
    environment: &[(&str, String)],
    input: &[u8],
    limit: Duration,
) -> Result<(), ProgramError> {
    let name = program.display().to_string();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(environment.iter().map(|(key, value)| (*key, value)))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child =
        command.spawn().map_err(|source| ProgramError::NotStarted { program: name.clone(), source })?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
    // Whatever it left running in its group ends with it.
    let _group = Group(pid);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // One that does not read all of it may know why: its exit status says.
            let _closed = stdin.write_all(input).await;
        }
    };
    let talk = async {
        // Both are read to their end, so that nobody waits for room in a pipe; only the beginning is kept.
        let (out, err) = tokio::join!(keep(stdout), keep(stderr));
        if err.is_empty() { out } else { err }
    };
    let work = async {
        tokio::pin!(talk);
        let mut said = None;
        let status = async { tokio::join!(feed, child.wait()).1 };
        tokio::pin!(status);
        let status = loop {
            tokio::select! {
                text = &mut talk, if said.is_none() => said = Some(text),
                status = &mut status => break status,
            }
        };
        // A child of it may hold the pipes open: what was said until now is enough.
        let said = match said {
            Some(said) => said,
            None => tokio::time::timeout(Duration::from_millis(200), talk).await.unwrap_or_default(),
        };
        (status, said)
    };
    let Ok((status, said)) = tokio::time::timeout(limit, work).await else {
        return Err(ProgramError::Slow { program: name, limit });
    };
    let status = status.map_err(|source| ProgramError::NotStarted { program: name.clone(), source })?;
    if status.success() {
        return Ok(());
    }
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
    };
    let said = clean::cut(&said, 200);
    let said = if said.is_empty() { said } else { format!(": {said}") };
    Err(ProgramError::Failed { program: name, how, said })
}

async fn keep(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut bytes = Vec::new();
    let _read = (&mut pipe).take(SAID_MAX).read_to_end(&mut bytes).await;
    let _rest = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(script: &str, input: &[u8], limit: Duration) -> Result<(), ProgramError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let arguments = ["-c".to_owned(), script.to_owned()];
        runtime.block_on(run(Path::new("/bin/sh"), &arguments, &[("X", "1".to_owned())], input, limit))
    }

    #[test]
    fn a_program_gets_its_input_and_says_why_it_failed() {
        let minute = Duration::from_secs(60);
        let large = vec![b'x'; 300_000];
        shell("test \"$(wc -c)\" = 300000 && test \"$X\" = 1", &large, minute).unwrap();
        let error = shell("echo no\\\\x1b[31m way >&2; exit 3", b"", minute).unwrap_err().to_string();
        assert!(error.starts_with("/bin/sh exited with 3: no"), "{error}");
        shell("yes | head -c 1000000", &large, minute).unwrap();
        assert!(matches!(
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(
                Path::new("/nonexistent"),
                &[],
                &[],
                b"",
                minute
            )),
            Err(ProgramError::NotStarted { .. })
        ));
    }

    #[test]
    fn a_slow_one_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        let script = format!("(sleep 3; echo alive > {}) & sleep 600", mark.display());
        let began = Instant::now();
        let error = shell(&script, b"", Duration::from_secs(1)).unwrap_err();
        assert!(matches!(error, ProgramError::Slow { .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_secs(4));
        assert!(!mark.exists(), "its child lives on");
    }
}
