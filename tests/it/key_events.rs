//! Events of access keys: how long their look-ups take, which events of a busy key are read, and what is missing after errors. In
//! paused time, with a CloudTrail that takes its time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws::key_events::{KeyEvents, look_up};
use aws::retry::Retry;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::SharedCredentialsProvider;
use chrono::{DateTime, TimeDelta, Utc};
use hygiene::time::to_seconds;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::account::now;
use crate::clients::credentials;

/// Responds to a request in a Region with a status and a body, after a time; `None`: never.
type Answer = dyn Fn(&str, &Value) -> Option<(u16, Value)> + Send + Sync;

/// The number of calls by Region.
type Calls = Arc<Mutex<BTreeMap<String, usize>>>;

struct CloudTrail {
    latency: Duration,
    answer: Box<Answer>,
    calls: Calls,
}

impl fmt::Debug for CloudTrail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CloudTrail")
    }
}

impl HttpConnector for CloudTrail {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let region = request.uri().split('.').nth(1).unwrap().to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        *self.calls.lock().unwrap().entry(region.clone()).or_default() += 1;
        let (answer, latency) = ((self.answer)(&region, &body), self.latency);
        HttpConnectorFuture::new(async move {
            let Some((status, body)) = answer else { return std::future::pending().await };
            tokio::time::sleep(latency).await;
            let response = http::Response::builder().status(status).body(SdkBody::from(body.to_string())).unwrap();
            Ok(response.try_into().unwrap())
        })
    }
}

/// What was found, the calls by Region, and how long it took.
struct Done {
    found: KeyEvents,
    calls: BTreeMap<String, usize>,
    seconds: u64,
    finished: usize,
}

async fn traced(
    (keys, regions): (usize, usize),
    latency: Duration,
    answer: impl Fn(&str, &Value) -> Option<(u16, Value)> + Send + Sync + 'static,
) -> Done {
    let calls = Calls::default();
    let trail = CloudTrail { latency, answer: Box::new(answer), calls: Arc::clone(&calls) };
    let connector = SharedHttpConnector::new(trail);
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials()))
        .retry_config(RetryConfig::disabled())
        // It reads the real clock.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build();
    let ids: Vec<String> = (0..keys).map(id).collect();
    let regions: Vec<String> = (1..=regions).map(region).collect();
    let before = Instant::now();
    let done = std::cell::Cell::new(0);
    let on_done = |_| done.set(done.get() + 1);
    let retry = Retry::from(before + Duration::from_mins(10));
    let found = look_up(&sdk, &ids, &regions, now(), 90, &retry, &on_done).await;
    let calls = calls.lock().unwrap().clone();
    Done { found, calls, seconds: before.elapsed().as_secs(), finished: done.get() }
}

fn id(key: usize) -> String {
    format!("AKIA{key:04}")
}

fn region(number: usize) -> String {
    format!("xx-west-{number}")
}

#[expect(clippy::unnecessary_wraps, reason = "an answer of `traced`")]
fn page(events: &[Value], next: Option<&str>) -> Option<(u16, Value)> {
    Some((200, json!({"Events": events, "NextToken": next})))
}

#[expect(clippy::unnecessary_wraps, reason = "an answer of `traced`")]
fn refused(code: &str) -> Option<(u16, Value)> {
    Some((400, json!({"__type": code, "message": "No."})))
}

fn key_of(request: &Value) -> String {
    request["LookupAttributes"][0]["AttributeValue"].as_str().unwrap().to_owned()
}

fn time(request: &Value, name: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(request[name].as_i64()?, 0)
}

/// An event of the history.
fn event(time: DateTime<Utc>, address: &str) -> Value {
    let record =
        json!({"eventID": format!("{time} {address}"), "eventTime": to_seconds(time), "sourceIPAddress": address});
    json!({"EventId": "e", "CloudTrailEvent": record.to_string()})
}

fn reasons(found: &KeyEvents) -> BTreeSet<&str> {
    found.gaps.iter().map(|(_, gap)| gap.reason.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_keys_in_all_regions_take_as_long_as_the_rate_allows() {
    for latency in [200, 4_000] {
        let done = traced((100, 17), Duration::from_millis(latency), |_, _| page(&[], None)).await;
        assert!((49..=54).contains(&done.seconds), "{} seconds at {latency} ms", done.seconds);
        assert_eq!(done.calls.values().copied().collect::<Vec<_>>(), [100; 17]);
        assert_eq!((done.found, done.finished), (KeyEvents::default(), 1_700));
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_take_half_a_minute_are_nearly_as_fast() {
    let done = traced((300, 1), Duration::from_secs(35), |_, _| page(&[], None)).await;
    assert!(done.seconds < 230, "{} seconds", done.seconds);
}

#[tokio::test(start_paused = true)]
async fn after_a_throttle_the_rate_is_halved_in_that_region() {
    let first = Mutex::new(true);
    let done = traced((20, 2), Duration::from_millis(200), move |region, _| {
        let is_first = region == "xx-west-1" && std::mem::take(&mut *first.lock().unwrap());
        if is_first { refused("ThrottlingException") } else { page(&[], None) }
    })
    .await;
    assert!((19..=22).contains(&done.seconds), "{} seconds", done.seconds);
    assert_eq!(done.calls.values().copied().collect::<Vec<_>>(), [21, 20]);
    assert_eq!(done.found.throttled, [region(1)].into());
    assert_eq!(done.found.gaps, []);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_denies_is_asked_once() {
    for code in ["AccessDeniedException", "OptInRequired"] {
        let done = traced((100, 2), Duration::from_millis(200), move |region, _| match region {
            "xx-west-1" => {
                Some((if code == "OptInRequired" { 403 } else { 400 }, json!({"__type": code, "message": "No."})))
            }
            _ => page(&[event(now(), "192.0.2.1")], None),
        })
        .await;
        assert_eq!(done.calls[&region(1)], 1, "{code}");
        assert_eq!((done.found.events.len(), done.found.gaps.len(), done.finished), (100, 100, 200));
        assert_eq!(reasons(&done.found), [&*format!("LookupEvents failed: {code}: No.")].into());
        assert!(done.found.gaps.iter().all(|(_, gap)| gap.is_failure && gap.region == Some(region(1))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_that_never_answers_does_not_take_all_the_time() {
    let done = traced((100, 2), Duration::from_secs(4), |region, _| match region {
        "xx-west-1" => None,
        _ => page(&[event(now(), "192.0.2.1")], None),
    })
    .await;
    assert!(done.seconds < 250, "{} seconds", done.seconds);
    assert_eq!((done.found.events.len(), done.found.gaps.len()), (100, 100));
}

#[tokio::test(start_paused = true)]
async fn a_region_that_always_throttles_is_tried_until_the_deadline() {
    let done = traced((3, 1), Duration::from_millis(200), |_, _| refused("ThrottlingException")).await;
    assert!((580..=601).contains(&done.seconds), "{} seconds", done.seconds);
    assert_eq!(done.found.gaps.len(), 3);
    assert!(reasons(&done.found).iter().all(|reason| reason.starts_with("The time for looking up events was over")));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_not_json_hides_no_other() {
    let done = traced((2, 1), Duration::from_millis(200), |_, request| {
        let broken = json!({"EventId": "e", "CloudTrailEvent": "{"});
        let events = [event(now(), "192.0.2.1"), broken.clone(), broken];
        page(if key_of(request) == id(0) { &events } else { &events[..1] }, None)
    })
    .await;
    assert_eq!(done.found.events.len(), 2);
    let [(key, gap)] = &done.found.gaps[..] else { panic!("{:?}", done.found.gaps) };
    assert_eq!((key, gap.is_failure), (&id(0), true));
    assert!(gap.reason.contains("the record of an event is not JSON"), "{}", gap.reason);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_list_or_the_same_page_again_is_a_gap_of_that_key() {
    let done = traced((3, 1), Duration::from_millis(200), |_, request| match &*key_of(request) {
        "AKIA0000" => Some((200, json!({}))),
        "AKIA0001" => page(&[], Some("again")),
        _ => page(&[event(now(), "192.0.2.1")], None),
    })
    .await;
    assert_eq!(done.found.events.len(), 1);
    let gaps: Vec<&str> = done.found.gaps.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(gaps, ["AKIA0000", "AKIA0001"]);
}

/// A history of which a key has the events, newest first.
fn history(events: Vec<(DateTime<Utc>, &'static str)>) -> impl Fn(&str, &Value) -> Option<(u16, Value)> {
    move |_, request| {
        let (start, end) = (time(request, "StartTime").unwrap(), time(request, "EndTime").unwrap_or(now()));
        let skipped = request["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let mut wanted = events.iter().filter(|(time, _)| (start..=end).contains(time)).skip(skipped);
        let found: Vec<Value> = wanted.by_ref().take(50).map(|(time, address)| event(*time, address)).collect();
        let next = wanted.next().map(|_| (skipped + 50).to_string());
        page(&found, next.as_deref())
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_place_beside_a_busy_one_is_found() {
    // At 03:00 every day, beside 10,000 events at any time.
    let mut events: Vec<_> = (0..10_000).map(|event| (now() - TimeDelta::seconds(777 * event), "192.0.2.1")).collect();
    let at_three = now().date_naive().and_hms_opt(3, 0, 0).unwrap().and_utc();
    events.extend((0..89).map(|day| (at_three - TimeDelta::days(day), "203.0.113.9")));
    events.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
    let done = traced((1, 1), Duration::from_millis(200), history(events)).await;
    let addresses: BTreeSet<_> = done.found.events.iter().filter_map(|(_, event)| event.address.as_deref()).collect();
    assert_eq!(addresses, ["192.0.2.1", "203.0.113.9"].into());
    assert_eq!(done.found.sampled, [id(0)].into());
    assert_eq!(done.found.gaps, []);
    assert!(done.calls[&region(1)] <= 92, "{:?}", done.calls);
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_events_are_all_read_is_not_asked_for_each_day() {
    let events = (0..140).map(|event| (now() - TimeDelta::minutes(event), "192.0.2.1")).collect();
    let done = traced((1, 1), Duration::from_millis(200), history(events)).await;
    assert_eq!(done.found.sampled, [id(0)].into());
    assert!(done.calls[&region(1)] < 5 && done.seconds < 5, "{:?}, {} seconds", done.calls, done.seconds);
    let events = (0..100).map(|event| (now() - TimeDelta::minutes(event), "192.0.2.1")).collect();
    let done = traced((1, 1), Duration::from_millis(200), history(events)).await;
    assert_eq!((done.found.events.len(), done.found.sampled.len(), done.calls[&region(1)]), (100, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn many_busy_keys_are_sampled_until_the_time_is_over() {
    let done = traced((50, 2), Duration::from_secs(4), |_, request| {
        let until = time(request, "EndTime").unwrap_or(now());
        let token = request["NextToken"].as_str().map_or("1".to_owned(), |token| format!("{token}1"));
        page(&vec![event(until, "192.0.2.1"); 50], Some(&token))
    })
    .await;
    assert!(done.seconds < 600, "{} seconds", done.seconds);
    assert_eq!(done.calls.values().copied().collect::<Vec<_>>(), [700, 700]);
    assert_eq!((done.found.sampled.len(), done.found.gaps.len(), done.finished), (50, 100, 100));
    assert_eq!(reasons(&done.found), ["The time for looking up events was over."].into());
}
