//! What is read of access keys beside their events: networks, last uses and the services that users called last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws::clients::Clients;
use aws::error::chain;
use aws::retry::Retry;
use aws::{last_accessed, last_used, networks};
use aws_smithy_http_client::test_util::infallible_client_fn;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::SharedCredentialsProvider;
use hygiene::source::{Source, Unavailable};
use hygiene::trace::{Accessed, Address, Gap, INTERFACES, Interface, Networks};
use tokio::time::Instant;

use crate::account::time;
use crate::clients::{credentials, xml_error};

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const REFUSED: (u16, &str) = (
    403,
    "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>No.</Message></Error></Errors></Response>",
);

/// A configuration for services that respond to a host and a body, and the bodies of all requests.
fn services(
    answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static,
) -> (SdkConfig, Arc<Mutex<Vec<String>>>) {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&bodies);
    let http = infallible_client_fn(move |request| {
        let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
        let (status, text) = answer(request.uri().host().unwrap(), &body);
        kept.lock().unwrap().push(body);
        http::Response::builder().status(status).body(SdkBody::from(text)).unwrap()
    });
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials()))
        .retry_config(RetryConfig::disabled())
        .http_client(http)
        .build();
    (sdk, bodies)
}

fn soon() -> Retry {
    Retry::from(Instant::now() + Duration::from_mins(1))
}

fn interfaces(id: &str, address: &str, next: &str) -> String {
    format!(
        "<DescribeNetworkInterfacesResponse><networkInterfaceSet><item><networkInterfaceId>{id}</networkInterfaceId><association>\
         <publicIp>{address}</publicIp></association></item></networkInterfaceSet>{next}</DescribeNetworkInterfacesResponse>"
    )
}

#[tokio::test(start_paused = true)]
async fn networks_are_read_in_every_region_with_all_pages() {
    let (sdk, bodies) = services(|host, body| {
        let text = match (host, body) {
            ("ec2.eu-west-2.amazonaws.com", body) if body.contains("DescribeNetworkInterfaces") => return (REFUSED.0, REFUSED.1.to_owned()),
            (_, body) if body.contains("DescribeAddresses") => {
                "<DescribeAddressesResponse><addressesSet><item><publicIp>192.0.2.9</publicIp></item></addressesSet></DescribeAddressesResponse>".to_owned()
            }
            (_, body) if body.contains("NextToken=two") => interfaces("eni-2", "192.0.2.2", ""),
            _ => interfaces("eni-1", "192.0.2.1", "<nextToken>two</nextToken>"),
        };
        (200, text)
    });
    let (read, gaps) = networks::read(&sdk, &["eu-west-1".to_owned(), "eu-west-2".to_owned()], &soon()).await;
    let mut expected = Networks::default();
    for (id, address) in [("eni-1", "192.0.2.1"), ("eni-2", "192.0.2.2")] {
        expected.add_interface(&Interface {
            id: id.to_owned(),
            region: Some("eu-west-1".to_owned()),
            public: vec![address.parse().unwrap()],
            ..Interface::default()
        });
    }
    let address = "192.0.2.9".parse().unwrap();
    expected.add_address(Address { address, owner: None, region: Some("eu-west-1".to_owned()), id: None });
    assert_eq!(read, expected);
    let reason = "DescribeNetworkInterfaces failed: UnauthorizedOperation: No.".to_owned();
    let gap = Gap { region: Some("eu-west-2".to_owned()), ..Gap::of(INTERFACES, &Unavailable::Unreadable(reason)) };
    assert_eq!(gaps, [gap]);
    assert!(bodies.lock().unwrap().iter().any(|body| body.contains("MaxResults=1000&IncludeManagedResources=true")));
}

#[tokio::test(start_paused = true)]
async fn the_same_page_of_interfaces_again_is_a_gap() {
    let (sdk, _) = services(|_, body| match body {
        body if body.contains("DescribeAddresses") => {
            (200, "<DescribeAddressesResponse><addressesSet/></DescribeAddressesResponse>".to_owned())
        }
        _ => (200, interfaces("eni-1", "192.0.2.1", "<nextToken>one</nextToken>")),
    });
    let (read, gaps) = networks::read(&sdk, &["eu-west-1".to_owned()], &soon()).await;
    assert_eq!((read, gaps.len()), (Networks::default(), 1));
    assert_eq!(gaps[0].reason, "DescribeNetworkInterfaces failed: AWS returned the same page again.");
}

fn answer(operation: &str, result: &str) -> String {
    format!("<{operation}Response><{operation}Result>{result}</{operation}Result></{operation}Response>")
}

#[tokio::test(start_paused = true)]
async fn the_user_of_a_key_is_found_or_there_is_none() {
    let used = "<UserName>alice</UserName><AccessKeyLastUsed><LastUsedDate>2026-11-19T06:00:00Z</LastUsedDate>\
        <ServiceName>ec2</ServiceName><Region>eu-central-1</Region></AccessKeyLastUsed>";
    let (sdk, _) = services(|_, _| (200, answer("GetAccessKeyLastUsed", used)));
    let iam = Clients::new(&sdk).iam;
    assert_eq!(last_used::owner_of(&iam, ID, &soon()).await.unwrap().as_deref(), Some("alice"));
    let last = last_used::of_keys(&iam, &[ID.to_owned()], &soon()).await.remove(ID).unwrap().unwrap().unwrap();
    assert_eq!((last.date, last.service.as_deref()), (time("2026-11-19T06:00:00Z"), Some("ec2")));

    let (sdk, _) = services(|_, _| (404, xml_error(404, "NoSuchEntity", "No.").1.unwrap()));
    assert_eq!(last_used::owner_of(&Clients::new(&sdk).iam, ID, &soon()).await.unwrap(), None);
    for (status, text, expected) in [
        (403, xml_error(403, "AccessDenied", "No.").1.unwrap(), "GetAccessKeyLastUsed failed: AccessDenied: No."),
        (200, answer("GetAccessKeyLastUsed", ""), "GetAccessKeyLastUsed failed: the answer has no key"),
    ] {
        let (sdk, _) = services(move |_, _| (status, text.clone()));
        let error = last_used::owner_of(&Clients::new(&sdk).iam, ID, &soon()).await.unwrap_err();
        assert_eq!(chain(&error), expected);
    }
}

const DETAILS: &str = "GetServiceLastAccessedDetails";

async fn accessed(get: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> (Source<Vec<Accessed>>, usize) {
    let (sdk, bodies) = services(move |_, body| match body {
        body if body.contains("GenerateServiceLastAccessedDetails") => {
            (200, answer("GenerateServiceLastAccessedDetails", "<JobId>job-1</JobId>"))
        }
        body => get(body),
    });
    let users = BTreeMap::from([("alice".to_owned(), "arn:aws:iam::123456789012:user/alice".to_owned())]);
    let read = last_accessed::of_users(&Clients::new(&sdk).iam, users, &soon()).await.remove("alice").unwrap();
    (read, bodies.lock().unwrap().len())
}

fn details(status: &str, more: &str) -> (u16, String) {
    let dates = "<JobCreationDate>2026-11-20T06:00:00Z</JobCreationDate><JobCompletionDate>2026-11-20T06:00:01Z</JobCompletionDate>";
    (200, answer(DETAILS, &format!("<JobStatus>{status}</JobStatus>{dates}{more}")))
}

fn services_of(namespace: &str, end: &str) -> String {
    format!(
        "<ServicesLastAccessed><member><ServiceName>A</ServiceName><ServiceNamespace>{namespace}</ServiceNamespace>\
         <LastAuthenticated>2026-11-19T06:00:00Z</LastAuthenticated></member></ServicesLastAccessed>{end}"
    )
}

#[tokio::test(start_paused = true)]
async fn services_are_read_when_the_job_is_completed() {
    let asked = Mutex::new(0);
    let (read, calls) = accessed(move |body| {
        *asked.lock().unwrap() += 1;
        match *asked.lock().unwrap() {
            1 | 2 => details("IN_PROGRESS", "<ServicesLastAccessed/>"),
            _ if body.contains("Marker=two") => {
                details("COMPLETED", &services_of("sqs", "<IsTruncated>false</IsTruncated>"))
            }
            _ => details("COMPLETED", &services_of("s3", "<IsTruncated>true</IsTruncated><Marker>two</Marker>")),
        }
    })
    .await;
    let names: Vec<_> = read.unwrap().into_iter().map(|accessed| accessed.service).collect();
    assert_eq!((names, calls), (vec!["s3".to_owned(), "sqs".to_owned()], 5));
}

#[tokio::test(start_paused = true)]
async fn services_that_may_not_be_read_were_not_asked_for() {
    let (read, _) = accessed(|_| (403, xml_error(403, "AccessDenied", "No.").1.unwrap())).await;
    assert_eq!(read, Err(Unavailable::NotAsked("GetServiceLastAccessedDetails failed: AccessDenied: No.".to_owned())));
    let error = "<Error><Code>LIMIT</Code><Message>No.</Message></Error>";
    let (read, _) = accessed(move |_| details("FAILED", error)).await;
    let failed = "GetServiceLastAccessedDetails failed: the job is FAILED: LIMIT: No.";
    assert_eq!(read, Err(Unavailable::Unreadable(failed.to_owned())));
    let (read, _) = accessed(|_| details("IN_PROGRESS", "")).await;
    let late = "GetServiceLastAccessedDetails failed: the list was not completed in time.";
    assert_eq!(read, Err(Unavailable::Unreadable(late.to_owned())));
}
