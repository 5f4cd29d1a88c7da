//! Both directors side by side: what each shows of the other, how old news are told, and what a bad one can do.

#![cfg(test)]

mod world;

use std::io::Write;

use serde_json::{Value, json};
use world::tls::{Files, misbehaving};
use world::{World, config_with, free_address, states, until};

const ANNA: Option<&str> = Some("anna:secret");

fn text(files: &Files, world: &World, path: &str) -> String {
    files.ask(world.address, path, ANNA).map(|answer| answer.text()).unwrap_or_default()
}

#[test]
fn two_directors_show_each_other_and_never_themselves_in_the_other() {
    let files = Files::new();
    let second = free_address();
    let first = World::with_keys(states::good(), &(files.both() + &files.peer(second)), 4_096);
    until("said that nobody answers", || {
        text(&files, &first, "/").contains("It does not answer: can&#39;t connect")
    });
    // The second one names the first.
    let folder = tempfile::tempdir().unwrap();
    let agent = world::agent::Agent::start(&folder.path().join("agent.sock"), states::bad());
    let keys = files.both() + &files.peer(first.address);
    std::fs::write(folder.path().join("holdfast.toml"), config_with(second, &keys)).unwrap();
    let statusd = world::Process(world::command(folder.path()).spawn().unwrap());
    until("the second one's judgement", || {
        let page = text(&files, &first, "/");
        page.contains("&lt;second&gt;") && page.contains("resolver/dns2 is down") && page.contains("data-ago")
    });
    let ask = |path: &str| files.ask(second, path, ANNA).map(|answer| answer.text()).unwrap_or_default();
    until("the first one's", || {
        ask("/").contains("All is well") || ask("/").contains("class=\"pill ok\">ok</span><small>heard")
    });
    let peer: Value = serde_json::from_str(&text(&files, &first, "/api/v1/peer")).unwrap();
    assert_eq!((&peer["error"], &peer["summary"]["status"]), (&Value::Null, &json!("warning")));
    // What one tells the other is about itself alone.
    let told = ask("/api/v1/summary");
    assert!(told.contains("\"warning\"") && !told.contains("second"), "{told}");
    assert!(text(&files, &first, "/metrics").contains("holdfast_peer_up{peer=\"<second>\"} 1"));
    drop((statusd, agent));
    until("that it is gone", || {
        let page = text(&files, &first, "/");
        page.contains("It does not answer") && page.contains("When it was last heard")
    });
    let metrics = text(&files, &first, "/metrics");
    assert!(metrics.contains("holdfast_peer_up{peer=\"<second>\"} 0"), "{metrics}");
    assert!(metrics.contains("holdfast_peer_status{peer=\"<second>\",level=\"warning\"} 1"), "{metrics}");
}

/// What the page says of a peer that answers like this.
fn said_of(answer: impl Fn(&mut std::net::TcpStream) + Send + 'static) -> (World, String) {
    let address = misbehaving(answer);
    let world = World::with_keys(states::good(), &format!("peer.url = \"http://{address}\""), 4_096);
    let mut said = String::new();
    until("an error", || {
        said = world.json("/api/v1/peer")["error"].as_str().unwrap_or_default().to_owned();
        !said.is_empty()
    });
    (world, said)
}

#[test]
fn a_bad_director_harms_nobody() {
    let plain = |answer: &'static str| {
        move |stream: &mut std::net::TcpStream| {
            let _sent = stream.write_all(answer.as_bytes());
        }
    };
    let (_, said) = said_of(plain("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"));
    assert!(said.contains("refuses the name or the password"), "{said}");
    let (_, said) =
        said_of(plain("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"));
    assert!(said.contains("status 302"), "no redirect is followed: {said}");
    let (_, said) = said_of(plain("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"));
    assert!(said.contains("not understood"), "{said}");
    let (_, said) = said_of(plain("SSH-2.0-OpenSSH\r\n"));
    assert!(said.contains("HTTP fails"), "{said}");
    let (_, said) = said_of(plain("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"));
    assert!(said.contains("breaks off"), "{said}");
    let (world, said) = said_of(|stream| {
        let _began = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b' '; 65_536]).is_ok() {}
    });
    assert!(said.contains("longer than 256 KiB"), "{said}");
    assert!(world.memory() < 60 << 20);
    let (_, said) = said_of(|_| std::thread::sleep(std::time::Duration::from_secs(600)));
    assert!(said.contains("no answer within 4 s"), "{said}");
}

#[test]
fn what_a_director_says_of_itself_is_text() {
    let evil = "<script>alert(1)</script>\u{202e}\"'&";
    let summary = json!({
        "host": evil, "title": evil, "version": evil, "generated_at": "2026-01-01T00:00:00Z",
        "source": "agent", "status": "warning",
        "reasons": vec![json!({ "level": "warning", "text": evil }); 500], "reasons_total": 500,
        "virtual_servers": vec![json!({ "name": evil.repeat(9), "status": "ok", "serving": 1, "total": 1, "quorum": 0 }); 500],
        "virtual_servers_total": 500, "serving": u32::MAX, "real_servers_total": u32::MAX, "unknown": [[[]]],
    })
    .to_string();
    let address = misbehaving(move |stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", summary.len());
        let _sent = stream.write_all((head + &summary).as_bytes());
    });
    let world = World::with_keys(states::good(), &format!("peer.url = \"http://{address}\""), 4_096);
    until("heard", || world.json("/api/v1/peer")["summary"]["status"] == "warning");
    let page = world.text("/");
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>alert") && !page.contains('\u{202e}'));
    assert!(page.len() < 60_000, "{}", page.len());
}
