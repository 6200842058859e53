//! Key ids: requested only for failing keys without a known id, and assigned by date and state.

use std::collections::BTreeMap;
use std::time::Duration;

use aws::access_keys::{identify, look_up};
use aws::retry::Retry;
use aws_sdk_iam::Client;
use aws_sdk_iam::operation::list_access_keys::ListAccessKeysOutput;
use aws_sdk_iam::primitives::DateTime;
use aws_sdk_iam::types::{AccessKeyMetadata, StatusType};
use aws_smithy_mocks::{Rule, mock};
use hygiene::evaluate::Evaluation;
use hygiene::memory::{Memory, Stored, Workflow};
use hygiene::source::Unavailable;
use hygiene::trace::Key;
use hygiene::twins::{is_twin, pairs};
use hygiene::verdict::{ReportedEvidence, Severity, Status};
use tokio::time::Instant;

use crate::account::{ROOT, evaluated, now, time, user};
use crate::clients::{mocked, xml_error};

const OLD: &str = "2021-06-20T05:16:50Z";
const OLDER: &str = "2020-02-03T04:05:06Z";

fn listed(keys: &'static [(&str, &str, StatusType)]) -> Rule {
    mock!(Client::list_access_keys).then_output(move || {
        let key = |(id, created, status): &(&str, &str, StatusType)| {
            AccessKeyMetadata::builder()
                .access_key_id(*id)
                .create_date(DateTime::from_secs(time(created).timestamp()))
                .status(status.clone())
                .build()
        };
        ListAccessKeysOutput::builder().set_access_key_metadata(Some(keys.iter().map(key).collect())).build().unwrap()
    })
}

/// A finding in Security Hub with a key id.
fn known(check: &str, path: &str, id: &str) -> (String, Stored) {
    let stored = Stored {
        id: format!("credwarden/{check}/123456789012/{path}"),
        check: check.to_owned(),
        title: String::new(),
        active: false,
        workflow: Workflow::Notified,
        severity: Severity::Medium,
        created_at: now(),
        first_observed_at: None,
        updated_at: Some(now()),
        arn: None,
        access_key_id: Some(id.to_owned()),
        reported: ReportedEvidence::default(),
        closed_unchecked: false,
        user_created_at: None,
        generated_at: None,
        evidence: Vec::new(),
    };
    (stored.id.clone(), stored)
}

async fn named(rule: &Rule, evaluation: &Evaluation, known: &BTreeMap<String, Stored>) -> (Vec<String>, Vec<String>) {
    let client = mocked!(aws_sdk_iam, &[rule]);
    let memory = Memory::Recalled { region: "eu-central-1".to_owned(), findings: known.clone() };
    let (enrichment, errors) = look_up(&client, evaluation, &memory, Instant::now() + Duration::from_mins(1)).await;
    let keys = evaluation.findings.iter().filter(|finding| finding.subject.access_key().is_some());
    let failing = keys.filter(|finding| finding.status() == Status::Failed);
    let lines = failing.map(|finding| {
        let id = enrichment.access_key_id(finding).unwrap_or("-");
        format!("{} {} {id}", finding.check.id, finding.subject.id())
    });
    (lines.collect(), errors)
}

#[tokio::test(start_paused = true)]
async fn failing_keys_are_named_by_date_with_one_call_a_user() {
    let rule = listed(&[("AKIAOLDER", OLDER, StatusType::Inactive), ("AKIAOLD", OLD, StatusType::Active)]);
    let evaluation = evaluated(&[ROOT, &user("alice"), &user("bob")]);
    let (keys, errors) = named(&rule, &evaluation, &BTreeMap::new()).await;
    insta::assert_snapshot!(keys.join("\n"), @"
    access-key-not-rotated user/alice/key/20210620T051650Z AKIAOLD
    access-key-inactive user/alice/key/20200203T040506Z AKIAOLDER
    access-key-not-rotated user/bob/key/20210620T051650Z AKIAOLD
    access-key-inactive user/bob/key/20200203T040506Z AKIAOLDER
    ");
    assert_eq!(errors, [""; 0]);
    assert_eq!(rule.num_calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn known_key_ids_are_not_requested_again() {
    let rule = listed(&[]);
    let evaluation = evaluated(&[ROOT, &user("alice")]);
    let stored = [
        known("access-key-unused", "user/alice/key/20210620T051650Z", "AKIAKNOWN1"),
        known("access-key-inactive", "user/alice/key/20200203T040506Z", "AKIAKNOWN2"),
    ];
    let (keys, _) = named(&rule, &evaluation, &stored.into()).await;
    insta::assert_snapshot!(keys.join("\n"), @"
    access-key-not-rotated user/alice/key/20210620T051650Z AKIAKNOWN1
    access-key-inactive user/alice/key/20200203T040506Z AKIAKNOWN2
    ");
    assert_eq!(rule.num_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn keys_of_one_second_are_distinguished_by_state_or_not_named() {
    let twins = user("alice").replace(OLDER, OLD);
    let rule = listed(&[("AKIAINACTIVE", OLD, StatusType::Inactive), ("AKIAACTIVE", OLD, StatusType::Active)]);
    let (keys, _) = named(&rule, &evaluated(&[ROOT, &twins]), &BTreeMap::new()).await;
    insta::assert_snapshot!(keys.join("\n"), @"
    access-key-not-rotated user/alice/key/20210620T051650Z AKIAACTIVE
    access-key-inactive user/alice/key/20210620T051650Z-2 AKIAINACTIVE
    ");
    let rule = listed(&[("AKIAONE", OLD, StatusType::Active), ("AKIATWO", OLD, StatusType::Active)]);
    let (keys, _) = named(&rule, &evaluated(&[ROOT, &twins]), &BTreeMap::new()).await;
    insta::assert_snapshot!(keys.join("\n"), @"
    access-key-not-rotated user/alice/key/20210620T051650Z -
    access-key-inactive user/alice/key/20210620T051650Z-2 -
    ");
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_twin_is_deleted_is_requested_again() {
    let twins = [
        known("access-key-not-rotated", "user/alice/key/20210620T051650Z", "AKIAGONE"),
        known("access-key-not-rotated", "user/alice/key/20210620T051650Z-2", "AKIALEFT"),
    ];
    let rule = listed(&[("AKIALEFT", OLD, StatusType::Active)]);
    let (keys, _) = named(&rule, &evaluated(&[ROOT, &user("alice")]), &twins.into()).await;
    assert!(keys.contains(&"access-key-not-rotated user/alice/key/20210620T051650Z AKIALEFT".to_owned()), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn keys_that_cannot_be_listed_stay_without_an_id() {
    let refusal = |user| xml_error(403, "AccessDenied", &format!("not authorized on resource: user {user} because"));
    let ((status, alice), (_, bob)) = (refusal("alice"), refusal("bob"));
    let rule = mock!(Client::list_access_keys).sequence().http_status(status, alice).http_status(status, bob).build();
    let evaluation = evaluated(&[ROOT, &user("alice"), &user("bob")]);
    let (keys, errors) = named(&rule, &evaluation, &BTreeMap::new()).await;
    assert!(keys.iter().all(|key| key.ends_with(" -")), "{keys:?}");
    assert_eq!(
        errors,
        ["could not list the access keys of 2 users: ListAccessKeys failed: AccessDenied: not authorized"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_deleted_since_the_report_is_no_error() {
    let (status, body) = xml_error(404, "NoSuchEntity", "The user with name alice cannot be found.");
    let rule = mock!(Client::list_access_keys).sequence().http_status(status, body).repeatedly().build();
    let (keys, errors) = named(&rule, &evaluated(&[ROOT, &user("alice")]), &BTreeMap::new()).await;
    assert!(!keys.is_empty() && keys.iter().all(|key| key.ends_with(" -")), "{keys:?}");
    assert_eq!(errors, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn every_given_key_has_an_id_or_the_reason_why_not() {
    let id = async |evaluation: &Evaluation, rule: &Rule| {
        let subject = evaluation.findings.iter().find_map(|finding| finding.subject.access_key()).unwrap();
        let is_twin = is_twin(subject, &pairs(evaluation));
        let unnamed = Err(Unavailable::NotAsked("Not asked.".to_owned()));
        let mut keys = [Key { subject: subject.clone(), is_twin, id: unnamed, last_used: Ok(None) }];
        let retry = Retry::from(Instant::now() + Duration::from_mins(1));
        identify(&mocked!(aws_sdk_iam, &[rule]), &mut keys, &retry).await;
        keys[0].id.clone().map_err(|reason| reason.to_string())
    };
    let evaluation = evaluated(&[ROOT, &user("alice")]);
    let rule = listed(&[("AKIAOLDER", OLDER, StatusType::Inactive), ("AKIAOLD", OLD, StatusType::Active)]);
    assert_eq!(id(&evaluation, &rule).await.as_deref(), Ok("AKIAOLD"));
    let unknown = "IAM lists no key, or several, of that time and status.";
    for keys in [&[][..], &[("AKIAONE", OLD, StatusType::Active), ("AKIATWO", OLD, StatusType::Active)]] {
        assert_eq!(id(&evaluation, &listed(keys)).await, Err(unknown.to_owned()));
    }
    // One of two keys of the same second was deleted since the report.
    let twins = evaluated(&[ROOT, &user("alice").replace(OLDER, OLD)]);
    let rule = listed(&[("AKIALEFT", OLD, StatusType::Active)]);
    assert_eq!(id(&twins, &rule).await, Err(unknown.to_owned()));
    let rule = listed(&[("AKIAINACTIVE", OLD, StatusType::Inactive), ("AKIAACTIVE", OLD, StatusType::Active)]);
    assert_eq!(id(&twins, &rule).await.as_deref(), Ok("AKIAACTIVE"));
    let (status, body) = xml_error(403, "AccessDenied", "No.");
    let refused = mock!(Client::list_access_keys).sequence().http_status(status, body).build();
    assert_eq!(id(&evaluation, &refused).await, Err("ListAccessKeys failed: AccessDenied: No.".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn throttled_calls_are_retried() {
    let (status, body) = xml_error(400, "Throttling", "Rate exceeded");
    let rule = mock!(Client::list_access_keys)
        .sequence()
        .http_status(status, body)
        .times(3)
        .output(|| {
            let key = AccessKeyMetadata::builder().access_key_id("AKIAOLD").status(StatusType::Active);
            let key = key.create_date(DateTime::from_secs(time(OLD).timestamp())).build();
            ListAccessKeysOutput::builder().access_key_metadata(key).build().unwrap()
        })
        .build();
    let (keys, errors) = named(&rule, &evaluated(&[ROOT, &user("alice")]), &BTreeMap::new()).await;
    assert_eq!(errors, [""; 0]);
    assert!(keys.iter().any(|key| key.ends_with("AKIAOLD")), "{keys:?}");
    assert_eq!(rule.num_calls(), 4);
}
