//! The clients, built once a process.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::config::TopicArn;

/// What a run calls.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Reads the account.
    pub iam: aws_sdk_iam::Client,
    /// Says whose account it is when the report does not.
    pub sts: aws_sdk_sts::Client,
    /// Keeps the findings.
    pub security_hub: aws_sdk_securityhub::Client,
    /// Sends the alert.
    pub sns: aws_sdk_sns::Client,
    /// The region of Security Hub: the function's own.
    pub region: String,
}

/// An attempt that takes longer is hopeless: the largest answer, a report of 5,000 users, is 1.3 MB.
const ATTEMPT: Duration = Duration::from_secs(20);

/// A configuration with that HTTP client and with the timeouts of a run; the rest is the environment's.
pub fn loader(http_client: SharedHttpClient) -> ConfigLoader {
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).operation_attempt_timeout(ATTEMPT);
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client)
        .timeout_config(timeouts.build())
        // `patience` tries again: it knows the run's deadlines, and keeps the reason.
        .retry_config(RetryConfig::disabled())
}

impl Clients {
    /// Clients of that configuration; SNS's is of the topic's region.
    pub fn new(sdk: &SdkConfig, topic: Option<&TopicArn>) -> Self {
        let mut sns = aws_sdk_sns::config::Builder::from(sdk);
        if let Some(topic) = topic {
            sns = sns.region(Region::new(topic.region.clone()));
        }
        Self {
            iam: aws_sdk_iam::Client::new(sdk),
            sts: aws_sdk_sts::Client::new(sdk),
            security_hub: aws_sdk_securityhub::Client::new(sdk),
            sns: aws_sdk_sns::Client::from_conf(sns.build()),
            region: sdk.region().map_or_else(String::new, |region| region.as_ref().to_owned()),
        }
    }
}
