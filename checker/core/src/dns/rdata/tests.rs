use super::*;
use proptest::prelude::*;

fn round(rtype: RecordType, text: &str) -> String {
    let data = parse(rtype, text).unwrap_or_else(|error| panic!("{rtype} {text}: {error}"));
    // What was read has the fields of its type on the wire, too.
    let message = Message::new(&data);
    assert_eq!(*expand(&message, rtype, 0, data.len(), true).unwrap(), *data, "{rtype} {text}");
    present(rtype, &data)
}

#[test]
fn record_data_reads_back() {
    for (rtype, text) in [
        (RecordType::A, "192.0.2.1"),
        (RecordType::AAAA, "2001:db8::1"),
        (RecordType::NS, "ns1.example.test"),
        (RecordType::MX, "10 mail.example.test"),
        (RecordType::SOA, "ns.test host.test 2024010101 7200 3600 1209600 300"),
        (RecordType::TXT, "\"v=spf1 -all\" \"second \\\"one\\\" \\000\""),
        (RecordType::SRV, "0 5 5060 sip.example.test"),
        (RecordType::NAPTR, "100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b.test!\" ."),
        (RecordType::CAA, "0 issue \"ca.example.test; policy=ev\""),
        (RecordType::DS, "20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"),
        (
            RecordType::DNSKEY,
            "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==",
        ),
        (RecordType::RRSIG, "A 13 2 3600 20240229235959 19700101000000 12345 example.test AQID"),
        (RecordType::NSEC, "b.example.test A MX RRSIG NSEC TYPE1234"),
        (RecordType::NSEC3, "1 0 12 AABBCCDD 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A RRSIG"),
        (RecordType::NSEC3PARAM, "1 0 0 -"),
        (RecordType::TLSA, "3 1 1 0123456789ABCDEF"),
        (RecordType::SSHFP, "4 2 00FF"),
        (RecordType::HINFO, "\"cpu\" \"os\""),
        (RecordType::URI, "10 1 \"https://www.test/\""),
        (RecordType::new(65280), "\\# 3 0102FF"),
        (RecordType::HTTPS, "\\# 0"),
    ] {
        assert_eq!(round(rtype, text), text);
    }
}

#[test]
fn looser_spellings_are_understood() {
    assert_eq!(round(RecordType::MX, " 10\tMAIL.Example.test. "), "10 mail.example.test");
    assert_eq!(round(RecordType::TXT, "v=spf1 ip4:192.0.2.0/24 -all"), "\"v=spf1 ip4:192.0.2.0/24 -all\"");
    assert_eq!(round(RecordType::TXT, ""), "\"\"");
    assert_eq!(round(RecordType::DS, "1 8 2 e0 6d"), "1 8 2 E06D");
    assert_eq!(round(RecordType::A, "\\# 4 c0 00 02 01"), "192.0.2.1");
    assert_eq!(
        round(RecordType::RRSIG, "A 13 2 3600 1709251199 0 12345 . AQ"),
        "A 13 2 3600 20240229235959 19700101000000 12345 . AQ=="
    );
    let long = "x".repeat(300);
    assert_eq!(round(RecordType::TXT, &long), format!("\"{}\" \"{}\"", "x".repeat(255), "x".repeat(45)));
}

#[test]
fn mistakes_are_named() {
    for (rtype, text, message) in [
        (RecordType::A, "", "it ends where an IPv4 address should follow"),
        (RecordType::A, "192.0.2.300", "\"192.0.2.300\" is not an IPv4 address"),
        (RecordType::A, "192.0.2.1 192.0.2.2", "there is more than fits: \"192.0.2.2\""),
        (RecordType::AAAA, "192.0.2.1", "\"192.0.2.1\" is not an IPv6 address"),
        (RecordType::MX, "mail.test", "\"mail.test\" is not a number from 0 to 65535"),
        (RecordType::MX, "+10 mail.test", "\"+10\" is not a number from 0 to 65535"),
        (RecordType::MX, "10", "it ends where a domain name should follow"),
        (RecordType::TXT, "\"open", "a quotation mark is not closed"),
        (RecordType::DS, "1 8 2 E06", "\"E06\" is not an even number of hex digits"),
        (
            RecordType::RRSIG,
            "A 13 2 3600 20241329235959 0 1 . AQ",
            "\"20241329235959\" is not a time as YYYYMMDDHHMMSS or in seconds since 1970",
        ),
        (RecordType::new(65280), "abc", "this type has no text form here: write \\# LENGTH HEX"),
        (
            RecordType::A,
            "\\# 4 C00002",
            "\"\\\\# 4 C00002\" is not \\# LENGTH HEX with as many octets as LENGTH says",
        ),
    ] {
        assert_eq!(parse(rtype, text).unwrap_err().to_string(), message);
    }
    assert!(parse(RecordType::NS, "a..b").is_err());
    assert!(parse(RecordType::HINFO, &format!("{} b", "x".repeat(256))).is_err());
}

#[test]
fn data_that_does_not_fit_its_type_is_refused() {
    for (rtype, data) in [
        (RecordType::A, &b"\x01\x02\x03"[..]),
        (RecordType::A, b"\x01\x02\x03\x04\x05"),
        (RecordType::AAAA, b"\x01\x02\x03\x04"),
        (RecordType::MX, b"\x00"),
        (RecordType::MX, b"\x00\x0a"),
        (RecordType::NS, b"\x01a\0x"),
        (RecordType::TXT, b""),
        (RecordType::TXT, b"\x05abc"),
        (RecordType::CAA, b"\x00"),
        (RecordType::SOA, b"\0\0\0\0\0\x01"),
    ] {
        assert!(expand(&Message::new(data), rtype, 0, data.len(), false).is_err(), "{rtype} {data:?}");
        assert!(present(rtype, data).starts_with("\\# "), "{rtype} {data:?}");
    }
    // A name that is whole in the message but ends behind the record.
    let octets = b"\x01a\0";
    assert!(expand(&Message::new(octets), RecordType::NS, 0, 2, false).is_err());
}

proptest! {
    #[test]
    fn any_data_is_shown_or_refused(number in 0u16..260, data in prop::collection::vec(any::<u8>(), 0..80)) {
        let rtype = RecordType::new(number);
        let text = present(rtype, &data);
        prop_assert!(text.bytes().all(|b| (0x20..0x7f).contains(&b)), "{}", text);
        if let Ok(expanded) = expand(&Message::new(&data), rtype, 0, data.len(), true) {
            // Data that has its fields reads back from its text. (A record type set may be written in other ways.)
            if !fields(rtype).is_some_and(|f| f.contains(&Field::TypeSet)) {
                prop_assert_eq!(parse(rtype, &present(rtype, &expanded)).unwrap(), expanded.into_owned());
            }
        }
    }

    #[test]
    fn any_text_is_data_or_an_error(number in 0u16..260, text in "\\PC{0,120}") {
        let _ = parse(RecordType::new(number), &text);
    }
}
