//! Assumes the role in an account of an organization.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime::client::identity::IdentityCache;

use crate::error::CallError;
use crate::permission::Permission;
use crate::retry::{Retry, with_retry};
use crate::whole::Whole;

/// The permission to assume the role.
pub const PERMISSIONS: &[Permission] = &[Permission {
    action: "sts:AssumeRole",
    resource: "the member role of each account",
    purpose: "reads each account with a role of its own",
    condition: None,
}];

const OPERATION: &str = "AssumeRole";
const SESSION: &str = "credwarden";
/// The shortest possible session: the audit of an account takes two minutes at most.
const SECONDS: i32 = 900;

/// Returns the configuration with the credentials of the role.
///
/// # Errors
///
/// When the role cannot be assumed.
pub async fn assume(sdk: &SdkConfig, role: &str, retry: impl Into<Retry>) -> Result<SdkConfig, CallError> {
    let client = aws_sdk_sts::Client::from_conf(aws_sdk_sts::config::Builder::from(sdk).interceptor(Whole).build());
    let assumed = with_retry(OPERATION, retry, async || {
        let request = client.assume_role().role_arn(role).role_session_name(SESSION).duration_seconds(SECONDS);
        request.send().await.map_err(|error| CallError::new(OPERATION, &error))
    })
    .await?;
    let session =
        assumed.credentials.ok_or_else(|| CallError::unexpected(OPERATION, "the answer has no credentials"))?;
    let token = Some(session.session_token);
    let credentials = Credentials::new(session.access_key_id, session.secret_access_key, token, None, SESSION);
    let provider = SharedCredentialsProvider::new(credentials);
    // A cache would keep the credentials of every account.
    Ok(sdk.to_builder().credentials_provider(provider).identity_cache(IdentityCache::no_cache()).build())
}
