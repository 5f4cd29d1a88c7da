//! The pages as a browser gets them: complete, small, strict, and harmless whatever the texts hold.

#![cfg(test)]

mod world;

use std::collections::{BTreeSet, VecDeque};
use std::io::Write;

use world::http::{connect, exchange, request};
use world::{World, states, until};

/// All links within the site that are reached from `/`, each with its page.
fn crawl(world: &World, most: usize) -> Vec<(String, String)> {
    let (mut seen, mut waiting) = (BTreeSet::new(), VecDeque::from(["/".to_owned()]));
    let mut pages = Vec::new();
    while let Some(path) = waiting.pop_front() {
        if !seen.insert(path.clone()) || pages.len() >= most {
            continue;
        }
        let answer = world.get(&path);
        assert_eq!(answer.status, 200, "{path}");
        let text = answer.text();
        for (start, _) in text.match_indices("href=\"").chain(text.match_indices("src=\"")) {
            let link = text[start..].split('"').nth(1).unwrap().replace("&amp;", "&");
            assert!(link.starts_with('/') || link.starts_with('#'), "{path} leads elsewhere: {link}");
            if link.starts_with('/') {
                waiting.push_back(link);
            }
        }
        pages.push((path, text));
    }
    pages
}

#[test]
fn every_link_leads_somewhere_and_every_header_is_strict() {
    let world = World::of(states::bad());
    let pages = crawl(&world, 500);
    assert!(pages.len() > 18, "{}", pages.len());
    for (path, _) in &pages {
        let answer = world.get(path);
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert!(!answer.headers.keys().any(|name| name.starts_with("access-control-")), "{path}: no CORS");
        assert!(!answer.headers.contains_key("server"));
        let lasting = answer.header("cache-control").contains("immutable");
        assert_eq!(lasting, path.starts_with("/assets/"), "{path}");
    }
    for (path, text) in pages.iter().filter(|(_, text)| text.starts_with("<!doctype html>")) {
        assert!(
            !text.contains(" style=") && !text.contains(" onclick=") && !text.contains("<style"),
            "{path}: nothing inline"
        );
        assert_eq!(
            text.matches("<script").count(),
            text.matches("<script defer src=\"/assets/").count(),
            "{path}"
        );
        assert_eq!(text.matches("<h1").count(), 1, "{path}");
        balanced(path, text);
    }
}

/// Every element that is opened is closed, in order.
fn balanced(path: &str, text: &str) {
    const VOID: [&str; 9] = ["!doctype", "meta", "link", "img", "input", "br", "rect", "path", "hr"];
    let mut open: Vec<&str> = Vec::new();
    for piece in text.split('<').skip(1) {
        let tag = piece.split('>').next().unwrap();
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{path}: </{name}>");
        } else if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{path}: {open:?}");
}

#[test]
fn what_is_shown_is_what_is_known() {
    let world = World::of(states::bad());
    let page = world.text("/");
    for said in [
        "<title>Warning · Test &lt;b&gt;cluster&lt;/b&gt;</title>",
        "8 of 10",
        "no answer from 10.1.0.3:53 within 500 ms",
        "<code>udp/194.97.173.124:53</code> wrr",
        "<b class=\"state drained\">drained</b>",
        "by root (alice): kernel update",
        "quorum 2",
        "<td class=\"n\">out</td>",
    ] {
        assert!(page.contains(said), "{said}\n{page}");
    }
    let evidence = world.text("/real-servers/resolver/dns2");
    for said in
        ["dns_timeout", "3 failed in a row", "in no service", "holdfast drain resolver/dns2", "went down"]
    {
        assert!(evidence.contains(said), "{said}\n{evidence}");
    }
    let pool = world.text("/virtual-servers/authoritative");
    assert!(pool.contains("dns1") && pool.contains("2</b> of 3 serving") && !pool.contains("web1"));
    let filtered = world.text("/virtual-servers/resolver?name=2");
    assert!(filtered.contains(">dns2</a>") && !filtered.contains(">dns3</a>"));
    let events = world.text("/events");
    assert!(
        events.find("dns2 went down").unwrap() < events.find("checkd reports again").unwrap(),
        "the latest first"
    );
    assert!(!world.text("/events?before=2").contains("dns2 went down"));
    assert_eq!(world.get("/real-servers/resolver/dns9").status, 404);
    assert_eq!(world.get("/virtual-servers/nothing").status, 404);
    assert_eq!(world.get("/real-servers/resolver/..%2fx").status, 404);
}

#[test]
fn nothing_can_be_changed() {
    let world = World::of(states::good());
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        for path in ["/", "/api/v1/status", "/real-servers/resolver/dns1"] {
            assert_eq!(request(world.address, method, path).unwrap().status, 405, "{method} {path}");
        }
    }
    let answer = request(world.address, "HEAD", "/").unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(world.get("/nowhere").status, 404);
    assert_eq!(world.get("/api/v1/nowhere").header("content-type"), "application/json");
}

#[test]
fn hostile_texts_stay_texts() {
    let world = World::of(states::hostile());
    for (path, text) in crawl(&world, 500) {
        if !text.starts_with("<!doctype html>") {
            continue;
        }
        for markup in ["<script>", "<img src=x", "<svg/", "</title></", "<!--", "onerror=alert(1)>"] {
            assert!(!text.contains(markup), "{path}: {markup}");
        }
        assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{1b}', '\0', '\r']), "{path}");
        balanced(&path, &text);
    }
    let page = world.text("/real-servers/resolver/dns1");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && page.contains("\\u{202e}"), "{page}");
    for path in
        ["/virtual-servers/resolver?name=%22%3E<script>alert(1)</script>", "/<script>alert(1)</script>"]
    {
        let answer = world.get(path);
        assert!(!answer.text().contains("<script>alert"), "{path}");
    }
}

/// The first view with everything it needs, heads included.
fn first_view(world: &World) -> usize {
    let page = world.get("/");
    let text = page.text();
    let mut size = page.head + page.body.len();
    let assets: BTreeSet<&str> = text.split('"').filter(|value| value.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 3);
    for asset in assets {
        let asset = world.get(asset);
        size += asset.head + asset.body.len();
    }
    size
}

#[test]
fn the_first_view_is_small_whatever_there_is_to_show() {
    for (what, state) in [
        ("good", states::good()),
        ("hostile", states::hostile()),
        ("10,000 servers, all well", states::large(5, 0)),
        ("10,000 servers, half of them down", states::large(5, 5_000)),
        ("1,000 virtual servers, a tenth of the servers down", states::large(1_000, 1_000)),
    ] {
        let world = World::of(state);
        let size = first_view(&world);
        assert!(size < 60_000, "{what}: {size} bytes");
        eprintln!("{what}: {size} bytes");
    }
}

#[test]
fn ten_thousand_servers_are_all_within_reach() {
    let world = World::of(states::large(2, 100));
    let page = world.text("/");
    assert!(
        page.contains("9 900 of 10 000".replace(' ', "\u{a0}").replace("\u{a0}of\u{a0}", " of ").as_str()),
        "{page}"
    );
    assert!(page.contains("more of pool0000"));
    // What stands out comes first, on the first view and in the list.
    let list = world.text("/virtual-servers/pool0000");
    assert_eq!(list.matches("class=\"state down\"").count(), 50);
    let mut seen = BTreeSet::new();
    for number in 1..=84 {
        let page = world.text(&format!("/virtual-servers/pool0000?page={number}"));
        seen.extend(
            page.split("/real-servers/pool0000/")
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap().to_owned()),
        );
        assert!(page.len() < 80_000);
    }
    assert_eq!(seen.len(), 5_000);
    assert_eq!(world.json("/api/v1/real-servers")["real_servers"].as_array().unwrap().len(), 10_000);
    assert!(world.text("/metrics").contains("real_server=\"dns4999\""));
    // A change is seen.
    world.agent().change(|state| states::kill(state, "pool0001/dns77", "dns_timeout", "no answer"));
    until("the change", || world.text("/").contains("pool0001/dns77"));
    assert!(world.memory() < 200 << 20, "{} bytes", world.memory());
}

#[test]
fn a_connection_serves_many_requests_and_survives_odd_ones() {
    let world = World::of(states::good());
    let mut connection = connect(world.address).unwrap();
    for _ in 0..50 {
        let answer = exchange(&mut connection, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"));
    }
    let long = "a".repeat(100_000);
    for odd in [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n"),
        "x: y\r\n".repeat(10_000),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nx".to_owned(),
        "GET /virtual-servers/%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /events?before=-1&before=99999999999999999999 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
    ] {
        let mut connection = connect(world.address).unwrap();
        let _refused = connection.get_mut().write_all(odd.as_bytes());
        let _whatever = world::http::head(&mut connection);
        assert_eq!(world.get("/healthz").status, 200);
    }
}

#[test]
fn virtual_addresses_are_shown_with_where_they_are() {
    let world = World::of(states::bad());
    let page = world.text("/");
    let section = page.split("id=\"routers\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(section.contains("Active here") && section.contains("2 of 2 held here"), "{section}");
    assert!(section.contains("at 10.0.0.2, priority 200") && section.contains("Backup"), "{section}");
    // What vipd does not confirm any more is not passed off as known.
    world.agent().stop_beating();
    world.agent().change(|state| state.vipd.heard_at = Some(states::ago(100)));
    until("old news", || {
        let page = world.text("/");
        page.contains("vipd is not heard, this is old") && !page.contains("Active here")
    });
    assert_eq!(world.json("/api/v1/summary")["virtual_routers"][0]["fresh"], false);
}
