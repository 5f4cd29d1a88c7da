//! Checks that talk: what is sent and expected, in which spelling, in which steps, and what is said of what makes no sense.

use checker_core::TalkCheck;

use super::{bad, checked, good, only};
use crate::config::CheckKind;

fn talk(text: &str) -> TalkCheck {
    match only(&good(text)).1.checks[0].kind.clone() {
        CheckKind::Talk(talk) => talk,
        other => panic!("{other:?}"),
    }
}

fn told(check: &str) -> String {
    talk(&checked(check)).to_string()
}

#[test]
fn octets_texts_and_expressions() {
    for (check, expected) in [
        ("tcp = { port = 1 }", "connects over tcp"),
        ("tcp = { send_hex = \"0a fF\" }", "connects over tcp, sends \"\\n\\xff\""),
        ("tcp = { expect_hex = \"0aff\" }", "connects over tcp, expects \"\\n\\xff\""),
        (
            "tcp = { expect = \"220 \", expect_at = \"start\" }",
            "connects over tcp, expects \"220 \" at the start",
        ),
        ("tcp = { expect_match = \"^2[25]0 \" }", "connects over tcp, expects /^2[25]0 /"),
        ("tcp = { send = \"key\", secret = true }", "connects over tcp, sends 3 secret octets"),
        (
            "udp = { send_hex = \"1234\", expect_hex = \"1x 34\", expect_at = \"start\", reply_length = \"12..512\" }",
            "talks over udp, sends \"\\x124\", expects hex 1x34 at the start of 12 to 512 octets",
        ),
    ] {
        assert_eq!(told(&format!("check.{check}")), expected);
    }
}

#[test]
fn steps_are_taken_in_their_order_and_overlaid_as_a_whole() {
    let base = checked(
        "check.tcp = { port = 110, step = [{ expect = \"+OK\", expect_at = \"start\" }, { send = \"QUIT\\r\\n\", expect = \"+OK\" }] }",
    );
    let steps = "connects over tcp, expects \"+OK\" at the start, sends \"QUIT\\r\\n\", expects \"+OK\"";
    assert_eq!(talk(&base).to_string(), steps);
    let own = |keys: &str| talk(&format!("{base}\n{keys}")).to_string();
    assert_eq!(own("check.tcp.timeout = \"1s\""), steps);
    assert_eq!(own("check.tcp.step = [{ expect = \"hi\" }]"), "connects over tcp, expects \"hi\"");
    assert_eq!(own("check.tcp.expect = \"hi\""), "connects over tcp, expects \"hi\"");
    assert_eq!(own("check.tcp.expect = \"\""), "connects over tcp");
    // What is expected is overlaid in whatever spelling.
    let base =
        checked("check.tcp = { expect = \"a\", send_hex = \"00\" }") + "\ncheck.tcp.expect_match = \"b\"";
    assert_eq!(talk(&base).to_string(), "connects over tcp, sends \"\\x00\", expects /b/");
}

#[test]
fn what_is_said_of_wrong_talks() {
    let many = vec!["{ send = \"x\" }"; 17].join(", ");
    let long = format!("tcp = {{ send_hex = \"{}\" }}", "00".repeat(1_025));
    let steps = format!("tcp.step = [{many}]");
    for (check, what) in [
        (
            "tcp = { send = \"a\", send_hex = \"00\" }",
            "send and send_hex don't go together; remove one of them",
        ),
        ("tcp = { expect = \"a\", expect_match = \"b\" }", "expect and expect_match don't go together"),
        (
            "tcp = { send_hex = \"0x\" }",
            "send_hex has an x, which stands for any digit, and only one can be sent; write it",
        ),
        (
            "tcp = { send_hex = \"abc\" }",
            "send_hex: \"abc\" has an odd number of digits in \"abc\": write two for each",
        ),
        ("tcp = { expect_hex = \"zz\" }", "expect_hex: \"zz\" is no octets in hex: write two digits"),
        (&long, "send_hex: there are 1025 octets: 1024 are the most"),
        ("tcp = { expect_match = \"(\" }", "expect_match: \"(\" is no regular expression"),
        ("tcp = { secret = true }", "secret has no effect without send; remove it, or write send"),
        (
            "tcp = { expect_at = \"start\" }",
            "expect_at has no effect without expect; remove it, or write expect",
        ),
        (
            "tcp = { expect_at = \"start\", expect_match = \"a\" }",
            "expect_at has no effect with expect_match; write ^ at the start of the expression",
        ),
        (
            "tcp = { expect = \"a\", expect_at = \"end\" }",
            "expect_at = \"end\" is unknown; write one of \"anywhere\", \"start\"",
        ),
        (
            "tcp = { send = \"a\", step = [{ expect = \"b\" }] }",
            "send and step don't go together; write it in one of the steps",
        ),
        (
            "tcp = { step = [{ expect = \"\" }] }",
            "this step says nothing and expects nothing; write send or expect",
        ),
        (&steps, "step is there 17 times; 16 are the most"),
        (
            "udp = { send = \"x\", step = [{ send = \"y\" }] }",
            "step has no place in [virtual_server.check.udp]; it belongs in [virtual_server.check.tcp]",
        ),
        ("udp = { expect = \"x\" }", "send is missing in [virtual_server.check.udp]"),
        (
            "tcp = { reply_length = \"1..2\" }",
            "reply_length has no place in [virtual_server.check.tcp]; it belongs in [virtual_server.check.udp]",
        ),
        (
            "udp = { send = \"x\", reply_length = \"2..1\" }",
            "reply_length: \"2..1\" is no range: write 3, 2..4, 2.. or ..4",
        ),
        (
            "udp = { send = \"x\", reply_length = \"2..\", silence_passes = true }",
            "reply_length and silence_passes = true don't go together; remove one of them",
        ),
        (
            "udp = { send = \"x\", expect_hex = \"00\", silence_passes = true }",
            "expect and silence_passes = true don't go together; remove one of them",
        ),
    ] {
        let mistakes = bad(&checked(&format!("check.{check}")));
        assert_eq!(mistakes.len(), 1, "{check}: {mistakes:?}");
        let said = mistakes[0].split_once(": ").unwrap().1;
        assert!(said.starts_with(what), "{check}: {said}");
    }
}
