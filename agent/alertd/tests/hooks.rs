//! Ways out beside SMTP (web hooks, commands, sendmail), and a spool that fails: nothing is lost, and it is said in clear text.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod bed;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bed::{Bed, Mail, Server, until};
use serde_json::Value;

const QUICK: &str = "gather = \"1s\"\nsettle = \"0s\"\nupdate_every = \"1s\"\n";
const KEY: &str = "a key of sixteen or more";

/// A web server of Python's that checks signatures by itself and answers with what DIRECTORY/status says.
struct Web {
    dir: PathBuf,
    port: u16,
    child: Child,
}

impl Web {
    fn start(dir: &Path) -> Self {
        fs::write(dir.join("status"), "200").unwrap();
        fs::write(dir.join("key"), KEY).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bed/web.py");
        let mut child =
            Command::new("/usr/bin/python3").arg(script).arg(dir).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { dir: dir.to_owned(), port: line.trim().parse().expect("it says its port"), child }
    }

    fn status(&self, status: &str) {
        fs::write(self.dir.join("status.new"), status).unwrap();
        fs::rename(self.dir.join("status.new"), self.dir.join("status")).unwrap();
    }

    /// What came: signature good, status answered, identity, document.
    fn posts(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.dir.join("posts")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn wait(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} posts"), || Some(self.posts()).filter(|posts| posts.len() >= count))
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_web_hook_is_signed_and_tried_again_with_the_same_identity() {
    let dir = tempfile::tempdir().unwrap();
    let web = Web::start(dir.path());
    let secret = dir.path().join("secret");
    fs::write(&secret, format!("{KEY}\n")).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let mut bed = Bed::new(&format!(
        "[alert]\n{QUICK}[[alert.webhook]]\nname = \"chat\"\nurl = \"http://127.0.0.1:{}/hook?x=1\"\nsecret = {secret:?}\n",
        web.port
    ));
    bed.start_alertd();
    web.status("503");
    bed.fall("resolver/dns1");
    web.wait(1);
    web.status("200");
    let posts = web.wait(2);
    for post in &posts {
        assert_eq!((&post["signed"], &post["path"]), (&true.into(), &"/hook?x=1".into()), "{post}");
        assert_eq!(post["notice"]["kind"], "opened");
        assert_eq!(post["notice"]["troubles"][0]["key"], "server:resolver/dns1");
    }
    assert_eq!(posts[0]["delivery"], posts[1]["delivery"], "whoever got both knows that they are one");
    until("it is taken", || (bed.state().alertd.head.spool == 0).then_some(()));

    // What will never be taken is not tried again, and is said.
    web.status("410");
    bed.rise("resolver/dns1");
    web.wait(3);
    until("it is given up", || (bed.state().alertd.head.given_up == 1).then_some(()));
    let channel = &bed.state().alertd.items[&"webhook:chat".parse().unwrap()];
    assert!(channel.last_error.contains("refused for good: it answered 410"), "{}", channel.last_error);
    assert!(!bed.alertd_log().contains(KEY) && !bed.alertd_log().contains("/hook"), "{}", bed.alertd_log());
}

#[test]
fn a_command_gets_the_notice_and_is_killed_with_its_children_when_it_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("pager");
    let at = dir.path().display();
    // The first time it hangs with a child, then it works.
    let text = format!(
        "if [ ! -e {at}/hung ]; then touch {at}/hung; sleep 600 & echo $! > {at}/child.new; mv {at}/child.new {at}/child; sleep 600; fi\n\
         env > {at}/environment\ncat > {at}/notice.new\nmv {at}/notice.new {at}/notice\n"
    );
    script(&program, &text);
    let mut bed = Bed::new(&format!(
        "[alert]\n{QUICK}[[alert.command]]\nname = \"pager\"\ncommand = [{program:?}, \"$(touch {at}/shell)\"]\ntimeout = \"2s\"\n"
    ));
    bed.start_alertd();
    bed.fall("resolver/dns1");
    let notice = until("the notice", || fs::read(dir.path().join("notice")).ok());
    let notice: Value = serde_json::from_slice(&notice).unwrap();
    assert_eq!((&notice["kind"], &notice["severity"]), (&"opened".into(), &"warning".into()));
    let environment = fs::read_to_string(dir.path().join("environment")).unwrap();
    for line in
        ["HOLDFAST_KIND=opened", "HOLDFAST_SEVERITY=warning", "HOLDFAST_ROUTE=default", "HOLDFAST_INCIDENT=1"]
    {
        assert!(environment.lines().any(|there| there == line), "{line}: {environment}");
    }
    assert!(bed.alertd_log().contains("was killed: it was not done within 2 s"), "{}", bed.alertd_log());
    let child = fs::read_to_string(dir.path().join("child")).unwrap();
    let gone = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    until("its child is gone", || gone(&child).then_some(()));
    assert!(!dir.path().join("shell").exists(), "no shell is used");
}

#[test]
fn sendmail_delivers_puts_off_and_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let conf = dir.path().join("msmtprc");
    fs::write(&conf, format!("account default\nhost 127.0.0.1\nport {}\n", server.port)).unwrap();
    let program = dir.path().join("sendmail");
    script(&program, &format!("exec msmtp -C {} \"$@\"\n", conf.display()));
    let mut bed = Bed::new(&format!(
        "[alert]\nsendmail = {program:?}\nfrom = \"holdfast@director1.test\"\nto = [\"staff@b.test\"]\n{QUICK}"
    ));
    bed.start_alertd();
    bed.fall("resolver/dns1");
    let opened = server.wait(1)[0].clone();
    assert_eq!((opened.kind().as_str(), &opened.meta["from"]), ("opened", &"holdfast@director1.test".into()));
    // It can't reach the mail server for a while (EX_TEMPFAIL or the like): nothing is lost.
    script(&program, "cat > /dev/null\necho 'queue is full' >&2\nexit 75\n");
    bed.rise("resolver/dns1");
    until("it is put off", || bed.alertd_log().contains("exited with 75: queue is full").then_some(()));
    script(&program, &format!("exec msmtp -C {} \"$@\"\n", conf.display()));
    let mails = server.wait(2);
    assert_eq!(mails[1].kind(), "closed");
    // EX_NOUSER is final.
    script(&program, "cat > /dev/null\nexit 67\n");
    bed.fall("resolver/dns2");
    until("it is refused", || bed.alertd_log().contains("never will: ").then_some(()));
}

fn mail(server: &Server, to: &str) -> String {
    format!(
        "[alert]\nsmtp = \"smtp://127.0.0.1:{}\"\nfrom = \"holdfast@director1.test\"\nto = {to}\n{QUICK}",
        server.port
    )
}

#[test]
fn a_mail_that_is_refused_at_its_data_is_final_and_the_next_one_goes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let mut bed = Bed::new(&mail(&server, "[\"staff@b.test\"]"));
    bed.start_alertd();
    server.mode("data-5xx");
    bed.fall("resolver/dns1");
    until("the refusal is said", || bed.alertd_log().contains("never will: ").then_some(()));
    assert!(bed.alertd_log().contains("5.6.0"), "{}", bed.alertd_log());
    server.mode("ok");
    bed.rise("resolver/dns1");
    assert_eq!(server.wait(1).iter().map(Mail::kind).collect::<Vec<_>>(), ["closed"]);
}

#[test]
fn on_a_full_disk_it_tells_from_memory_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let mut bed = Bed::new(&mail(&server, "[\"staff@b.test\"]"));
    bed.start_alertd_on_small_disk();
    until("alertd reports", || bed.state().alertd.connected.then_some(()));
    bed.inside_alertd(&format!("dd if=/dev/zero of={}/fill bs=4k 2>/dev/null; true", bed.spool().display()));
    bed.fall("resolver/dns1");
    assert_eq!(server.wait(1)[0].kind(), "opened");
    let said = until("the trouble is reported", || {
        Some(bed.state().alertd.head.spool_error).filter(|error| !error.is_empty())
    });
    assert!(said.contains("is the disk full?") && said.contains("No space left on device"), "{said}");
    let status = bed.holdfast(&["status"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("is the disk full?"));
    bed.inside_alertd(&format!("rm {}/fill", bed.spool().display()));
    bed.rise("resolver/dns1");
    let mails = server.wait(2);
    assert_eq!(mails.iter().map(Mail::kind).collect::<Vec<_>>(), ["opened", "closed"], "none twice");
    until("it is over", || bed.state().alertd.head.spool_error.is_empty().then_some(()));
}

#[test]
fn a_spool_that_is_no_more_readable_costs_no_incident() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), &[]);
    let mut bed = Bed::new(&mail(&server, "[\"staff@b.test\"]"));
    server.down();
    bed.start_alertd();
    bed.fall("resolver/dns1");
    until("it is tried", || bed.alertd_log().contains("can't tell").then_some(()));
    bed.kill_alertd();
    // The notice that waits is garbage: the incident is told as an update.
    for entry in fs::read_dir(bed.spool().join("notices")).unwrap() {
        fs::write(entry.unwrap().path(), b"\0garbage").unwrap();
    }
    server.up();
    bed.start_alertd();
    let mails = server.wait(1);
    assert!(mails[0].text.contains("resolver/dns1"), "{}", mails[0].text);
    assert!(bed.alertd_log().contains("a notice can't be read"), "{}", bed.alertd_log());
    bed.kill_alertd();
    // All that was remembered is garbage: it is put aside, and what stands is told anew.
    fs::write(bed.spool().join("alertd.json"), b"{\"schema\":").unwrap();
    bed.start_alertd();
    let mails = server.wait(2);
    assert!(mails[1].text.contains("resolver/dns1") && mails[1].kind() == "opened", "{}", mails[1].text);
    assert!(bed.spool().join("alertd.json.bad").exists());
    assert!(bed.alertd_log().contains("put aside as"), "{}", bed.alertd_log());
    bed.rise("resolver/dns1");
    assert_eq!(server.wait(3)[2].kind(), "closed");
}
