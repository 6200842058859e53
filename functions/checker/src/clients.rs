//! The clients of a run, built once per process.

use aws::clients::Clients as AccountClients;
use aws_config::{Region, SdkConfig};

use crate::config::TopicArn;

/// The clients that a run uses.
#[derive(Debug, Clone)]
pub struct Clients {
    /// IAM and STS of the account.
    pub account: AccountClients,
    /// Security Hub.
    pub security_hub: aws_sdk_securityhub::Client,
    /// SNS, in the region of the topic.
    pub sns: aws_sdk_sns::Client,
    /// The region of Security Hub.
    pub region: String,
}

/// The configuration, including credentials, of each service: the account, Security Hub and the topic can belong to three
/// different accounts.
#[derive(Debug, Clone)]
pub struct Configurations {
    /// For IAM and STS of the account that is read.
    pub account: SdkConfig,
    /// For Security Hub.
    pub security_hub: SdkConfig,
    /// For SNS.
    pub topic: SdkConfig,
}

impl Configurations {
    /// The same configuration for all services.
    pub fn all(sdk: &SdkConfig) -> Self {
        Self { account: sdk.clone(), security_hub: sdk.clone(), topic: sdk.clone() }
    }
}

impl Clients {
    /// Builds the clients. SNS's client uses the region of the topic.
    pub fn new(configurations: &Configurations, topic: Option<&TopicArn>) -> Self {
        let Configurations { account, security_hub, topic: sns } = configurations;
        let mut sns = aws_sdk_sns::config::Builder::from(sns);
        if let Some(topic) = topic {
            sns = sns.region(Region::new(topic.region.clone()));
        }
        Self {
            account: AccountClients::new(account),
            security_hub: aws_sdk_securityhub::Client::new(security_hub),
            sns: aws_sdk_sns::Client::from_conf(sns.build()),
            region: security_hub.region().map_or_else(String::new, |region| region.as_ref().to_owned()),
        }
    }
}
