//! Programs as other users and within limits. These tests are run by root, as in CI.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use checker_core::exec::{ExitCodes, Limits};
use checker_core::{Cause, ExecCheck, Finding, Verdict};
use checker_probe::{ExecRunner, Prober, Settings, clock, may_become};

/// What a shell script of these lines comes to.
fn run(lines: &str, user: Option<&str>, group: Option<&str>, limits: Limits) -> Finding {
    let mut prober = Prober::new(Settings::default()).unwrap();
    let mut runner = ExecRunner::new(4, prober.waker());
    let command = ["/bin/sh", "-c", lines].map(str::to_owned).to_vec();
    let timeout = checker_core::dns::Timeout::new(Duration::from_secs(30)).unwrap();
    let (user, group) = (user.map(str::to_owned), group.map(str::to_owned));
    runner.start(1, &Arc::new(ExecCheck { command, codes: ExitCodes::Script, timeout, user, group, limits }));
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(60));
        prober.poll(clock::now() + Duration::from_millis(50)).unwrap();
        if let Some(ended) = runner.next_ended() {
            return ended.finding;
        }
    }
}

fn printed(finding: &Finding) -> &str {
    assert_eq!(finding.verdict, Verdict::Up, "{finding:?}");
    finding.reply.strip_prefix("exit code 0, printed ").unwrap().trim_matches('"')
}

/// Descriptors beside the three streams that were handed to this process, and are not ours to close.
fn inherited() -> usize {
    let handed_on = |fd: &std::ffi::OsStr| {
        let info =
            std::fs::read_to_string(std::path::Path::new("/proc/self/fdinfo").join(fd)).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or("02000000").trim();
        u32::from_str_radix(flags, 8).unwrap() & 0o2_000_000 == 0
    };
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter(|fd| {
        fd.file_name().to_str().unwrap().parse::<u32>().unwrap() > 2 && handed_on(&fd.file_name())
    })
    .count()
}

#[test]
fn a_program_is_run_as_another_user_with_that_group_alone() {
    assert!(may_become(), "this test is run by root");
    // Groups that must not be handed on.
    let groups = [0, 4, 6].map(nix::unistd::Gid::from_raw);
    nix::unistd::setgroups(&groups).unwrap();
    let ids = "echo $(id -un) $(id -gn) $(id -Gn)";
    assert_eq!(printed(&run(ids, Some("nobody"), None, Limits::default())), "nobody nogroup nogroup");
    assert_eq!(printed(&run(ids, Some("nobody"), Some("daemon"), Limits::default())), "nobody daemon daemon");
    assert_eq!(printed(&run(ids, None, Some("daemon"), Limits::default())), "root daemon daemon");
    // It has no capability, and nothing of ours is open in it.
    let held = "grep -h ^Cap /proc/self/status | tr -d '\\n\\t'; echo; exit 0";
    let seen = run(held, Some("nobody"), None, Limits::default());
    let seen = printed(&seen).to_owned();
    for set in [
        "CapInh:0000000000000000",
        "CapPrm:0000000000000000",
        "CapEff:0000000000000000",
        "CapAmb:0000000000000000",
    ] {
        assert!(seen.contains(set), "{seen}");
    }
    let open = run("ls /proc/self/fd | wc -l", Some("nobody"), None, Limits::default());
    // Three streams, the folder that is being listed, and what whoever runs this test has left open for everyone.
    assert_eq!(printed(&open), (4 + inherited()).to_string());
    let files = "cat /etc/shadow > /dev/null";
    assert_eq!(run(files, Some("nobody"), None, Limits::default()).cause, Some(Cause::ExecExit));
    assert_eq!(run(files, None, None, Limits::default()).cause, None);
}

#[test]
fn whom_nobody_knows_no_program_becomes() {
    for (user, group, why) in [
        (Some("no-such-user"), None, "there is no user no-such-user on this machine"),
        (None, Some("no-such-group"), "there is no group no-such-group on this machine"),
    ] {
        let finding = run("exit 0", user, group, Limits::default());
        assert_eq!((finding.verdict, finding.cause), (Verdict::Unknown, Some(Cause::ExecMissing)));
        assert!(finding.detail.ends_with(why), "{finding:?}");
    }
}

#[test]
fn without_privilege_it_says_so() {
    // From a process that may not become another: this test program again, as nobody.
    if std::env::var_os("AS_NOBODY").is_some() {
        assert!(!may_become());
        let finding = run("exit 0", Some("daemon"), None, Limits::default());
        assert_eq!((finding.verdict, finding.cause), (Verdict::Unknown, Some(Cause::ExecMissing)));
        assert!(finding.detail.contains("that takes CAP_SETUID and CAP_SETGID"), "{finding:?}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("limits");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = std::process::Command::new("setpriv")
        .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
        .arg(&copy)
        .args(["--exact", "without_privilege_it_says_so"])
        .env("AS_NOBODY", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
fn limits_hold_for_all_that_a_program_starts() {
    let limits = Limits { memory: Some(512 << 20), cpu: Some(5), files: Some(32), processes: Some(4_000) };
    // In KiB, seconds, descriptors, processes.
    let shown = run("sh -c 'echo $(ulimit -v) $(ulimit -t) $(ulimit -n) $(ulimit -p)'", None, None, limits);
    assert_eq!(printed(&shown), "524288 5 32 4000");

    let files = Limits { files: Some(3), ..Limits::default() };
    let finding = run("exec 5< /dev/null || exit 3", None, None, files);
    assert_eq!(finding.cause, Some(Cause::ExecExit), "{finding:?}");

    let cpu = Limits { cpu: Some(1), ..Limits::default() };
    let finding = run("while :; do :; done", None, None, cpu);
    assert_eq!((finding.verdict, finding.cause), (Verdict::Down, Some(Cause::ExecSignal)), "{finding:?}");

    let memory = Limits { memory: Some(64 << 20), ..Limits::default() };
    let greedy = "head -c 200000000 /dev/zero | tail -c 150000000 > /dev/null || exit 7";
    assert_eq!(run(greedy, None, None, Limits::default()).cause, None);
    assert_eq!(run(greedy, None, None, memory).cause, Some(Cause::ExecExit));

    // A user of its own, so that only its processes are counted.
    let processes = Limits { processes: Some(3), ..Limits::default() };
    let forks = "sleep 1 & sleep 1 & sleep 1 & sleep 1 & sleep 1 & wait; exit 0";
    let finding = run(forks, Some("games"), None, processes);
    assert_eq!(finding.cause, Some(Cause::ExecExit), "{finding:?}");
    assert!(finding.detail.contains("fork"), "{finding:?}");
}
