//! The account's place in its organization, as every account in it can see it.

use aws_config::SdkConfig;
use aws_sdk_organizations::types::OrganizationFeatureSet;
use hygiene::readiness::Membership;

use crate::error::CallError;
use crate::permission::Permission;
use crate::retry::{Retry, with_retry};

/// The permissions to read it.
pub const PERMISSIONS: &[Permission] = &[Permission {
    action: "organizations:DescribeOrganization",
    resource: "*",
    purpose: "shows whether service control policies apply to the account",
    condition: None,
}];

const OPERATION: &str = "DescribeOrganization";

/// Returns the account's place in its organization.
///
/// # Errors
///
/// When the call fails, or its response has no management account.
pub async fn membership(sdk: &SdkConfig, account: &str, retry: impl Into<Retry>) -> Result<Membership, CallError> {
    let client = aws_sdk_organizations::Client::new(sdk);
    let described = with_retry(OPERATION, retry, async || {
        client.describe_organization().send().await.map_err(|error| CallError::new(OPERATION, &error))
    });
    let described = match described.await {
        Ok(described) => described,
        Err(error) if error.code() == Some("AWSOrganizationsNotInUseException") => return Ok(Membership::None),
        Err(error) => return Err(error),
    };
    let organization = described.organization();
    let management = organization.and_then(|organization| organization.master_account_id());
    let management =
        management.ok_or_else(|| CallError::unexpected(OPERATION, "the answer has no management account"))?;
    let features = organization.and_then(|organization| organization.feature_set());
    let has_policies = features != Some(&OrganizationFeatureSet::ConsolidatedBilling);
    Ok(Membership::of(account, management, has_policies))
}
