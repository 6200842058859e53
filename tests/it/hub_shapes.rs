//! The shapes of the requests in the [table]. A call of the product with another shape fails the test, since the table does
//! not check the response of the hub in memory to it.
//!
//! [table]: crate::hub_table

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::hub_table::{CASES, remove_nulls};

static SHAPES: LazyLock<Shapes> = LazyLock::new(Shapes::of_the_table);

/// Members whose values are part of a request's shape: constants and enumerations.
const CLOSED: [&str; 9] = [
    "AwsAccountId",
    "Label",
    "Partition",
    "PrincipalType",
    "ProductArn",
    "RecordState",
    "SchemaVersion",
    "Status",
    "Type",
];
/// Filters that may have any value.
const OPEN_FILTERS: [&str; 2] = ["Id", "UpdatedAt"];
/// Findings or identifiers in one call.
const MOST_ITEMS: usize = 100;
/// Values of one filter.
const MOST_VALUES: usize = 20;

#[derive(Default)]
struct Shapes {
    /// The shapes of `GetFindings`.
    queries: BTreeSet<String>,
    /// The members of `BatchImportFindings`.
    import: Members,
    /// The members of `BatchUpdateFindings`.
    update: Members,
}

/// Members that occur in requests, each with the members below it; below a member in [`CLOSED`], its values.
#[derive(Default)]
struct Members(BTreeMap<String, Members>);

/// Panics unless the table has a request of this shape.
pub(crate) fn assert_known(operation: &str, request: &Value) {
    if let Some(problem) = problem(operation, request) {
        panic!("{operation} is called with a shape that is not in tests/security_hub.json: {problem}");
    }
}

/// Returns the part of the request that is not in the table.
fn problem(operation: &str, request: &Value) -> Option<String> {
    match operation {
        "GetFindings" => Some(query_shape(request)).filter(|shape| !SHAPES.queries.contains(shape)),
        "BatchImportFindings" => batch_problem(request, "Findings", &SHAPES.import),
        "BatchUpdateFindings" => batch_problem(request, "FindingIdentifiers", &SHAPES.update),
        other => panic!("the table has no {other}"),
    }
}

fn batch_problem(request: &Value, items: &str, known: &Members) -> Option<String> {
    let count = request[items].as_array().map_or(0, Vec::len);
    let missing = known.0.keys().find(|member| request.get(member.as_str()).is_none());
    let missing = missing.map(|member| format!("no {member}"));
    let wrong_count = (!(1..=MOST_ITEMS).contains(&count)).then(|| format!("{count} {items}"));
    missing.or(wrong_count).or_else(|| known.unknown(request, ""))
}

/// Returns the shape of `GetFindings`: its members, filters and the values that do not vary from run to run. Every query of the
/// table is read to its last page, so `NextToken` is not part of the shape.
fn query_shape(request: &Value) -> String {
    let mut parts = BTreeSet::new();
    for (name, value) in request.as_object().unwrap() {
        match name.as_str() {
            "Filters" => parts.extend(value.as_object().unwrap().iter().map(filter_shape)),
            "NextToken" => assert!(value.is_string(), "the token of a page is {value}"),
            name => _ = parts.insert(format!("{name} {value}")),
        }
    }
    joined(parts, "; ")
}

fn filter_shape((name, values): (&String, &Value)) -> String {
    let values = values.as_array().unwrap();
    let open = OPEN_FILTERS.contains(&name.as_str());
    let one = |value: &Value| match (value["Comparison"].as_str(), value["Value"].as_str()) {
        (Some(comparison), Some(value)) => format!("{comparison} {}", if open { "any" } else { value }),
        _ => joined(value.as_object().unwrap().keys().cloned().collect(), " "),
    };
    let shapes: BTreeSet<String> = values.iter().map(one).collect();
    let count = if (1..=MOST_VALUES).contains(&values.len()) { "" } else { ", too many or no values" };
    format!("{name} {}{count}", joined(shapes, " or "))
}

fn joined(parts: BTreeSet<String>, separator: &str) -> String {
    parts.into_iter().collect::<Vec<_>>().join(separator)
}

impl Members {
    fn add(&mut self, value: &Value, name: &str) {
        match value {
            Value::Object(members) => {
                for (member, below) in members {
                    let member = if name == "ProductFields" { "*" } else { member };
                    self.0.entry(member.to_owned()).or_default().add(below, member);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.add(item, name)),
            Value::String(text) if CLOSED.contains(&name) => _ = self.0.entry(text.clone()).or_default(),
            _ => {}
        }
    }

    /// Returns the path of a member, or of a value in [`CLOSED`], that is unknown.
    fn unknown(&self, value: &Value, name: &str) -> Option<String> {
        match value {
            Value::Object(members) => members.iter().find_map(|(member, below)| {
                let key = if name == "ProductFields" { "*" } else { member };
                match self.0.get(key) {
                    None => Some(member.clone()),
                    Some(known) => known.unknown(below, key).map(|path| format!("{member}.{path}")),
                }
            }),
            Value::Array(items) => items.iter().find_map(|item| self.unknown(item, name)),
            Value::String(text) if CLOSED.contains(&name) && !self.0.contains_key(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl Shapes {
    fn of_the_table() -> Self {
        let mut shapes = Self::default();
        for step in CASES.iter().flat_map(|case| case["steps"].as_array().unwrap()).filter(|step| is_product(step)) {
            let request = &step["request"];
            match step["call"].as_str().unwrap() {
                "GetFindings" => _ = shapes.queries.insert(query_shape(request)),
                "BatchImportFindings" => shapes.import.add(request, ""),
                "BatchUpdateFindings" => shapes.update.add(request, ""),
                other => panic!("the product does not call {other}"),
            }
        }
        shapes
    }
}

/// Whether the product makes such a call: it is not by another client, and not refused as invalid or denied.
fn is_product(step: &Value) -> bool {
    step.get("by").is_none() && [400, 403].iter().all(|status| step["error"]["status"] != *status)
}

/// Changes a call of the table to one that the product does not make.
type Change = fn(&mut Value);

const QUERIES: [(&str, Change); 9] = [
    ("SortCriteria []", |request| request["SortCriteria"] = json!([])),
    ("MaxResults 50", |request| request["MaxResults"] = json!(50)),
    ("GeneratorId PREFIX credwarden/; Id EQUALS", |request| drop(request["Filters"]["AwsAccountId"].take())),
    ("Title EQUALS x", |request| request["Filters"]["Title"] = json!([{"Value": "x", "Comparison": "EQUALS"}])),
    ("GeneratorId EQUALS", |request| request["Filters"]["GeneratorId"][0]["Comparison"] = json!("EQUALS")),
    ("GeneratorId PREFIX other/", |request| request["Filters"]["GeneratorId"][0]["Value"] = json!("other/")),
    ("Id PREFIX", |request| request["Filters"]["Id"][0]["Comparison"] = json!("PREFIX")),
    ("too many or no values", |request| {
        request["Filters"]["Id"] = vec![json!({"Value": "x", "Comparison": "EQUALS"}); 21].into();
    }),
    ("UpdatedAt Start", |request| request["Filters"]["UpdatedAt"] = json!([{"Start": "2026-11-20T06:00:00Z"}])),
];

const IMPORTS: [(&str, Change); 6] = [
    ("Findings.Note", |request| request["Findings"][0]["Note"] = json!({"Text": "x"})),
    ("Findings.Workflow", |request| request["Findings"][0]["Workflow"] = json!({"Status": "NEW"})),
    ("Findings.AwsAccountId.222233334444", |request| request["Findings"][0]["AwsAccountId"] = json!("222233334444")),
    ("Findings.Compliance.Status.WARNING", |request| {
        request["Findings"][0]["Compliance"]["Status"] = json!("WARNING");
    }),
    ("101 Findings", |request| request["Findings"] = vec![request["Findings"][0].clone(); 101].into()),
    ("0 Findings", |request| request["Findings"] = json!([])),
];

const UPDATES: [(&str, Change); 4] = [
    ("no Workflow", |request| drop(request["Workflow"].take())),
    ("Workflow.Status.SUPPRESSED", |request| request["Workflow"]["Status"] = json!("SUPPRESSED")),
    ("Note", |request| request["Note"] = json!({"Text": "x", "UpdatedBy": "x"})),
    ("101 FindingIdentifiers", |request| {
        request["FindingIdentifiers"] = vec![request["FindingIdentifiers"][0].clone(); 101].into();
    }),
];

#[test]
fn a_request_of_a_shape_that_is_not_in_the_table_is_refused() {
    let all = [("GetFindings", &QUERIES[..]), ("BatchImportFindings", &IMPORTS), ("BatchUpdateFindings", &UPDATES)];
    for (operation, changes) in all {
        let steps = CASES.iter().flat_map(|case| case["steps"].as_array().unwrap());
        let mut calls = steps.filter(|step| step["call"] == operation && is_product(step));
        let known = &calls.next().unwrap()["request"];
        assert_eq!(problem(operation, known), None);
        for (expected, change) in changes {
            let mut request = known.clone();
            change(&mut request);
            remove_nulls(&mut request);
            let problem = problem(operation, &request).unwrap_or_default();
            assert!(problem.contains(expected), "{operation}: expected {expected}, got {problem:?}");
        }
    }
}
