//! The operating guide says what is true.

use std::collections::BTreeSet;

use agent_core::view::REASON_CODES;
use serde_json::Value;

use crate::fake::{Fake, Manner};
use crate::{run, state};

const GUIDE: &str = include_str!("../../../docs/operating.md");

/// Every path of keys in `value`, with `[]` for the items of an array.
fn keys(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = format!("{path}.{name}");
                keys(field, &path, into);
                into.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, &format!("{path}[]"), into)),
        _ => {}
    }
}

fn keys_of(value: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    keys(value, "", &mut all);
    all
}

#[test]
fn every_reason_is_explained() {
    for code in REASON_CODES {
        assert!(GUIDE.contains(&format!("`{code}`")), "{code} is not in docs/operating.md");
    }
}

#[test]
fn the_json_example_has_the_fields_there_are() {
    let example = GUIDE.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let fake = Fake::start(state(), Manner::Well);
    let output = run(&fake.socket(), &["status", "--json"]);
    let real: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (documented, real) = (keys_of(&example), keys_of(&real));
    let unknown: Vec<_> = documented.difference(&real).collect();
    assert!(unknown.is_empty(), "in the guide only: {unknown:?}");
    // What the example leaves out is explained in the table.
    for path in real.difference(&documented) {
        let name = path.rsplit('.').next().unwrap();
        let said = GUIDE.contains(&format!("`{name}`")) || GUIDE.contains(&format!("`{name}[]`"));
        assert!(said, "{path} is not in docs/operating.md");
    }
}

#[test]
fn the_text_example_is_what_is_shown() {
    let fake = Fake::start(state(), Manner::Well);
    let shown = crate::stdout(&run(&fake.socket(), &["status"]));
    for line in [
        "resolver  warning  2 of 3 up, 1 down, 1 drained",
        "  server  address       verdict      for    weight  latency",
    ] {
        assert!(shown.contains(line) && GUIDE.contains(line), "{line}");
    }
}
