//! What people see, letter by letter.

use agent_api::State;
use agent_api::section::KernelTable;
use agent_core::view::{Source, View};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::render;
use crate::output::Style;

const NOW: Timestamp = Timestamp::constant(1_795_176_000, 0); // 2026-11-20T12:00:00Z

fn style() -> Style {
    Style { width: 80, height: None, colours: false, zone: TimeZone::UTC }
}

fn state() -> State {
    serde_json::from_str(include_str!("../../../tests/data/state.json")).unwrap()
}

fn shown(state: &State, now: Timestamp) -> String {
    render(&View::of(state, now), &style())
}

#[test]
fn an_ordinary_day() {
    let expected = "\
holdfast: warning
  resolver/dns2 is down: dns_timeout: no answer from 10.1.53.3:53 within 500 ms,
  asked 2 times for resolve.test A

resolver  warning  2 of 3 up, 1 down, 1 drained
  tcp/194.97.173.124:53  wrr
  udp/194.97.173.124:53  wrr
  server  address       verdict      for    weight  latency
  dns1    10.1.53.2:53  up           3d 4h  100     1.20 ms
  dns2    10.1.53.3:53  down         1m     out     -
      dns_timeout: no answer from 10.1.53.3:53 within 500 ms, asked 2 times for
      resolve.test A
  dns3    10.1.53.4:53  up, drained  1h 2m  0       0.31 ms
      the latest probe failed

drains
  resolver/dns3  until 2026-11-20 13:20:00 (in 1h 20m)  by root (alice)
      kernel update
      end it with: holdfast undrain resolver/dns3

kernel and daemons
  kernel ipvs  present  1.2.1
      12 edits, 1 change by others undone, 2 services not ours
  checkd  connected  heard 2s ago  version 0.1.0  pid 101  config 5f3c9a1e
  lvsd    connected  heard 1s ago  version 0.1.0  pid 102  config 5f3c9a1e

latest events
  2026-11-20 11:00:00 resolver/dns3 is drained by root (alice): kernel update
  2026-11-20 11:59:00 resolver/dns2 went down: no answer from 10.1.53.3:53
  within 500 ms
";
    assert_eq!(shown(&state(), NOW), expected);
}

#[test]
fn old_news_say_what_they_were() {
    let view = View::of(&state(), NOW + SignedDuration::from_secs(720)).from_source(Source::StateFile);
    let expected = "\
holdfast: unknown
  the agent does not answer: this is the state file, written 12m ago
  resolver: it is not known whether any real server serves: 3 unknown, 1 drained
  of 3

resolver  unknown  0 of 3 up, 3 unknown, 1 drained
  tcp/194.97.173.124:53  wrr
  udp/194.97.173.124:53  wrr
  server  address       verdict                    for     weight  latency
  dns1    10.1.53.2:53  unknown (was up)           12m 2s  100?    -
      was up for 3d 3h when last heard of, 12m 2s ago
  dns2    10.1.53.3:53  unknown (was down)         12m 2s  ?       -
      was down for 58s when last heard of, 12m 2s ago: dns_timeout: no answer
      from 10.1.53.3:53 within 500 ms, asked 2 times for resolve.test A
  dns3    10.1.53.4:53  unknown (was up), drained  12m 2s  0?      -
      was up for 1h 2m when last heard of, 12m 2s ago

drains
  resolver/dns3  until 2026-11-20 13:20:00 (in 1h 8m)  by root (alice)
      kernel update
      end it with: holdfast undrain resolver/dns3

kernel and daemons
  kernel ipvs  unknown  not_reported
  checkd  silent  heard 12m 2s ago  version 0.1.0  pid 101  config 5f3c9a1e
  lvsd    silent  heard 12m 1s ago  version 0.1.0  pid 102  config 5f3c9a1e

latest events
  2026-11-20 11:00:00 resolver/dns3 is drained by root (alice): kernel update
  2026-11-20 11:59:00 resolver/dns2 went down: no answer from 10.1.53.3:53
  within 500 ms
";
    assert_eq!(render(&view, &style()), expected);
}

#[test]
fn a_kernel_without_ipvs() {
    let mut state = state();
    state.checkd.items.retain(|id, _| id.real_server.as_str() == "dns1");
    state.lvsd.items.clear();
    state.orders.drains.clear();
    state.events.clear();
    state.lvsd.head.kernel = KernelTable::Unusable {
        cause: "ipvs_missing".parse().unwrap(),
        detail: "the running kernel has no IPVS".into(),
        remedy: "run modprobe ip_vs (package linux-image-amd64)".into(),
    };
    let expected = "\
holdfast: critical
  the running kernel has no IPVS; run modprobe ip_vs (package linux-image-amd64)

resolver  critical  1 of 1 up
  its services are not reported by lvsd
  server  address       verdict  for    weight  latency
  dns1    10.1.53.2:53  up       3d 4h  ?       1.20 ms

kernel and daemons
  kernel ipvs  missing  ipvs_missing
  checkd  connected  heard 2s ago  version 0.1.0  pid 101  config 5f3c9a1e
  lvsd    connected  heard 1s ago  version 0.1.0  pid 102  config 5f3c9a1e
";
    assert_eq!(shown(&state, NOW), expected);
}

#[test]
fn hostile_texts_are_harmless() {
    let hostile = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\n\u{202e}x";
    let mut state = state();
    for health in state.checkd.items.values_mut() {
        health.detail = hostile.into();
        health.verdict = agent_api::Verdict::Down;
    }
    for drain in &mut state.orders.drains {
        drain.who = hostile.into();
        drain.why = hostile.into();
    }
    for event in &mut state.events {
        event.what.text = hostile.into();
    }
    for report in state.lvsd.items.values_mut() {
        report.scheduler = hostile.into();
    }
    let reporter = state.checkd.reporter.as_mut().unwrap();
    reporter.version = hostile.into();
    reporter.config = hostile.into();
    for now in [NOW, NOW + SignedDuration::from_secs(720)] {
        for kernel in [
            KernelTable::Present { version: hostile.into() },
            KernelTable::Unusable {
                cause: "ipvs_error".parse().unwrap(),
                detail: hostile.into(),
                remedy: hostile.into(),
            },
        ] {
            state.lvsd.head.kernel = kernel;
            let text = shown(&state, now);
            assert!(text.contains("\\u{1b}"), "{text}");
            assert!(text.chars().all(|c| c == '\n' || !crate::text::is_unsafe(c)), "{text:?}");
        }
    }
}

#[test]
fn colours_change_nothing_else() {
    let view = View::of(&state(), NOW);
    let coloured = render(&view, &Style { colours: true, ..style() });
    assert!(coloured.contains("\u{1b}[31mdown\u{1b}[0m"));
    let mut plain = coloured;
    for code in ["0", "1", "31", "32", "33", "35"] {
        plain = plain.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(plain, render(&view, &style()));
}

#[test]
fn lines_fit() {
    for now in [NOW, NOW + SignedDuration::from_secs(720)] {
        for line in shown(&state(), now).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn many_reasons_are_counted() {
    let mut state = state();
    let down = state.checkd.items.get(&"resolver/dns2".parse().unwrap()).unwrap().clone();
    for n in 0..100 {
        state.checkd.items.insert(format!("resolver/x{n}").parse().unwrap(), down.clone());
    }
    let text = shown(&state, NOW);
    assert!(text.contains("\n  and 91 more, see below\n"), "{text}");
}
