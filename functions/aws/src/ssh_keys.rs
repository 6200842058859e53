//! Lists the SSH public keys of IAM users. There is no call for all users, and no other source has these keys.

use std::collections::BTreeMap;

use aws_sdk_iam::types::StatusType;
use futures_util::{StreamExt, stream};
use hygiene::readiness::SshKey;
use hygiene::source::{Source, Unavailable};
use hygiene::text::sentence;

use crate::error::{CallError, Kind, chain};
use crate::permission::Permission;
use crate::retry::{Retry, with_retry};

/// The permissions to list SSH public keys.
pub const PERMISSIONS: &[Permission] = &[Permission {
    action: "iam:ListSSHPublicKeys",
    resource: "the account's users",
    purpose: "lists credentials that no other source has",
    condition: None,
}];

const OPERATION: &str = "ListSSHPublicKeys";
/// Concurrent calls. IAM's rate limits are not documented, and other tools in the account share them.
const AT_ONCE: usize = 4;

/// Returns the SSH public keys by user.
pub async fn list(
    iam: &aws_sdk_iam::Client,
    users: &[String],
    retry: impl Into<Retry>,
) -> BTreeMap<String, Source<Vec<SshKey>>> {
    let retry = retry.into();
    let of_user = |user: &String| {
        let (user, retry) = (user.clone(), retry.clone());
        async move {
            let keys = of(iam, &user, &retry).await;
            (user, keys.map_err(|error| Unavailable::Unreadable(sentence(&chain(&error)))))
        }
    };
    stream::iter(users).map(of_user).buffer_unordered(AT_ONCE).collect().await
}

async fn of(iam: &aws_sdk_iam::Client, user: &str, retry: &Retry) -> Result<Vec<SshKey>, CallError> {
    let mut keys = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let page = with_retry(OPERATION, retry.clone(), async || {
            let request = iam.list_ssh_public_keys().user_name(user).set_marker(marker.clone());
            request.send().await.map_err(|error| CallError::new(OPERATION, &error))
        });
        let page = match page.await {
            Ok(page) => page,
            // The user was deleted since the report was made.
            Err(error) if error.kind == Kind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let key = |key: &aws_sdk_iam::types::SshPublicKeyMetadata| SshKey {
            id: key.ssh_public_key_id().to_owned(),
            is_active: *key.status() == StatusType::Active,
        };
        keys.extend(page.ssh_public_keys().iter().map(key));
        match page.marker() {
            Some(next) if page.is_truncated() && marker.as_deref() != Some(next) => marker = Some(next.to_owned()),
            _ if page.is_truncated() => {
                return Err(CallError::unexpected(OPERATION, "the list goes on, and the answer does not say where"));
            }
            _ => return Ok(keys),
        }
    }
}
