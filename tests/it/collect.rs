//! Reading the account: polling for the report, paging, and sources that fail alone. Time is paused.

use std::time::Duration;

use aws::clients::Clients;
use aws::collect::{AccountOf, Collected, Expected, collect};
use aws::error::chain;
use aws_sdk_iam::Client;
use aws_sdk_iam::operation::generate_credential_report::GenerateCredentialReportOutput;
use aws_sdk_iam::operation::get_account_summary::GetAccountSummaryOutput;
use aws_sdk_iam::operation::get_credential_report::GetCredentialReportOutput;
use aws_sdk_iam::operation::list_service_specific_credentials::ListServiceSpecificCredentialsOutput;
use aws_sdk_iam::operation::list_virtual_mfa_devices::ListVirtualMfaDevicesOutput;
use aws_sdk_iam::primitives::{Blob, DateTime};
use aws_sdk_iam::types::{
    ReportStateType, ServiceSpecificCredentialMetadata, StatusType, SummaryKeyType, User, VirtualMfaDevice,
};
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use hygiene::source::{Coverage, SourceId};
use tokio::time::Instant;

use crate::account::{ACCOUNT, ROOT, csv, now, presumed, time, user};
use crate::clients::{mocked, xml_error};

fn generated(state: ReportStateType) -> GenerateCredentialReportOutput {
    GenerateCredentialReportOutput::builder().state(state).build()
}

fn report() -> GetCredentialReportOutput {
    report_of(Some("2026-11-20T05:59:00Z"))
}

fn report_of(generated: Option<&str>) -> GetCredentialReportOutput {
    let text = csv(&[ROOT, &user("alice")]);
    let generated = generated.map(|generated| DateTime::from_secs(time(generated).timestamp()));
    GetCredentialReportOutput::builder().content(Blob::new(text.into_bytes())).set_generated_time(generated).build()
}

/// An error of every call of `GenerateCredentialReport`, and of `GetCredentialReport`.
fn refused_generation(status: u16, code: &str) -> Rule {
    let (status, body) = xml_error(status, code, "no");
    mock!(Client::generate_credential_report).sequence().http_status(status, body).repeatedly().build()
}

fn refused_report(status: u16, code: &str) -> Rule {
    let (status, body) = xml_error(status, code, "no");
    mock!(Client::get_credential_report).sequence().http_status(status, body).repeatedly().build()
}

fn complete() -> Rule {
    mock!(Client::generate_credential_report).then_output(|| generated(ReportStateType::Complete))
}

fn served() -> Rule {
    mock!(Client::get_credential_report).then_output(report)
}

fn summary() -> Rule {
    mock!(Client::get_account_summary).then_output(|| {
        GetAccountSummaryOutput::builder()
            .summary_map(SummaryKeyType::AccountAccessKeysPresent, 1)
            .summary_map(SummaryKeyType::AccountMfaEnabled, 0)
            .summary_map(SummaryKeyType::from("AccountPasswordPresent"), 1)
            .summary_map(SummaryKeyType::Users, 1)
            .summary_map(SummaryKeyType::from("AccountSigningCertificatesPresent"), 0)
            .build()
    })
}

fn devices() -> Rule {
    mock!(Client::list_virtual_mfa_devices).then_output(|| devices_page(&[], None))
}

fn devices_page(owners: &[&str], marker: Option<&str>) -> ListVirtualMfaDevicesOutput {
    let device = |arn: &&str| {
        let owner = User::builder().path("/").user_name("").user_id("id").arn(*arn).create_date(DateTime::from_secs(0));
        VirtualMfaDevice::builder().serial_number("s").user(owner.build().unwrap()).build().unwrap()
    };
    ListVirtualMfaDevicesOutput::builder()
        .set_virtual_mfa_devices(Some(owners.iter().map(device).collect()))
        .is_truncated(marker.is_some())
        .set_marker(marker.map(str::to_owned))
        .build()
        .unwrap()
}

fn credentials_page(ids: &[&str], marker: Option<&str>) -> ListServiceSpecificCredentialsOutput {
    let credential = |id: &&str| {
        let credential =
            ServiceSpecificCredentialMetadata::builder().user_name("alice").service_user_name("alice-at-1");
        let credential = credential.service_name("bedrock.amazonaws.com").status(StatusType::Active);
        credential.service_specific_credential_id(*id).create_date(DateTime::from_secs(0)).build().unwrap()
    };
    ListServiceSpecificCredentialsOutput::builder()
        .set_service_specific_credentials(Some(ids.iter().map(credential).collect()))
        .is_truncated(marker.is_some())
        .set_marker(marker.map(str::to_owned))
        .build()
}

fn caller() -> Rule {
    mock!(aws_sdk_sts::Client::get_caller_identity).then_output(|| {
        GetCallerIdentityOutput::builder()
            .account("210987654321")
            .arn("arn:aws-us-gov:sts::210987654321:assumed-role/credwarden/run")
            .build()
    })
}

fn caller_of(account: &'static str) -> Rule {
    mock!(aws_sdk_sts::Client::get_caller_identity).then_output(move || {
        let arn = format!("arn:aws:sts::{account}:assumed-role/credwarden/run");
        GetCallerIdentityOutput::builder().account(account).arn(arn).build()
    })
}

/// Collects within two minutes of paused time.
async fn collected(iam: &[&Rule]) -> Collected {
    collected_for(&Expected::Any, iam, &caller()).await
}

async fn collected_for(expected: &Expected, iam: &[&Rule], caller: &Rule) -> Collected {
    let credentials = mock!(Client::list_service_specific_credentials).then_output(|| credentials_page(&[], None));
    let clients =
        Clients { iam: mocked!(aws_sdk_iam, &[iam, &[&credentials]].concat()), sts: mocked!(aws_sdk_sts, &[caller]) };
    let until = Instant::now() + Duration::from_mins(2);
    collect(&clients, expected, now(), until, until + Duration::from_secs(20)).await
}

fn errors(collected: &Collected) -> Vec<String> {
    collected.errors.iter().map(|error| chain(error)).collect()
}

fn notes(collected: &Collected) -> Vec<String> {
    collected.notes.iter().map(|note| chain(note)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_slow_report_is_awaited() {
    let generate = mock!(Client::generate_credential_report)
        .sequence()
        .output(|| generated(ReportStateType::Started))
        .output(|| generated(ReportStateType::Inprogress))
        .times(2)
        .output(|| generated(ReportStateType::Complete))
        .repeatedly()
        .build();
    let get = served();
    let collected = collected(&[&generate, &get, &summary(), &devices()]).await;
    assert_eq!(errors(&collected), [""; 0]);
    assert_eq!((generate.num_calls(), get.num_calls()), (4, 1));
    assert_eq!(collected.account.id.as_deref(), Some(ACCOUNT));
    assert_eq!(collected.account.report_generated_at(), Some(time("2026-11-20T05:59:00Z")));
    assert_eq!(collected.account.summary.unwrap().account_password_present, Some(1));
}

#[tokio::test(start_paused = true)]
async fn every_not_ready_response_is_retried() {
    let cases = [
        (410, "ReportNotPresent"),
        (404, "ReportInProgress"),
        (410, "ReportExpired"),
        (400, "Throttling"),
        (500, "ServiceFailure"),
    ];
    for (status, code) in cases {
        let (status, body) = xml_error(status, code, "Unknown");
        let get =
            mock!(Client::get_credential_report).sequence().http_status(status, body).times(2).output(report).build();
        let generate = complete();
        let collected = collected(&[&generate, &get, &summary(), &devices()]).await;
        assert_eq!(errors(&collected), [""; 0], "{code}");
        assert_eq!((generate.num_calls(), get.num_calls()), (3, 3), "{code}");
    }
    for (status, code) in [(409, "LimitExceeded"), (400, "Throttling")] {
        let (status, body) = xml_error(status, code, "Rate exceeded");
        let generate = mock!(Client::generate_credential_report)
            .sequence()
            .http_status(status, body)
            .output(|| generated(ReportStateType::Complete))
            .build();
        let collected = collected(&[&generate, &served(), &summary(), &devices()]).await;
        assert_eq!(errors(&collected), [""; 0], "{code}");
        assert_eq!(generate.num_calls(), 2, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_at_the_deadline_for_reading() {
    let generate = mock!(Client::generate_credential_report).then_output(|| generated(ReportStateType::Inprogress));
    let get = refused_report(404, "ReportInProgress");
    let before = Instant::now();
    let collected = collected(&[&generate, &get, &summary(), &devices()]).await;
    assert_eq!(
        errors(&collected),
        ["could not read the credential report: GenerateCredentialReport failed: the report was not ready in time"]
    );
    assert!(before.elapsed() <= Duration::from_mins(2));
    assert_eq!(get.num_calls(), 1);
    assert!((10..40).contains(&generate.num_calls()), "the waits grow: {}", generate.num_calls());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_retried_and_fails_its_own_source_only() {
    let denied = |message: &str| xml_error(403, "AccessDenied", message);
    let (status, body) = denied("User: x is not authorized to perform: iam:GenerateCredentialReport");
    let generate = mock!(Client::generate_credential_report).sequence().http_status(status, body).repeatedly().build();
    let none = refused_report(410, "ReportNotPresent");
    let no_report = collected(&[&generate, &none, &summary(), &devices()]).await;
    assert_eq!(
        errors(&no_report),
        [
            "could not read the credential report: GenerateCredentialReport failed: AccessDenied: User: x is not authorized to \
          perform: iam:GenerateCredentialReport"
        ]
    );
    assert_eq!((generate.num_calls(), none.num_calls()), (1, 1));
    assert!(no_report.account.summary.is_ok() && no_report.account.virtual_mfa_users.is_ok());
    let reason = no_report.account.report.unwrap_err().to_string();
    assert!(reason.starts_with("GenerateCredentialReport failed: AccessDenied: "), "{reason}");

    let (status, body) = denied("no");
    let summary_denied = mock!(Client::get_account_summary).sequence().http_status(status, body).repeatedly().build();
    let no_summary = collected(&[&complete(), &served(), &summary_denied, &devices()]).await;
    assert_eq!(errors(&no_summary), ["could not read the account summary: GetAccountSummary failed: AccessDenied: no"]);
    assert!(no_summary.account.report.is_ok());
}

#[tokio::test(start_paused = true)]
async fn if_generation_is_refused_a_report_of_at_most_five_hours_is_read() {
    let refused = "GenerateCredentialReport failed: AccessDenied: no";
    let cases = [
        (Some("2026-11-20T05:59:00Z"), true, "the one from 2026-11-20 05:59 UTC, 1 minute old"),
        (Some("2026-11-20T01:00:00Z"), true, "the one from 2026-11-20 01:00 UTC, 5 hours old"),
        (
            Some("2026-11-20T00:59:59Z"),
            false,
            "the one from 2026-11-20 00:59 UTC, 5 hours and 1 second old; the limit is 5 hours",
        ),
        (Some("2026-11-18T06:00:00Z"), false, "the one from 2026-11-18 06:00 UTC, 2 days old; the limit is 5 hours"),
        (Some("2026-11-20T06:05:00Z"), true, "the one from 2026-11-20 06:05 UTC, less than a minute old"),
        (Some("2026-11-20T06:05:01Z"), false, "the one from 2026-11-20 06:05 UTC, which is in the future"),
        (None, false, "one whose time is not known"),
    ];
    for (generated, is_recent, which) in cases {
        let get = mock!(Client::get_credential_report).then_output(move || report_of(generated));
        let generate = refused_generation(403, "AccessDenied");
        let collected = collected(&[&generate, &get, &summary(), &devices()]).await;
        let expected = vec![format!("could not generate a credential report, and read {which}: {refused}")];
        let (notes, errors) = (notes(&collected), errors(&collected));
        assert_eq!((notes, errors), if is_recent { (expected, Vec::new()) } else { (Vec::new(), expected) });
        assert_eq!((generate.num_calls(), get.num_calls()), (1, 1), "{which}");
        assert!(collected.account.report.is_ok(), "{which}");
        assert_eq!(collected.account.id.as_deref(), Some(ACCOUNT), "{which}");
    }
}

#[tokio::test(start_paused = true)]
async fn generation_that_fails_until_its_deadline_leaves_time_to_read_the_existing_report() {
    let in_progress =
        || mock!(Client::generate_credential_report).then_output(|| generated(ReportStateType::Inprogress));
    let cases = [
        (in_progress(), "the report was not ready in time"),
        (refused_generation(500, "ServiceFailure"), "ServiceFailure: no"),
        (refused_generation(400, "Throttling"), "Throttling: no"),
    ];
    for (generate, why) in cases {
        let (status, body) = xml_error(400, "Throttling", "Rate exceeded");
        let get =
            mock!(Client::get_credential_report).sequence().http_status(status, body).times(2).output(report).build();
        let before = Instant::now();
        let collected = collected(&[&generate, &get, &summary(), &devices()]).await;
        assert_eq!(errors(&collected), [""; 0], "{why}");
        let note = format!(
            "could not generate a credential report, and read the one from 2026-11-20 05:59 UTC, 1 minute old: \
             GenerateCredentialReport failed: {why}"
        );
        assert_eq!(notes(&collected), [note]);
        assert_eq!(get.num_calls(), 3, "a throttled call is tried again");
        assert!(before.elapsed() <= Duration::from_mins(2), "{why}");
        assert!((10..40).contains(&generate.num_calls()), "{}", generate.num_calls());
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_existing_report_each_refusal_is_an_error() {
    let read = |rule: Rule| async move {
        let collected = collected(&[&refused_generation(403, "AccessDenied"), &rule, &summary(), &devices()]).await;
        assert!(collected.account.report.is_err() && collected.notes.is_empty());
        errors(&collected)
    };
    let generate = "could not read the credential report: GenerateCredentialReport failed: AccessDenied: no";
    for (status, code) in [(410, "ReportNotPresent"), (404, "ReportInProgress"), (410, "ReportExpired")] {
        assert_eq!(read(refused_report(status, code)).await, [generate], "{code}: there is no report to read");
    }
    let get = "could not read the credential report: GetCredentialReport failed: AccessDenied: no";
    assert_eq!(read(refused_report(403, "AccessDenied")).await, [generate, get]);
    let no_report = mock!(Client::get_credential_report)
        .then_output(|| GetCredentialReportOutput::builder().content(Blob::new(*b"not,a report")).build());
    let not_understood =
        "could not understand the credential report: not a credential report: line 1 has no column `user`";
    assert_eq!(read(no_report).await, [generate, not_understood]);
}

#[tokio::test(start_paused = true)]
async fn without_a_report_the_caller_identity_gives_the_account() {
    let get = mock!(Client::get_credential_report)
        .then_output(|| GetCredentialReportOutput::builder().content(Blob::new(*b"not,a report")).build());
    let collected = collected(&[&complete(), &get, &summary(), &devices()]).await;
    assert_eq!(
        errors(&collected),
        ["could not understand the credential report: not a credential report: line 1 has no column `user`"]
    );
    assert_eq!(collected.account.id.as_deref(), Some("210987654321"));
    assert_eq!(collected.account.partition.as_deref(), Some("aws-us-gov"));
}

#[tokio::test(start_paused = true)]
async fn all_pages_of_virtual_devices_are_read() {
    let alice = "arn:aws:iam::123456789012:user/alice";
    let root = "arn:aws:iam::123456789012:root";
    let first = mock!(Client::list_virtual_mfa_devices)
        .match_requests(|request| request.marker().is_none() && request.max_items() == Some(1000))
        .then_output(move || devices_page(&[alice], Some("more")));
    let second = mock!(Client::list_virtual_mfa_devices)
        .match_requests(|request| request.marker() == Some("more"))
        .then_output(move || devices_page(&[root], None));
    let collected = collected(&[&complete(), &served(), &summary(), &first, &second]).await;
    assert_eq!(collected.account.virtual_mfa_users.unwrap(), [alice, root].map(|arn| Some(arn.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn an_assigned_device_without_a_user_is_kept() {
    let list = mock!(Client::list_virtual_mfa_devices).then_output(|| {
        let without_user = VirtualMfaDevice::builder().serial_number("s").build().unwrap();
        let mut page = devices_page(&["arn:aws:iam::123456789012:user/alice", ""], None);
        page.virtual_mfa_devices.push(without_user);
        page
    });
    let collected = collected(&[&complete(), &served(), &summary(), &list]).await;
    let alice = Some("arn:aws:iam::123456789012:user/alice".to_owned());
    assert_eq!(collected.account.virtual_mfa_users.unwrap(), [alice, None, None]);
}

/// Collects with this response to the first call for service-specific credentials, which is followed by a second page.
async fn with_credentials(first: &Rule) -> Collected {
    let rest = mock!(Client::list_service_specific_credentials)
        .match_requests(|request| request.marker() == Some("more"))
        .then_output(|| credentials_page(&["ACCA1", "ACCA2"], None));
    collected(&[&complete(), &served(), &summary(), &devices(), first, &rest]).await
}

#[tokio::test(start_paused = true)]
async fn all_pages_of_all_users_credentials_are_read() {
    let first = mock!(Client::list_service_specific_credentials)
        .match_requests(|request| request.marker().is_none() && request.all_users() == Some(true))
        .then_output(|| credentials_page(&["ACCA0", "ACCA1"], Some("more")));
    let collected = with_credentials(&first).await;
    assert_eq!(errors(&collected), [""; 0]);
    assert_eq!(collected.account.coverage(SourceId::ServiceSpecificCredentials), Coverage::Whole);
    let credentials = collected.account.service_credentials.unwrap();
    assert_eq!(credentials.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["ACCA0", "ACCA1", "ACCA2"]);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_iam_does_not_list_for_all_users_are_not_asked_for() {
    let refused = |code| {
        let (status, body) = xml_error(400, code, "no");
        mock!(Client::list_service_specific_credentials)
            .match_requests(|request| request.marker().is_none())
            .then_http_response(move || {
                HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body.clone().unwrap()))
            })
    };
    for code in ["InvalidAction", "NotSupportedService", "ValidationError"] {
        let collected = with_credentials(&refused(code)).await;
        assert_eq!(errors(&collected), [""; 0]);
        assert_eq!(collected.account.coverage(SourceId::ServiceSpecificCredentials), Coverage::NotAsked);
        assert_eq!(
            collected.account.service_credentials.unwrap_err().reason(),
            format!("IAM does not list the service-specific credentials of all users here. {code}: no.")
        );
    }
    let denied = with_credentials(&refused("AccessDenied")).await;
    assert_eq!(
        errors(&denied),
        ["could not read the service-specific credentials: ListServiceSpecificCredentials failed: AccessDenied: no"]
    );
    assert_eq!(denied.account.coverage(SourceId::ServiceSpecificCredentials), Coverage::Failed);
    assert!(denied.account.report.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_later_page_that_is_refused_is_a_failed_call() {
    let first = mock!(Client::list_service_specific_credentials)
        .match_requests(|request| request.marker().is_none())
        .then_output(|| credentials_page(&["ACCA0"], Some("lost")));
    let (status, body) = xml_error(400, "ValidationError", "invalid marker");
    let second =
        mock!(Client::list_service_specific_credentials).sequence().http_status(status, body).repeatedly().build();
    let collected = collected(&[&complete(), &served(), &summary(), &devices(), &first, &second]).await;
    assert_eq!(collected.account.coverage(SourceId::ServiceSpecificCredentials), Coverage::Failed);
    assert_eq!(errors(&collected).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn repeated_markers_are_an_error() {
    let next = |marker: Option<&str>| match marker {
        Some("a") => "b",
        Some(_) | None => "a",
    };
    let circle = mock!(Client::list_virtual_mfa_devices)
        .then_compute_output(move |request| devices_page(&["arn"], Some(next(request.marker()))));
    let collected = collected(&[&complete(), &served(), &summary(), &circle]).await;
    assert_eq!(
        errors(&collected),
        [
            "could not read the virtual MFA devices: ListVirtualMFADevices failed: the list is truncated, without a marker to go on from"
        ]
    );
    assert_eq!(circle.num_calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_request_is_cut_from_signature_errors() {
    let message = "The request signature we calculated does not match.&#10;&#10;The Canonical String for this request should \
        have been&#10;'POST&#10;x-amz-security-token:IQoJb3JpZ2luX2VjE'";
    let (status, body) = xml_error(403, "SignatureDoesNotMatch", message);
    let refused = mock!(Client::get_account_summary).sequence().http_status(status, body).repeatedly().build();
    let collected = collected(&[&complete(), &served(), &refused, &devices()]).await;
    let [error] = &errors(&collected)[..] else { panic!("{:?}", errors(&collected)) };
    assert!(error.ends_with("SignatureDoesNotMatch: The request signature we calculated does not match."), "{error}");
    assert!(!format!("{:?}", collected.errors).contains("IQoJb3JpZ2luX2VjE"));
}

fn given(account_id: &str) -> Expected {
    Expected::Given(AccountOf { account_id: account_id.to_owned(), partition: "aws".to_owned() })
}

#[tokio::test(start_paused = true)]
async fn the_given_account_is_judged_by_its_own_report_only() {
    let caller = caller();
    let own = collected_for(&given(ACCOUNT), &[&complete(), &served(), &summary(), &devices()], &caller).await;
    assert_eq!((errors(&own), own.account.id.as_deref()), (Vec::new(), Some(ACCOUNT)));
    assert_eq!(caller.num_calls(), 0, "the report has the account's id");

    let other = collected_for(&given("012345678901"), &[&complete(), &served(), &summary(), &devices()], &caller).await;
    let reason = "expected account 012345678901, but the credential report is of account 123456789012";
    assert_eq!(errors(&other), [reason]);
    let account = other.account;
    assert_eq!(account.id.as_deref(), Some("012345678901"), "nothing is reported of another account");
    assert!(account.report.is_err() && account.summary.is_err() && account.virtual_mfa_users.is_err());
    assert_eq!(account.summary.unwrap_err().reason(), format!("E{}.", &reason[1..]));
}

#[tokio::test(start_paused = true)]
async fn if_the_report_is_of_another_account_the_caller_identity_decides() {
    let collect = async |presumed_account: &str, caller: &Rule| {
        let sources = [&complete(), &served(), &summary(), &devices()];
        collected_for(&presumed(presumed_account), &sources, caller).await
    };
    let own = caller_of(ACCOUNT);
    let agreed = collect(ACCOUNT, &own).await;
    assert_eq!((errors(&agreed), agreed.account.id.as_deref()), (Vec::new(), Some(ACCOUNT)));
    assert_eq!(own.num_calls(), 0, "the caller is not requested on an ordinary day");

    let made_up = collect("012345678901", &own).await;
    assert_eq!((errors(&made_up), made_up.account.id.as_deref()), (Vec::new(), Some(ACCOUNT)));
    assert!(made_up.account.report.is_ok() && made_up.account.summary.is_ok());
    assert_eq!(own.num_calls(), 1);

    let other = collect("210987654321", &caller()).await;
    assert_eq!(errors(&other), ["expected account 210987654321, but the credential report is of account 123456789012"]);
    assert_eq!(other.account.id.as_deref(), Some("210987654321"));
    assert!(
        other.account.report.is_err() && other.account.summary.is_err() && other.account.virtual_mfa_users.is_err()
    );

    let (status, body) = xml_error(403, "ExpiredToken", "it expired");
    let expired =
        mock!(aws_sdk_sts::Client::get_caller_identity).sequence().http_status(status, body).repeatedly().build();
    let unknown = collect("012345678901", &expired).await;
    assert_eq!(
        errors(&unknown),
        ["could not find out which account this is: GetCallerIdentity failed: ExpiredToken: it expired"]
    );
    assert_eq!(unknown.account.id, None);
    assert!(unknown.account.report.is_err() && unknown.account.summary.is_err(), "the account is unknown");
}

#[tokio::test(start_paused = true)]
async fn without_a_report_the_caller_must_belong_to_the_given_account() {
    let denied = || refused_generation(403, "AccessDenied");
    let none = || refused_report(410, "ReportNotPresent");
    let own = collected_for(&given("210987654321"), &[&denied(), &none(), &summary(), &devices()], &caller()).await;
    assert!(own.account.report.is_err() && own.account.summary.is_ok() && own.account.virtual_mfa_users.is_ok());
    assert_eq!(errors(&own).len(), 1);

    let other = collected_for(&given(ACCOUNT), &[&denied(), &none(), &summary(), &devices()], &caller()).await;
    assert_eq!(errors(&other), ["expected account 123456789012, but the credentials are of account 210987654321"]);
    assert!(other.account.summary.is_err() && other.account.virtual_mfa_users.is_err());

    let (status, body) = xml_error(403, "ExpiredToken", "it expired");
    let expired =
        mock!(aws_sdk_sts::Client::get_caller_identity).sequence().http_status(status, body).repeatedly().build();
    let unknown = collected_for(&given(ACCOUNT), &[&denied(), &none(), &summary(), &devices()], &expired).await;
    assert!(unknown.account.summary.is_err() && unknown.account.virtual_mfa_users.is_err(), "the account is unknown");
    assert_eq!(errors(&unknown).len(), 2);
    assert_eq!(unknown.account.id.as_deref(), Some(ACCOUNT));
}

/// A report without root's row does not give the account; the caller identity does.
#[tokio::test(start_paused = true)]
async fn rows_of_another_account_are_foreign_even_without_roots_row() {
    let rows = [user("alice").replace(ACCOUNT, "999988887777"), user("bob")];
    let text = csv(&rows.iter().map(String::as_str).collect::<Vec<_>>());
    let report = mock!(Client::get_credential_report).then_output(move || {
        GetCredentialReportOutput::builder().content(Blob::new(text.clone().into_bytes())).build()
    });
    let sources = [&complete(), &report, &summary(), &devices()];
    let collected = collected_for(&Expected::Any, &sources, &caller_of(ACCOUNT)).await;
    let credentials = &collected.account.report.as_ref().unwrap().credentials;
    let names = |rows: &[hygiene::report::Row]| rows.iter().map(|row| row.user.clone()).collect::<Vec<_>>();
    assert_eq!(
        (names(&credentials.foreign), names(&credentials.users)),
        (vec!["alice".to_owned()], vec!["bob".to_owned()])
    );
    assert_eq!(collected.account.doubts(now()).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_report_without_a_row_of_the_account_is_of_another_account() {
    let other = |row: String| row.replace(ACCOUNT, "999988887777");
    let nameless = ROOT.replace(&format!("arn:aws:iam::{ACCOUNT}:root"), "");
    for rows in [vec![other(user("alice"))], vec![nameless, other(user("alice")), other(user("bob"))]] {
        let text = csv(&rows.iter().map(String::as_str).collect::<Vec<_>>());
        let report = mock!(Client::get_credential_report).then_output(move || {
            GetCredentialReportOutput::builder().content(Blob::new(text.clone().into_bytes())).build()
        });
        for expected in [given(ACCOUNT), presumed(ACCOUNT), Expected::Any] {
            let sources = [&complete(), &report, &summary(), &devices()];
            let collected = collected_for(&expected, &sources, &caller_of(ACCOUNT)).await;
            assert_eq!(
                errors(&collected),
                ["expected account 123456789012, but the credential report is of account 999988887777"]
            );
            assert!(collected.account.report.is_err() && collected.account.summary.is_err());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_summary_without_required_entries_is_an_error() {
    let empty = mock!(Client::get_account_summary).then_output(|| {
        GetAccountSummaryOutput::builder().summary_map(SummaryKeyType::from("AccountMFAEnabled"), 1).build()
    });
    let collected = collected(&[&complete(), &served(), &empty, &devices()]).await;
    assert_eq!(
        errors(&collected),
        ["the account summary has no AccountAccessKeysPresent, AccountSigningCertificatesPresent"]
    );
    assert!(collected.account.summary.is_ok(), "the entries that it has are used");
}

#[tokio::test(start_paused = true)]
async fn a_summary_with_an_impossible_value_is_not_read() {
    let wrong = mock!(Client::get_account_summary).then_output(|| {
        GetAccountSummaryOutput::builder()
            .summary_map(SummaryKeyType::AccountAccessKeysPresent, -1)
            .summary_map(SummaryKeyType::AccountMfaEnabled, 1)
            .build()
    });
    let collected = collected(&[&complete(), &served(), &wrong, &devices()]).await;
    let expected =
        "could not read the account summary: GetAccountSummary failed: `AccountAccessKeysPresent` is -1, not 0 or more";
    assert_eq!(errors(&collected), [expected]);
    assert!(collected.account.summary.is_err());
}
