//! Retries: which errors are retried, how often, and the kind of each error.

use std::cell::RefCell;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws::clients::Clients;
use aws::error::{CallError, Kind, chain};
use aws::retry::{Retry, with_retry};
use aws::tls::direct_http_client;
use aws_smithy_http_client::test_util::infallible_client_fn;
use aws_smithy_http_client::tls::TrustStore;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::SharedCredentialsProvider;
use checker::run::run;
use tokio::time::Instant;

use crate::account::{invocation, now};
use crate::clients::credentials;
use crate::world::{Account, Effect, Failure, Fault, World, config};

const OPERATION: &str = "GetAccountSummary";

/// Returns the error of one call to IAM with this client.
async fn failed(http: SharedHttpClient, endpoint: &str) -> CallError {
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials()))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .http_client(http)
        .build();
    let clients = Clients::new(&sdk);
    CallError::new(OPERATION, &clients.iam.get_account_summary().send().await.unwrap_err())
}

#[tokio::test]
async fn an_error_has_its_kind_and_its_message() {
    let error = |code: &str, message: &str| {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        )
    };
    let answers = [
        (400, error("Throttling", "Rate exceeded")),
        (403, error("AccessDenied", "not authorized")),
        (404, error("NoSuchEntity", "no such user")),
        (400, error("ValidationError", "not that")),
        (503, "<html></html>".to_owned()),
        (500, error("InternalFailure", "")),
        (200, "<html><body>maintenance</body></html>".to_owned()),
        (200, "{}".to_owned()),
    ];
    let mut lines = Vec::new();
    for (status, body) in answers {
        let http = infallible_client_fn(move |_| {
            http::Response::builder().status(status).body(SdkBody::from(body.as_str())).unwrap()
        });
        let error = failed(http, "https://iam.amazonaws.com").await;
        lines.push(format!("{status} {:?} {}: {}", error.kind, error.kind.may_pass(), chain(&error)));
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    400 Throttled true: GetAccountSummary failed: Throttling: Rate exceeded
    403 Denied false: GetAccountSummary failed: AccessDenied: not authorized
    404 NotFound false: GetAccountSummary failed: NoSuchEntity: no such user
    400 Refused false: GetAccountSummary failed: ValidationError: not that
    503 Unavailable true: GetAccountSummary failed: HTTP 503
    500 Unavailable true: GetAccountSummary failed: InternalFailure: HTTP 500
    200 Malformed true: GetAccountSummary failed: the answer cannot be read: error parsing XML: invalid root, expected GetAccountSummaryResponse got StartEl { name: Name { prefix: "", local: "html" }, attributes: [], closed: false, depth: 0 }
    200 Malformed true: GetAccountSummary failed: response error: the answer is cut: its root element is not closed
    "#);
}

#[tokio::test]
async fn an_unreachable_endpoint_differs_from_one_that_hangs_up() {
    let http = || direct_http_client(TrustStore::empty());
    let (closed, plain) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let refused = format!("http://127.0.0.1:{}", port(&closed));
    drop(closed);
    // It closes the connection: after a handshake, or after a request.
    let (tls, cut) = (format!("https://127.0.0.1:{}", port(&plain)), format!("http://127.0.0.1:{}", port(&plain)));
    std::thread::spawn(move || plain.incoming().for_each(drop));
    let mut kinds = Vec::new();
    for endpoint in [refused.as_str(), "http://nowhere.invalid", &tls, &cut] {
        kinds.push(failed(http(), endpoint).await.kind);
    }
    assert_eq!(kinds, [Kind::Unreachable, Kind::Unreachable, Kind::Unreachable, Kind::Interrupted]);
}

/// Returns the number of calls if they fail in these ways, and then always in the last one.
async fn calls(retry: Retry, kinds: &[Kind]) -> u32 {
    let count = RefCell::new(0_u32);
    let result = with_retry::<()>(OPERATION, retry, async || {
        let place = usize::try_from(*count.borrow()).unwrap().min(kinds.len() - 1);
        *count.borrow_mut() += 1;
        Err(CallError { kind: kinds[place], ..CallError::unexpected(OPERATION, "it failed") })
    });
    assert!(result.await.is_err());
    count.into_inner()
}

#[tokio::test(start_paused = true)]
async fn retries_are_limited_where_they_are_useless_or_ambiguous() {
    let minutes = || Retry::from(Instant::now() + Duration::from_mins(2));
    let retries = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&retries);
    let few = || {
        let counter = Arc::clone(&counter);
        let on_retry = move |_: &CallError| _ = counter.fetch_add(1, Ordering::Relaxed);
        Retry { unreachable: Some(3), on_retry: Some(Arc::new(on_retry)), ..minutes() }
    };
    assert_eq!(calls(few(), &[Kind::Denied]).await, 1);
    assert_eq!(retries.load(Ordering::Relaxed), 0);
    assert_eq!(calls(few(), &[Kind::Unreachable]).await, 3);
    assert_eq!(retries.load(Ordering::Relaxed), 2);
    assert!(calls(few(), &[Kind::Throttled]).await > 5, "that may pass");
    assert!(calls(minutes(), &[Kind::Unreachable]).await > 5, "so may that, within minutes");
    let once = || Retry { after_ambiguous: Some(2), ..minutes() };
    assert_eq!(calls(once(), &[Kind::Timeout]).await, 3);
    assert_eq!(calls(once(), &[Kind::Unavailable]).await, 3, "HTTP 500 can come after the message was published");
    assert_eq!(calls(once(), &[Kind::Throttled, Kind::Throttled, Kind::Interrupted, Kind::Throttled]).await, 5);
    assert!(calls(once(), &[Kind::Throttled]).await > 5, "SNS did not accept it");
}

/// SNS accepts the message, but its response is lost.
#[tokio::test(start_paused = true)]
async fn a_message_whose_response_is_lost_is_sent_three_times_at_the_most() {
    for failure in [Failure::Cut(Effect::Done), Failure::Garbage, Failure::Silent(Effect::Done)] {
        let world = World::new(now(), Account::default(), 7);
        world.state().account.root_mfa = false;
        let lost = Fault { operation: "Publish", failure, after: 0, times: u16::MAX };
        let clients = world.process(vec![lost]).clients().await;
        let error = run(&clients, &config(), &invocation(now(), Duration::from_mins(15))).await.unwrap_err();
        assert_eq!(error.step.name(), "Alert");
        let messages = world.state().messages.len();
        assert!((1..=3).contains(&messages), "{failure:?}: {messages} messages");
    }
}
