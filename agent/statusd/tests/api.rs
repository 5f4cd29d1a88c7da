//! The JSON, held to its own description: every field that is sent is described, everything described is sent.

#![cfg(test)]

mod world;

use std::collections::BTreeSet;

use serde_json::Value;
use world::{World, states};

/// Checks `value` against a schema of the document; every complaint names its place.
fn check(document: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target =
            document.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} is not there"));
        return check(document, target, value, at, wrong);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = any.iter().any(|one| {
            let mut found = Vec::new();
            check(document, one, value, at, &mut found);
            found.is_empty()
        });
        if !fits {
            wrong.push(format!("{at}: {value} is none of {}", schema["anyOf"]));
        }
        return;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    if !kinds.contains(&kind) {
        wrong.push(format!("{at}: {value} is {kind}, not {kinds:?}"));
        return;
    }
    if let (Some(words), Some(_)) = (schema["enum"].as_array(), value.as_str())
        && !words.contains(value)
    {
        wrong.push(format!("{at}: {value} is not of {words:?}"));
    }
    if let (Some("date-time"), Some(text)) = (schema["format"].as_str(), value.as_str())
        && text.parse::<jiff::Timestamp>().is_err()
    {
        wrong.push(format!("{at}: {value} is no moment"));
    }
    if let Value::Array(items) = value {
        for (index, item) in items.iter().enumerate() {
            check(document, &schema["items"], item, &format!("{at}[{index}]"), wrong);
        }
    }
    if let (Value::Object(fields), Some(known)) = (value, schema["properties"].as_object()) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                wrong.push(format!("{at}.{name} is missing"));
            }
        }
        for (name, field) in fields {
            match known.get(name) {
                Some(schema) => check(document, schema, field, &format!("{at}.{name}"), wrong),
                None => wrong.push(format!("{at}.{name} is not described")),
            }
        }
    }
}

#[test]
fn every_answer_is_as_described() {
    for state in [states::bad(), states::hostile(), states::empty()] {
        let filled = !state.checkd.items.is_empty();
        let world = World::paired(state);
        let document = world.json("/api/v1/openapi.json");
        for (path, item) in document["paths"].as_object().unwrap() {
            let address = path.replace("{virtual_server}", "resolver").replace("{real_server}", "dns2");
            if path.ends_with("/stream") || (!filled && address != *path) {
                continue;
            }
            let answer = world.get(&address);
            assert_eq!(answer.status, 200, "{address}");
            let content = item["get"]["responses"]["200"]["content"].as_object().unwrap();
            let given = answer.header("content-type").split(';').next().unwrap();
            let (kind, content) =
                content.get_key_value(given).unwrap_or_else(|| panic!("{address}: {given}"));
            if kind == "application/json" {
                let mut wrong = Vec::new();
                let value = serde_json::from_slice(&answer.body).unwrap();
                check(&document, &content["schema"], &value, path, &mut wrong);
                assert!(wrong.is_empty(), "{}", wrong.join("\n"));
            }
        }
        for missing in ["/api/v1/virtual-servers/nothing", "/api/v1/real-servers/resolver/nothing"] {
            let answer = world.get(missing);
            assert_eq!(answer.status, 404);
            let mut wrong = Vec::new();
            let value = serde_json::from_slice(&answer.body).unwrap();
            check(&document, &document["components"]["schemas"]["Error"], &value, missing, &mut wrong);
            assert!(wrong.is_empty(), "{wrong:?}");
        }
    }
}

/// Of several documents, all fields that the description has are seen at least once: nothing is described that is not there.
#[test]
fn everything_described_is_sent() {
    let world = World::paired(states::hostile());
    let document = world.json("/api/v1/openapi.json");
    let mut seen = BTreeSet::new();
    fn collect(value: &Value, seen: &mut BTreeSet<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect(item, seen)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    seen.insert(name.clone());
                    collect(field, seen);
                }
            }
            _ => {}
        }
    }
    for path in [
        "/api/v1/status",
        "/api/v1/summary",
        "/api/v1/peer",
        "/api/v1/events",
        "/api/v1/real-servers",
        "/api/v1/real-servers/resolver/dns1",
    ] {
        collect(&world.json(path), &mut seen);
    }
    collect(&serde_json::from_slice(&world.get("/api/v1/nothing").body).unwrap(), &mut seen);
    // An event's own cause, and a verdict of old news, are not in this scene.
    seen.insert("last_known".to_owned());
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for field in schema["properties"].as_object().into_iter().flatten().map(|(field, _)| field) {
            assert!(seen.contains(field), "{name}.{field} is described, but not sent");
        }
    }
}

#[test]
fn events_can_be_followed() {
    let world = World::of(states::bad());
    let all = world.json("/api/v1/events");
    let numbers = |value: &Value| -> Vec<u64> {
        value["events"].as_array().unwrap().iter().map(|event| event["number"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(&all), [1, 2, 3, 4, 5, 6]);
    assert_eq!((&all["first_kept"], &all["last_kept"]), (&Value::from(1), &Value::from(6)));
    assert_eq!(numbers(&world.json("/api/v1/events?after=4")), [5, 6]);
    assert_eq!(numbers(&world.json("/api/v1/events?limit=2&after=1")), [2, 3]);
    assert_eq!(numbers(&world.json("/api/v1/events?after=99")), [0; 0]);
}
