//! Recall: it reads all pages, keeps only credwarden's findings, and returns all or an error.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws::error::chain;
use aws::hub::recall::{Recall, RecallError, Recalled};
use aws::product::Product;
use aws_sdk_securityhub::Client;
use checker::config::Config;
use checker::run::run;
use chrono::TimeDelta;
use hygiene::check::Kind;
use hygiene::memory::{Stored, Workflow};
use hygiene::text::escape;
use hygiene::verdict::Severity;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::account::{ACCOUNT, ROOT, decided_with, evaluated, invocation, key_ids, now, time, user};
use crate::asff::sent;
use crate::clients::{security_hub, security_hub_text};
use crate::world::{Account, Failure, Fault, Key, User, World, config};

pub(crate) fn product() -> Product {
    Product { account_id: ACCOUNT.to_owned(), partition: "aws".to_owned(), region: "eu-central-1".to_owned() }
}

async fn recall(client: &Client, product: &Product, until: Instant) -> Result<Recalled, RecallError> {
    Recall::new(client, product.clone()).open(now(), until).await
}

const OURS: &str = "credwarden/root-user-recently-used/123456789012/root";

fn finding() -> Value {
    json!({
        "SchemaVersion": "2018-10-08",
        "Id": OURS,
        "ProductArn": product().arn(),
        "GeneratorId": "credwarden/root-user-recently-used",
        "AwsAccountId": ACCOUNT,
        "CreatedAt": "2026-10-01T06:00:00.000Z",
        "FirstObservedAt": "2026-10-02T06:00:00Z",
        "UpdatedAt": "2026-11-19T06:00:00.123Z",
        "Title": "The root user was used recently",
        "Description": "…",
        "Severity": {"Label": "LOW", "Normalized": 1},
        "FindingProviderFields": {"Severity": {"Label": "HIGH"}, "Types": ["Software and Configuration Checks"]},
        "Workflow": {"Status": "NOTIFIED"},
        "RecordState": "ACTIVE",
        "Resources": [{"Type": "AwsAccount", "Id": "AWS::::Account:123456789012"}],
        "ProductFields": {
            "credwarden/root-last-used": "2026-11-18T06:00:00.000Z",
            "credwarden/root-keys": "20190102T030405Z,20200102T030405Z",
            "credwarden/access-key-id": "AKIAIOSFODNN7EXAMPLE",
            "aws/securityhub/ProductName": "credwarden",
        },
    })
}

fn with(changes: &Value) -> Value {
    let mut finding = finding();
    for (field, value) in changes.as_object().unwrap() {
        finding[field] = value.clone();
    }
    finding
}

#[tokio::test(start_paused = true)]
async fn findings_reopened_by_another_run_are_requested_by_date() {
    let (client, bodies) = security_hub(|_, _| json!({"Findings": []}));
    let ids: Vec<String> = (0..401).map(|number| number.to_string()).collect();
    Recall::new(&client, product()).reopened(&ids, now(), soon(), &mut Recalled::new()).await.unwrap();
    let request: Value = serde_json::from_slice(&bodies.lock().unwrap()[1]).unwrap();
    let recent = json!([{"Start": "2026-11-20T05:40:00.000Z", "End": "2026-11-20T06:20:00.000Z"}]);
    assert_eq!(request["Filters"]["UpdatedAt"], recent);
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

#[tokio::test(start_paused = true)]
async fn no_more_is_kept_than_the_next_plan_needs() {
    let (client, bodies) = security_hub(|_, _| json!({"Findings": [finding()]}));
    let known = recall(&client, &product(), soon()).await.unwrap();
    let stored = &known[OURS];
    assert_eq!(stored.check, "root-user-recently-used");
    assert_eq!((stored.workflow, stored.active), (Workflow::Notified, true));
    assert_eq!(stored.severity, Severity::High, "the provider's, not the customer's");
    assert_eq!(stored.created_at, time("2026-10-01T06:00:00Z"));
    assert_eq!(stored.first_observed_at, Some(time("2026-10-02T06:00:00Z")));
    assert_eq!(stored.updated_at, Some(time("2026-11-19T06:00:00.123Z")));
    assert_eq!(stored.reported.uses.latest(), Some(time("2026-11-18T06:00:00Z")));
    assert_eq!(stored.reported.keys.len(), 2);
    assert_eq!(stored.access_key_id.as_deref(), Some("AKIAIOSFODNN7EXAMPLE"));

    let request: Value = serde_json::from_slice(&bodies.lock().unwrap()[0]).unwrap();
    insta::assert_json_snapshot!(request);
}

#[tokio::test(start_paused = true)]
async fn all_pages_are_read_at_the_services_rate() {
    let (client, bodies) = security_hub(|_, request| {
        let page: usize = request["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let finding = with(&json!({"Id": format!("credwarden/root-mfa-disabled/{ACCOUNT}/{page}")}));
        match page {
            11 => json!({"Findings": [finding]}),
            page => json!({"Findings": [finding], "NextToken": (page + 1).to_string()}),
        }
    });
    let before = Instant::now();
    let known = recall(&client, &product(), soon()).await.unwrap();
    assert_eq!(known.len(), 12);
    assert_eq!(bodies.lock().unwrap().len(), 12);
    let waited = before.elapsed();
    assert!(
        Duration::from_millis(1990) <= waited && waited < Duration::from_millis(2100),
        "6 at once, 3 a second: {waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn findings_of_other_tools_are_dropped() {
    let foreign = [
        json!({"Id": "1", "ProductArn": "arn:aws:securityhub:eu-central-1:210987654321:product/210987654321/default"}),
        json!({"Id": "2", "AwsAccountId": "210987654321"}),
        json!({"Id": "3", "GeneratorId": "credwardenish/root"}),
        json!({"Id": "4", "ProductArn": "arn:aws:securityhub:us-east-1:123456789012:product/123456789012/default"}),
    ];
    let (client, _) = security_hub(move |_, _| json!({"Findings": foreign.each_ref().map(with)}));
    assert_eq!(recall(&client, &product(), soon()).await.unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_recall_is_an_error() {
    let (endless, _) = security_hub(|_, _| json!({"Findings": [finding()], "NextToken": "again"}));
    let error = recall(&endless, &product(), soon()).await.unwrap_err();
    assert_eq!(
        chain(&error),
        "could not read our findings in Security Hub: GetFindings failed: the same page came twice"
    );
}

/// A finding with credwarden's generator may be by another tool.
#[tokio::test(start_paused = true)]
async fn an_unreadable_time_drops_no_finding() {
    let [created, first, updated] = ["2026-10-01T06:00:00Z", "2026-10-02T06:00:00Z", "2026-11-19T06:00:00.123Z"];
    let last = "9999-12-31T23:59:59.999Z";
    let odd = [
        (json!({"CreatedAt": "yesterday"}), first, Some(updated)),
        (json!({"CreatedAt": null}), first, Some(updated)),
        (json!({"CreatedAt": "0000-01-01T00:00:00+18:00"}), first, Some(updated)),
        (json!({"CreatedAt": "", "FirstObservedAt": null}), updated, Some(updated)),
        (json!({"CreatedAt": "", "FirstObservedAt": null, "UpdatedAt": last}), "2026-11-20T06:00:00Z", Some(last)),
        (json!({"UpdatedAt": "2026-11-19 06:00"}), created, None),
        (json!({"UpdatedAt": null}), created, None),
        (json!({"UpdatedAt": "9999-12-31T23:59:59.999-18:00"}), created, None),
        (json!({"UpdatedAt": last}), created, Some(last)),
        (json!({"CreatedAt": "", "UpdatedAt": ""}), first, None),
        (json!({"CreatedAt": "", "UpdatedAt": "", "FirstObservedAt": ""}), "2026-11-20T06:00:00Z", None),
    ];
    for (changes, created_at, updated_at) in odd {
        let shown = with(&changes);
        let (client, _) = security_hub(move |_, _| json!({"Findings": [shown]}));
        let recalled = recall(&client, &product(), soon()).await.unwrap();
        let stored = &recalled[OURS];
        assert_eq!((stored.created_at, stored.updated_at), (time(created_at), updated_at.map(time)), "{changes}");
    }
}

/// A finding whose updates Security Hub ignores is reported; the run continues with all others.
#[tokio::test(start_paused = true)]
async fn a_finding_of_the_year_9999_does_not_affect_others() {
    let world = World::new(now(), Account { root_keys: [Some(old_key()), None], ..Account::default() }, 7);
    let last = "9999-12-31T23:59:59.999Z";
    let keys = "credwarden/root-access-key-active/123456789012/root";
    for (id, check) in [(OURS, "root-user-recently-used"), (keys, "root-access-key-active"), ("credwarden/x", "x")] {
        let generator = format!("credwarden/{check}");
        let shown = with(&json!({"Id": id, "GeneratorId": generator, "UpdatedAt": last, "CreatedAt": last}));
        world.state().hub.insert(id.to_owned(), shown);
    }
    let process = world.process(Vec::new());
    let clients = process.clients().await;
    let summary = run(&clients, &config(), &invocation(now(), Duration::from_mins(5))).await.unwrap();
    let ignored = "Security Hub may ignore what is written of 3 findings: their UpdatedAt cannot be read, or leaves no later time";
    assert_eq!(summary.errors, [ignored]);
    let hub = &world.state().hub;
    assert!(hub.len() > 5, "the others are written: {hub:?}");
    for id in [OURS, keys, "credwarden/x"] {
        assert_eq!((&hub[id]["RecordState"], &hub[id]["UpdatedAt"]), (&json!("ACTIVE"), &json!(last)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_status_suppresses_nothing() {
    let (client, _) = security_hub(|_, _| json!({"Findings": [with(&json!({"Workflow": {"Status": "ASSIGNED"}}))]}));
    assert_eq!(recall(&client, &product(), soon()).await.unwrap()[OURS].workflow, Workflow::New);
}

/// Requests closed findings among that many identities; returns the filters of each call: states, and number of identities.
async fn asked_for(count: usize) -> Vec<(Value, usize)> {
    let (client, bodies) = security_hub(|_, _| json!({"Findings": [with(&json!({"RecordState": "ARCHIVED"}))]}));
    let ids: Vec<String> =
        (0..count).map(|number| format!("credwarden/root-mfa-disabled/{ACCOUNT}/{number}")).collect();
    let mut known = Recalled::new();
    Recall::new(&client, product()).reopened(&ids, now(), soon(), &mut known).await.unwrap();
    assert_eq!(known.contains_key(OURS), count > 0);
    let bodies = bodies.lock().unwrap();
    let requests = bodies.iter().map(|body| serde_json::from_slice::<Value>(body).unwrap()["Filters"].clone());
    let states =
        |filters: &Value| filters["RecordState"].as_array().unwrap().iter().map(|one| one["Value"].clone()).collect();
    requests.map(|filters| (states(&filters), filters["Id"].as_array().map_or(0, Vec::len))).collect()
}

#[tokio::test(start_paused = true)]
async fn closed_findings_are_requested_by_identity_and_many_of_them_as_a_list() {
    assert_eq!(asked_for(0).await, []);
    let both = json!(["ACTIVE", "ARCHIVED"]);
    assert_eq!(asked_for(21).await, [(both.clone(), 20), (both.clone(), 1)]);
    assert_eq!(asked_for(400).await, vec![(both, 20); 20]);
    // Findings that another run reopened meanwhile are in the second list.
    assert_eq!(asked_for(401).await, [(json!(["ARCHIVED"]), 0), (json!(["ACTIVE"]), 0)]);
}

/// Reads which of that many new findings were suppressed meanwhile, if `before` findings already were; returns the number of
/// identities in each call.
async fn asked_again(new: usize, before: usize) -> Vec<usize> {
    let (client, bodies) = security_hub(|_, _| json!({"Findings": []}));
    let ids: Vec<String> = (0..new).map(|number| number.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    Recall::again(&client, product()).suppressed(&ids, before, soon()).await.unwrap();
    let bodies = bodies.lock().unwrap();
    let requests = bodies.iter().map(|body| serde_json::from_slice::<Value>(body).unwrap()["Filters"].clone());
    let identities = |filters: Value| {
        assert_eq!(filters["WorkflowStatus"], json!([{"Value": "SUPPRESSED", "Comparison": "EQUALS"}]));
        filters["Id"].as_array().map_or(0, Vec::len)
    };
    requests.map(identities).collect()
}

#[tokio::test(start_paused = true)]
async fn suppressions_are_read_by_identity_or_as_a_list_whichever_is_fewer_calls() {
    assert_eq!(asked_again(1, 0).await, [1]);
    assert_eq!(asked_again(20, 0).await, [20]);
    assert_eq!(asked_again(21, 0).await, [0], "two calls by identity, one page");
    assert_eq!(asked_again(21, 99).await, [0]);
    assert_eq!(asked_again(21, 100).await, [20, 1], "a full page, and one with the newly suppressed finding");
    assert_eq!(asked_again(15_000, 400).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn only_findings_shown_as_suppressed_are() {
    let hostile = "credwarden/console-user-mfa-disabled/123456789012/user/\u{202e}mallory";
    let shown = [
        with(&json!({"Workflow": {"Status": "SUPPRESSED"}})),
        with(&json!({"Id": escape(hostile), "Workflow": {"Status": "SUPPRESSED"}})),
        with(&json!({"Id": "notified", "Workflow": {"Status": "NOTIFIED"}})),
        with(&json!({"Id": "not asked for", "Workflow": {"Status": "SUPPRESSED"}})),
        with(&json!({"Id": "another's", "AwsAccountId": "210987654321", "Workflow": {"Status": "SUPPRESSED"}})),
    ];
    let (client, _) = security_hub(move |_, _| json!({"Findings": shown}));
    let recall = Recall::again(&client, product());
    let found = recall.suppressed(&[OURS, hostile, "notified", "another's", "not there"], 0, soon()).await.unwrap();
    assert_eq!(found, [OURS, hostile].map(str::to_owned).into());
}

#[tokio::test(start_paused = true)]
async fn all_calls_of_a_run_share_one_rate() {
    let (client, _) = security_hub(|_, _| json!({"Findings": []}));
    let recall = Recall::new(&client, product());
    let before = Instant::now();
    recall.open(now(), soon()).await.unwrap();
    let ids: Vec<String> = (0..220).map(|number| number.to_string()).collect();
    recall.reopened(&ids, now(), soon(), &mut Recalled::new()).await.unwrap();
    let waited = before.elapsed();
    assert!(Duration::from_millis(1990) <= waited && waited < Duration::from_millis(2100), "1 call and 11: {waited:?}");
}

/// A recalled finding equals the decided one.
#[tokio::test(start_paused = true)]
async fn a_finding_is_recalled_as_it_was_written() {
    let evaluation = evaluated(&[ROOT, &user("alice")]);
    let enrichment = key_ids(&evaluation);
    let decision = decided_with(evaluation, &BTreeMap::new(), &enrichment);
    let failing = decision.failing.clone();
    let (findings, _) = sent(decision).await;
    assert_eq!(findings.len(), failing.len());
    let (client, _) = security_hub(move |_, _| json!({"Findings": findings}));
    let recalled = recall(&client, &product(), soon()).await.unwrap();
    for failing in &failing {
        let mut evidence = failing.record.evidence.clone();
        evidence.keys_whole = false;
        let expected = Stored {
            id: failing.id.clone(),
            check: failing.finding.check.id.to_owned(),
            title: failing.finding.check.title.to_owned(),
            active: true,
            workflow: Workflow::New,
            severity: failing.record.severity,
            created_at: failing.created_at,
            first_observed_at: Some(failing.first_observed_at),
            updated_at: Some(failing.updated_at),
            arn: failing.finding.subject.arn().map(str::to_owned),
            access_key_id: failing.access_key_id.clone(),
            reported: evidence,
            closed_unchecked: false,
            user_created_at: failing.record.user_created_at,
            generated_at: failing.record.generated_at,
            evidence: match failing.finding.check.kind {
                Kind::Event => {
                    let facts = failing.finding.evidence().iter();
                    facts.filter(|fact| fact.name != "GeneratedTime").cloned().collect()
                }
                Kind::State | Kind::Disuse => Vec::new(),
            },
        };
        assert_eq!(recalled[&failing.id], expected);
    }
}

/// A page without the list is not an empty page: otherwise all findings would be new, and none closed.
#[tokio::test(start_paused = true)]
async fn an_invalid_page_is_retried_and_never_empty() {
    let cut = json!({"Findings": [finding()]}).to_string();
    for odd in ["", "{}", "{\"Findings\":null}", "[]", "<html>maintenance</html>", &cut[..cut.len() - 20]] {
        let odd = odd.to_owned();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let (client, _) = security_hub_text(move |_| {
            if counted.fetch_add(1, Ordering::SeqCst) < 2 { odd.clone() } else { json!({"Findings": []}).to_string() }
        });
        assert_eq!(recall(&client, &product(), soon()).await.unwrap(), Recalled::new());
        assert_eq!(calls.load(Ordering::SeqCst), 3);
    }
    let (client, _) = security_hub_text(|_| "{}".to_owned());
    let error = recall(&client, &product(), soon()).await.unwrap_err();
    assert!(chain(&error).contains("missing field `Findings`"), "{}", chain(&error));
}

/// Findings of other tools may have any value in fields that are not read.
#[tokio::test(start_paused = true)]
async fn unread_fields_of_a_finding_may_have_any_value() {
    let odd =
        json!({"Resources": 7, "Remediation": null, "Description": [], "Types": {}, "ProductFields": {"other": {}}});
    let foreign = with(&json!({"Id": "x", "GeneratorId": "another-tool", "ProductFields": null, "Title": null}));
    let (client, _) = security_hub(move |_, _| json!({"Findings": [with(&odd), foreign]}));
    assert_eq!(recall(&client, &product(), soon()).await.unwrap().len(), 1);
}

/// Without notifications everything stays new, and later suppressions need not be read.
#[tokio::test(start_paused = true)]
async fn without_a_topic_nothing_is_read_again() {
    let world = World::new(now(), Account { root_keys: [Some(old_key()), None], ..Account::default() }, 7);
    let reads = async |config: &Config| {
        let process = world.process(Vec::new());
        run(&process.clients().await, config, &invocation(now(), Duration::from_mins(5))).await.unwrap();
        process.own().calls["GetFindings"]
    };
    let notified = config();
    let silent = Config { topic_arn: None, ..config() };
    let first = reads(&silent).await;
    assert_eq!((reads(&silent).await, first), (1, 2), "the second run has only open findings to read");
    assert_eq!(reads(&notified).await, 2, "new findings are read again before the message");
}

fn old_key() -> Key {
    Key { id: "AKIAROOT".to_owned(), created: now() - TimeDelta::days(400), used: None, active: true }
}

/// The suppressed finding was an earlier user's; the failure to set it to NEW does not suppress it again.
#[tokio::test(start_paused = true)]
async fn another_user_of_a_suppressed_name_is_reported_though_nothing_can_be_marked() {
    let user = |days| User { created: now() - TimeDelta::days(days), password: true, ..User::default() };
    let world = World::new(now(), Account { users: [(0, user(500))].into(), ..Account::default() }, 7);
    let day = async |faults| {
        world.state().now += TimeDelta::days(1);
        let time = world.state().now;
        let mails = world.results().len();
        let process = world.process(faults);
        run(&process.clients().await, &config(), &invocation(time, Duration::from_mins(5))).await.unwrap();
        world.results().split_off(mails).iter().map(|mail| mail["new"].as_u64().unwrap()).sum::<u64>()
    };
    assert_ne!(day(Vec::new()).await, 0);
    let id = format!("credwarden/console-user-mfa-disabled/{ACCOUNT}/user/user-0");
    world.state().hub.get_mut(&id).unwrap()["Workflow"]["Status"] = "SUPPRESSED".into();
    world.state().account.users.insert(0, user(100));
    let denied =
        || vec![Fault { operation: "BatchUpdateFindings", failure: Failure::Denied, after: 0, times: u16::MAX }];
    assert_ne!(day(denied()).await, 0);
    assert_ne!(day(denied()).await, 0, "it could not be marked as reported");
    assert_ne!(day(Vec::new()).await, 0);
    assert_eq!(day(Vec::new()).await, 0);
    assert_eq!(world.state().hub[&id]["Workflow"]["Status"], "NOTIFIED");
}
