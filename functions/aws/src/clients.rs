//! The clients of one account, built once a process.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::whole::Whole;

/// What reads one account.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Reads its credentials.
    pub iam: aws_sdk_iam::Client,
    /// Says whose account it is when the report does not.
    pub sts: aws_sdk_sts::Client,
}

/// An attempt that takes longer is hopeless: the largest answer, a report of 5,000 users, is 1.3 MB.
const ATTEMPT: Duration = Duration::from_secs(20);

/// A configuration with that HTTP client and with the timeouts of a run; the rest is the environment's.
pub fn loader(http_client: SharedHttpClient) -> ConfigLoader {
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).operation_attempt_timeout(ATTEMPT);
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client)
        .timeout_config(timeouts.build())
        // `retry` tries again: it knows the run's deadlines, and keeps the reason.
        .retry_config(RetryConfig::disabled())
}

impl Clients {
    /// Clients of that configuration.
    pub fn new(sdk: &SdkConfig) -> Self {
        let iam = aws_sdk_iam::config::Builder::from(sdk).interceptor(Whole);
        let sts = aws_sdk_sts::config::Builder::from(sdk).interceptor(Whole);
        Self { iam: aws_sdk_iam::Client::from_conf(iam.build()), sts: aws_sdk_sts::Client::from_conf(sts.build()) }
    }
}
