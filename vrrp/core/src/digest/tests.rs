//! The test suites of RFC 1321 and RFC 2202.

use super::{hmac_md5, md5, same};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn md5_gives_the_digests_of_rfc_1321() {
    let digits = "1234567890".repeat(8);
    for (text, digest) in [
        ("", "d41d8cd98f00b204e9800998ecf8427e"),
        ("a", "0cc175b9c0f1b6a831c399e269772661"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
        (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "d174ab98d277d9f5a5611c2c9f419d9f",
        ),
        (&digits, "57edf4a22be3c955ac49da2e2107b67a"),
    ] {
        assert_eq!(hex(&md5(&[text.as_bytes()])), digest, "{text:?}");
    }
}

#[test]
fn md5_does_not_care_how_its_input_is_cut() {
    let text: Vec<u8> = (0..=255).collect();
    for cut in [0, 1, 55, 56, 63, 64, 65, 128, 255] {
        let (front, back) = text.split_at(cut);
        assert_eq!(md5(&[front, back]), md5(&[&text]), "cut at {cut}");
    }
}

#[test]
fn hmac_gives_the_digests_of_rfc_2202() {
    let counted: Vec<u8> = (1..=25).collect();
    let cases: [(&[u8], &[u8], &str); 7] = [
        (&[0x0b; 16], b"Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
        (b"Jefe", b"what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738"),
        (&[0xaa; 16], &[0xdd; 50], "56be34521d144c88dbb8c733f0e8b3f6"),
        (&counted, &[0xcd; 50], "697eaf0aca3a3aea3a75164746ffaa79"),
        (&[0x0c; 16], b"Test With Truncation", "56461ef2342edc00f9bab995690efd4c"),
        (
            &[0xaa; 80],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
        ),
        (
            &[0xaa; 80],
            b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
            "6f630fad67cda0ee1fb1f562db3aa53e",
        ),
    ];
    for (key, text, digest) in cases {
        assert_eq!(hex(&hmac_md5(key, &[text])), digest);
    }
}

#[test]
fn comparison_sees_every_difference() {
    assert!(same(b"", b"") && same(b"abc", b"abc"));
    assert!(!same(b"abc", b"abd") && !same(b"abc", b"bbc") && !same(b"abc", b"ab"));
}
