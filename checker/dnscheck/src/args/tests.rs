use std::ffi::OsString;

use super::options::all;
use super::*;
use crate::job::Job;

fn job(line: &str) -> Result<Job, String> {
    job_of(line.split_whitespace())
}

fn job_of<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Job, String> {
    match parse(words.into_iter().map(OsString::from))? {
        Call::Probe(args) => Job::try_from(*args),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_table_is_well_formed() {
    for option in all() {
        assert_eq!(all().filter(|other| other.long == option.long).count(), 1, "--{}", option.long);
        let same = |other: &&options::Opt| option.short.is_some() && other.short == option.short;
        assert!(all().filter(same).count() <= 1, "--{}", option.long);
        for other in option.with.iter().chain(option.not_with) {
            assert!(all().any(|option| option.long == *other), "--{}: --{other}", option.long);
        }
    }
}

#[test]
fn options_mean_what_they_say() {
    let job = job(
        "--server 2001:db8::53 --port 5353 --source 2001:db8::1 --qname id.server --qtype txt --qclass CH \
         --expect-rcode NOERROR,REFUSED --expect-rcode NXDOMAIN --expect-answer a --expect-answer b \
         --timeout 250ms --tries 5 --tcp --no-rd --cd --ad --do --bufsize 4096 --fit exact --flags aa,ra \
         --forbid-flags tc --warn 50ms --crit 0.1:0.2",
    )
    .unwrap();
    assert_eq!(job.servers[0].target.server(), "[2001:db8::53]:5353".parse().unwrap());
    assert_eq!(job.servers[0].shown, "[2001:db8::53]:5353");
    let check = &job.questions[0].check;
    assert_eq!(check.question.to_string(), "id.server CH TXT");
    assert_eq!(check.expect.rcodes.to_string(), "NOERROR or NXDOMAIN or REFUSED");
    assert_eq!((check.expect.answer.wanted.len(), check.expect.answer.fit), (2, Fit::Exact));
    assert_eq!(check.timeout.get(), Duration::from_millis(250));
    assert_eq!((check.tries.get(), check.transport), (5, checker_core::dns::Transport::Tcp));
    assert!(!check.ask.recursion_desired && check.ask.checking_disabled && check.ask.authentic_data);
    let edns = check.ask.edns.as_ref().unwrap();
    assert!(edns.dnssec_ok && edns.size == 4096);
    assert_eq!(
        (check.expect.flags.to_string(), check.expect.forbidden_flags.to_string()),
        ("aa ra".into(), "tc".into())
    );
    assert!(check.expect.latency.should.is_some() && check.expect.latency.must.is_some());
}

#[test]
fn what_is_not_said_is_left_as_it_is() {
    let plain = job("--server 192.0.2.1 --qname a.test").unwrap();
    let check = &plain.questions[0].check;
    let mut default = checker_core::dns::DnsCheck::new(check.question.clone());
    // Of effect only with records that are wanted.
    default.expect.authority.fit = Fit::All;
    default.expect.additional.fit = Fit::All;
    assert_eq!(**check, default);
    assert_eq!(check.question.to_string(), "a.test A");
    let rd = job("--server 192.0.2.1 --qname a.test --no-rd --rd").unwrap();
    assert!(rd.questions[0].check.ask.recursion_desired);
    // Each of these needs EDNS; plain options do not.
    for (option, edns) in [
        ("--edns", true),
        ("--nsid", true),
        ("--cookie", true),
        ("--padding", true),
        ("--padding=64", true),
        ("--subnet 192.0.2.0/24", true),
        ("--expire", true),
        ("--expect-expire 1d", true),
        ("--expect-nsid x", true),
        ("--rrsig", true),
        ("--rrsig=3d", true),
        ("--rrsig-warn 3d", true),
        ("--bufsize 1232", true),
        ("--edns-version 0", true),
        ("--cd", false),
        ("--mixed-case", false),
    ] {
        let job = job(&format!("--server 192.0.2.1 --qname a.test {option}")).unwrap();
        assert_eq!(job.questions[0].check.ask.edns.is_some(), edns, "{option}");
    }
}

#[test]
fn further_questions_have_codes_of_their_own() {
    let given = ["--server", "192.0.2.1", "--qname", "a.test", "--expect-answer", "192.0.2.9", "--need", "2"];
    let more =
        ["--ask", "b.test SERVFAIL", "--ask", "id.server CH TXT", "--advise", "c.test AAAA NOERROR,NXDOMAIN"];
    let job = job_of(given.into_iter().chain(more)).unwrap();
    let shown: Vec<String> = job
        .questions
        .iter()
        .map(|asked| format!("{} {} {}", asked.check.question, asked.check.expect.rcodes, asked.advisory))
        .collect();
    assert_eq!(
        shown,
        [
            "a.test A NOERROR false",
            "b.test A SERVFAIL false",
            "id.server CH TXT NOERROR false",
            "c.test AAAA NOERROR or NXDOMAIN true"
        ]
    );
    assert!(job.questions[1].check.expect.answer.wanted.is_empty());
    for (option, text) in [
        ("--ask", ""),
        ("--ask", "a.test A NOEROR"),
        ("--advise", "a.test A NOERROR x"),
        ("--ask", "a..test"),
    ] {
        let error = job_of(given.into_iter().chain([option, text])).unwrap_err();
        assert!(error.starts_with(option), "{error}");
    }
}

#[test]
fn serials_are_asked_by_soa() {
    let job = job(
        "--server 192.0.2.1 --qname a.test --primary 192.0.2.2 --primary 192.0.2.3 --max-lag 5 --grace 10m",
    )
    .unwrap();
    assert_eq!(job.questions[0].check.question.to_string(), "a.test SOA");
    let lag = job.lag.unwrap();
    assert_eq!((lag.primaries.len(), lag.max, lag.grace), (2, 5, Duration::from_secs(600)));
}

#[test]
fn times_are_read() {
    for (text, ms) in
        [("1", 1000), ("1s", 1000), ("1.5", 1500), ("0.25s", 250), ("500ms", 500), ("60s", 60_000)]
    {
        assert_eq!(timeout(text).map(Timeout::get), Ok(Duration::from_millis(ms)), "{text}");
    }
    for text in [
        "",
        "s",
        "ms",
        "-1",
        "1m",
        "0",
        "0ms",
        "61s",
        "1e3",
        "inf",
        "nan",
        "1..2",
        "1 s",
        "99999999999999999999",
    ] {
        assert!(timeout(text).is_err(), "{text}");
    }
    for (text, seconds) in [("3d", 259_200), ("12h", 43_200), ("10m", 600), ("30s", 30), ("0", 0)] {
        assert_eq!(long_span(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for text in ["", "d", "-1d", "1.5d", "367d", "99999999999d", "1w"] {
        assert!(long_span(text).is_err(), "{text}");
    }
}

#[test]
fn every_mistake_names_its_option() {
    let given = "--server 192.0.2.1 --qname a.test";
    for (line, option) in [
        ("--qname a.test", "--server"),
        ("--server 192.0.2.1", "--qname"),
        ("--server ns1.test --qname a.test", "--server"),
        ("--server 192.0.2.1 --qname a..test", "--qname"),
        ("--server 192.0.2.1 --qname {random}.test", "--qname"),
        (&format!("{given} --qtype AAAAA"), "--qtype"),
        (&format!("{given} --qtype AXFR"), "--qtype"),
        (&format!("{given} --qclass INN"), "--qclass"),
        (&format!("{given} --port 0"), "--port"),
        (&format!("{given} --port 65536"), "--port"),
        (&format!("{given} --source ::1"), "--source"),
        (&format!("{given} --interface no-such-one"), "--interface"),
        (&format!("{given} --mark 0x100000000"), "--mark"),
        (&format!("{given} --dscp 64"), "--dscp"),
        (&format!("{given} --servers-file /no/such/file"), "--servers-file"),
        (&format!("{given} --need 2"), "--need"),
        (&format!("{given} --need-servers 2"), "--need-servers"),
        (&format!("{given} --bufsize 511"), "--bufsize"),
        (&format!("{given} --subnet 1.2.3"), "--subnet"),
        (&format!("{given} --padding=513"), "--padding"),
        (&format!("{given} --expect-rcode NOEROR"), "--expect-rcode"),
        (&format!("{given} --forbid-rcode X"), "--forbid-rcode"),
        (&format!("{given} --expect-answer 1.2.3"), "--expect-answer"),
        (&format!("{given} --expect-rcode REFUSED --expect-answer 192.0.2.1"), "--expect-answer"),
        (&format!("{given} --match ("), "--match"),
        (&format!("{given} --within x"), "--within"),
        (&format!("{given} --fit most"), "--fit"),
        (&format!("{given} --answer-count 4..2"), "--answer-count"),
        (&format!("{given} --ttl x"), "--ttl"),
        (&format!("{given} --expect-authority ns1.test"), "--expect-authority"),
        (&format!("{given} --flags qr"), "--flags"),
        (&format!("{given} --warn 1m"), "--warn"),
        (&format!("{given} --max-lag 1"), "--primary"),
        (&format!("{given} --primary ns1.test"), "--primary"),
        (&format!("{given} --rrsig=1w"), "--rrsig"),
        (&format!("{given} --timeout 0"), "--timeout"),
        (&format!("{given} --tries 11"), "--tries"),
        (&format!("{given} --try-timeout 20s --tries 10"), "--try-timeout"),
        (&format!("{given} --count 0"), "--count"),
        (&format!("{given} --format yaml"), "--format"),
        (&format!("{given} --weight 254"), "--weight"),
        (&format!("{given} --no-such-option"), "--no-such-option"),
    ] {
        let error = job(line).unwrap_err();
        assert!(error.contains(option), "{line}: {error}");
    }
}

#[test]
fn words_become_options() {
    let given = "--server 192.0.2.1 --qname a.test";
    let same = job(&format!("{given} --port 5353 --timeout 2s --warn 5 --verbose")).unwrap();
    for line in [
        "-p 5353 -t 2s -w 5 -v",
        "-p5353 -t2s -vw5",
        "-p=5353 -t=2s -vw=5",
        "--port=5353 --timeout=2s --warn=5 --verbose",
    ] {
        let job = job(&format!("{line} {given}")).unwrap();
        assert_eq!((&job.servers[0].shown, job.output.verbose), (&same.servers[0].shown, true), "{line}");
        assert_eq!(job.questions[0].check, same.questions[0].check, "{line}");
    }
    // What looks like an option may be a value, but only where that is plain.
    for line in ["--expect-answer=--x", "--expect-answer -x", "--expect-answer --"] {
        let txt = job_of(format!("{given} --qtype TXT {line}").split(' ')).unwrap();
        assert_eq!(txt.questions[0].check.expect.answer.wanted.len(), 1, "{line}");
    }
    for (words, told) in [
        ("--timeout", "--timeout: its value is missing: write TIME behind it"),
        ("--timeout --tries 2", "--timeout: its value is missing: write TIME behind it"),
        ("--timeout 1s --timeout 2s", "--timeout: it is given twice"),
        ("-v --verbose", "--verbose: it is given twice"),
        ("--tcp=yes", "--tcp: it takes no value, but \"yes\" is given"),
        ("--tcp --transport udp", "--tcp: it can't be used with --transport"),
        ("--transport udp --tcp", "--tcp: it can't be used with --transport"),
        ("--max-lag 1", "--max-lag: it takes --primary, too"),
        ("--client-key x", "--client-key: it takes --client-cert, too"),
        ("--padding 64", "\"64\" belongs to no option: write --server or --qname before it"),
        ("--qtyp A", "--qtyp: there is no such option: did you mean --qtype?"),
        ("--zzz", "--zzz: there is no such option: see --help"),
        ("-x", "-x: there is no such option: see --help"),
        (
            "--bufsize 65536",
            "--bufsize: \"65536\" is out of bounds or no number: write one from 512 to 65535",
        ),
        ("--serial -1", "--serial: \"-1\" is out of bounds or no number: write one from 0 to 4294967295"),
    ] {
        assert_eq!(job(&format!("{given} {words}")).unwrap_err(), told, "{words}");
    }
    use std::os::unix::ffi::OsStringExt as _;
    let word = OsString::from_vec(b"\xff".to_vec());
    let error = parse([OsString::from("--qname"), word.clone()]).unwrap_err();
    assert_eq!(error, "--qname: \"\\xFF\" is not UTF-8");
    // A path may be anything.
    let words = [OsString::from("--servers-file"), word, "--qname".into(), "a.test".into()];
    assert!(matches!(parse(words), Ok(Call::Probe(_))));
    for (word, call) in [("--help", "Help"), ("-h", "Help"), ("--version", "Version"), ("-V", "Version")] {
        // Whatever else is wrong behind it.
        let words = ["--qname", "x", word, "--nonsense"].map(OsString::from);
        assert_eq!(format!("{:?}", parse(words).unwrap()), call);
    }
}
