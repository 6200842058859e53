//! Which findings are credwarden's: those under the account's and region's default product ARN with its `GeneratorId`.

/// What credwarden's `GeneratorId`s begin with; the check's id follows.
pub const GENERATOR: &str = "credwarden/";

/// The default product of an account in a region, which its own findings belong to. It is there with Security Hub, without a
/// subscription.
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
