//! Identifies credwarden's findings: default product ARN of account and region, and a `GeneratorId` of credwarden.

/// The prefix of credwarden's `GeneratorId`s, before the check's id.
pub const GENERATOR: &str = "credwarden/";

/// The default product of an account in a region, for the account's own findings. It exists without a subscription wherever
/// Security Hub is enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// The account's 12 digits.
    pub account_id: String,
    /// The partition of its ARNs.
    pub partition: String,
    /// Security Hub's region.
    pub region: String,
}

impl Product {
    /// Its ARN.
    pub fn arn(&self) -> String {
        let Self { account_id, partition, region } = self;
        format!("arn:{partition}:securityhub:{region}:{account_id}:product/{account_id}/default")
    }
}
