//! Writing: batches, refused findings, and marks.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws::asff::Asff;
use aws::hub::publish::{Batch, Finished, Imported, Publisher};
use aws::product::Product;
use hygiene::decision::{Decision, Mark, Record, Storing};
use hygiene::memory::{Stored, Workflow};
use hygiene::outcome::{Delivery, Outcome, Receipts};
use hygiene::uses::Uses;
use hygiene::verdict::{ReportedEvidence, Severity};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::account::{ROOT, decided, evaluated, time};
use crate::clients::security_hub;
use crate::recall::product;

fn items(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("credwarden/x/{number:04}")).collect()
}

fn finding<'a>(id: &'a String, _: &'a Product) -> Asff<'a> {
    Asff { id: Some(id.into()), ..Asff::default() }
}

async fn import(client: &aws_sdk_securityhub::Client, items: &[String]) -> Imported {
    let batch = Batch { items, id: |item| item };
    Publisher::new(client, product()).import(batch, finding, Instant::now() + Duration::from_mins(1)).await
}

fn ids(request: &Value) -> Vec<String> {
    request["Findings"].as_array().unwrap().iter().map(|finding| finding["Id"].as_str().unwrap().to_owned()).collect()
}

fn answer(failed: &[(&str, &str)]) -> Value {
    let failed: Vec<_> =
        failed.iter().map(|(id, code)| json!({"Id": id, "ErrorCode": code, "ErrorMessage": "said AWS"})).collect();
    json!({"SuccessCount": 0, "FailedCount": failed.len(), "FailedFindings": failed})
}

#[tokio::test(start_paused = true)]
async fn calls_are_limited_to_a_hundred_findings_and_to_ten_per_second() {
    let (client, bodies) = security_hub(|_, _| answer(&[]));
    let before = Instant::now();
    let imported = import(&client, &items(2001)).await;
    assert_eq!((imported.count, imported.refused.len()), (2001, 0));
    let sizes: Vec<usize> =
        bodies.lock().unwrap().iter().map(|body| ids(&serde_json::from_slice(body).unwrap()).len()).collect();
    assert_eq!(sizes.len(), 21);
    assert!(sizes.iter().all(|size| *size <= 100));
    assert!(Duration::from_secs(2) <= before.elapsed(), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn calls_are_limited_to_six_megabytes() {
    fn long<'a>(id: &'a String, _: &'a Product) -> Asff<'a> {
        Asff { id: Some(id.into()), description: "x".repeat(70_000).into(), ..Asff::default() }
    }
    let (client, bodies) = security_hub(|_, _| answer(&[]));
    let items = items(150);
    let batch = Batch { items: &items, id: |item| item };
    let imported =
        Publisher::new(&client, product()).import(batch, long, Instant::now() + Duration::from_mins(1)).await;
    assert_eq!((imported.count, imported.refused.len()), (150, 0));
    let bodies = bodies.lock().unwrap();
    assert!(bodies.iter().all(|body| body.len() <= 6 * 1024 * 1024));
    let mut sent: Vec<String> = bodies.iter().flat_map(|body| ids(&serde_json::from_slice(body).unwrap())).collect();
    sent.sort();
    assert_eq!(sent, items);
    assert_eq!(bodies.len(), 3, "a hundred are halved, fifty are not");
}

#[tokio::test(start_paused = true)]
async fn a_refused_finding_is_named_and_the_others_are_written() {
    let (client, bodies) = security_hub(|_, request| {
        let refused = ["credwarden/x/0001", "credwarden/x/0002"];
        let again = ids(request).len() == 1;
        if again { answer(&[]) } else { answer(&[(refused[0], "InvalidInput"), (refused[1], "InternalFailure")]) }
    });
    let imported = import(&client, &items(3)).await;
    assert_eq!(imported.count, 2);
    let failed: Vec<_> = imported.refused.into_iter().collect();
    assert_eq!(failed, [("credwarden/x/0001".to_owned(), "BatchImportFindings: InvalidInput: said AWS".to_owned())]);
    let bodies = bodies.lock().unwrap();
    assert_eq!(bodies.len(), 2, "findings that may succeed are retried");
    assert_eq!(ids(&serde_json::from_slice(&bodies[1]).unwrap()), ["credwarden/x/0002"]);
}

/// Imports three findings; `answers` gives the response to each call by its number, from 1. Returns the refused findings with the
/// reason, the findings of each call by their last digits, and the duration.
async fn three(answers: fn(usize) -> Value) -> (Vec<(String, String)>, Vec<String>, Duration) {
    let calls = AtomicUsize::new(0);
    let (client, bodies) = security_hub(move |_, _| answers(calls.fetch_add(1, Ordering::SeqCst) + 1));
    let before = Instant::now();
    let imported = import(&client, &items(3)).await;
    assert_eq!(imported.count + imported.refused.len(), 3);
    let last = |id: &String| id.chars().last().unwrap();
    let sent = |body: &Vec<u8>| ids(&serde_json::from_slice(body).unwrap()).iter().map(last).collect();
    let sent = bodies.lock().unwrap().iter().map(sent).collect();
    (imported.refused.into_iter().map(|(id, reason)| (last(&id).to_string(), reason)).collect(), sent, before.elapsed())
}

#[tokio::test(start_paused = true)]
async fn imports_that_may_succeed_are_retried_until_the_deadline() {
    let codes = ["ConcurrentUpdateError", "InternalFailure", "ThrottlingException", "TooManyRequests", "Unheard", ""];
    for code in codes {
        let calls = AtomicUsize::new(0);
        let (client, bodies) = security_hub(move |_, _| {
            let busy = calls.fetch_add(1, Ordering::SeqCst) < 4;
            if busy { answer(&[("credwarden/x/0001", code)]) } else { answer(&[]) }
        });
        let imported = import(&client, &items(3)).await;
        assert_eq!((imported.count, bodies.lock().unwrap().len()), (3, 5), "{code}");
    }
    for code in ["InvalidInput", "InvalidAccessException", "InvalidParameter", "AccessDenied", "ValidationException"] {
        let (client, bodies) = security_hub(move |_, _| answer(&[("credwarden/x/0000", code)]));
        let imported = import(&client, &items(3)).await;
        let refused = ("credwarden/x/0000".to_owned(), format!("BatchImportFindings: {code}: said AWS"));
        assert_eq!((imported.refused, bodies.lock().unwrap().len()), ([refused].into(), 1));
    }
    let busy = |call| match call {
        1 => answer(&[("credwarden/x/0001", "InternalFailure"), ("credwarden/x/0002", "InvalidInput")]),
        _ => answer(&[("credwarden/x/0001", "InternalFailure")]),
    };
    let (refused, sent, took) = three(busy).await;
    let reasons = [("1", "InternalFailure"), ("2", "InvalidInput")];
    let reasons = reasons.map(|(id, code)| (id.to_owned(), format!("BatchImportFindings: {code}: said AWS")));
    assert_eq!(refused, reasons);
    assert_eq!((sent[0].as_str(), sent[1].as_str()), ("012", "1"));
    assert!((5..15).contains(&sent.len()), "the waits grow: {sent:?}");
    assert!((Duration::from_secs(45)..=Duration::from_mins(1)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unnamed_refusal_may_be_any_finding_of_its_call() {
    let unnamed = |_| json!({"SuccessCount": 2, "FailedCount": 1, "FailedFindings": []});
    let reason = "BatchImportFindings: 1 of the findings was refused, and it is not said which";
    let (refused, sent, _) = three(unnamed).await;
    assert_eq!(refused, ["0", "1", "2"].map(|id| (id.to_owned(), reason.to_owned())));
    assert!(sent.iter().all(|sent| sent == "012"), "{sent:?}");

    let short = |call| {
        if call > 1 {
            return json!({"FailedCount": 1});
        }
        let mut short = answer(&[("credwarden/x/0001", "InvalidInput")]);
        short["FailedCount"] = 2.into();
        short
    };
    let (refused, sent, _) = three(short).await;
    assert_eq!(refused[0], ("0".to_owned(), reason.to_owned()));
    assert_eq!(refused[1], ("1".to_owned(), "BatchImportFindings: InvalidInput: said AWS".to_owned()));
    assert_eq!(refused[2], ("2".to_owned(), reason.to_owned()));
    assert_eq!((sent[0].as_str(), sent[1].as_str()), ("012", "02"));

    let odd = |_| answer(&[("another", "InvalidInput")]);
    let (refused, sent, _) = three(odd).await;
    assert_eq!((refused.len(), sent.len()), (3, 1));

    let (refused, sent, _) = three(|call| if call == 1 { json!({"FailedCount": 1}) } else { answer(&[]) }).await;
    assert_eq!((refused, sent), (Vec::new(), vec!["012".to_owned(); 2]), "accepted by the second call");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_does_not_stop_the_others() {
    let denied = || {
        let body = json!({"Message": "User: x is not authorized to perform: securityhub:BatchImportFindings"});
        http::Response::builder()
            .status(403)
            .header("x-amzn-errortype", "AccessDeniedException")
            .body(aws_smithy_types::body::SdkBody::from(body.to_string()))
            .unwrap()
    };
    let http = aws_smithy_http_client::test_util::infallible_client_fn(move |request| {
        let json: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        if ids(&json).contains(&"credwarden/x/0150".to_owned()) {
            return denied();
        }
        http::Response::builder()
            .status(200)
            .body(aws_smithy_types::body::SdkBody::from(answer(&[]).to_string()))
            .unwrap()
    });
    let config = crate::clients::configured!(aws_sdk_securityhub).http_client(http).build();
    let imported = import(&aws_sdk_securityhub::Client::from_conf(config), &items(300)).await;
    assert_eq!((imported.count, imported.refused.len()), (200, 100));
    assert_eq!(
        imported.refused["credwarden/x/0199"],
        "BatchImportFindings failed: AccessDeniedException: User: x is not authorized to perform: \
         securityhub:BatchImportFindings"
    );
}

#[tokio::test(start_paused = true)]
async fn marks_that_may_succeed_are_retried_until_the_deadline() {
    let (client, bodies) = security_hub(|path, request| {
        assert_eq!(path, "/findings/batchupdate");
        assert_eq!(request["Workflow"], json!({"Status": "NOTIFIED"}));
        let unprocessed = |id: &str, code: &str| {
            let identifier = json!({"Id": id, "ProductArn": product().arn()});
            json!({"FindingIdentifier": identifier, "ErrorCode": code, "ErrorMessage": "said AWS"})
        };
        let refused = match request["FindingIdentifiers"].as_array().unwrap().len() {
            3 => vec![unprocessed("b", "FindingNotFound"), unprocessed("c", "InvalidInput")],
            1 => vec![unprocessed("b", "FindingNotFound")],
            other => panic!("{other}"),
        };
        json!({"ProcessedFindings": [], "UnprocessedFindings": refused})
    });
    let before = Instant::now();
    let until = before + Duration::from_secs(30);
    let unmarked = Publisher::new(&client, product()).mark(&["a", "b", "c"], "NOTIFIED", None, until).await;
    let unmarked: Vec<_> = unmarked.into_iter().collect();
    assert_eq!(
        unmarked,
        [
            ("b".to_owned(), "FindingNotFound: said AWS".to_owned()),
            ("c".to_owned(), "InvalidInput: said AWS".to_owned())
        ]
    );
    assert!(before.elapsed() <= Duration::from_secs(30));
    assert!((4..10).contains(&bodies.lock().unwrap().len()), "the waits grow");
}

#[tokio::test(start_paused = true)]
async fn an_unprocessed_mark_without_identity_may_be_any_finding_of_its_call() {
    for odd in [json!({}), json!({"FindingIdentifier": {}}), json!({"FindingIdentifier": {"Id": "another"}})] {
        let (client, bodies) = security_hub(move |_, request| {
            let ids = request["FindingIdentifiers"].as_array().unwrap();
            if ids.len() < 100 {
                return json!({"ProcessedFindings": ids, "UnprocessedFindings": []});
            }
            let mut unnamed = odd.clone();
            unnamed["ErrorCode"] = "InvalidInput".into();
            unnamed["ErrorMessage"] = "said AWS".into();
            let named = json!({"FindingIdentifier": ids[7], "ErrorCode": "FindingNotFound", "ErrorMessage": "not yet"});
            json!({"ProcessedFindings": [], "UnprocessedFindings": [unnamed, named]})
        });
        let ids = items(150);
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let until = Instant::now() + Duration::from_secs(30);
        let unmarked = Publisher::new(&client, product()).mark(&ids, "NOTIFIED", None, until).await;
        let expected: Vec<&str> = (0..100).filter(|place| *place != 7).map(|place| ids[place]).collect();
        assert_eq!(unmarked.keys().collect::<Vec<_>>(), expected, "the one that is named is marked in the second try");
        assert!(unmarked.values().all(|reason| reason == "InvalidInput: said AWS"), "{unmarked:?}");
        assert_eq!(bodies.lock().unwrap().len(), 3);
    }
}

const ROOT_USE: &str = "credwarden/root-user-recently-used/123456789012/root";
const BEFORE: &str = "2026-11-01T06:00:00Z";

/// The evidence of a use that an earlier version stored.
fn used(at: &str) -> ReportedEvidence {
    ReportedEvidence { uses: Uses { of_any: Some(time(at)), ..Uses::default() }, ..ReportedEvidence::default() }
}

/// A decision on a root user whose latest use was not reported; the use before is stored.
fn with_new_evidence(workflow: Workflow) -> Decision {
    let known = Stored {
        id: ROOT_USE.to_owned(),
        check: "root-user-recently-used".to_owned(),
        title: String::new(),
        active: true,
        workflow,
        severity: Severity::High,
        created_at: time(BEFORE),
        first_observed_at: None,
        updated_at: Some(time(BEFORE)),
        arn: None,
        access_key_id: None,
        reported: used(BEFORE),
        closed_unchecked: false,
        user_created_at: None,
        generated_at: None,
        evidence: Vec::new(),
    };
    let decision = decided(evaluated(&[ROOT]), &[(ROOT_USE.to_owned(), known)].into());
    Decision { closings: Vec::new(), ..decision }
}

/// Returns root's last use in each call: the stored one, the new one, or a workflow status.
fn root_use_in(bodies: &Mutex<Vec<Vec<u8>>>) -> Vec<String> {
    let calls = bodies.lock().unwrap();
    let calls = calls.iter().map(|body| serde_json::from_slice::<Value>(body).unwrap());
    let of_root_use = |call: Value| {
        if let Some(status) = call["Workflow"]["Status"].as_str() {
            let ids = call["FindingIdentifiers"].as_array().unwrap();
            return ids.iter().any(|id| id["Id"] == ROOT_USE).then(|| status.to_owned());
        }
        let finding = call["Findings"].as_array()?.iter().find(|finding| finding["Id"] == ROOT_USE)?.clone();
        let used = finding["ProductFields"]["credwarden/root-last-used"].as_str().unwrap().to_owned();
        Some(format!("{used} at {}", finding["UpdatedAt"].as_str().unwrap()))
    };
    calls.filter_map(of_root_use).collect()
}

/// Publishes and finishes, with these unprocessed marks; returns root's last use in the calls before the alert, and after.
async fn published(decision: &Decision, unprocessed: fn(&Value) -> Value) -> (Receipts, Vec<String>, Vec<String>) {
    let (client, bodies) = security_hub(move |path, request| match path {
        "/findings/import" => answer(&[]),
        "/findings" => json!({"Findings": []}),
        _ => {
            let unprocessed = unprocessed(&request["FindingIdentifiers"]);
            json!({"ProcessedFindings": [], "UnprocessedFindings": unprocessed})
        }
    });
    let publisher = Publisher::of(&client, decision).unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    let receipts = publisher.publish(decision, until, until, until).await;
    let before = root_use_in(&bodies);
    bodies.lock().unwrap().clear();
    let outcome = Outcome { decision: decision.clone(), receipts };
    publisher.finish(&outcome, Delivery::Sent, until, until).await;
    (outcome.receipts, before, root_use_in(&bodies))
}

fn none(_: &Value) -> Value {
    json!([])
}

const NEW: &str = "2026-11-19T06:00:00Z at 2026-11-20T06:00:00.000Z";
const OLD: &str = "2026-11-01T06:00:00Z at 2026-11-20T06:00:00.000Z";

#[tokio::test(start_paused = true)]
async fn new_evidence_is_stored_once_the_finding_is_marked_new() {
    let (receipts, before, after) = published(&with_new_evidence(Workflow::Notified), none).await;
    assert_eq!((before, after), (vec!["NEW".to_owned(), NEW.to_owned()], vec!["NOTIFIED".to_owned()]));
    assert!(receipts.unmarked.is_empty());
}

#[tokio::test(start_paused = true)]
async fn stored_evidence_is_kept_if_the_finding_cannot_be_marked_new() {
    let each = |ids: &Value| {
        let refused = |id| json!({"FindingIdentifier": id, "ErrorCode": "InvalidInput", "ErrorMessage": "said AWS"});
        ids.as_array().unwrap().iter().map(refused).collect()
    };
    let one = |_: &Value| json!([{"ErrorCode": "InvalidInput", "ErrorMessage": "said AWS"}]);
    for unprocessed in [each, one] {
        let (receipts, before, after) = published(&with_new_evidence(Workflow::Notified), unprocessed).await;
        let left = (vec!["NEW".to_owned(), OLD.to_owned()], Vec::new());
        assert_eq!((before, after), left, "the next run reports it again");
        assert_eq!(receipts.unmarked, [ROOT_USE.to_owned()].into());
    }
}

#[tokio::test(start_paused = true)]
async fn evidence_that_is_held_back_is_stored_after_the_message() {
    let mut decision = with_new_evidence(Workflow::Suppressed);
    let failing = decision.failing.iter_mut().find(|failing| failing.id == ROOT_USE).unwrap();
    failing.storing = Storing::WhenSent(Record {
        severity: Severity::High,
        evidence: used(BEFORE),
        generated_at: None,
        user_created_at: None,
        access_key_id: None,
    });
    let (_, before, after) = published(&decision, none).await;
    let later = NEW.replace("00.000Z", "00.001Z");
    assert_eq!((before, after), (vec![OLD.to_owned()], vec![later]), "an update that is not later is ignored");
}

#[tokio::test(start_paused = true)]
async fn after_an_alert_that_failed_nothing_is_marked_stored_or_closed() {
    let (client, bodies) = security_hub(|_, _| answer(&[]));
    let mut decision = with_new_evidence(Workflow::Notified);
    decision.failing[0].storing = Storing::WhenSent(decision.failing[0].record.clone());
    let publisher = Publisher::of(&client, &decision).unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    let outcome = Outcome { decision, receipts: Receipts::default() };
    assert_eq!(publisher.finish(&outcome, Delivery::Failed, until, until).await, Finished::default());
    assert_eq!(bodies.lock().unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_note_is_written_with_its_mark() {
    let (client, bodies) = security_hub(
        |_, request| json!({"ProcessedFindings": request["FindingIdentifiers"], "UnprocessedFindings": []}),
    );
    let mark = |id: &str, note: Option<&str>| Mark {
        id: id.to_owned(),
        status: Workflow::Suppressed,
        note: note.map(str::to_owned),
    };
    let decision = Decision {
        failing: Vec::new(),
        marks_when_sent: Vec::new(),
        marks: vec![mark("a", Some("until June")), mark("b", None), mark("c", Some("until June"))],
        ..with_new_evidence(Workflow::Notified)
    };
    let until = Instant::now() + Duration::from_mins(1);
    Publisher::of(&client, &decision).unwrap().publish(&decision, until, until, until).await;
    let calls = bodies.lock().unwrap();
    let calls = calls.iter().map(|body| serde_json::from_slice::<Value>(body).unwrap());
    let calls = calls.map(|call| {
        let ids = call["FindingIdentifiers"].as_array().unwrap();
        let ids = ids.iter().map(|id| id["Id"].as_str().unwrap()).collect::<Vec<_>>().join(" ");
        format!("{} {ids} {}", call["Workflow"]["Status"], call["Note"])
    });
    let calls: Vec<_> = calls.collect();
    assert_eq!(calls, ["\"SUPPRESSED\" b null", r#""SUPPRESSED" a c {"Text":"until June","UpdatedBy":"credwarden"}"#]);
}
