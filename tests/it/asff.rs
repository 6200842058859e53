//! The bytes that go to Security Hub, as they leave the SDK, against the limits of the AWS Security Finding Format.

use std::collections::BTreeMap;
use std::time::Duration;

use aws::hub::publish::Publisher;
use hygiene::decision::Decision;
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::{Evaluation, Scope, evaluate};
use hygiene::memory::{Stored, Workflow};
use hygiene::outcome::Delivery;
use hygiene::policy::Policy;
use hygiene::report::{CredentialReport, Origin};
use hygiene::verdict::{ReportedEvidence, Severity};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::account::{
    ACCOUNT, ROOT, csv, decided, decided_with, evaluated, key_ids, now, outcome, snapshot, time, user,
};
use crate::clients::security_hub;

/// Returns every finding of the decision as it is sent, and the size of the largest call.
pub(crate) async fn sent(decision: Decision) -> (Vec<Value>, usize) {
    let (client, bodies) = security_hub(|path, _| match path {
        "/findings/import" => json!({"SuccessCount": 0, "FailedCount": 0, "FailedFindings": []}),
        _ => json!({"ProcessedFindings": [], "UnprocessedFindings": []}),
    });
    let publisher = Publisher::of(&client, &decision).unwrap();
    let until = Instant::now() + Duration::from_mins(10);
    publisher.publish(&decision, until, until, until).await;
    publisher.finish(&outcome(decision), Delivery::NotNeeded, until, until).await;
    let bodies = bodies.lock().unwrap();
    let findings = bodies.iter().flat_map(|body| {
        let mut call: Value = serde_json::from_slice(body).unwrap();
        call["Findings"].as_array_mut().map(std::mem::take).unwrap_or_default()
    });
    (findings.collect(), bodies.iter().map(Vec::len).max().unwrap_or_default())
}

pub(crate) async fn wire(evaluation: Evaluation, stored: &BTreeMap<String, Stored>) -> Vec<Value> {
    wire_with(evaluation, stored, &Enrichment::default()).await
}

pub(crate) async fn wire_with(
    evaluation: Evaluation,
    stored: &BTreeMap<String, Stored>,
    enrichment: &Enrichment,
) -> Vec<Value> {
    sent(decided_with(evaluation, stored, enrichment)).await.0
}

fn stored(id: &str, active: bool) -> (String, Stored) {
    let stored = Stored {
        id: id.to_owned(),
        check: id.split('/').nth(1).unwrap().to_owned(),
        title: "A title that was stored".to_owned(),
        active,
        workflow: Workflow::Notified,
        severity: Severity::Medium,
        created_at: time("2026-10-01T06:00:00Z"),
        first_observed_at: Some(time("2026-10-02T06:00:00.5Z")),
        updated_at: Some(time("2026-11-19T06:00:00Z")),
        arn: Some(format!("arn:aws:iam::{ACCOUNT}:user/team/carol")),
        access_key_id: Some("AKIAIOSFODNN7EXAMPLE".to_owned()),
        reported: ReportedEvidence::default(),
        closed_unchecked: false,
        user_created_at: None,
        generated_at: None,
        evidence: Vec::new(),
    };
    (id.to_owned(), stored)
}

fn of_check<'v>(findings: &'v [Value], check: &str) -> &'v Value {
    let generator = format!("credwarden/{check}");
    findings.iter().find(|finding| finding["GeneratorId"] == generator.as_str()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_finding_on_root() {
    let findings = wire(evaluated(&[ROOT]), &BTreeMap::new()).await;
    insta::assert_json_snapshot!(of_check(&findings, "root-access-key-present"));
    insta::assert_json_snapshot!(of_check(&findings, "root-user-recently-used"));
}

#[tokio::test(start_paused = true)]
async fn a_finding_on_a_key_whose_id_is_known() {
    let evaluation = evaluated(&[ROOT, &user("alice")]);
    let enrichment = key_ids(&evaluation);
    let findings = wire_with(evaluation, &BTreeMap::new(), &enrichment).await;
    insta::assert_json_snapshot!(of_check(&findings, "access-key-not-rotated"));
}

#[tokio::test(start_paused = true)]
async fn a_finding_on_a_key_whose_id_is_not_known() {
    let findings = wire(evaluated(&[ROOT, &user("alice")]), &BTreeMap::new()).await;
    let finding = of_check(&findings, "access-key-not-rotated");
    insta::assert_json_snapshot!(finding["Resources"]);
}

#[tokio::test(start_paused = true)]
async fn a_finding_that_is_closed() {
    let gone = format!("credwarden/access-key-unused/{ACCOUNT}/user/carol/key/20210620T051650Z");
    let unchecked = format!("credwarden/a-check-of-tomorrow/{ACCOUNT}/root");
    let known = [stored(&gone, true), stored(&unchecked, true)].into();
    let evaluation = evaluated(&[&ROOT.replace("true,true,2019", "true,false,2019")]);
    let findings = wire(evaluation, &known).await;
    insta::assert_json_snapshot!(of_check(&findings, "access-key-unused"));
    let finding = of_check(&findings, "a-check-of-tomorrow");
    assert_eq!(finding["Compliance"]["Status"], "NOT_AVAILABLE");
    assert_eq!(finding["RecordState"], "ARCHIVED");
}

#[tokio::test(start_paused = true)]
async fn times_are_kept_and_updates_are_later() {
    let id = format!("credwarden/console-user-mfa-disabled/{ACCOUNT}/user/alice");
    let times = async |active| {
        let known = [stored(&id, active)].into();
        let findings = wire(evaluated(&[ROOT, &user("alice")]), &known).await;
        let finding = of_check(&findings, "console-user-mfa-disabled").clone();
        ["CreatedAt", "FirstObservedAt", "LastObservedAt", "UpdatedAt"]
            .map(|field| finding[field].as_str().unwrap().to_owned())
    };
    let now = "2026-11-20T06:00:00.000Z";
    assert_eq!(times(true).await, ["2026-10-01T06:00:00.000Z", "2026-10-02T06:00:00.500Z", now, now]);
    assert_eq!(times(false).await, ["2026-10-01T06:00:00.000Z", now, now, now], "reopened");
}

#[tokio::test(start_paused = true)]
async fn commands_are_complete_or_absent() {
    let long_name = "a".repeat(128);
    let findings = wire(evaluated(&[ROOT, &user("alice"), &user(&long_name)]), &BTreeMap::new()).await;
    for finding in &findings {
        let commands = finding["ProductFields"]["credwarden/remediation"].as_str();
        assert!(commands.is_none_or(|commands| !commands.ends_with('…')), "{commands:?}");
    }
    let id = format!("credwarden/access-key-not-rotated/{ACCOUNT}/user/alice/key/20210620T051650Z");
    let alices = findings.iter().find(|finding| finding["Id"] == id.as_str()).unwrap();
    let commands = alices["ProductFields"]["credwarden/remediation"].as_str().unwrap();
    assert!(commands.contains("aws iam update-access-key --user-name alice"), "{commands}");
}

/// In the report every cell is as long and as hostile as possible in a file.
#[tokio::test(start_paused = true)]
async fn hostile_reports_stay_within_every_limit() {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let hostile = |number: usize| {
        let name = quoted(&format!("{number}\u{202e}\u{1}{}", "\"<é😀'".repeat(20)));
        let endless = quoted(&"\\\"\u{7f}😀".repeat(3000));
        let row = user("NAME").replace("NAME", &name).replace("s3", &endless).replace("eu-central-1", &endless);
        row.replacen(&format!("arn:aws:iam::{ACCOUNT}:user/{name}"), "", 1)
    };
    let rows: Vec<String> = (0..60).map(hostile).collect();
    let text = csv(&rows.iter().map(String::as_str).chain([ROOT]).collect::<Vec<_>>());
    // In a report from IAM such names are damage.
    let credentials = CredentialReport::parse_from(text.as_bytes(), Origin::File).unwrap();
    assert!(credentials.is_whole());
    let mut account = snapshot(&[ROOT]);
    account.report.as_mut().unwrap().credentials = credentials;
    let evaluation = evaluate(&account, &Policy::cis(), &Scope::All, now());
    let decision = decided(evaluation, &BTreeMap::new());
    assert!(decision.failing.len() > 200);
    let (findings, largest_call) = sent(decision.clone()).await;
    assert_eq!(findings.len(), decision.failing.len());
    for finding in &findings {
        assert_within_limits(finding);
    }
    assert!(largest_call <= 6 * 1024 * 1024, "{largest_call}");
}

#[tokio::test(start_paused = true)]
async fn ordinary_findings_stay_within_every_limit() {
    let gone = format!("credwarden/access-key-unused/{ACCOUNT}/user/carol/key/20210620T051650Z");
    let findings = wire(evaluated(&[ROOT, &user("alice"), &user("bob")]), &[stored(&gone, true)].into()).await;
    assert!(findings.iter().any(|finding| finding["RecordState"] == "ARCHIVED"));
    for finding in &findings {
        assert_within_limits(finding);
    }
}

/// The limits of the format, in characters. Strings are not blank and have no control characters.
fn assert_within_limits(finding: &Value) {
    let length = |path: &str| finding.pointer(path).and_then(Value::as_str).map_or(0, |text| text.chars().count());
    let required =
        ["/SchemaVersion", "/Id", "/ProductArn", "/GeneratorId", "/AwsAccountId", "/CreatedAt", "/UpdatedAt"];
    for path in required.into_iter().chain(["/Title", "/Description", "/FindingProviderFields/Severity/Label"]) {
        assert!(length(path) > 0, "{path} is missing");
    }
    let limits = [
        ("/Id", 512),
        ("/GeneratorId", 512),
        ("/Title", 256),
        ("/Description", 1024),
        ("/Remediation/Recommendation/Text", 512),
        ("/ProductName", 128),
        ("/CompanyName", 128),
        ("/FindingProviderFields/Severity/Original", 64),
    ];
    for (path, limit) in limits {
        assert!(length(path) <= limit, "{path} has {}", length(path));
    }
    let fields = finding["ProductFields"].as_object().unwrap();
    assert!(fields.len() <= 50);
    for (name, value) in fields {
        let value = value.as_str().unwrap();
        assert!(name.chars().count() <= 128 && value.chars().count() <= 2048, "{name}");
    }
    let list = |path: &str| finding.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
    assert!((1..=32).contains(&list("/Resources").len()));
    for resource in list("/Resources") {
        let length = |name: &str| resource[name].as_str().map_or(0, |text| text.chars().count());
        assert!((1..=256).contains(&length("Type")) && (1..=512).contains(&length("Id")));
    }
    for types in [list("/Types"), list("/FindingProviderFields/Types")] {
        assert!((1..=50).contains(&types.len()));
        assert!(types.iter().all(|one| one.as_str().unwrap().split('/').count() <= 3));
    }
    let requirements = list("/Compliance/RelatedRequirements");
    assert!(requirements.len() <= 32 && requirements.iter().all(|one| one.as_str().unwrap().len() <= 64));
    assert!(finding.to_string().len() <= 240 * 1024);
    each_string(finding, &mut |text| {
        assert!(!text.trim().is_empty());
        let is_control = |character: char| (character.is_control() && character != '\n') || character == '\u{202e}';
        assert!(!text.contains(is_control), "{text:?}");
    });
}

fn each_string(value: &Value, check: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => check(text),
        Value::Array(list) => list.iter().for_each(|value| each_string(value, check)),
        Value::Object(map) => map.values().for_each(|value| each_string(value, check)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
