//! The interface definition, held against what the agent really says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use std::collections::BTreeMap;

use agent_api::wire::DESCRIPTION;
use agent_api::{
    AlertHead, Channel, ChannelReport, CheckHead, KernelTable, LvsHead, RouterReport, ServiceReport, Setting,
    TestReport, ToldOver, Verdict, VipHead,
};
use agent_link::{Alertd, Checkd, Lvsd, Reporter, Vipd};
use serde_json::{Value, json};
use support::{LONG, Place, Raw, health, identity};

/// A type of the definition.
#[derive(Debug, Clone)]
enum Type {
    Int,
    Bool,
    String,
    Named(String),
    Words(Vec<String>),
    Object(BTreeMap<String, Type>),
    Optional(Box<Type>),
    List(Box<Type>),
    Map(Box<Type>),
}

/// Reads definitions: just as much of the language as ours uses, and no more.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.strip_prefix('#') {
                Some(comment) => self.rest = comment.split_once('\n').map_or("", |(_, rest)| rest),
                None => return,
            }
        }
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) {
        assert!(self.take(token), "{token:?} expected before {:.60}", self.rest);
    }

    fn word(&mut self) -> String {
        self.skip();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        assert!(end > 0, "a word expected before {:.60}", self.rest);
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn kind(&mut self) -> Type {
        if self.take("?") {
            return Type::Optional(Box::new(self.kind()));
        }
        if self.take("[string]") {
            return Type::Map(Box::new(self.kind()));
        }
        if self.take("[]") {
            return Type::List(Box::new(self.kind()));
        }
        self.skip();
        if self.rest.starts_with('(') {
            return self.body();
        }
        match self.word().as_str() {
            "int" => Type::Int,
            "bool" => Type::Bool,
            "string" => Type::String,
            name => Type::Named(name.to_owned()),
        }
    }

    /// Fields or words in brackets.
    fn body(&mut self) -> Type {
        self.expect("(");
        let (mut fields, mut words) = (BTreeMap::new(), Vec::new());
        while !self.take(")") {
            let name = self.word();
            if self.take(":") {
                assert!(fields.insert(name, self.kind()).is_none(), "a field twice");
            } else {
                words.push(name);
            }
            if !self.take(",") {
                self.expect(")");
                break;
            }
        }
        if words.is_empty() { Type::Object(fields) } else { Type::Words(words) }
    }
}

#[derive(Default)]
struct Interface {
    types: BTreeMap<String, Type>,
    methods: BTreeMap<String, (Type, Type)>,
    errors: BTreeMap<String, Type>,
}

fn interface(text: &str) -> Interface {
    let mut reader = Reader { rest: text };
    let mut found = Interface::default();
    reader.expect("interface");
    assert_eq!(reader.word(), agent_api::wire::INTERFACE);
    loop {
        reader.skip();
        if reader.rest.is_empty() {
            return found;
        }
        let (kind, name) = (reader.word(), reader.word());
        match kind.as_str() {
            "type" => drop(found.types.insert(name, reader.body())),
            "error" => drop(found.errors.insert(name, reader.body())),
            "method" => {
                let parameters = reader.body();
                reader.expect("->");
                found.methods.insert(name, (parameters, reader.body()));
            }
            other => panic!("{other:?} is no keyword"),
        }
    }
}

impl Interface {
    /// Holds `value` against `kind`. `seen` counts the fields that were there.
    fn check(&self, place: &str, value: &Value, kind: &Type, seen: &mut BTreeMap<String, usize>) {
        match (kind, value) {
            (Type::Optional(_), Value::Null) => {}
            (Type::Optional(kind), _) => self.check(place, value, kind, seen),
            (Type::Named(name), _) => self.check(name, value, &self.types[name], seen),
            (Type::Int, Value::Number(number)) => {
                assert!(number.is_i64() || number.is_u64(), "{place}: {value}")
            }
            (Type::Bool, Value::Bool(_)) | (Type::String, Value::String(_)) => {}
            (Type::Words(words), Value::String(word)) => assert!(words.contains(word), "{place}: {value}"),
            (Type::List(kind), Value::Array(list)) => {
                list.iter().for_each(|item| self.check(place, item, kind, seen))
            }
            (Type::Map(kind), Value::Object(map)) => {
                map.values().for_each(|item| self.check(place, item, kind, seen))
            }
            (Type::Object(fields), Value::Object(object)) => {
                for key in object.keys() {
                    assert!(fields.contains_key(key), "{place} has no {key:?}: {value}");
                }
                for (key, kind) in fields {
                    let value = object.get(key).unwrap_or(&Value::Null);
                    if !value.is_null() {
                        *seen.entry(format!("{place}.{key}")).or_default() += 1;
                    }
                    self.check(&format!("{place}.{key}"), value, kind, seen);
                }
            }
            _ => panic!("{place}: {value} is not {kind:?}"),
        }
    }

    /// Holds a reply against the method's, or an error against its definition.
    fn check_reply(&self, method: &str, reply: &Value, seen: &mut BTreeMap<String, usize>) {
        match reply["error"].as_str() {
            Some(error) => {
                let name = error.strip_prefix("org.holdfast.Agent.").unwrap();
                self.check(name, &reply["parameters"], &self.errors[name], seen);
            }
            None => self.check(method, &reply["parameters"], &self.methods[method].1, seen),
        }
    }
}

/// A virtual router of which everything is told.
fn router() -> RouterReport {
    let at = "2026-11-21T00:00:00Z";
    let router = json!({
        "kind": "vrrp", "state": "backup", "since": at, "why": "other_is_not_worse", "detail": "it is better",
        "interface": "eth0", "vrid": 51, "addresses": ["192.0.2.53"], "held": ["192.0.2.53"],
        "base_priority": 100, "priority": 50, "interval_ms": 1_000, "sync_group": "g", "order": "yield",
        "parts": [{ "what": "interface eth1", "seen": "bad", "adds": -50, "forbids": false }],
        "active": { "source": "192.0.2.2", "priority": 150, "interval_ms": 1_000, "heard_at": at },
        "transitions": [{ "at": at, "from": "initialize", "to": "backup", "reason": "started", "detail": "s" }],
        "changes": 1,
        "senders": [{
            "source": "192.0.2.2", "heard_at": at, "accepted": 1, "rejected": 2, "priority": 150,
            "interval_ms": 1_000, "last_rejection": "ttl",
        }],
        "discrepancies": [{ "what": "interval", "source": "192.0.2.2", "detail": "d", "since": at }],
        "rejected": { "ttl": 2 },
    });
    serde_json::from_value(router).unwrap()
}

fn alerts() -> (AlertHead, BTreeMap<Channel, ChannelReport>) {
    let moment: jiff::Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    let at = Some(moment);
    let head = AlertHead {
        oldest: at,
        spool_error: "full".to_owned(),
        told: vec!["server:resolver/dns1".to_owned()],
        told_over: vec![ToldOver {
            trouble: "server:resolver/dns2".to_owned(),
            since: moment,
            until: moment,
        }],
        ..AlertHead::default()
    };
    let channel = ChannelReport {
        retry_at: at,
        last_delivered: at,
        last_error: "no".to_owned(),
        last_error_at: at,
        test: at.map(|asked_at| TestReport {
            asked_at,
            answered_at: at,
            accepted: true,
            answer: "250 OK".to_owned(),
        }),
        ..ChannelReport::default()
    };
    (head, BTreeMap::from([("mail:staff@example.net".parse().unwrap(), channel)]))
}

#[test]
fn what_the_agent_says_is_what_the_definition_says() {
    let definition = interface(DESCRIPTION);
    let place = Place::new();
    let _agent = place.start();
    let mut down = health(Verdict::Down);
    down.detail = "no answer".into();
    let second = Some(down.since);
    let all = agent_api::RealServerHealth {
        latency_us: Some(900),
        returned: second,
        weight: Some(7),
        unconfirmed: 2,
        ..down.clone()
    };
    let check = agent_api::CheckReport { name: "zone".into(), advisory: true, health: all.clone() };
    let up = agent_api::RealServerHealth { checks: vec![check], require: 1, cause: None, ..all.clone() };
    let dependencies = BTreeMap::from([("router".parse().unwrap(), all)]);
    let sentinels = vec!["192.0.2.1:22".parse().unwrap()];
    let head = CheckHead { blind_since: second, sentinels, dependencies, waiting: 3, ..CheckHead::default() };
    let items =
        BTreeMap::from([("resolver/dns1".parse().unwrap(), up), ("resolver/dns2".parse().unwrap(), down)]);
    let process = identity(10, "2026-11-21T00:00:00Z");
    let checkd = Reporter::<Checkd>::start(&place.socket, process.clone(), head, items).unwrap();
    let service = json!({
        "virtual_server": "resolver", "scheduler": "wrr", "fail_open": true,
        "destinations": { "10.1.53.2:53": {
            "real_server": "dns1", "weight": 1, "configured": 10, "kept": "rate", "active_connections": 2, "inactive_connections": 3,
        } },
    });
    let service: ServiceReport = serde_json::from_value(service).unwrap();
    let services = BTreeMap::from([("udp/192.0.2.53:53".parse().unwrap(), service)]);
    let setting = Setting {
        name: "net.ipv4.vs.expire_nodest_conn".into(),
        value: Some("0".into()),
        wanted: "1".into(),
        why: "clients stay".into(),
    };
    let routers = BTreeMap::from([("vip".parse().unwrap(), router())]);
    let head = VipHead { remarks: vec!["no real time".into()], ..VipHead::default() };
    let vipd = Reporter::<Vipd>::start(&place.socket, process.clone(), head, routers).unwrap();
    let (head, channels) = alerts();
    let alertd = Reporter::<Alertd>::start(&place.socket, process.clone(), head, channels).unwrap();
    let lvsd = Reporter::<Lvsd>::start(&place.socket, process, LvsHead::default(), services).unwrap();
    let kernels = [
        KernelTable::Present { version: "1.2.1".into() },
        KernelTable::Unusable {
            cause: "ipvs_missing".parse().unwrap(),
            detail: "none".into(),
            remedy: "load it".into(),
        },
    ];

    let mut seen = BTreeMap::new();
    let mut watch = Raw::connect(&place.socket);
    watch.call(&json!({ "method": "org.holdfast.Agent.Watch", "more": true }));
    let mut call = |method: &str, parameters: Value| {
        definition.check(&format!("{method}()"), &parameters, &definition.methods[method].0, &mut seen);
        let mut raw = Raw::connect(&place.socket);
        raw.call(&json!({ "method": format!("org.holdfast.Agent.{method}"), "parameters": parameters }));
        let reply = raw.message().unwrap();
        definition.check_reply(method, &reply, &mut seen);
        reply
    };
    call("GetState", json!({}));
    for kernel in kernels {
        lvsd.set_head(LvsHead { kernel, settings: vec![setting.clone()], ..LvsHead::default() });
        assert!(lvsd.flush(LONG) && checkd.flush(LONG));
        call("GetState", json!({}));
    }
    checkd.remove_item("resolver/dns2".parse().unwrap());
    assert!(checkd.flush(LONG) && vipd.flush(LONG) && alertd.flush(LONG));
    let drain = json!({ "real_server": "dns1", "virtual_server": "resolver", "why": "kernel", "for_seconds": 9_000, "on_behalf_of": "al" });
    call("Drain", drain.clone());
    call("Drain", drain);
    call("GetState", json!({}));
    call("Undrain", json!({ "real_server": "dns1", "virtual_server": "resolver", "on_behalf_of": "al" }));
    assert_eq!(call("Undrain", json!({ "real_server": "dns1" }))["error"], "org.holdfast.Agent.NotDrained");
    assert_eq!(
        call("Drain", json!({ "real_server": "dsn1" }))["error"],
        "org.holdfast.Agent.NoSuchRealServer"
    );
    let handover = json!({ "virtual_router": "vip", "what": "yield", "why": "kernel", "for_seconds": 9_000, "on_behalf_of": "al" });
    assert_eq!(call("Handover", handover.clone())["parameters"]["replaced"], false);
    assert_eq!(call("Handover", handover.clone())["parameters"]["replaced"], true);
    call("GetState", json!({}));
    let end = json!({ "virtual_router": "vip", "on_behalf_of": "al" });
    assert_eq!(call("EndHandover", end.clone())["parameters"]["ended"]["what"], "yield");
    assert_eq!(call("EndHandover", end)["error"], "org.holdfast.Agent.NotOrdered");
    let unknown = json!({ "virtual_router": "vpi", "what": "takeover" });
    let error = call("Handover", unknown);
    assert_eq!(error["error"], "org.holdfast.Agent.NoSuchVirtualRouter");
    assert_eq!(error["parameters"]["suggestion"], "vip");
    let forever = json!({ "virtual_router": "vip", "what": "takeover", "for_seconds": 0 });
    assert_eq!(call("Handover", forever)["error"], "org.holdfast.Agent.Refused");
    for target in
        [json!({ "virtual_server": "resolver", "real_server": "dns1" }), json!({ "virtual_router": "vip" })]
    {
        let mut silence = target.clone();
        for (key, value) in
            [("severity", json!("warning")), ("why", json!("disks")), ("for_seconds", json!(9_000))]
        {
            silence[key] = value;
        }
        silence["on_behalf_of"] = json!("al");
        assert_eq!(call("Silence", silence.clone())["parameters"]["replaced"], false);
        assert_eq!(call("Silence", silence)["parameters"]["replaced"], true);
        call("GetState", json!({}));
        assert_eq!(call("Unsilence", target.clone())["parameters"]["ended"]["why"], "disks");
        assert_eq!(call("Unsilence", target)["error"], "org.holdfast.Agent.NotSilenced");
    }
    let unknown = call("Silence", json!({ "virtual_server": "resolvr", "for_seconds": 60 }));
    assert_eq!(unknown["error"], "org.holdfast.Agent.NoSuchVirtualServer");
    assert_eq!(unknown["parameters"]["suggestion"], "resolver");
    for seconds in [0, 400 * 86_400] {
        let error = call("Silence", json!({ "for_seconds": seconds }));
        assert_eq!(error["error"], "org.holdfast.Agent.Refused", "{seconds}");
    }
    assert_eq!(call("TestAlerts", json!({ "on_behalf_of": "al" }))["parameters"]["test"]["who"], "root (al)");
    assert_eq!(call("TestAlerts", json!({}))["error"], "org.holdfast.Agent.Refused", "not so soon again");
    call("GetState", json!({}));
    assert_eq!(call("Report", json!({}))["error"], "org.holdfast.Agent.Refused");
    std::fs::remove_file(&place.state).unwrap();
    std::fs::create_dir(&place.state).unwrap();
    std::fs::write(place.state.join("in the way"), "").unwrap();
    assert_eq!(call("Drain", json!({ "real_server": "dns1" }))["error"], "org.holdfast.Agent.NotSaved");
    let generation = call("GetState", json!({}))["parameters"]["state"]["generation"].as_u64().unwrap();
    let report = json!({
        "checkd": { "whole": true, "reporter": { "version": "1", "pid": 1, "started_at": "2026-11-21T00:09:00Z", "config": "c" } },
        "events": [{ "sequence": 1, "at": "2026-11-21T00:09:00Z", "kind": "ipvs_lost", "virtual_server": "resolver", "real_server": "dns1", "virtual_router": "vip", "dependency": "router", "cause": "x", "text": "x" }]
    });
    call("Report", report);
    call("GetState", json!({}));
    loop {
        let update = watch.message().unwrap();
        definition.check_reply("Watch", &update, &mut seen);
        if update["parameters"]["generation"].as_u64().unwrap() >= generation {
            break;
        }
    }

    // No optional field is defined that is never there. (What only the agent may say is not in a report, and the whole is
    // in pieces in an update; a part of a part may be absent here.)
    let was_there = |name: &str| seen.keys().any(|field| field.starts_with(&format!("{name}.")));
    let types = definition.types.iter().filter(|(name, _)| !name.ends_with("Update") && was_there(name));
    for (name, kind) in types {
        let Type::Object(fields) = kind else { continue };
        for (field, kind) in fields {
            let is_part = matches!(kind, Type::Optional(part) if matches!(**part, Type::Named(_)));
            assert!(
                is_part || seen.contains_key(&format!("{name}.{field}")),
                "{name}.{field} is never there"
            );
        }
    }
    assert!(was_there("RouterSender") && was_there("StandingHandover"));
    assert!(was_there("Drain") && was_there("Event") && was_there("Destination") && was_there("Storage"));
}
