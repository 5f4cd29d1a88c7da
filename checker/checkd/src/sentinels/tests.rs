use super::*;

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

fn finished(token: u64, cause: Option<Cause>) -> Finished {
    let finding = match cause {
        None => Finding::passed(Duration::from_millis(1), String::new()),
        Some(cause) => Finding::failed(cause, String::new()),
    };
    Finished { token, started: at(0), finding }
}

fn sentinels() -> Sentinels {
    let addresses = ["10.0.0.254:22".parse().unwrap(), "10.0.0.253:22".parse().unwrap()];
    Sentinels::new(&addresses, None, at(0))
}

/// Asks all, and they end so.
fn round(sentinels: &mut Sentinels, ms: u64, ends: [Option<Cause>; 2]) {
    let asked = sentinels.begin(at(ms));
    assert_eq!(asked.len(), 2);
    for ((token, _), cause) in asked.into_iter().zip(ends) {
        assert!(sentinels.take(finished(token, cause), (0, 0), at(ms + 1)).is_none());
    }
}

const FAIL: Option<Cause> = Some(Cause::DnsTimeout);
const SILENT: Option<Cause> = Some(Cause::TcpTimeout);

fn cause(finished: Option<Finished>) -> &'static str {
    finished.map_or("held", |f| f.finding.cause.map_or("passed", Cause::code))
}

#[test]
fn a_refused_connection_is_an_answer() {
    let mut sentinels = sentinels();
    round(&mut sentinels, 0, [Some(Cause::TcpRefused), SILENT]);
    assert_eq!(cause(sentinels.take(finished(1, FAIL), (4, 3), at(100))), "dns_timeout");
    // The answer is too old: ask again at once, and hold back until then.
    assert_eq!(cause(sentinels.take(finished(1, FAIL), (4, 3), at(900))), "held");
    assert_eq!(sentinels.deadline(), Some(at(900)));
    round(&mut sentinels, 900, [SILENT, None]);
    let released = sentinels.released();
    assert_eq!((released.len(), cause(released.into_iter().next())), (1, "dns_timeout"));
    assert!(!sentinels.is_blind() && sentinels.released().is_empty());
}

#[test]
fn silence_of_all_blinds_until_one_answers() {
    let mut sentinels = sentinels();
    round(&mut sentinels, 0, [None, None]);
    assert_eq!(cause(sentinels.take(finished(1, FAIL), (4, 3), at(2_000))), "held");
    round(&mut sentinels, 2_000, [SILENT, SILENT]);
    assert!(sentinels.is_blind());
    assert_eq!(cause(sentinels.released().into_iter().next()), "director_blind");
    assert_eq!(cause(sentinels.take(finished(2, FAIL), (4, 4), at(2_100))), "director_blind");
    // A server that passes is believed all the same.
    assert_eq!(cause(sentinels.take(finished(3, None), (4, 4), at(2_100))), "passed");
    // Only servers that answer show that it sees; probes that could not be run show nothing.
    let untried = Some(Cause::NetUnreachable);
    assert_eq!(cause(sentinels.take(finished(3, untried), (4, 2), at(2_200))), "net_unreachable");
    assert!(sentinels.is_blind());
    round(&mut sentinels, 2_500, [SILENT, None]);
    assert!(!sentinels.is_blind());
    assert_eq!(cause(sentinels.take(finished(2, FAIL), (4, 4), at(2_600))), "dns_timeout");
}

#[test]
fn without_sentinels_all_counts() {
    let mut none = Sentinels::new(&[], None, at(0));
    assert_eq!(none.deadline(), None);
    assert_eq!(cause(none.take(finished(1, FAIL), (4, 4), at(100))), "dns_timeout");
    // Nor do sentinels that never answered make anyone blind.
    let mut never = sentinels();
    round(&mut never, 0, [SILENT, SILENT]);
    assert_eq!(cause(never.take(finished(1, FAIL), (4, 4), at(100))), "dns_timeout");
}
