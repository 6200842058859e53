//! Writing: batches, what comes back refused, and marks.

use std::time::Duration;

use checker::asff::Asff;
use checker::product::Product;
use checker::publish::{Batch, Imported, Publisher};
use serde_json::{Value, json};
use tokio::time::Instant;

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
async fn a_call_has_a_hundred_findings_at_the_most_and_a_second_ten_calls() {
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
async fn a_call_has_six_megabytes_at_the_most() {
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
    assert_eq!(bodies.len(), 2, "what may succeed is tried once more");
    assert_eq!(ids(&serde_json::from_slice(&bodies[1]).unwrap()), ["credwarden/x/0002"]);
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
async fn marks_that_may_succeed_are_tried_again_until_the_time_is_up() {
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
