//! What is told, and when.

use agent_api::{EventKind, Severity, Verdict};

use super::{World, at};
use crate::digest::Kind;

const TWO: [&str; 2] = ["resolver/dns1", "resolver/dns2"];

#[test]
fn one_incident_is_opened_and_closed_once() {
    let mut world = World::new("", &TWO);
    world.fall("resolver/dns1");
    world.pass(9);
    assert_eq!(world.heard_of(), [], "it gathers");
    world.pass(1);
    assert_eq!(world.heard_of(), [(Kind::Opened, "resolver/dns1 (dns_timeout)".to_owned())]);
    world.pass(300);
    assert_eq!(world.heard_of(), []);
    world.rise("resolver/dns1");
    world.pass(59);
    assert_eq!(world.heard_of(), [], "all must be well for a while");
    world.pass(2);
    let [closed] = world.told.as_slice() else { panic!("{:?}", world.told) };
    assert_eq!((closed.kind, closed.began, closed.ended), (Kind::Closed, at(0), Some(at(310))));
    assert_eq!(closed.root.as_deref(), Some("x.1.0"));
    assert_eq!(closed.id, "x.1.1");
    assert_eq!(closed.history.len(), 2);
    world.told.clear();
    world.pass(86_400);
    assert_eq!(world.heard_of(), []);
    assert_eq!(world.digest.status().open, 0);
}

#[test]
fn the_fall_of_a_rack_is_one_mail() {
    let servers: Vec<String> =
        (0..40).map(|n| format!("{}/s{n}", if n % 2 == 0 { "resolver" } else { "web" })).collect();
    let names: Vec<&str> = servers.iter().map(String::as_str).collect();
    let mut world = World::new("", &names);
    for server in &servers {
        world.fall(server);
        world.look();
    }
    world.pass(60);
    let [opened] = world.told.as_slice() else { panic!("{} notices", world.told.len()) };
    assert_eq!((opened.kind, opened.severity), (Kind::Opened, Severity::Critical));
    assert_eq!(
        opened.title,
        "resolver below quorum, web below quorum, resolver/s0, resolver/s10, resolver/s12 and 37 more"
    );
    assert_eq!(opened.troubles.len() + opened.troubles_more, 42);
    world.told.clear();
    for server in &servers {
        world.rise(server);
    }
    world.pass(600);
    let [closed] = world.told.as_slice() else { panic!("{} notices", world.told.len()) };
    assert_eq!(closed.kind, Kind::Closed);
    let loss = closed.losses.iter().find(|loss| loss.virtual_server.as_str() == "web").unwrap();
    assert_eq!((loss.total, loss.fewest, loss.none_ms), (20, 0, 60_000));
}

#[test]
fn what_changes_is_told_seldomer_and_seldomer() {
    let servers: Vec<String> = (0..60).map(|n| format!("resolver/s{n}")).collect();
    let names: Vec<&str> = servers.iter().map(String::as_str).collect();
    let mut world = World::new("remind_every = \"0s\"", &names);
    for server in &servers[..50] {
        world.fall(server);
        world.pass(120);
    }
    let kinds: Vec<Kind> = world.told.iter().map(|notice| notice.kind).collect();
    assert_eq!(kinds[0], Kind::Opened);
    assert!(kinds.len() <= 8, "{} mails in 100 minutes", kinds.len());
    let last = world.told.last().unwrap();
    assert!(last.history.iter().any(|line| line.news) && last.history.iter().any(|line| !line.news));
}

#[test]
fn becoming_graver_does_not_wait() {
    let mut world = World::new("", &TWO);
    world.fall("resolver/dns1");
    world.pass(20);
    world.told.clear();
    world.fall("resolver/dns2");
    world.pass(10);
    let [update] = world.told.as_slice() else { panic!("{:?}", world.told) };
    assert_eq!((update.kind, update.severity), (Kind::Updated, Severity::Critical));
    assert!(update.troubles.iter().any(|trouble| trouble.key == "pool:resolver"));
}

#[test]
fn flapping_is_said_once() {
    let mut world = World::new("remind_every = \"0s\"", &TWO);
    for _ in 0..100 {
        world.fall("resolver/dns1");
        world.pass(30);
        world.rise("resolver/dns1");
        world.pass(30);
    }
    let flapping = world.told.iter().filter(|notice| notice.flapping).count();
    assert_eq!(flapping, 1, "{:?}", world.told.iter().map(|n| (n.kind, n.at)).collect::<Vec<_>>());
    assert!(world.told.len() <= 3);
    world.told.clear();
    world.pass(1_200);
    let [closed] = world.told.as_slice() else { panic!("{:?}", world.told) };
    assert_eq!(closed.kind, Kind::Closed);
    assert_eq!(closed.troubles[0].falls, 100);
}

#[test]
fn what_lasts_is_recalled() {
    let mut world = World::new("", &TWO);
    world.fall("resolver/dns1");
    world.pass(24 * 3600);
    let kinds: Vec<Kind> = world.told.iter().map(|notice| notice.kind).collect();
    assert_eq!(kinds[0], Kind::Opened);
    assert_eq!(kinds[1..], [Kind::Reminder; 5]);
}

#[test]
fn what_was_over_before_it_was_told_is_one_mail() {
    let mut world = World::new("", &TWO);
    world.fall("resolver/dns1");
    world.pass(5);
    world.rise("resolver/dns1");
    world.pass(600);
    assert_eq!(world.heard_of(), [(Kind::Closed, "resolver/dns1 (dns_timeout)".to_owned())]);
}

#[test]
fn quiet_hours_end_with_one_mail() {
    // It is Thursday, 9:00.
    let mut world = World::new("quiet_hours = [\"08:00-12:00\"]", &["a/s1", "a/s2", "b/s1", "b/s2", "c/s1"]);
    world.fall("a/s1");
    world.pass(60);
    world.rise("a/s1");
    world.pass(600);
    world.fall("b/s1");
    world.pass(3_600);
    assert_eq!(world.heard_of(), []);
    assert_eq!(world.digest.status().waiting, 2);
    // What is critical does not wait.
    world.fall("c/s1");
    world.pass(20);
    assert_eq!(world.heard_of(), [(Kind::Opened, "c below quorum, c/s1".to_owned())]);
    world.pass(3 * 3_600);
    let [digest, ..] = world.told.as_slice() else { panic!("nothing") };
    assert_eq!((digest.kind, digest.at), (Kind::Digest, at(3 * 3_600)));
    let lines: Vec<(&str, bool)> =
        digest.incidents.iter().map(|i| (i.title.as_str(), i.ended.is_some())).collect();
    assert_eq!(lines, [("b/s1 (dns_timeout)", false), ("a/s1 (dns_timeout)", true)]);
    let root = digest.id.clone();
    world.told.clear();
    world.rise("b/s1");
    world.pass(100);
    let [closed] = world.told.as_slice() else { panic!("{:?}", world.told) };
    assert_eq!((closed.kind, closed.root.as_ref()), (Kind::Closed, Some(&root)));
}

#[test]
fn routes_take_what_is_theirs() {
    let routes = "[[alert.route]]\nname = \"dns\"\nto = \"dns@b.example\"\nvirtual_servers = [\"resolver\"]\n\
        [[alert.route]]\nname = \"boss\"\nto = \"boss@b.example\"\nseverity = \"critical\"\n\
        [[alert.route]]\nname = \"night\"\nto = \"night@b.example\"\nhours = \"20:00-24:00\"\n";
    let mut world = World::new(routes, &["resolver/dns1", "resolver/dns2", "web/w1", "web/w2"]);
    world.fall("resolver/dns1");
    world.fall("web/w1");
    world.pass(20);
    let mut told: Vec<(String, String)> =
        world.told.drain(..).map(|notice| (notice.route.to_string(), notice.title)).collect();
    told.sort();
    let of = |route: &str, title: &str| (route.to_owned(), title.to_owned());
    assert_eq!(told, [of("default", "web/w1 (dns_timeout)"), of("dns", "resolver/dns1 (dns_timeout)")]);
    world.fall("web/w2");
    world.pass(20);
    let told: Vec<&str> = world.told.iter().map(|notice| notice.route.as_str()).collect();
    assert!(told.contains(&"boss"), "{told:?}");
    world.told.clear();
    world.rise("resolver/dns1");
    // At eight in the evening the night hears of what is still open.
    world.pass(11 * 3_600 + 30);
    let night: Vec<&str> =
        world.told.iter().filter(|n| n.route.as_str() == "night").map(|n| n.title.as_str()).collect();
    assert_eq!(night, ["web below quorum, resolver/dns1, web/w1, web/w2"]);
}

#[test]
fn silences_and_drains_keep_quiet_while_they_last() {
    let mut world = World::new("", &["a/s1", "a/s2", "b/s1", "b/s2"]);
    world.silence(Some("a"), 600);
    world.drain("b/s1", 600);
    world.fall("a/s1");
    world.fall("a/s2");
    world.fall("b/s1");
    world.pass(300);
    assert_eq!(world.heard_of(), []);
    assert_eq!(world.digest.status().silenced, 4);
    world.rise("a/s1");
    world.pass(320);
    world.state.orders.drains.clear();
    world.pass(20);
    let titles: Vec<String> = world.told.iter().map(|notice| notice.title.clone()).collect();
    assert_eq!(titles, ["a/s2 (dns_timeout), b/s1 (dns_timeout)".replace(" (dns_timeout)", "")]);
}

#[test]
fn a_silence_up_to_a_severity_lets_graver_trouble_through_and_the_mail_names_it() {
    let mut world = World::new("", &TWO);
    world.silence(Some("resolver"), 600);
    world.state.orders.silences[0].severity = Some(agent_api::Severity::Warning);
    world.fall("resolver/dns1");
    world.pass(60);
    assert_eq!(world.heard_of(), []);
    world.event(EventKind::QuorumLost, "resolver/dns1", "resolver has lost its quorum");
    world.pass(60);
    assert_eq!(world.told.len(), 1);
    let remarks = &world.told[0].remarks;
    let has = |text: &str| remarks.iter().any(|remark| remark.contains(text));
    assert!(
        has("alerts about resolver up to warning are silenced until 2026-11-26T09:10:00Z by root: works"),
        "{remarks:?}"
    );
    assert!(has("keep 1 standing troubles from being told"), "{remarks:?}");
}

#[test]
fn a_silence_of_the_configuration_has_hours() {
    let silence = "[[alert.silence]]\nvirtual_server = \"resolver\"\nhours = \"08:30-09:30\"\nwhy = \"x\"\n";
    let mut world = World::new(silence, &TWO);
    world.fall("resolver/dns1");
    world.pass(1_700);
    assert_eq!(world.heard_of(), []);
    world.pass(200);
    assert_eq!(world.heard_of().len(), 1, "at half past nine it is told");
}

#[test]
fn what_the_state_says_closes_what_no_event_closed() {
    let mut world = World::new("", &TWO);
    world.fall("resolver/dns1");
    world.fall("resolver/dns2");
    world.pass(20);
    world.told.clear();
    // One is configured no more, one came up while events were lost.
    world.state.checkd.items.remove(&"resolver/dns1".parse().unwrap());
    world.set("resolver/dns2", Verdict::Up);
    world.pass(100);
    assert_eq!(world.told.iter().map(|n| n.kind).collect::<Vec<_>>(), [Kind::Closed]);
}

#[test]
fn a_silent_agent_is_trouble_and_what_is_too_many_events_is_said() {
    let mut world = World::new("", &TWO);
    world.heard = false;
    world.pass(59);
    assert_eq!(world.heard_of(), []);
    world.pass(60);
    assert_eq!(world.heard_of(), [(Kind::Opened, "agentd".to_owned())]);
    for _ in 0..600 {
        world.fall("resolver/dns1");
        world.rise("resolver/dns1");
    }
    world.fall("resolver/dns2");
    world.heard = true;
    world.pass(100);
    assert_eq!(world.digest.status().missed_events, 201);
    let titles = world.heard_of();
    assert!(titles.iter().any(|(kind, title)| *kind == Kind::Closed && title == "agentd"), "{titles:?}");
    assert!(titles.iter().any(|(kind, _)| *kind == Kind::Opened), "{titles:?}");
}

#[test]
fn what_happens_and_passes_is_one_incident() {
    let mut world = World::new("remind_every = \"0s\"", &TWO);
    for _ in 0..200 {
        world.event(EventKind::DriftMended, "", "someone changed it");
        world.pass(1);
    }
    world.pass(3_600);
    let kinds: Vec<Kind> = world.told.iter().map(|notice| notice.kind).collect();
    assert_eq!(kinds.first(), Some(&Kind::Opened));
    assert_eq!(kinds.last(), Some(&Kind::Closed));
    assert!(kinds.len() <= 3, "{kinds:?}");
}

#[test]
fn the_past_is_not_told_but_what_stands_is() {
    let mut world = World::new("", &[]);
    world.digest = crate::digest::Digest::new(super::settings(""), crate::digest::Saved::new("y".to_owned()));
    for _ in 0..5 {
        world.fall("resolver/dns1");
        world.rise("resolver/dns1");
    }
    world.fall("resolver/dns2");
    world.set("resolver/dns1", Verdict::Up);
    world.pass(60);
    assert_eq!(world.heard_of(), [(Kind::Opened, "resolver/dns2 (dns_timeout)".to_owned())]);
}
