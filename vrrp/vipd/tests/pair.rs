//! Two daemons on one segment, and a client that asks all the time: who has the address, and what the client notices.

#![allow(clippy::unwrap_used)]

mod bed;

use std::time::Duration;

use bed::{VIP, longest_gap, pair, unanswered};

#[test]
fn it_runs_in_real_time_with_locked_memory() {
    let mut bed = bed::Bed::build(1);
    bed.hosts[0].start(&bed::config(150, ""));
    bed.wait_holders(VIP, &[0]);
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", bed.hosts[0].pid())).unwrap();
    // Field 41 of `stat` is the policy; the name in brackets has no blank. 2 is SCHED_RR, and the flag is not in it.
    let stat = read("stat");
    let fields: Vec<&str> = stat.split(' ').collect();
    assert_eq!((fields[40], fields[39]), ("2", "50"), "{stat}");
    let locked = read("status").lines().find(|line| line.starts_with("VmLck:")).unwrap().to_owned();
    assert!(!locked.contains(" 0 kB"), "{locked}");
    assert!(!bed.logs().contains("grants it"), "{}", bed.logs());
}

#[test]
fn without_the_rights_it_says_so_and_works() {
    let mut bed = bed::Bed::build(2);
    // As root, but with neither the limits nor the capabilities by which the kernel would grant it.
    let without =
        "prlimit --rtprio=0 --memlock=65536 setpriv --bounding-set=-sys_nice,-ipc_lock,-sys_resource";
    bed.hosts[0].start_under(without, &bed::config(150, "advert_interval = \"100ms\""));
    bed.wait_holders(VIP, &[0]);
    for words in ["no real-time scheduling", "LimitRTPRIO=50", "can't be locked", "LimitMEMLOCK=infinity"] {
        bed.hosts[0].wait_log(words);
    }
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", bed.hosts[0].pid())).unwrap();
    assert_eq!(read("stat").split(' ').nth(40), Some("0"), "{}", read("stat"));
    assert!(read("status").contains("VmLck:\t       0 kB"), "{}", read("status"));
    // What it says on the wire is what it was told to: the other one learns no other interval.
    bed.hosts[1].start(&bed::config(100, "advert_interval = \"100ms\""));
    bed.hosts[1].wait_log("initialize -> backup");
    assert_eq!(bed.hosts[0].stop(), Some(0));
    bed.wait_holders(VIP, &[1]);
    assert!(!bed.hosts[1].log().contains("interval"), "{}", bed.logs());
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
