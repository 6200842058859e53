//! The clients of a run, built once a process.

use aws::clients::Clients as AccountClients;
use aws_config::{Region, SdkConfig};

use crate::config::TopicArn;

/// What a run calls.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Read the account.
    pub account: AccountClients,
    /// Keeps the findings.
    pub security_hub: aws_sdk_securityhub::Client,
    /// Sends the alert.
    pub sns: aws_sdk_sns::Client,
    /// The region of Security Hub.
    pub region: String,
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
        Self {
            account: AccountClients::new(account),
            security_hub: aws_sdk_securityhub::Client::new(security_hub),
            sns: aws_sdk_sns::Client::from_conf(sns.build()),
            region: security_hub.region().map_or_else(String::new, |region| region.as_ref().to_owned()),
        }
    }
}
