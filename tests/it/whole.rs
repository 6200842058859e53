//! Truncated responses, as when a connection ends without an error: without a content length the SDK does not detect it.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws::clients::Clients;
use aws::error::{CallError, chain};
use aws::{organization, regions, ssh_keys, trail};
use aws_sdk_iam::types::AssignmentStatusType;
use aws_smithy_http_client::test_util::infallible_client_fn;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::SharedCredentialsProvider;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use checker::clients::Configurations;
use tokio::time::Instant;

use crate::account::{ROOT, csv, now};
use crate::clients::credentials;

/// The function's clients, and the response to all their calls.
struct Wire {
    sdk: SdkConfig,
    clients: Clients,
    answer: Arc<Mutex<String>>,
}

impl Wire {
    fn new() -> Self {
        let answer = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&answer);
        let http = infallible_client_fn(move |_| {
            http::Response::builder().status(200).body(SdkBody::from(shared.lock().unwrap().as_str())).unwrap()
        });
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials()))
            .retry_config(RetryConfig::disabled())
            .http_client(http)
            .build();
        Self { clients: Clients::new(&sdk), sdk, answer }
    }

    fn serve(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().unwrap());
    }
}

fn answer(operation: &str, result: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<{operation}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\
         <{operation}Result>{result}</{operation}Result><ResponseMetadata><RequestId>7a62c49f</RequestId>\
         </ResponseMetadata></{operation}Response>\n"
    )
}

/// Truncates the response before every byte; then it is served completely.
async fn assert_every_cut_is_refused<T: Debug + PartialEq>(
    (operation, result): (&str, &str),
    call: impl AsyncFn(&Clients) -> Result<T, CallError>,
) -> T {
    let (wire, answer) = (Wire::new(), &answer(operation, result));
    wire.serve(answer);
    let whole = call(&wire.clients).await.unwrap();
    for cut in 0..answer.trim_end().len() {
        wire.serve(&answer[..cut]);
        let error = call(&wire.clients).await.map(|read| format!("{cut} bytes are read as {read:?}")).unwrap_err();
        assert!(error.kind.may_pass(), "{cut}: {error:?}");
        let words = chain(&error);
        assert!(words.ends_with("the answer is cut: its root element is not closed"), "{cut}: {words}");
        wire.serve(answer);
        assert_eq!(call(&wire.clients).await.unwrap(), whole);
    }
    whole
}

#[tokio::test]
async fn a_list_of_devices_without_its_end_is_refused() {
    let device = |name: &str| {
        format!(
            "<member><SerialNumber>arn:aws:iam::123456789012:mfa/{name}</SerialNumber><User><UserId>1</UserId>\
             <Arn>arn:aws:iam::123456789012:user/{name}</Arn><CreateDate>2019-01-02T03:04:05Z</CreateDate></User>\
             </member>"
        )
    };
    let devices = ["alice", "bob", "carol"].map(device).concat();
    let list = format!("<VirtualMFADevices>{devices}</VirtualMFADevices><IsTruncated>false</IsTruncated>");
    let owners = assert_every_cut_is_refused(("ListVirtualMFADevices", &list), async |clients| {
        let request = clients.iam.list_virtual_mfa_devices().assignment_status(AssignmentStatusType::Assigned);
        let page = request.send().await.map_err(|error| CallError::new("ListVirtualMFADevices", &error))?;
        Ok(page.virtual_mfa_devices().iter().map(|device| device.user().unwrap().arn().to_owned()).collect::<Vec<_>>())
    });
    assert_eq!(owners.await.len(), 3);
}

#[tokio::test]
async fn a_list_of_credentials_without_its_end_is_refused() {
    let credential = |id: &str| {
        format!(
            "<member><UserName>alice</UserName><Status>Active</Status><ServiceUserName>alice-at-1</ServiceUserName>\
             <CreateDate>2026-11-13T06:00:00Z</CreateDate><ServiceSpecificCredentialId>{id}\
             </ServiceSpecificCredentialId><ServiceName>bedrock.amazonaws.com</ServiceName></member>"
        )
    };
    let members = ["ACCA1", "ACCA2"].map(credential).concat();
    let list = format!("<ServiceSpecificCredentials>{members}</ServiceSpecificCredentials>");
    let read = assert_every_cut_is_refused(("ListServiceSpecificCredentials", &list), async |clients| {
        let sent = clients.iam.list_service_specific_credentials().all_users(true).send().await;
        let page = sent.map_err(|error| CallError::new("ListServiceSpecificCredentials", &error))?;
        Ok(page.service_specific_credentials().to_vec())
    });
    assert_eq!(read.await.len(), 2);
}

#[tokio::test]
async fn a_report_without_its_end_is_refused() {
    let content = STANDARD.encode(csv(&[ROOT]));
    let result = format!(
        "<Content>{content}</Content><ReportFormat>text/csv</ReportFormat><GeneratedTime>2026-11-20T05:59:00Z\
         </GeneratedTime>"
    );
    let read = assert_every_cut_is_refused(("GetCredentialReport", &result), async |clients| {
        let sent = clients.iam.get_credential_report().send().await;
        Ok(sent.map_err(|error| CallError::new("GetCredentialReport", &error))?.content)
    });
    assert_eq!(read.await.unwrap().as_ref(), csv(&[ROOT]).as_bytes());
}

#[tokio::test]
async fn a_summary_without_its_end_is_refused() {
    let entries = "<SummaryMap><entry><key>AccountMFAEnabled</key><value>1</value></entry>\
        <entry><key>AccountAccessKeysPresent</key><value>10</value></entry></SummaryMap>";
    let read = assert_every_cut_is_refused(("GetAccountSummary", entries), async |clients| {
        let sent = clients.iam.get_account_summary().send().await;
        Ok(sent.map_err(|error| CallError::new("GetAccountSummary", &error))?.summary_map)
    });
    assert_eq!(read.await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_caller_without_its_end_is_refused() {
    let result = "<Arn>arn:aws:sts::123456789012:assumed-role/checker/run</Arn><UserId>AROA:run</UserId>\
        <Account>123456789012</Account>";
    let read = assert_every_cut_is_refused(("GetCallerIdentity", result), async |clients| {
        let sent = clients.sts.get_caller_identity().send().await;
        let identity = sent.map_err(|error| CallError::new("GetCallerIdentity", &error))?;
        Ok((identity.account, identity.arn))
    });
    assert_eq!(read.await.0.as_deref(), Some("123456789012"));
}

/// What readiness reads: cut anywhere, or with no more than an empty answer, it is missing and never empty.
#[tokio::test(start_paused = true)]
async fn a_source_of_readiness_without_its_end_is_missing() {
    let wire = Wire::new();
    let soon = || Instant::now() + Duration::from_secs(10);
    let event = r#"{"Events": [{"EventId": "e", "CloudTrailEvent": "{\"eventName\": \"CreateUser\"}"}]}"#;
    let organization = r#"{"Organization": {"Id": "o-1", "FeatureSet": "ALL", "MasterAccountId": "999999999999"}}"#;
    let regions = "<DescribeRegionsResponse><regionInfo><item><regionName>eu-west-1</regionName></item><item>\
        <regionName>eu-west-2</regionName></item></regionInfo></DescribeRegionsResponse>";
    let key = "<member><UserName>alice</UserName><SSHPublicKeyId>APKA1</SSHPublicKeyId><Status>Active</Status>\
        <UploadDate>2026-11-13T06:00:00Z</UploadDate></member>";
    let keys = answer("ListSSHPublicKeys", &format!("<SSHPublicKeys>{key}</SSHPublicKeys>"));
    let alice = ["alice".to_owned()];
    let read = async |source: usize| match source {
        0 => {
            let lookups = trail::look_up(&wire.sdk, &["us-east-1".to_owned()], "aws", now(), soon()).await;
            let lookup = &lookups["us-east-1"];
            (lookup.missing.is_none()).then_some(lookup.events.len())
        }
        1 => organization::membership(&wire.sdk, "123456789012", soon()).await.ok().map(|_| 1),
        2 => regions::enabled(&wire.sdk, soon()).await.ok().map(|regions| regions.len()),
        _ => ssh_keys::list(&wire.clients.iam, &alice, soon()).await["alice"].as_ref().ok().map(Vec::len),
    };
    let empty = answer("ListSSHPublicKeys", "");
    let sources = [(event, "{}"), (organization, "{}"), (regions, "<DescribeRegionsResponse/>"), (&*keys, &*empty)];
    for (source, (whole, nothing)) in sources.into_iter().enumerate() {
        for cut in 0..whole.trim_end().len() {
            wire.serve(&whole[..cut]);
            assert_eq!(read(source).await, None, "source {source} is read from {cut} bytes");
        }
        wire.serve(nothing);
        assert_eq!(read(source).await, None, "source {source} is read from an empty answer");
        wire.serve(whole);
        // The event is found by the root user's name, since it does not say who called, and by each of the seven operations.
        assert_eq!(read(source).await, Some([8, 1, 2, 1][source]), "source {source}");
    }
}

/// The message was sent: an error would send it a second time.
#[tokio::test]
async fn an_answer_of_sns_is_taken_without_its_end() {
    let answer = answer("Publish", "<MessageId>94f20ce6</MessageId>");
    let (cut, _) = answer.split_at(answer.find("<ResponseMetadata>").unwrap());
    let wire = Wire::new();
    wire.serve(cut);
    let clients = checker::clients::Clients::new(&Configurations::all(&wire.sdk), None);
    assert!(clients.sns.publish().message("x").topic_arn("x").send().await.is_ok());
}
