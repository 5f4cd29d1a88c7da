//! Two daemons on one segment, and a client that asks all the time: who has the address, and what the client notices.

#![allow(clippy::unwrap_used)]

mod bed;

use std::time::Duration;

use bed::{VIP, longest_gap, pair, unanswered};

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
