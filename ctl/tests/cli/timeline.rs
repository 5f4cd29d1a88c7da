//! `holdfast timeline` as text and as a picture.

use agent_api::{Event, EventKind, NewEvent, State};
use jiff::{SignedDuration, Timestamp};

use crate::fake::{Fake, Manner};
use crate::{run, state, stderr, stdout};

/// The state with dns1 down from 5 to 3 hours ago and both others from 4 to 3.5: nobody for half an hour.
fn eventful() -> State {
    let mut state = state();
    let now = Timestamp::now();
    (state.checkd.heard_at, state.lvsd.heard_at) = (Some(now), Some(now));
    state.orders.drains.clear();
    state.events.clear();
    let mut happen = |minutes: i64, kind, server: &str, text: &str| {
        let number = state.events.back().map_or(7, |event: &Event| event.number + 1);
        let what = NewEvent {
            at: now - SignedDuration::from_mins(minutes),
            kind,
            virtual_server: Some("resolver".parse().unwrap()),
            real_server: Some(server.parse().unwrap()),
            virtual_router: None,
            dependency: None,
            cause: None,
            text: text.into(),
        };
        state.events.push_back(Event { number, what });
    };
    happen(300, EventKind::RealServerWentDown, "dns1", "<b>&");
    happen(240, EventKind::RealServerWentDown, "dns2", "");
    happen(240, EventKind::RealServerWentDown, "dns3", "");
    happen(210, EventKind::RealServerWentUp, "dns3", "");
    happen(200, EventKind::RealServerWentUp, "dns1", "");
    for (id, item) in &mut state.checkd.items {
        item.since =
            now - SignedDuration::from_mins(if id.real_server.as_str() == "dns2" { 240 } else { 200 });
    }
    state
}

#[test]
fn as_text() {
    let fake = Fake::start(eventful(), Manner::Well);
    let output = run(&fake.socket(), &["timeline", "--since", "8h"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let words = text.replace('\n', " ");
    assert!(
        words.contains("resolver: no real server served for 30m (how many clients that met is not counted)"),
        "{text}"
    );
    let lane = |name: &str| text.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
    let (dns1, dns2) = (lane("dns1"), lane("dns2"));
    assert!(dns1.contains("...") && dns1.contains("xxx=") && dns1.ends_with("==="), "{dns1}");
    assert!(dns2.contains("_x") && dns2.ends_with("xxx"), "{dns2}");
    assert!(lane("resolver ").contains("x~"), "{text}");
    assert!(words.contains("The record begins at") && words.contains("had to make room"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    // One of them alone.
    let text = stdout(&run(&fake.socket(), &["timeline", "resolver/dns3"]));
    assert!(text.contains("dns3") && !text.contains("dns1"), "{text}");
    let output = run(&fake.socket(), &["timeline", "nothing"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nothing called nothing is known"));
    assert_eq!(run(&fake.socket(), &["timeline", "--since", "1s"]).status.code(), Some(2));
}

#[test]
fn as_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::start(eventful(), Manner::Well);
    let path = folder.path().join("timeline.svg");
    let output = run(&fake.socket(), &["timeline", "--since", "8h", "--svg", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    let svg = std::fs::read_to_string(path).unwrap();
    for part in [
        "<title id=\"title\">",
        "<desc id=\"desc\">resolver: no real server served for 30m",
        "role=\"img\"",
        "prefers-color-scheme:dark",
        "resolver/dns2: down, 4h",
        "Who was up, who was Active",
    ] {
        assert!(svg.contains(part), "{part}: {svg}");
    }
    // Nothing from elsewhere, nothing that runs.
    let elsewhere = svg.replace("http://www.w3.org/2000/svg", "");
    assert!(!elsewhere.contains("http") && !svg.contains("<script") && !svg.contains("href"), "{svg}");
    let shown = stdout(&run(&fake.socket(), &["timeline", "--svg", "-"]));
    assert!(shown.starts_with("<svg ") && shown.ends_with("</svg>\n"));
    let output = run(&fake.socket(), &["timeline", "--svg", "/nonexistent/a.svg"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("writing the picture /nonexistent/a.svg"));
}

#[test]
fn without_the_agent_the_file_is_drawn_as_of_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = eventful();
    state.boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned();
    let path = folder.path().join("state.json");
    std::fs::write(&path, serde_json::to_vec(&state).unwrap()).unwrap();
    let output =
        run(&folder.path().join("none"), &["timeline", "--since", "8h", "--state", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("the agent does not run") && stdout(&output).contains("for 30m"),
        "{}",
        stdout(&output)
    );
}
