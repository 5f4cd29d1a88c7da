use proptest::prelude::*;

use super::*;

#[test]
fn names_read_back() {
    for (text, wire) in [
        (".", &b"\0"[..]),
        ("test", b"\x04test\0"),
        ("a.example.test", b"\x01a\x07example\x04test\0"),
        ("a\\.b.test", b"\x03a.b\x04test\0"),
        ("\\000\\255.test", b"\x02\x00\xff\x04test\0"),
        ("_dns.\\@.test", b"\x04_dns\x01@\x04test\0"),
    ] {
        let name: Name = text.parse().unwrap();
        assert_eq!(name.as_wire(), wire);
        assert_eq!(name.to_string(), text);
        assert_eq!(Name::from_wire(wire).unwrap(), name);
    }
    assert_eq!("a.test.".parse::<Name>(), "A.TEST".parse::<Name>());
    assert_ne!("a.test".parse::<Name>(), "b.test".parse::<Name>());
    // A dot inside a label is not a border between labels.
    assert_ne!("a\\.b".parse::<Name>(), "a.b".parse::<Name>());
}

#[test]
fn limits_hold() {
    let label = "a".repeat(63);
    // 3 x 64 + 62 + 1 = 255 octets: the longest name there is.
    let longest = format!("{label}.{label}.{label}.{}", "b".repeat(61));
    assert_eq!(longest.parse::<Name>().unwrap().as_wire().len(), NAME_MAX);
    assert_eq!(format!("{longest}.").parse::<Name>(), longest.parse::<Name>());
    let over = format!("{label}.{label}.{label}.{}", "b".repeat(62));
    assert!(matches!(over.parse::<Name>(), Err(NameError::TooLong(_))));
    assert!(matches!("a".repeat(64).parse::<Name>(), Err(NameError::LabelTooLong(_))));
    assert_eq!("a.".repeat(127).parse::<Name>().unwrap().labels().count(), 127);
    assert!(matches!("a.".repeat(128).parse::<Name>(), Err(NameError::TooLong(_))));
}

#[test]
fn mistakes_are_named() {
    for (text, message) in [
        ("", "a domain name is empty: write \".\" for the root"),
        ("a..test", "domain name \"a..test\" has an empty label: remove the extra dot"),
        (".a", "domain name \".a\" has an empty label: remove the extra dot"),
        ("..", "domain name \"..\" has an empty label: remove the extra dot"),
        ("a b", "domain name \"a b\" holds ' ': write it as \\032"),
        (
            "b\u{2028}cher.test",
            "domain name \"b\\u{2028}cher.test\" holds characters that no domain name may have (UTS 46)",
        ),
    ] {
        assert_eq!(text.parse::<Name>().unwrap_err().to_string(), message);
    }
    for text in ["a\\", "a\\25", "a\\256", "a\\2x5", "\\1"] {
        assert!(matches!(text.parse::<Name>(), Err(NameError::BadEscape(_))), "{text}");
    }
}

#[test]
fn wire_forms_are_checked() {
    for wire in [&b""[..], b"\x01", b"\x01a", b"\x01a\0x", b"\xc0\x0c", b"\x40a\0"] {
        assert!(Name::from_wire(wire).is_none(), "{wire:?}");
    }
}

proptest! {
    #[test]
    fn any_wire_name_reads_back(labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..10)) {
        let mut wire = Vec::new();
        for label in &labels {
            wire.push(u8::try_from(label.len()).unwrap());
            wire.extend_from_slice(label);
        }
        wire.push(0);
        let name = Name::from_wire(&wire).unwrap();
        prop_assert_eq!(name.labels().count(), labels.len());
        let again: Name = name.to_string().parse().unwrap();
        prop_assert_eq!(again.as_wire(), &wire[..]);
    }

    #[test]
    fn any_text_is_a_name_or_an_error(text in "\\PC{0,300}") {
        if let Ok(name) = text.parse::<Name>() {
            prop_assert!(name.as_wire().len() <= NAME_MAX);
            prop_assert_eq!(name.to_string().parse::<Name>(), Ok(name));
        }
    }
}

#[test]
fn names_have_an_order_and_relations() {
    let name = |text: &str| text.parse::<Name>().unwrap();
    // RFC 4034 section 6.1.
    let sorted = [
        "example",
        "a.example",
        "yljkjljk.a.example",
        "Z.a.example",
        "zABC.a.EXAMPLE",
        "z.example",
        "\\001.z.example",
        "*.z.example",
        "\\200.z.example",
    ];
    for pair in sorted.windows(2) {
        assert_eq!(name(pair[0]).canonical_cmp(&name(pair[1])), std::cmp::Ordering::Less, "{pair:?}");
    }
    assert_eq!(name("A.test").canonical_cmp(&name("a.TEST")), std::cmp::Ordering::Equal);
    assert!(name("a.test").is_within(&name("Test")) && name("test").is_within(&name("test")));
    assert!(name("test").is_within(&Name::root()) && !name("test").is_within(&name("a.test")));
    assert!(!name("xtest").is_within(&name("test")) && !Name::root().is_within(&name("test")));
    assert_eq!(name("a.b.c").last_labels(2), name("b.c"));
    assert_eq!((name("a.b").last_labels(9), name("a.b").last_labels(0)), (name("a.b"), Name::root()));
    assert_eq!(name("a.b.c").common_labels(&name("x.B.C")), 2);
    assert_eq!(name("b.c").with_label(b"*"), Some(name("*.b.c")));
    assert_eq!((name("b").with_label(b""), name("b").with_label(&[b'a'; 64])), (None, None));
}

#[test]
fn other_scripts_become_what_they_are_in_the_dns() {
    for (text, ascii) in [
        ("bücher.test", "xn--bcher-kva.test"),
        ("BÜCHER.Test.", "xn--bcher-kva.Test"),
        ("bu\u{308}cher.test", "xn--bcher-kva.test"),
        ("straße.test", "xn--strae-oqa.test"),
        ("_dns._udp.日本語。test", "_dns._udp.xn--wgv71a119e.test"),
        ("a\\.b.ελ.test", "a\\.b.xn--qxam.test"),
        ("xn--bcher-kva.test", "xn--bcher-kva.test"),
    ] {
        assert_eq!(text.parse::<Name>().unwrap().to_string(), ascii, "{text}");
    }
    for text in ["b\u{2028}.test", "\u{ad}.test", "ü..test", "ü_b.test", &"ü".repeat(80), "a\u{200d}b.test"]
    {
        assert!(text.parse::<Name>().is_err(), "{text}");
    }
}
