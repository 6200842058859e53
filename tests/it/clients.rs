//! SDK clients with mocked responses: by rules, or by a function of the request. Built without the SDK crates' `test-util`
//! feature, which would compile them a second time.

use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_smithy_http_client::test_util::infallible_client_fn;
use aws_smithy_mocks::{MockResponseInterceptor, Rule, RuleMode, create_mock_http_client};
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

/// A client of the service, mocked with rules that are matched in turn. The SDK's own retries are off, so that only this
/// project's calls are counted.
macro_rules! mocked {
    ($service:ident, $rules:expr) => {
        $service::Client::from_conf(
            $crate::clients::configured!($service)
                .http_client($crate::clients::mock_http())
                .interceptor($crate::clients::answers($rules))
                .build(),
        )
    };
}

macro_rules! configured {
    ($service:ident) => {
        $service::Config::builder()
            .behavior_version_latest()
            .region($service::config::Region::new("eu-central-1"))
            .credentials_provider($crate::clients::credentials())
            .retry_config($service::config::retry::RetryConfig::disabled())
    };
}

pub(crate) use {configured, mocked};

pub(crate) fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret", None, None, "tests")
}

pub(crate) fn mock_http() -> aws_smithy_runtime_api::client::http::SharedHttpClient {
    create_mock_http_client()
}

pub(crate) fn answers(rules: &[&Rule]) -> MockResponseInterceptor {
    rules.iter().fold(MockResponseInterceptor::new().rule_mode(RuleMode::MatchAny), |all, rule| all.with_rule(rule))
}

/// A Security Hub that responds to each request's JSON with JSON, and records the bodies as sent.
pub(crate) fn security_hub(
    answer: impl Fn(&str, &Value) -> Value + Send + Sync + 'static,
) -> (aws_sdk_securityhub::Client, Arc<Mutex<Vec<Vec<u8>>>>) {
    security_hub_text(move |request| {
        let json = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or(Value::Null);
        answer(request.uri().path(), &json).to_string()
    })
}

/// A Security Hub that responds to each request with any text.
pub(crate) fn security_hub_text(
    answer: impl Fn(&http::Request<SdkBody>) -> String + Send + Sync + 'static,
) -> (aws_sdk_securityhub::Client, Arc<Mutex<Vec<Vec<u8>>>>) {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&bodies);
    let http = infallible_client_fn(move |request| {
        kept.lock().unwrap().push(request.body().bytes().unwrap_or_default().to_vec());
        http::Response::builder().status(200).body(SdkBody::from(answer(&request))).unwrap()
    });
    (aws_sdk_securityhub::Client::from_conf(configured!(aws_sdk_securityhub).http_client(http).build()), bodies)
}

/// An error of IAM, SNS or STS in the query protocol's XML.
pub(crate) fn xml_error(status: u16, code: &str, message: &str) -> (u16, Option<String>) {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    (status, Some(body))
}
