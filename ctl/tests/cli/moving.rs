//! From a saved table to a configuration and back, through the command alone.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use tempfile::TempDir;

use crate::{holdfast, stderr, stdout};

/// As `ipvsadm -Sn` prints it, with every kind of service and destination.
const SAVED: &str = "\
-A -t 192.0.2.80:80 -s sh -p 300 -M 255.255.255.0 -b sh-fallback,sh-port
-a -t 192.0.2.80:80 -r 10.1.0.1:8080 -m -w 1
-a -t 192.0.2.80:80 -r 10.1.0.2:8080 -m -w 2
-A -u 192.0.2.53:53 -s mh -b mh-fallback,mh-port
-a -u 192.0.2.53:53 -r 10.1.0.1:53 -g -w 100
-a -u 192.0.2.53:53 -r 10.1.0.2:53 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum
-A -u [2001:db8::53]:53 -s wlc -p 60 -M 64
-a -u [2001:db8::53]:53 -r [2001:db8:1::1]:53 -g -w 5
-A --sctp-service 192.0.2.9:9 -s nq
-a --sctp-service 192.0.2.9:9 -r 10.1.0.1:99 -m -w 3
-A -f 7 -s wrr
-a -f 7 -r 10.1.0.1:0 -g -w 0
";

/// The order of a save is the kernel's business.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn what_ipvsadm_saved_is_exported_again_line_by_line() {
    let folder = TempDir::new().unwrap();
    let (saved, config) = (folder.path().join("saved"), folder.path().join("holdfast.toml"));
    fs::write(&saved, SAVED).unwrap();
    let imported = holdfast().args(["import", "ipvsadm"]).arg(&saved).output().unwrap();
    assert!(!stderr(&imported).contains("left out"), "{}", stderr(&imported));
    fs::write(&config, &imported.stdout).unwrap();

    let export = || holdfast().args(["export", "ipvsadm", "--config"]).arg(&config).output().unwrap();
    let exported = export();
    assert_eq!(exported.status.code(), Some(0), "{}", stderr(&exported));
    assert_eq!(sorted(&stdout(&exported)), sorted(SAVED));

    // And once more, over standard input: nothing changes any more.
    let mut child = holdfast()
        .args(["import", "ipvsadm", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&exported.stdout).unwrap();
    fs::write(&config, child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(stdout(&export()), stdout(&exported));
}

#[test]
fn what_a_save_cannot_hold_is_exported_all_the_same() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("holdfast.toml");
    let text = "[[virtual_server]]\nname = \"web\"\naddress = \"192.0.2.80\"\nservices = [\"tcp/80\"]\n[virtual_server.check.tcp]\n\
         [[virtual_server.real_server]]\nname = \"a\"\naddress = \"10.1.0.1\"\nupper_threshold = 1000\nlower_threshold = 800\n";
    fs::write(&config, text).unwrap();
    let exported = holdfast().args(["export", "ipvsadm", "--config"]).arg(&config).output().unwrap();
    assert_eq!(exported.status.code(), Some(0), "{}", stderr(&exported));
    assert_eq!(
        stdout(&exported),
        "-A -t 192.0.2.80:80 -s wlc\n-a -t 192.0.2.80:80 -r 10.1.0.1:80 -g -w 1 -x 1000 -y 800\n"
    );
}

#[test]
fn without_a_good_configuration_nothing_is_exported() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("holdfast.toml");
    let missing = holdfast().args(["export", "ipvsadm", "--config"]).arg(&config).output().unwrap();
    assert!(missing.status.code() != Some(0) && missing.stdout.is_empty(), "{missing:?}");
    assert!(stderr(&missing).contains("holdfast.toml"), "{}", stderr(&missing));
    fs::write(&config, "[[virtual_server]]\nname = \"web\"\n").unwrap();
    let wrong = holdfast().args(["export", "ipvsadm", "--config"]).arg(&config).output().unwrap();
    assert!(wrong.status.code() != Some(0) && wrong.stdout.is_empty(), "{wrong:?}");
    assert!(stderr(&wrong).contains("holdfast.toml:1:"), "{}", stderr(&wrong));
}
