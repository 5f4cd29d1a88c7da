//! Checks by programs: good ones, and children that behave badly in every way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use checker_core::dns::Timeout;
use checker_core::exec::{ExitCodes, Limits};
use checker_core::{Cause, ExecCheck, Finding, TalkCheck, Verdict};
use checker_probe::{ExecRunner, Prober, Settings, TalkProber, Target, clock};
use tempfile::TempDir;

/// Longer than anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    folder: TempDir,
    prober: Prober,
    runner: ExecRunner,
}

impl Bench {
    fn new(at_a_time: usize) -> Self {
        let prober = Prober::new(Settings::default()).unwrap();
        let runner = ExecRunner::new(at_a_time, prober.waker());
        Self { folder: TempDir::new().unwrap(), prober, runner }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A script of a few lines.
    fn script(&self, name: &str, lines: &str) -> PathBuf {
        let path = self.path(name);
        // Written elsewhere and moved, so that no child of another test holds it open for writing.
        let status = std::process::Command::new("/bin/sh")
            .arg("-c")
            .arg("cat > \"$0\" && chmod 755 \"$0\"")
            .arg(&path)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .and_then(|mut child| {
                use std::io::Write;
                child.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{lines}\n").as_bytes())?;
                child.wait()
            });
        assert!(status.unwrap().success());
        path
    }

    fn start(&mut self, token: u64, command: &[&str], timeout: u64, codes: ExitCodes) {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        let timeout = checker_core::dns::Timeout::new(Duration::from_millis(timeout)).unwrap();
        self.runner.start(
            token,
            &Arc::new(ExecCheck {
                command,
                codes,
                timeout,
                user: None,
                group: None,
                limits: Limits::default(),
            }),
        );
    }

    /// Waits for the end of so many programs.
    fn ends(&mut self, count: usize) -> BTreeMap<u64, Finding> {
        let deadline = Instant::now() + PATIENCE;
        let mut ends = BTreeMap::new();
        while ends.len() < count {
            assert!(Instant::now() < deadline, "{} of {count} have ended", ends.len());
            self.prober.poll(clock::now() + Duration::from_millis(50)).unwrap();
            while let Some(over) = self.runner.next_ended() {
                assert!(ends.insert(over.token, over.finding).is_none(), "{} ended twice", over.token);
            }
        }
        ends
    }

    fn run(&mut self, program: &Path, arguments: &[&str], timeout: u64) -> Finding {
        let mut command = vec![program.to_str().unwrap()];
        command.extend(arguments);
        self.start(1, &command, timeout, ExitCodes::Script);
        self.ends(1).remove(&1).unwrap()
    }
}

fn told(finding: &Finding) -> (Verdict, &'static str) {
    (finding.verdict, finding.cause.map_or("", Cause::code))
}

/// Processes whose command line has `mark` in it, zombies included.
fn processes(mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if line.windows(mark.len()).any(|window| window == mark.as_bytes()) {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}

/// Our own children that have ended and were not reaped.
fn zombies() -> usize {
    let own = std::process::id().to_string();
    let is_zombie = |entry: &std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let after = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let mut fields = after.split(' ');
        fields.next() == Some("Z") && fields.next() == Some(own.as_str())
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter(is_zombie).count()
}

/// Waits until no ended child is left: those of tests beside this one are there for a moment only.
fn reaped() {
    let deadline = Instant::now() + PATIENCE;
    while zombies() > 0 {
        assert!(Instant::now() < deadline, "{} are not reaped", zombies());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The most memory that this process ever had, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn gone(mark: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !processes(mark).is_empty() {
        assert!(Instant::now() < deadline, "left behind: {:?}", processes(mark));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn exit_codes_output_and_arguments() {
    let mut bench = Bench::new(4);
    let script = bench.script("check", "echo \"[$1] $# $HOME$LD_PRELOAD\" >&2; exit $2");
    let finding = bench.run(&script, &["a b; $(reboot)", "0"], 10_000);
    assert_eq!(told(&finding), (Verdict::Up, ""));
    assert_eq!(finding.reply, "exit code 0, printed \"[a b; $(reboot)] 2 \"");
    let finding = bench.run(&script, &["x", "7"], 10_000);
    assert_eq!(told(&finding), (Verdict::Down, "exec_exit"));
    assert!(finding.detail.ends_with("ended with exit code 7 and printed \"[x] 2 \""), "{}", finding.detail);
    let text = script.to_str().unwrap().to_owned();
    for (code, expected) in
        [("1", Verdict::Degraded), ("2", Verdict::Down), ("3", Verdict::Unknown), ("0", Verdict::Up)]
    {
        bench.start(1, &[&text, "x", code], 10_000, ExitCodes::Plugin);
        assert_eq!(bench.ends(1)[&1].verdict, expected, "{code}");
    }
    let killed = bench.script("killed", "kill -SEGV $$");
    assert_eq!(told(&bench.run(&killed, &[], 10_000)), (Verdict::Down, "exec_signal"));
}

#[test]
fn what_can_not_be_run_says_nothing_about_the_server() {
    let mut bench = Bench::new(4);
    let missing = bench.path("missing");
    let plain = bench.script("plain", "exit 0");
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o644)).unwrap();
    let no_shell = bench.script("no-shell", "exit 0");
    let status = std::process::Command::new("/bin/sh")
        .args(["-c", "printf '#!/no/such/shell\\nexit 0\\n' > \"$0\""])
        .arg(&no_shell)
        .status();
    assert!(status.unwrap().success());
    let folder = bench.folder.path().to_owned();
    for (program, why) in [
        (&missing, "could not be started: it, or what its first line names, is not there"),
        (&plain, "it is not executable for this user"),
        (&no_shell, "it, or what its first line names, is not there"),
        (&folder, "it is not executable for this user"),
    ] {
        let finding = bench.run(program, &[], 10_000);
        assert_eq!(told(&finding), (Verdict::Unknown, "exec_missing"), "{}", program.display());
        assert!(finding.detail.contains(why), "{}", finding.detail);
    }
}

/// A program as a check of its own, with these limits.
fn within(bench: &mut Bench, program: &Path, limits: Limits) -> Finding {
    let command = vec![program.to_str().unwrap().to_owned()];
    let timeout = Timeout::new(Duration::from_secs(20)).unwrap();
    let codes = ExitCodes::Script;
    bench.runner.start(1, &Arc::new(ExecCheck { command, codes, timeout, user: None, group: None, limits }));
    bench.ends(1).remove(&1).unwrap()
}

#[test]
fn no_shell_is_asked_to_make_sense_of_a_file() {
    let mut bench = Bench::new(4);
    let bare = bench.script("bare", "");
    let status = std::process::Command::new("/bin/sh")
        .args(["-c", "printf 'echo run by a shell\\nexit 0\\n' > \"$0\""])
        .arg(&bare)
        .status();
    assert!(status.unwrap().success());
    // Whichever way a process is started.
    for limits in [Limits::default(), Limits { files: Some(64), ..Limits::default() }] {
        let finding = within(&mut bench, &bare, limits);
        assert_eq!(told(&finding), (Verdict::Unknown, "exec_missing"), "{finding:?}");
        assert!(
            finding.detail.contains("a script begins with a line such as #!/bin/sh"),
            "{}",
            finding.detail
        );
    }
}

#[test]
fn a_program_that_is_being_written_is_not_run() {
    let mut bench = Bench::new(4);
    let busy = bench.path("busy");
    std::fs::copy("/bin/true", &busy).unwrap();
    let patience = Instant::now() + PATIENCE;
    // A child of another test may hold it open for a moment.
    while told(&bench.run(&busy, &[], 10_000)) != (Verdict::Up, "") {
        assert!(Instant::now() < patience);
    }
    let writer = std::fs::OpenOptions::new().write(true).open(&busy).unwrap();
    let finding = bench.run(&busy, &[], 10_000);
    assert_eq!(told(&finding), (Verdict::Unknown, "exec_missing"));
    assert!(finding.detail.ends_with("it is being written"), "{}", finding.detail);
    drop(writer);
}

#[test]
fn one_that_leaves_its_group_holds_nothing_up() {
    let mut bench = Bench::new(1);
    let (mark, pid) = (format!("37{}", std::process::id()), bench.path("pid"));
    // It keeps the output open.
    let script = bench.script("daemon", "setsid sh -c 'echo $$ > $0; exec sleep $1' $2 $1 & while ! test -s $2; do sleep 0.01; done; echo fine");
    let begun = Instant::now();
    let finding = bench.run(&script, &[&mark, pid.to_str().unwrap()], 50_000);
    assert_eq!(told(&finding), (Verdict::Up, ""), "{finding:?}");
    assert!(begun.elapsed() < Duration::from_secs(45) && finding.reply.contains("fine"), "{finding:?}");
    // The next one gets the place.
    let next = bench.script("next", "exit 0");
    assert_eq!(told(&bench.run(&next, &[], 20_000)), (Verdict::Up, ""));
    let left: i32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(left), nix::sys::signal::Signal::SIGKILL).unwrap();
    gone(&mark);
}

#[test]
fn a_group_that_ignores_every_request_is_killed() {
    let mut bench = Bench::new(4);
    let mark = format!("31{}", std::process::id());
    let script = bench.script(
        "stubborn",
        "trap '' TERM HUP INT; (trap '' TERM; sleep $1; sleep $1) & sleep $1 & wait; wait; sleep $1",
    );
    let begun = Instant::now();
    let finding = bench.run(&script, &[&mark], 300);
    assert_eq!(told(&finding), (Verdict::Down, "exec_timeout"));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    gone(&mark);
    reaped();
}

#[test]
fn what_a_program_leaves_behind_ends_with_it() {
    let mut bench = Bench::new(4);
    let mark = format!("32{}", std::process::id());
    let script = bench.script("leaves", "sleep $1 & sleep $1 > /dev/null 2>&1 & echo fine; exit 0");
    assert_eq!(told(&bench.run(&script, &[&mark], 20_000)), (Verdict::Up, ""));
    gone(&mark);
}

#[test]
fn odd_output_is_no_obstacle() {
    let mut bench = Bench::new(4);
    let endless =
        bench.script("endless", "echo first; while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done");
    let finding = bench.run(&endless, &[], 400);
    assert_eq!(told(&finding), (Verdict::Down, "exec_timeout"));
    assert!(
        finding.detail.ends_with("printed \"first\"") && finding.detail.len() < 600,
        "{}",
        finding.detail
    );
    // Far more than a pipe holds, and then well. It is read, and not kept.
    let much = bench.script("much", "head -c 200000000 /dev/zero; exit 0");
    let before = peak_memory();
    assert_eq!(told(&bench.run(&much, &[], 30_000)), (Verdict::Up, ""));
    assert!(peak_memory() < before + (50 << 10), "{before} KiB, then {}", peak_memory());
    let closes = bench.script("closes", "exec > /dev/null 2>&1; sleep 33; exit 0");
    assert_eq!(told(&bench.run(&closes, &[], 300)), (Verdict::Down, "exec_timeout"));
    let slow = bench.script("slow", "exec > /dev/null 2>&1; sleep 0.3; exit 0");
    assert_eq!(told(&bench.run(&slow, &[], 30_000)), (Verdict::Up, ""));
}

#[test]
fn a_good_end_after_the_limit_is_none() {
    let mut bench = Bench::new(4);
    let late = bench.script("late", "trap 'exit 0' TERM; sleep 34 & wait; exit 0");
    assert_eq!(told(&bench.run(&late, &[], 300)), (Verdict::Down, "exec_timeout"));
}

#[test]
fn a_program_that_is_replaced_runs_on_and_the_next_is_the_new_one() {
    let mut bench = Bench::new(4);
    let (begun, replaced) = (bench.path("begun"), bench.path("is-replaced"));
    let lines = "touch $1; while ! test -e $2; do sleep 0.02; done; echo old; exit 0";
    let script = bench.script("replaced", lines);
    let path = script.to_str().unwrap().to_owned();
    let words = [path.as_str(), begun.to_str().unwrap(), replaced.to_str().unwrap()];
    bench.start(1, &words, 30_000, ExitCodes::Script);
    let patience = Instant::now() + PATIENCE;
    while !begun.exists() {
        assert!(Instant::now() < patience);
        std::thread::sleep(Duration::from_millis(5));
    }
    let new = bench.script("new", "echo new; exit 9");
    std::fs::rename(new, &script).unwrap();
    std::fs::write(replaced, "").unwrap();
    bench.start(2, &[&path], 30_000, ExitCodes::Script);
    let ends = bench.ends(2);
    assert_eq!(told(&ends[&1]), (Verdict::Up, ""));
    assert!(ends[&1].reply.contains("old"), "{ends:?}");
    assert_eq!(told(&ends[&2]), (Verdict::Down, "exec_exit"));
    assert!(ends[&2].reply.contains("new"), "{ends:?}");
}

#[test]
fn five_hundred_that_hang_are_bounded_and_killed() {
    let mut bench = Bench::new(100);
    let mark = format!("35{}", std::process::id());
    for token in 0..500 {
        bench.start(token, &["/bin/sleep", &mark], 200, ExitCodes::Script);
    }
    let (running, waiting) = bench.runner.load();
    assert!(running <= 100 && waiting > 0, "{running}, {waiting}");
    let mut most = 0;
    let deadline = Instant::now() + PATIENCE;
    let mut ended = 0;
    // Other checks in the same loop go on meanwhile.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::new(listener.local_addr().unwrap(), None).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let mut talks = TalkProber::new(100).unwrap();
    bench.prober.watch(&talks).unwrap();
    let connect = Arc::new(TalkCheck::connects(Timeout::new(Duration::from_secs(20)).unwrap()));
    let (mut begun, mut passed, mut before_the_first_end) = (0, 0, 0);
    while ended < 500 {
        assert!(Instant::now() < deadline, "{ended} have ended");
        if begun == passed {
            talks.start(begun, &connect, target);
            begun += 1;
        }
        bench.prober.poll(clock::now() + Duration::from_millis(50)).unwrap();
        talks.run().unwrap();
        while let Some(over) = talks.next_ended() {
            assert_eq!(told(&over.finding), (Verdict::Up, ""), "{:?}", over.finding);
            passed += 1;
            before_the_first_end += u32::from(ended == 0);
        }
        most = most.max(processes(&mark).len());
        while let Some(over) = bench.runner.next_ended() {
            ended += 1;
            let (verdict, cause) = told(&over.finding);
            // On a machine that is itself stalled the limit proves nothing.
            assert!(
                (verdict, cause) == (Verdict::Down, "exec_timeout") || cause == "late_timer",
                "{:?}",
                over.finding
            );
            assert!(cause == "late_timer" || over.finding.detail.starts_with("/bin/sleep "));
        }
    }
    assert!(most <= 100, "{most} at a time");
    assert!(before_the_first_end > 0 && passed > 10, "{before_the_first_end}, {passed} other checks passed");
    gone(&mark);
    reaped();
}

#[test]
fn those_that_hung_leave_places_to_those_that_work() {
    let mut bench = Bench::new(8);
    let mark = format!("38{}", std::process::id());
    let hang = |bench: &mut Bench, timeout: u64| {
        for token in 0..20 {
            bench.start(token, &["/bin/sleep", &mark, &format!("{token}")], timeout, ExitCodes::Script);
        }
    };
    hang(&mut bench, 100);
    // On a machine that stands still it can't be said that they hang.
    let hung = bench.ends(20).values().filter(|finding| told(finding).1 == "exec_timeout").count();
    assert!(hung >= 15, "{hung}");
    hang(&mut bench, 50_000);
    let begun = Instant::now();
    let finding = {
        bench.start(100, &["/bin/true"], 20_000, ExitCodes::Script);
        bench.ends(1).remove(&100).expect("it is the first to end")
    };
    assert_eq!(told(&finding), (Verdict::Up, ""));
    assert!(begun.elapsed() < Duration::from_secs(40));
    drop(bench);
    gone(&mark);
}

#[test]
fn none_outlives_the_runner() {
    let mark = format!("36{}", std::process::id());
    let mut bench = Bench::new(10);
    for token in 0..30 {
        bench.start(token, &["/bin/sleep", &mark], 50_000, ExitCodes::Script);
    }
    let begun = Instant::now();
    while processes(&mark).len() < 10 {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(bench);
    gone(&mark);
}
