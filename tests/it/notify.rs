//! The message: its parts and its size; its unencrypted subject has no hostile names.

use std::collections::BTreeMap;

use checker::notify::{Message, message};
use checker::summary::{Summary, findings};
use hygiene::alert::Alert;
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::Evaluation;
use hygiene::memory::{Stored, Workflow};
use hygiene::outcome::Delivery;
use hygiene::verdict::{ReportedEvidence, Severity};
use serde_json::Value;

use crate::account::{ROOT, decided, evaluated, outcome, time, user};

fn rendered(evaluation: Evaluation) -> Message {
    message(&[outcome(decided(evaluation, &BTreeMap::new()))]).unwrap()
}

fn parts(message: &Message) -> BTreeMap<String, String> {
    let parts: Value = serde_json::from_str(&message.body).unwrap();
    let text = |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap().to_owned());
    parts.as_object().unwrap().iter().map(text).collect()
}

#[test]
fn people_get_text_and_machines_the_result() {
    let message = rendered(evaluated(&[ROOT, &user("alice")]));
    let parts = parts(&message);
    let names: Vec<_> = parts.keys().map(String::as_str).collect();
    assert_eq!(names, ["default", "email", "http", "https", "lambda", "sqs"]);
    assert!(parts["email"].starts_with(&parts["default"]), "the short text is the beginning of the long one");
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
fn the_accounts_name_is_in_the_result_and_null_without_one() {
    let named = |name: Option<&str>| {
        let mut decision = decided(evaluated(&[ROOT]), &BTreeMap::new());
        decision.account_name = name.map(str::to_owned);
        outcome(decision)
    };
    for name in [Some("payroll"), None] {
        let outcomes = [named(name)];
        let message = message(&outcomes).unwrap();
        let result: Value = serde_json::from_str(&parts(&message)["lambda"]).unwrap();
        assert_eq!(result.get("account_name"), Some(&name.into()));
        assert_eq!(message.subject.contains("123456789012 (payroll): "), name.is_some(), "{}", message.subject);
        let answer = serde_json::to_value(Summary::new(&Alert::of(&outcomes[0]), 0, Delivery::Sent)).unwrap();
        assert_eq!(answer.get("account_name"), Some(&name.into()));
    }
    let two = message(&[named(Some("payroll")), named(Some("web"))]).unwrap();
    let result: Value = serde_json::from_str(&parts(&two)["sqs"]).unwrap();
    assert_eq!(result["account_name"], Value::Null);
    assert!(parts(&two)["email"].contains("\nACCOUNT 123456789012 (web)\n"), "{}", parts(&two)["email"]);
}

/// What a custom notification needs: <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>
#[test]
fn http_subscribers_get_the_result_as_a_custom_notification_for_chat() {
    let message = message(&[outcome(decided(evaluated(&[ROOT]), &BTreeMap::new()))]).unwrap();
    let parts = parts(&message);
    assert_eq!(parts["http"], parts["https"]);
    let [mut http, sqs] = ["http", "sqs"].map(|protocol| serde_json::from_str::<Value>(&parts[protocol]).unwrap());
    let members = http.as_object_mut().unwrap();
    let [version, source, content] = ["version", "source", "content"].map(|name| members.remove(name).unwrap());
    assert_eq!((version, source), ("1.0".into(), "custom".into()));
    assert_eq!(content["textType"], "client-markdown");
    assert!(content["title"].as_str().unwrap().contains("123456789012: 4 new (worst: CRITICAL)"), "{content}");
    assert!(content["description"].as_str().unwrap().starts_with("*Root user: CRITICAL*\n"), "{content}");
    assert_eq!(http, sqs);
}

/// An open finding of an earlier run, by its check and subject.
fn open(check: &str, subject: &str, severity: Severity) -> (String, Stored) {
    let id = format!("credwarden/{check}/123456789012/{subject}");
    let stored = Stored {
        id: id.clone(),
        check: check.to_owned(),
        title: format!("The title of {check}"),
        active: true,
        workflow: Workflow::Notified,
        severity,
        created_at: time("2026-10-01T06:00:00Z"),
        first_observed_at: Some(time("2026-10-02T06:00:00Z")),
        updated_at: Some(time("2026-11-19T06:00:00Z")),
        arn: None,
        access_key_id: None,
        reported: ReportedEvidence::default(),
        closed_unchecked: false,
        user_created_at: None,
        generated_at: None,
        evidence: Vec::new(),
    };
    (id, stored)
}

/// The root user with only a password and MFA, last used long ago.
const QUIET_ROOT: &str = "<root_account>,arn:aws:iam::123456789012:root,2019-01-02T03:04:05Z,true,2020-01-02T03:04:05Z,\
    2020-01-01T00:00:00Z,not_supported,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A";

#[test]
fn closed_findings_are_in_the_result_worst_first_with_their_reason() {
    let alice = user("alice").replace("N/A,false,true,2021", "N/A,true,false,2021");
    let (suppressed_id, suppressed) = open("user-without-credentials", "user/carol", Severity::Low);
    let stored = BTreeMap::from([
        open("access-key-not-rotated", "user/alice/key/20210620T051650Z", Severity::Medium),
        open("console-user-mfa-disabled", "user/alice", Severity::High),
        open("root-user-recently-used", "root", Severity::High),
        open("some-later-check", "root", Severity::Critical),
        open("user-without-credentials", "user/bob", Severity::Low),
        open("access-key-inactive", "user/bob/key/20210620T051650Z", Severity::Informational),
        (suppressed_id, Stored { workflow: Workflow::Suppressed, ..suppressed }),
    ]);
    let outcomes = [outcome(decided(evaluated(&[QUIET_ROOT, &alice]), &stored))];
    let message = message(&outcomes).unwrap();
    let result: Value = serde_json::from_str(&parts(&message)["sqs"]).unwrap();
    assert_eq!((&result["resolved"], &result["closed_truncated"]), (&4.into(), &0.into()));
    let closed = result["closed"].as_array().unwrap();
    let shown = |one: &Value| format!("{} {} {}: {}", one["severity"], one["reason"], one["id"], one["message"]);
    insta::assert_snapshot!(closed.iter().map(shown).collect::<Vec<_>>().join("\n").replace('"', ""), @"
    CRITICAL not_checked credwarden/some-later-check/123456789012/root: Its check is disabled, or not in this version.
    HIGH passed credwarden/console-user-mfa-disabled/123456789012/user/alice: The report says that the user has MFA.
    HIGH expired credwarden/root-user-recently-used/123456789012/root: The latest use that an existing credential of the root user records is older than the limit.
    MEDIUM not_applicable credwarden/access-key-not-rotated/123456789012/user/alice/key/20210620T051650Z: The access key is not active.
    LOW gone credwarden/user-without-credentials/123456789012/user/bob: It is no longer in the credential report, where a renamed user has another name.
    ");
    insta::assert_snapshot!(serde_json::to_string_pretty(&closed[0]).unwrap(), @r#"
    {
      "id": "credwarden/some-later-check/123456789012/root",
      "check": "some-later-check",
      "severity": "CRITICAL",
      "title": "The title of some-later-check",
      "reason": "not_checked",
      "message": "Its check is disabled, or not in this version.",
      "first_observed_at": "2026-10-02T06:00:00Z"
    }
    "#);
    let resolved = message.attributes.iter().find(|(name, ..)| *name == "resolved_findings").unwrap();
    assert_eq!(resolved.2, "4");
    let answer = Summary::new(&Alert::of(&outcomes[0]), 0, Delivery::Sent);
    assert_eq!(serde_json::to_value(answer).unwrap().get("closed"), None, "it names users");
}

#[test]
fn at_most_a_hundred_closed_findings_are_listed_and_the_rest_counted() {
    let gone = |number| open("console-user-mfa-disabled", &format!("user/user-{number:04}"), Severity::High);
    let stored = (0..140).map(gone).chain([open("some-later-check", "root", Severity::Low)]).collect();
    let message = message(&[outcome(decided(evaluated(&[QUIET_ROOT]), &stored))]).unwrap();
    let result: Value = serde_json::from_str(&parts(&message)["lambda"]).unwrap();
    assert_eq!(result["closed"].as_array().unwrap().len(), 100);
    assert_eq!((&result["closed_truncated"], &result["resolved"]), (&41.into(), &140.into()));
}

#[test]
fn open_and_closed_findings_share_the_message_and_open_ones_come_first() {
    let gone = |number| open("console-user-mfa-disabled", &format!("user/user-{number:04}"), Severity::High);
    for (failing, expected) in [(3, [10..=100, 50..=100]), (5000, [10..=100, 0..=5])] {
        let rows: Vec<String> = (0..failing).map(|number| user(&format!("failing-{number:04}"))).collect();
        let rows: Vec<&str> = std::iter::once(ROOT).chain(rows.iter().map(String::as_str)).collect();
        let stored = (0..5000).map(gone).collect();
        let message = message(&[outcome(decided(evaluated(&rows), &stored))]).unwrap();
        assert!(message.body.len() < 249_000, "{}", message.body.len());
        let result: Value = serde_json::from_str(&parts(&message)["http"]).unwrap();
        let [findings, closed] = ["findings", "closed"].map(|list| result[list].as_array().unwrap().len());
        let fits = [findings, closed].iter().zip(&expected).all(|(count, expected)| expected.contains(count));
        assert!(fits, "{findings} findings and {closed} closed of {failing} failing users");
        assert_eq!(result["closed_truncated"], 5000 - closed);
        assert_eq!(result["truncated"], result["new"].as_u64().unwrap() - findings as u64);
    }
}

#[test]
fn five_thousand_failing_users_fit() {
    let rows: Vec<String> = (0..5000).map(|number| user(&format!("user-{number:04}"))).collect();
    let rows: Vec<&str> = std::iter::once(ROOT).chain(rows.iter().map(String::as_str)).collect();
    let message = rendered(evaluated(&rows));
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
    assert!(truncated > 0);
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
fn hostile_names_neither_exceed_the_size_limit_nor_reach_the_subject() {
    let hostile = |number: usize| {
        let name = format!("\"\"\"{number}{}\"", "\\\u{1}😀".repeat(40));
        user("NAME").replacen("NAME", &name, 1).replacen("arn:aws:iam::123456789012:user/NAME", "", 1)
    };
    let rows: Vec<String> = (0..2000).map(hostile).collect();
    let rows: Vec<&str> = std::iter::once(ROOT).chain(rows.iter().map(String::as_str)).collect();
    let message = rendered(evaluated(&rows));
    assert!(message.body.len() < 249_000, "{}", message.body.len());
    assert!(message.subject.is_ascii() && message.subject.len() < 100);
    let parts = parts(&message);
    assert_eq!(parts.len(), 6);
    for text in [&parts["default"], &parts["email"]] {
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()));
    }
}
