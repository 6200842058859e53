//! The message: its parts, its size, and that hostile names stay out of what is not encrypted.

use std::collections::BTreeMap;

use checker::notify::{Message, message};
use checker::summary::findings;
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::Evaluation;
use serde_json::Value;

use crate::account::{ROOT, decided, evaluated, outcome, user};

fn worded(evaluation: Evaluation) -> Message {
    message(&[outcome(decided(evaluation, &BTreeMap::new()))]).unwrap()
}

fn parts(message: &Message) -> BTreeMap<String, String> {
    let parts: Value = serde_json::from_str(&message.body).unwrap();
    let text = |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap().to_owned());
    parts.as_object().unwrap().iter().map(text).collect()
}

#[test]
fn people_get_text_and_machines_the_result() {
    let message = worded(evaluated(&[ROOT, &user("alice")]));
    let parts = parts(&message);
    let names: Vec<_> = parts.keys().map(String::as_str).collect();
    assert_eq!(names, ["default", "email", "http", "https", "lambda", "sqs"]);
    assert!(parts["email"].starts_with(&parts["default"]), "the short text is the start of the long one");
    let result: Value = serde_json::from_str(&parts["sqs"]).unwrap();
    assert_eq!(result["truncated"], 0);
    assert_eq!(result["findings"].as_array().unwrap().len(), usize::try_from(result["new"].as_u64().unwrap()).unwrap());
    assert_eq!(result["findings"][0]["severity"], "CRITICAL");
    assert_eq!(result["alert"], "sent");
    let attributes: Vec<_> =
        message.attributes.iter().map(|(name, kind, value)| format!("{name} {kind} {value}")).collect();
    insta::assert_snapshot!(attributes.join("\n"), @"
    account_id String 123456789012
    max_severity String CRITICAL
    new_findings Number 7
    resolved_findings Number 0
    errors Number 0
    ");
}

#[test]
fn five_thousand_failing_users_fit() {
    let rows: Vec<String> = (0..5000).map(|number| user(&format!("user-{number:04}"))).collect();
    let rows: Vec<&str> = std::iter::once(ROOT).chain(rows.iter().map(String::as_str)).collect();
    let message = worded(evaluated(&rows));
    let attributes: usize =
        message.attributes.iter().map(|(name, kind, value)| name.len() + kind.len() + value.len()).sum();
    let size = message.body.len() + message.subject.len() + attributes;
    assert!((100_000..250_000).contains(&size), "{size}");
    let result: Value = serde_json::from_str(&parts(&message)["https"]).unwrap();
    let listed = result["findings"].as_array().unwrap().len();
    assert!((10..=100).contains(&listed), "{listed}");
    assert_eq!(result["truncated"].as_u64().unwrap() + listed as u64, result["new"].as_u64().unwrap());
}

fn listed(evaluation: &Evaluation) -> (Vec<Value>, usize) {
    let (kept, truncated) = findings(evaluation, &Enrichment::default());
    (kept.iter().map(|finding| serde_json::from_str(finding.get()).unwrap()).collect(), truncated)
}

#[test]
fn a_dry_runs_answer_fits_and_keeps_what_fails() {
    let rows: Vec<String> = (0..5000).map(|number| user(&format!("user-{number:04}"))).collect();
    let rows: Vec<&str> = std::iter::once(ROOT).chain(rows.iter().map(String::as_str)).collect();
    let evaluation = evaluated(&rows);
    let (kept, truncated) = listed(&evaluation);
    assert_eq!(kept.len() + truncated, evaluation.findings.len());
    assert!(0 < truncated);
    assert!(kept.iter().all(|finding| finding["status"] == "FAILED"));
    let size: usize = kept.iter().map(|finding| finding.to_string().len() + 1).sum();
    assert!((5_000_000..5_600_000).contains(&size), "{size}");

    let (kept, truncated) = listed(&evaluated(&[ROOT, &user("alice")]));
    assert_eq!(truncated, 0);
    let first: Vec<_> = kept.iter().take(2).map(|finding| finding["id"].as_str().unwrap()).collect();
    assert_eq!(
        first,
        ["credwarden/root-access-key-active/123456789012/root", "credwarden/root-access-key-present/123456789012/root"]
    );
}

#[test]
fn hostile_names_neither_burst_the_message_nor_reach_the_subject() {
    let hostile = |number: usize| {
        let name = format!("\"\"\"{number}{}\"", "\\\u{1}😀".repeat(40));
        user("NAME").replacen("NAME", &name, 1).replacen("arn:aws:iam::123456789012:user/NAME", "", 1)
    };
    let rows: Vec<String> = (0..2000).map(hostile).collect();
    let rows: Vec<&str> = std::iter::once(ROOT).chain(rows.iter().map(String::as_str)).collect();
    let message = worded(evaluated(&rows));
    assert!(message.body.len() < 249_000, "{}", message.body.len());
    assert!(message.subject.is_ascii() && message.subject.len() < 100);
    let parts = parts(&message);
    assert_eq!(parts.len(), 6);
    for text in [&parts["default"], &parts["email"]] {
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()));
    }
}
