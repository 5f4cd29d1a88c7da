//! Two daemons on one segment, and a client that asks all the time: who has the address, and what the client notices.

#![allow(clippy::unwrap_used)]

mod bed;

use std::net::IpAddr;
use std::time::Duration;

use bed::{Bed, longest_gap, unanswered};

const VIP: &str = "10.9.0.50";

fn config(priority: u8, more: &str) -> String {
    format!(
        "[[virtual_router]]\nname = \"vip\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\"]\n{more}\n"
    )
}

fn pair(more: &str) -> Bed {
    let mut bed = Bed::build(2);
    bed.serve(&[VIP.parse::<IpAddr>().unwrap()]);
    bed.hosts[0].start(&config(150, more));
    bed.wait_holders(VIP, &[0]);
    bed.hosts[1].start(&config(100, more));
    bed.hosts[1].wait_log("initialize -> backup");
    bed
}

#[test]
fn the_backup_takes_over_and_gives_back() {
    let mut bed = pair("advert_interval = \"100ms\"");
    let asker = bed.ask(VIP, Duration::from_millis(5));
    asker.wait_answered_by(0, || bed.logs());
    assert_eq!(bed.hosts[0].stop(), Some(0));
    bed.wait_holders(VIP, &[1]);
    asker.wait_answered_by(1, || bed.logs());
    bed.hosts[0].restart();
    bed.wait_holders(VIP, &[0]);
    asker.wait_answered_by(0, || bed.logs());
    let questions = asker.finish();
    println!(
        "gap {:?}, unanswered {} of {}",
        longest_gap(&questions),
        unanswered(&questions),
        questions.len()
    );
}
