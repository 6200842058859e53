//! The table of requests to Security Hub and of its responses, for the [world]'s hub and for the emulated one.
//!
//! [world]: crate::world

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::account::{ACCOUNT, now};
use crate::world::{Account, Process, REGION, World, product_arn};

/// Returns the cases of `security_hub.json` without those of the emulator only.
pub(crate) static CASES: LazyLock<Vec<Value>> = LazyLock::new(read);

fn read() -> Vec<Value> {
    let text = include_str!("../security_hub.json")
        .replace("{account}", ACCOUNT)
        .replace("{region}", REGION)
        .replace("{product}", &product_arn());
    let document: Value = serde_json::from_str(&text).unwrap();
    let cases = document["cases"].as_array().unwrap().iter().filter(|case| case["emulator_only"] != true);
    let cases = cases.map(|case| {
        let mut case = expanded(case, &document["values"]);
        let steps = case["steps"].as_array_mut().unwrap();
        steps.iter_mut().filter_map(|step| step.get_mut("request")).for_each(remove_nulls);
        if let Some(before) = case.get_mut("before") {
            remove_nulls(before);
        }
        case
    });
    cases.collect()
}

/// Returns a value of the table with every `like` and every `times` expanded.
fn expanded(value: &Value, values: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().flat_map(|item| repeated(item, values)).collect(),
        Value::Object(members) => {
            let mut whole = members.get("like").map_or(json!({}), |name| {
                let named = &values[name.as_str().unwrap()];
                assert!(named.is_object(), "the table has no value {name}");
                expanded(named, values)
            });
            for (name, member) in members.iter().filter(|(name, _)| *name != "like") {
                whole[name] = expanded(member, values);
            }
            whole
        }
        other => other.clone(),
    }
}

fn repeated(item: &Value, values: &Value) -> Vec<Value> {
    let Some(times) = item.get("times").and_then(Value::as_u64) else { return vec![expanded(item, values)] };
    let mut one = item.clone();
    one.as_object_mut().unwrap().remove("times");
    let text = one.to_string();
    let numbered = |number: u64| serde_json::from_str(&text.replace("{n}", &number.to_string())).unwrap();
    (1..=times).map(|number| expanded(&numbered(number), values)).collect()
}

pub(crate) fn remove_nulls(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(remove_nulls);
        }
        _ => {}
    }
}

/// Collects the differences between a response and the table.
fn differences(expected: &Value, actual: &Value, path: &str, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(_)) => {
            for (name, member) in expected {
                differences(member, &actual[name], &format!("{path}.{name}"), found);
            }
        }
        (Value::Array(expected), Value::Array(actual)) if expected.iter().any(Value::is_object) => {
            let (expected, actual) = (by_identity(expected), by_identity(actual));
            let identities =
                |items: &[(&str, &Value)]| items.iter().map(|(id, _)| (*id).to_owned()).collect::<Vec<_>>();
            let (wanted, given) = (identities(&expected), identities(&actual));
            if wanted != given {
                found.push(format!("{path}: expected {wanted:?}, got {given:?}"));
                return;
            }
            for ((id, expected), (_, actual)) in expected.iter().zip(&actual) {
                differences(expected, actual, &format!("{path}[{id}]"), found);
            }
        }
        _ if expected == actual => {}
        _ => found.push(format!("{path}: expected {expected}, got {actual}")),
    }
}

fn by_identity(items: &[Value]) -> Vec<(&str, &Value)> {
    let mut items: Vec<_> = items.iter().map(|item| (identity(item), item)).collect();
    items.sort_by_key(|(id, _)| *id);
    items
}

fn identity(item: &Value) -> &str {
    item["Id"].as_str().or_else(|| item["FindingIdentifier"]["Id"].as_str()).unwrap()
}

/// Returns the status, the error's code, the response with the findings of all its pages, and the number of pages.
fn answered(hub: &Process, operation: &str, request: &Value) -> (u16, Option<String>, Value, usize) {
    let (status, code, mut answer) = hub.ask(operation, request);
    let mut pages = 1;
    while let Some(token) = answer["NextToken"].as_str().filter(|_| operation == "GetFindings") {
        let mut request = request.clone();
        request["NextToken"] = token.into();
        let (_, _, mut page) = hub.ask(operation, &request);
        assert!((1..=100).contains(&page["Findings"].as_array().unwrap().len()), "{page}");
        answer["NextToken"] = page["NextToken"].take();
        answer["Findings"].as_array_mut().unwrap().append(page["Findings"].as_array_mut().unwrap());
        pages += 1;
    }
    (status, code, answer, pages)
}

/// Returns the differences between the hub in memory and the table.
fn failures(case: &Value) -> Vec<String> {
    let world = World::new(now(), Account::default(), 0);
    let hub = world.process(Vec::new());
    for finding in case["before"].as_array().into_iter().flatten() {
        world.state().hub.insert(identity(finding).to_owned(), finding.clone());
    }
    let mut found = Vec::new();
    for (place, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        let operation = step["call"].as_str().unwrap();
        let path = format!("{}, step {}, {operation}", case["rule"], place + 1);
        if let "EnableSecurityHub" | "DisableSecurityHub" = operation {
            world.state().hub_enabled = operation == "EnableSecurityHub";
            continue;
        }
        let (status, code, answer, pages) = answered(&hub, operation, &step["request"]);
        let expected = step["error"]["status"].as_u64().map_or(200, |status| u16::try_from(status).unwrap());
        if (status, code.as_deref()) != (expected, step["error"]["code"].as_str()) {
            found.push(format!("{path}: {status} {code:?} {answer}"));
        }
        if let Some(expected) = step.get("answer") {
            differences(expected, &answer, &path, &mut found);
        }
        if step["pages"] == "several" && pages == 1 {
            found.push(format!("{path}: there is one page"));
        }
    }
    found
}

#[test]
fn responses_of_the_hub_in_memory_match_the_table() {
    let found: Vec<String> = CASES.iter().flat_map(failures).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_case_states_one_rule_and_its_source() {
    let rules: BTreeSet<&str> = CASES.iter().map(|case| case["rule"].as_str().unwrap()).collect();
    assert_eq!(rules.len(), CASES.len());
    for case in &*CASES {
        let source = case["source"].as_str().unwrap();
        let documented = source.starts_with("https://docs.aws.amazon.com/securityhub/");
        assert!(documented || source.starts_with("observed: https://"), "{}: {source}", case["rule"]);
    }
}
