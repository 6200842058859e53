//! The clients, built once a process.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::config::TopicArn;
use crate::whole::Whole;

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
    /// The region of Security Hub.
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

/// The configuration, and with it the credentials, for each service: account, Security Hub and topic may belong to three
/// accounts.
#[derive(Debug, Clone)]
pub struct Configurations {
    /// Of the account that is read, for IAM and STS.
    pub account: SdkConfig,
    /// Of Security Hub.
    pub security_hub: SdkConfig,
    /// Of the topic.
    pub topic: SdkConfig,
}

impl Configurations {
    /// The same for all.
    pub fn all(sdk: &SdkConfig) -> Self {
        Self { account: sdk.clone(), security_hub: sdk.clone(), topic: sdk.clone() }
    }
}

impl Clients {
    /// Clients of those configurations; SNS's is of the topic's region.
    pub fn new(configurations: &Configurations, topic: Option<&TopicArn>) -> Self {
        let Configurations { account, security_hub, topic: sns } = configurations;
        let mut sns = aws_sdk_sns::config::Builder::from(sns);
        if let Some(topic) = topic {
            sns = sns.region(Region::new(topic.region.clone()));
        }
        let iam = aws_sdk_iam::config::Builder::from(account).interceptor(Whole);
        let sts = aws_sdk_sts::config::Builder::from(account).interceptor(Whole);
        Self {
            iam: aws_sdk_iam::Client::from_conf(iam.build()),
            sts: aws_sdk_sts::Client::from_conf(sts.build()),
            security_hub: aws_sdk_securityhub::Client::new(security_hub),
            sns: aws_sdk_sns::Client::from_conf(sns.build()),
            region: security_hub.region().map_or_else(String::new, |region| region.as_ref().to_owned()),
        }
    }
}
