use agent_api::wire::Watch;
use proptest::prelude::*;

use super::*;

#[test]
fn calls_of_any_maker_are_read() {
    let call = Call::parse(br#" {"parameters":{"parts":["orders"]},"more":true,"method":"org.holdfast.Agent.W\u0061tch","x":1} "#);
    let call = call.unwrap();
    assert_eq!(call.method, "org.holdfast.Agent.Watch");
    assert_eq!((call.more, call.oneway, call.upgrade), (Some(true), None, None));
    assert!(call.parameters::<Watch>().unwrap().parts.is_some());
    let bare = Call::parse(br#"{"method":"a.b","parameters":null,"more":null}"#).unwrap();
    assert_eq!(bare.parameters::<Watch>().unwrap(), Watch::default());
}

#[test]
fn what_is_no_call_is_an_error() {
    for text in
        ["", "{", "{}", "[]", r#"{"method":1}"#, r#"{"method":"a","more":"yes"}"#, r#"{"method":"a"} x"#]
    {
        assert!(Call::parse(text.as_bytes()).is_err(), "{text}");
    }
    let deep = format!(r#"{{"method":"a","parameters":{}{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    let nested = Call::parse(deep.as_bytes()).unwrap();
    assert!(nested.parameters::<serde_json::Value>().is_err(), "nesting has a limit");
    assert!(nested.parameters::<agent_api::wire::Report>().is_err());
    assert!(Call::parse(b"{\"method\":\"\xff\"}").is_err());
}

#[test]
fn errors_read_back() {
    let denied = AgentError::PermissionDenied { user: "a".into(), action: "b".into(), remedy: "c".into() };
    let bytes = serde_json::to_vec(&denied).unwrap();
    assert!(matches!(error_of(&bytes, "x"), ReplyError::Agent(error) if error == denied));
    let service = ServiceError::ExpectedMore {};
    let bytes = serde_json::to_vec(&service).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&bytes),
        r#"{"error":"org.varlink.service.ExpectedMore","parameters":{}}"#
    );
    assert!(matches!(error_of(&bytes, "x"), ReplyError::Service(text) if text == service.to_string()));
    assert!(
        matches!(error_of(br#"{"error":"com.example.Odd"}"#, "com.example.Odd"), ReplyError::Service(text) if text == "com.example.Odd")
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_call_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[{\":a-z0-9,}\\[\\] ]{0,80}") {
        let _ = Call::parse(&bytes);
        let _ = Call::parse(text.as_bytes());
        let _ = error_of(&bytes, "x");
    }
}
