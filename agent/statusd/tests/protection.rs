//! TLS and passwords: who is let in, what others learn, and what wrong files do.

#![cfg(test)]

mod world;

use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use world::http::exchange;
use world::tls::{Files, request, user, write_secret};
use world::{World, command, config_with, free_address, states, until};

const ANNA: Option<&str> = Some("anna:secret");

fn reload(world: &World) {
    kill(Pid::from_raw(world.statusd.0.id().try_into().unwrap()), Signal::SIGHUP).unwrap();
}

#[test]
fn nothing_is_told_to_those_who_have_no_right() {
    let files = Files::new();
    let world = World::with_keys(states::bad(), &files.both(), 4_096);
    let at = world.address;
    until("ready", || files.status(at, "/readyz", None) == 200);
    assert_eq!(files.status(at, "/healthz", None), 200);
    for path in
        ["/", "/metrics", "/api/v1/status", "/api/v1/summary", "/api/v1/stream", "/nothing", "/healthz/"]
    {
        let answer = files.ask(at, path, None).unwrap();
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"Holdfast\", charset=\"UTF-8\"");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"));
        assert!(!answer.text().contains("resolver"), "{}", answer.text());
    }
    for pair in ["anna:secret ", "anna:", ":secret", "bert:secret"] {
        assert_eq!(files.status(at, "/", Some(pair)), 401, "{pair}");
    }
    let page = files.ask(at, "/", ANNA).unwrap();
    assert!(page.status == 200 && page.text().contains("resolver"));
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let mut connection = files.connect(at, versions).unwrap();
        assert_eq!(exchange(&mut connection, &request(at, "/events", ANNA)).unwrap().status, 200);
    }
    // Without TLS nobody answers, and no other authority's word is taken for it.
    assert!(world::http::try_get(at, "/healthz").is_err());
    let metrics = files.ask(at, "/metrics", ANNA).unwrap().text();
    assert!(metrics.contains("holdfast_statusd_denied_total 11"), "{metrics}");
    let others = Files::new();
    assert!(others.ask(at, "/healthz", None).unwrap_err().to_string().contains("certificate"));
}

#[test]
fn guessing_is_slow_and_does_not_lock_out_those_inside() {
    let files = Files::new();
    let world = World::with_keys(states::good(), &files.both(), 4_096);
    assert_eq!(files.status(world.address, "/", ANNA), 200);
    let guesses: Vec<u16> =
        (0..14).map(|n| files.status(world.address, "/", Some(&format!("anna:{n}")))).collect();
    assert!(guesses.iter().filter(|status| **status == 401).count() <= 12, "{guesses:?}");
    let answer = files.ask(world.address, "/", Some("anna:guess")).unwrap();
    assert_eq!(answer.status, 429);
    assert!((1..=60).contains(&answer.header("retry-after").parse::<u32>().unwrap()));
    assert_eq!(files.status(world.address, "/", ANNA), 200, "whose password was right before is still known");
}

#[test]
fn those_who_never_finish_tls_keep_nobody_out() {
    let files = Files::new();
    let world = World::with_keys(states::good(), &files.tls(), 264);
    let before = world.memory();
    let silent: Vec<TcpStream> = (0..600).map(|_| TcpStream::connect(world.address).unwrap()).collect();
    for _ in 0..5 {
        assert_eq!(files.status(world.address, "/", None), 200);
    }
    assert!(world.memory() - before < 50 << 20);
    drop(silent);
}

#[test]
fn a_reload_takes_new_files_and_leaves_wrong_ones() {
    let files = Files::new();
    let world = World::with_keys(states::good(), &files.both(), 4_096);
    assert_eq!(files.status(world.address, "/", ANNA), 200);
    write_secret(&files.path("users"), "nonsense\n");
    reload(&world);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(files.status(world.address, "/", ANNA), 200, "a wrong file changes nothing");
    // Others, and a new certificate of another authority.
    write_secret(&files.path("users"), &user("bert", "secret"));
    files.certify("page");
    reload(&world);
    until("the new users", || {
        files.ask(world.address, "/", Some("bert:secret")).is_ok_and(|a| a.status == 200)
    });
    assert_eq!(files.status(world.address, "/", ANNA), 401, "who was known is not any more");
    // Another address that needs no protection: this one keeps what it has.
    fs::write(world.path("holdfast.toml"), config_with(free_address(), "title = \"renamed\"")).unwrap();
    reload(&world);
    until("the new title", || {
        files
            .ask(world.address, "/", Some("bert:secret"))
            .is_ok_and(|answer| answer.text().contains("renamed"))
    });
    assert_eq!(files.status(world.address, "/", None), 401);
}

#[test]
fn wrong_files_are_named_without_what_is_in_them() {
    let files = Files::new();
    let folder = tempfile::tempdir().unwrap();
    let other = Files::new();
    let open = files.path("open");
    fs::write(&open, "anna:secret\n").unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    let keys = |certificate: &str, key: &str| {
        format!("certificate = {:?}\nkey = {:?}", files.path(certificate), files.path(key))
    };
    let users = |name: &str| format!("users = {:?}", files.path(name));
    for (keys, why) in [
        (keys("page.pem", "none"), "none: No such file"),
        (keys("page.pem", "open"), "open is open to others; run: chmod o= "),
        (keys("users", "page.key"), "users: there is no certificate in it"),
        (keys("page.pem", "users"), "users: there is no private key in it"),
        (
            format!("certificate = {:?}\nkey = {:?}", files.path("page.pem"), other.path("page.key")),
            "does not belong to",
        ),
        (users("open"), "open is open to others"),
        (users("credentials"), "credentials: line 1: the hash is no bcrypt"),
        (format!("users = {:?}", folder.path()), "open to others"),
        (
            format!("peer = {{ url = \"https://a\", credentials = {:?} }}", files.path("page.key")),
            "it takes one line, NAME:PASSWORD",
        ),
        (
            format!("peer = {{ url = \"https://a\", ca = {:?} }}", files.path("users")),
            "there is no certificate in it",
        ),
    ] {
        fs::write(folder.path().join("holdfast.toml"), config_with(free_address(), &keys)).unwrap();
        let output = command(folder.path()).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(why) && said.lines().count() == 1, "{keys}: {said}");
        assert!(!said.contains("secret") && !said.contains("PRIVATE"), "{said}");
    }
}
