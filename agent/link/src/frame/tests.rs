use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Every message of `bytes`, read in pieces of these sizes.
fn cut(bytes: &[u8], sizes: &[usize], limit: usize) -> (Vec<Vec<u8>>, Result<usize, FrameError>) {
    let mut frames = Frames::new(limit);
    let mut messages = Vec::new();
    let mut left = bytes;
    let mut sizes = sizes.iter().cycle();
    while !left.is_empty() {
        let size = (*sizes.next().unwrap()).clamp(1, left.len());
        frames.push(&left[..size]);
        left = &left[size..];
        loop {
            match frames.take() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(frames.take(), Err(error), "an error stays");
                    return (messages, Err(error));
                }
            }
        }
        assert!(frames.pending() <= limit, "{}", frames.pending());
    }
    (messages, Ok(frames.pending()))
}

#[test]
fn messages_are_cut_at_nul() {
    let (messages, rest) = cut(b"{\"a\":1}\0{}\0 {\n}\0{\"b", &[100], 50);
    assert_eq!(messages, [&b"{\"a\":1}"[..], b"{}", b" {\n}"]);
    assert_eq!(rest, Ok(3));
}

#[test]
fn what_is_no_object_is_known_at_its_first_byte() {
    for (bytes, first) in
        [(&b"GET / HTTP/1.1\r\n"[..], b'G'), (b"\0", 0), (b"  [1]\0", b'['), (b"{}\0\xff", 0xff)]
    {
        assert_eq!(cut(bytes, &[100], 50).1, Err(FrameError::NotAnObject { first }));
    }
}

#[test]
fn the_limit_counts_for_each_message() {
    let message = |length: usize| [b"{", "x".repeat(length - 1).as_bytes(), b"\0"].concat();
    let (messages, rest) = cut(&[message(10), message(10), message(10)].concat(), &[7], 10);
    assert_eq!((messages.len(), rest), (3, Ok(0)));
    let too_long = Err(FrameError::TooLong { limit: 10 });
    assert_eq!(cut(&message(11), &[100], 10).1, too_long);
    assert_eq!(cut(&message(11), &[1], 10).1, too_long);
    assert_eq!(cut(&[b'{'; 11], &[1], 10).1, too_long, "an endless line");
    assert_eq!(cut(&[b'{'; 10], &[1], 10).1, Ok(10));
}

#[test]
fn a_raised_limit_lets_a_long_message_through() {
    let mut frames = Frames::new(10);
    frames.push(b"{ \"method\" : \"a.b.C\", ");
    assert_eq!(frames.take(), Err(FrameError::TooLong { limit: 10 }));
    assert!(frames.begins_with_call("a.b.C") && !frames.begins_with_call("a.b"));
    frames.set_limit(100);
    assert_eq!(frames.take(), Ok(None));
    frames.push(b"\"x\":1}\0{}\0");
    assert!(frames.take().unwrap().unwrap().ends_with(b"1}"));
    frames.set_limit(10);
    assert_eq!(frames.take(), Ok(Some(b"{}".to_vec())));
    assert!(!frames.begins_with_call("a.b.C"));
}

proptest! {
    /// Any bytes, in any pieces: no panic, no more memory than promised, and the pieces don't matter.
    #[test]
    fn any_bytes_any_pieces(
        bytes in vec(prop_oneof![4 => any::<u8>(), 2 => Just(0_u8), 4 => Just(b'{')], 0..400),
        sizes in vec(1..40_usize, 1..8),
        limit in 1..60_usize,
    ) {
        prop_assert_eq!(cut(&bytes, &sizes, limit), cut(&bytes, &[1], limit));
    }

    /// What was put into frames comes out of them.
    #[test]
    fn frames_read_back(texts in vec(any::<String>(), 0..20), sizes in vec(1..60_usize, 1..8)) {
        let sent: Vec<serde_json::Value> = texts.into_iter().map(|text| serde_json::json!({ "text": text })).collect();
        let bytes: Vec<u8> = sent.iter().flat_map(|value| to_frame(value).unwrap()).collect();
        let (messages, rest) = cut(&bytes, &sizes, 1 << 20);
        let read: Vec<serde_json::Value> = messages.iter().map(|message| serde_json::from_slice(message).unwrap()).collect();
        prop_assert_eq!((read, rest), (sent, Ok(0)));
    }
}
