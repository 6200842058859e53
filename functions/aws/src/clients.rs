//! The clients of one account, built once per process.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::whole::Whole;

/// The clients that read one account.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Reads the account's credentials.
    pub iam: aws_sdk_iam::Client,
    /// Returns the account's number when there is no report.
    pub sts: aws_sdk_sts::Client,
}

/// The timeout of one try: the largest response, a report of 5,000 users, has 1.3 MB.
const ATTEMPT: Duration = Duration::from_secs(20);

/// A configuration with this HTTP client and with the timeouts of a run. Everything else comes from the environment.
pub fn loader(http_client: SharedHttpClient) -> ConfigLoader {
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).operation_attempt_timeout(ATTEMPT);
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client)
        .timeout_config(timeouts.build())
        // Retries are in `retry`, which knows the run's deadlines and keeps the last error.
        .retry_config(RetryConfig::disabled())
}

impl Clients {
    /// Builds the clients.
    pub fn new(sdk: &SdkConfig) -> Self {
        let iam = aws_sdk_iam::config::Builder::from(sdk).interceptor(Whole);
        let sts = aws_sdk_sts::config::Builder::from(sdk).interceptor(Whole);
        Self { iam: aws_sdk_iam::Client::from_conf(iam.build()), sts: aws_sdk_sts::Client::from_conf(sts.build()) }
    }
}
