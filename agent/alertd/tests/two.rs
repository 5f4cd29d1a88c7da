//! Two directors with their agents, status pages and alertds, and one mail server: each incident is told once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod bed;

use std::time::Duration;

use agent_api::RouterState;
use bed::{Bed, Mail, Server, free_port, until};

fn director(number: u8, server: &Server, own: u16, other: u16, state: RouterState) -> Bed {
    let mut bed = Bed::new(&format!(
        "[status]\nlisten = \"127.0.0.1:{own}\"\n[status.peer]\nurl = \"http://127.0.0.1:{other}\"\nname = \"other\"\n\
         [alert]\nsmtp = \"smtp://127.0.0.1:{}\"\nfrom = \"holdfast@director{number}.test\"\nto = [\"staff@b.test\"]\n\
         gather = \"1s\"\nsettle = \"0s\"\nupdate_every = \"1s\"\nstep_in = \"5s\"\n",
        server.port
    ));
    bed.route(state);
    bed.start_statusd();
    bed.start_alertd();
    until("its page answers", || std::net::TcpStream::connect(("127.0.0.1", own)).ok());
    until("alertd reports", || bed.state().alertd.connected.then_some(()));
    bed
}

fn senders(mails: &[Mail]) -> Vec<(String, String)> {
    let sender = |mail: &Mail| mail.meta["from"].as_str().unwrap().split('@').nth(1).unwrap().to_owned();
    mails.iter().map(|mail| (mail.kind(), sender(mail))).collect()
}

fn pair(kind: &str, sender: &str) -> (String, String) {
    (kind.to_owned(), sender.to_owned())
}

#[test]
fn the_active_one_tells_and_the_other_steps_in_when_it_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let (port1, port2) = (free_port(), free_port());
    let mut active = director(1, &server, port1, port2, RouterState::Active);
    let mut standby = director(2, &server, port2, port1, RouterState::Backup);
    // Both see the server fall. The Active one tells; the other learns that from its page and keeps quiet.
    for bed in [&mut active, &mut standby] {
        bed.fall("resolver/dns1");
    }
    server.wait(1);
    until("the standby knows of it", || (standby.state().alertd.head.incidents == 1).then_some(()));
    // Longer than gathering time and step_in together: it would have stepped in.
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(senders(&server.mails()), [pair("opened", "director1.test")]);
    for bed in [&mut active, &mut standby] {
        bed.rise("resolver/dns1");
    }
    server.wait(2);
    until("the standby closes it too", || (standby.state().alertd.head.incidents == 0).then_some(()));
    assert_eq!(senders(&server.mails()).last(), Some(&pair("closed", "director1.test")));

    // Else it tells that again after its restart.
    until("the deliveries are noted", || (active.state().alertd.head.delivered == 2).then_some(()));
    // The Active one's alertd is away: the other one steps in, and closes what it opened.
    active.kill_alertd();
    for bed in [&mut active, &mut standby] {
        bed.fall("resolver/dns2");
    }
    let mails = server.wait(3);
    assert_eq!(senders(&mails)[2..], [pair("opened", "director2.test")]);
    assert!(mails[2].text.contains("steps in"), "{}", mails[2].text);
    // It comes back, catches up by event number, asks, and does not tell it again.
    active.start_alertd();
    until("it has caught up", || {
        let head = active.state().alertd.head;
        (head.incidents == 1 && head.held == 1).then_some(())
    });
    std::thread::sleep(Duration::from_secs(3));
    for bed in [&mut active, &mut standby] {
        bed.rise("resolver/dns2");
    }
    server.wait(4);
    for bed in [&active, &standby] {
        until("it is over", || (bed.state().alertd.head.incidents == 0).then_some(()));
    }
    std::thread::sleep(Duration::from_secs(2));
    // Away once more, while something begins and ends: the other one has told all of it.
    active.kill_alertd();
    for bed in [&mut active, &mut standby] {
        bed.fall("resolver/dns1");
    }
    server.wait(5);
    for bed in [&mut active, &mut standby] {
        bed.rise("resolver/dns1");
    }
    server.wait(6);
    active.start_alertd();
    until("it hears of it", || (active.state().alertd.head.incidents == 1).then_some(()));
    until("it has asked", || (active.state().alertd.head.incidents == 0).then_some(()));
    std::thread::sleep(Duration::from_secs(2));
    let expected = [
        pair("opened", "director1.test"),
        pair("closed", "director1.test"),
        pair("opened", "director2.test"),
        pair("closed", "director2.test"),
        pair("opened", "director2.test"),
        pair("closed", "director2.test"),
    ];
    let active = active.former_alertd_log() + &active.alertd_log();
    assert_eq!(senders(&server.mails()), expected, "{active}\n--- the standby:\n{}", standby.alertd_log());
}
