//! The interface description and the Rust types say the same.
//!
//! From the description values are made: with every field, and with none that may be left out. Serde must take both, and
//! what it writes must be what the description says, with no field more and none less.

#![allow(clippy::expect_used, clippy::panic)] // A test's own helpers may fail it.

#[path = "varlink/idl.rs"]
mod idl;

use std::collections::{BTreeSet, HashSet};
use std::fmt::Debug;

use agent_api::event::{Event, NewEvent};
use agent_api::order::{AlertTest, Drain, Handover, Orders};
use agent_api::state::{Sequences, Storage};
use agent_api::wire::{
    self, AgentError, AlertTestOrder, AlertTestReply, DrainOrder, DrainReply, EndHandoverOrder,
    EndHandoverReply, HandoverOrder, HandoverReply, Report, ReportReply, ReportedEvent, SilenceOrder,
    SilenceReply, StateReply, UndrainOrder, UndrainReply, UnsilenceOrder, UnsilenceReply, Watch,
};
use agent_api::{
    AlertHead, AlertSection, AlertUpdate, Basis, ChannelReport, CheckHead, CheckReport, CheckSection,
    CheckUpdate, DestinationReport, HeardRouter, KernelTable, LvsHead, LvsSection, LvsUpdate, PriorityPart,
    ProbeRun, RealServerHealth, Reporter, RouterDiscrepancy, RouterReport, RouterSection, RouterSender,
    RouterTransition, RouterUpdate, ServiceReport, Setting, State, TestReport, ToldOver, Traffic, Update,
    VipHead,
};
use idl::{Description, Fields, Kind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

fn description() -> Description {
    idl::parse(wire::DESCRIPTION).unwrap_or_else(|error| panic!("the description is not Varlink: {error}"))
}

/// A text that is good for the field of this name.
fn text(field: &str, owner: &str) -> &'static str {
    match (field, owner) {
        (
            "started_at" | "heard_at" | "since" | "until" | "written_at" | "at" | "failing_since"
            | "returned" | "blind_since" | "oldest" | "retry_at" | "last_delivered" | "last_error_at"
            | "asked_at" | "answered_at",
            _,
        ) => "2026-11-20T12:00:00Z",
        ("source", "HeardRouter" | "RouterSender" | "RouterDiscrepancy") => "10.0.0.2",
        ("addresses" | "held", _) => "192.0.2.53",
        (
            "why" | "reason" | "what" | "last_rejection",
            "VirtualRouter" | "RouterTransition" | "RouterDiscrepancy" | "RouterSender",
        ) => "checksum",
        ("virtual_router" | "sync_group", _) => "vip",
        ("removed", "VipUpdate") => "old",
        ("removed", "AlertUpdate") => "command:pager",
        ("routes", _) => "default",
        ("address" | "sentinels", _) => "10.0.0.1:53",
        ("cause", _) => "dns_timeout",
        ("virtual_server", _) => "resolver",
        ("real_server", _) => "dns1",
        ("kind", _) => "real_server_went_down",
        ("parts", _) => "storage",
        ("removed", "CheckUpdate") => "resolver/dns2",
        ("removed", "LvsUpdate") => "tcp/10.0.0.9:53",
        _ => "text",
    }
}

/// A key that is good for a map in this place.
fn key(field: &str, owner: &str) -> &'static str {
    match (field, owner) {
        ("items", "CheckSection" | "CheckUpdate") => "resolver/dns1",
        ("items", "LvsSection" | "LvsUpdate") => "udp/192.0.2.1:53",
        ("items", "VipSection" | "VipUpdate") => "vip",
        ("items", "AlertSection" | "AlertUpdate") => "mail:staff@example.net",
        ("rejected", _) => "ttl",
        ("destinations", _) => "10.0.0.1:53",
        ("dependencies", _) => "gateway",
        other => panic!("no key is known for {other:?}"),
    }
}

/// A value of `kind`: with every field, or with none that may be left out.
fn value(idl: &Description, kind: &Kind, field: &str, owner: &str, full: bool) -> Value {
    match kind {
        Kind::Bool => json!(true),
        Kind::Int => json!(1),
        Kind::Text => json!(text(field, owner)),
        Kind::Words(words) => json!(words.first()),
        Kind::Optional(inner) => value(idl, inner, field, owner, full),
        Kind::List(inner) => json!([value(idl, inner, field, owner, full)]),
        Kind::Map(inner) => json!({ key(field, owner): value(idl, inner, field, owner, full) }),
        Kind::Named(name) => {
            // Which further fields a kernel table has depends on its status; it has its own test.
            let full = full && name != "KernelTable";
            object(idl, idl.types.get(name).expect("the type is described"), name, full)
        }
    }
}

fn object(idl: &Description, fields: &Fields, owner: &str, full: bool) -> Value {
    let members = fields
        .iter()
        .filter(|(_, kind)| full || !matches!(kind, Kind::Optional(_)))
        .map(|(name, kind)| (name.clone(), value(idl, kind, name, owner, full)));
    Value::Object(members.collect())
}

/// Holds `value` to what is described for it.
fn conforms(idl: &Description, kind: &Kind, value: &Value, path: &str) {
    match (kind, value) {
        (Kind::Bool, Value::Bool(_)) | (Kind::Text, Value::String(_)) => {}
        (Kind::Int, Value::Number(number)) => {
            assert!(number.is_u64() || number.is_i64(), "{path} is {number}")
        }
        (Kind::Words(words), Value::String(word)) => assert!(words.contains(word), "{path} is {word}"),
        (Kind::Optional(inner), value) => conforms(idl, inner, value, path),
        (Kind::List(inner), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                conforms(idl, inner, item, &format!("{path}[{index}]"));
            }
        }
        (Kind::Map(inner), Value::Object(items)) => {
            for (key, item) in items {
                conforms(idl, inner, item, &format!("{path}[{key}]"));
            }
        }
        (Kind::Named(name), Value::Object(members)) => {
            fields_conform(idl, idl.types.get(name).expect("the type is described"), members, path);
        }
        (kind, value) => panic!("{path} is {value}, which is no {kind:?}"),
    }
}

fn fields_conform(idl: &Description, fields: &Fields, members: &Map<String, Value>, path: &str) {
    for (name, member) in members {
        let kind = fields.get(name).unwrap_or_else(|| panic!("{path}.{name} is not described"));
        conforms(idl, kind, member, &format!("{path}.{name}"));
    }
    for (name, kind) in fields {
        assert!(
            members.contains_key(name) || matches!(kind, Kind::Optional(_)),
            "{path}.{name} is not written"
        );
    }
}

/// Holds `T` and the fields described for it together, both ways.
fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    idl: &Description,
    fields: &Fields,
    owner: &str,
) {
    for full in [true, false] {
        let made = object(idl, fields, owner, full);
        let read: T = serde_json::from_value(made.clone())
            .unwrap_or_else(|error| panic!("{owner} as described is not read: {error}\n{made}"));
        let written = serde_json::to_value(&read).expect("it can be written");
        let members = written.as_object().expect("it is an object");
        fields_conform(idl, fields, members, owner);
        if full {
            // Nothing that was described went unread.
            assert_eq!(written, made, "{owner}");
        }
        assert_eq!(serde_json::from_value::<T>(written).expect("what is written is read"), read, "{owner}");
    }
}

fn type_of<'d>(idl: &'d Description, used: &mut BTreeSet<String>, name: &str) -> &'d Fields {
    used.insert(name.to_owned());
    idl.types.get(name).unwrap_or_else(|| panic!("type {name} is not described"))
}

#[test]
fn every_type_is_what_its_description_says() {
    let idl = description();
    let mut used = BTreeSet::new();
    macro_rules! same {
        ($($name:literal is $type:ty),+ $(,)?) => {
            $(same::<$type>(&idl, type_of(&idl, &mut used, $name), $name);)+
        };
    }
    same! {
        "Reporter" is Reporter,
        "CheckHead" is CheckHead,
        "RealServerHealth" is RealServerHealth,
        "CheckReport" is CheckReport,
        "CheckHealth" is RealServerHealth,
        "Basis" is Basis,
        "ProbeRun" is ProbeRun,
        "CheckSection" is CheckSection,
        "CheckUpdate" is CheckUpdate,
        "Setting" is Setting,
        "LvsHead" is LvsHead,
        "Traffic" is Traffic,
        "Destination" is DestinationReport,
        "Service" is ServiceReport,
        "LvsSection" is LvsSection,
        "LvsUpdate" is LvsUpdate,
        "StandingDrain" is Drain,
        "StandingHandover" is Handover,
        "VipHead" is VipHead,
        "PriorityPart" is PriorityPart,
        "HeardRouter" is HeardRouter,
        "RouterTransition" is RouterTransition,
        "RouterSender" is RouterSender,
        "RouterDiscrepancy" is RouterDiscrepancy,
        "VirtualRouter" is RouterReport,
        "VipSection" is RouterSection,
        "VipUpdate" is RouterUpdate,
        "StandingSilence" is agent_api::Silence,
        "AlertTest" is AlertTest,
        "AlertHead" is AlertHead,
        "TestReport" is TestReport,
        "ToldOver" is ToldOver,
        "ChannelReport" is ChannelReport,
        "AlertSection" is AlertSection,
        "AlertUpdate" is AlertUpdate,
        "Orders" is Orders,
        "Event" is Event,
        "ReportedEvent" is ReportedEvent,
        "Sequences" is Sequences,
        "Storage" is Storage,
        "State" is State,
    }
    used.insert("KernelTable".to_owned()); // A type of its own kind: see below.
    assert_eq!(used, idl.types.keys().cloned().collect(), "every described type is tested");
}

#[test]
fn the_kernel_table_has_the_fields_of_its_status() {
    let idl = description();
    let fields = idl.types.get("KernelTable").expect("it is described");
    let Some(Kind::Words(words)) = fields.get("status") else { panic!("status is a word") };
    let samples = [
        KernelTable::Unknown,
        KernelTable::Present { version: "1.2.1".into() },
        KernelTable::Unusable {
            cause: "ipvs_missing".parse().unwrap(),
            detail: "no such family".into(),
            remedy: "load ip_vs".into(),
        },
    ];
    let mut seen = (BTreeSet::new(), BTreeSet::new());
    for sample in samples {
        let written = serde_json::to_value(&sample).unwrap();
        let members = written.as_object().unwrap();
        fields_conform(&idl, fields, members, "KernelTable");
        seen.0.extend(members.get("status").and_then(Value::as_str).map(str::to_owned));
        seen.1.extend(members.keys().cloned());
        assert_eq!(serde_json::from_value::<KernelTable>(written).unwrap(), sample);
    }
    assert_eq!(seen.0, words.iter().cloned().collect());
    assert_eq!(seen.1, fields.keys().cloned().collect());
}

#[test]
fn every_method_is_what_its_description_says() {
    let idl = description();
    let mut used = BTreeSet::new();
    let mut method = |qualified: &str| {
        let name = qualified.strip_prefix(wire::INTERFACE).and_then(|rest| rest.strip_prefix('.'));
        let name = name.expect("a method's name begins with the interface's").to_owned();
        let described =
            idl.methods.get(&name).unwrap_or_else(|| panic!("method {name} is not described")).clone();
        used.insert(name);
        described
    };
    let (parameters, reply) = method(wire::GET_STATE);
    assert!(parameters.is_empty());
    same::<StateReply>(&idl, &reply, "GetState");
    let (parameters, reply) = method(wire::WATCH);
    same::<Watch>(&idl, &parameters, "Watch");
    same::<Update>(&idl, &reply, "Update");
    let (parameters, reply) = method(wire::REPORT);
    same::<Report>(&idl, &parameters, "Report");
    same::<ReportReply>(&idl, &reply, "Report");
    let (parameters, reply) = method(wire::DRAIN);
    same::<DrainOrder>(&idl, &parameters, "Drain");
    same::<DrainReply>(&idl, &reply, "Drain");
    let (parameters, reply) = method(wire::UNDRAIN);
    same::<UndrainOrder>(&idl, &parameters, "Undrain");
    same::<UndrainReply>(&idl, &reply, "Undrain");
    let (parameters, reply) = method(wire::HANDOVER);
    same::<HandoverOrder>(&idl, &parameters, "Handover");
    same::<HandoverReply>(&idl, &reply, "Handover");
    let (parameters, reply) = method(wire::END_HANDOVER);
    same::<EndHandoverOrder>(&idl, &parameters, "EndHandover");
    same::<EndHandoverReply>(&idl, &reply, "EndHandover");
    let (parameters, reply) = method(wire::SILENCE);
    same::<SilenceOrder>(&idl, &parameters, "Silence");
    same::<SilenceReply>(&idl, &reply, "Silence");
    let (parameters, reply) = method(wire::UNSILENCE);
    same::<UnsilenceOrder>(&idl, &parameters, "Unsilence");
    same::<UnsilenceReply>(&idl, &reply, "Unsilence");
    let (parameters, reply) = method(wire::TEST_ALERTS);
    same::<AlertTestOrder>(&idl, &parameters, "TestAlerts");
    same::<AlertTestReply>(&idl, &reply, "TestAlerts");
    assert_eq!(used, idl.methods.keys().cloned().collect(), "every described method is tested");
    assert_eq!(idl.interface, wire::INTERFACE);
}

#[test]
fn every_error_is_what_its_description_says() {
    let idl = description();
    let mut seen = HashSet::new();
    for (name, fields) in &idl.errors {
        for full in [true, false] {
            let made = json!({
                "error": format!("{}.{name}", wire::INTERFACE),
                "parameters": object(&idl, fields, name, full),
            });
            let read: AgentError = serde_json::from_value(made.clone())
                .unwrap_or_else(|error| panic!("{name} is not read: {error}"));
            assert_eq!(serde_json::to_value(&read).unwrap(), made);
            assert!(!read.to_string().is_empty() && !read.to_string().contains('\n'));
            seen.insert(std::mem::discriminant(&read));
        }
    }
    // An error that is added in Rust alone makes this match incomplete.
    let known = |error: &AgentError| match error {
        AgentError::PermissionDenied { .. }
        | AgentError::NoSuchRealServer { .. }
        | AgentError::NoSuchVirtualRouter { .. }
        | AgentError::NoSuchVirtualServer { .. }
        | AgentError::NotSilenced { .. }
        | AgentError::NotOrdered { .. }
        | AgentError::NotDrained { .. }
        | AgentError::NotSaved { .. }
        | AgentError::Refused { .. } => 9,
    };
    assert_eq!(seen.len(), known(&AgentError::Refused { detail: String::new() }));
}

#[test]
fn the_words_in_the_comments_are_the_words_on_the_wire() {
    for part in [
        wire::Part::Orders,
        wire::Part::Checkd,
        wire::Part::Lvsd,
        wire::Part::Vipd,
        wire::Part::Alertd,
        wire::Part::Storage,
        wire::Part::Events,
    ] {
        let word = serde_json::to_value(part).unwrap();
        let word = word.as_str().unwrap();
        let named =
            wire::DESCRIPTION.lines().any(|line| line.contains("\"parts\" limits") && line.contains(word));
        assert!(named, "{word}");
    }
}

#[test]
fn an_event_of_a_newer_version_is_read() {
    let event: NewEvent = serde_json::from_value(
        json!({ "at": "2026-11-20T12:00:00Z", "kind": "moon_rose", "text": "it did" }),
    )
    .unwrap();
    assert_eq!(event.kind, agent_api::EventKind::Other);
}
