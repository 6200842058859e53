//! The last use of an access key, which is newer than the credential report's, and its user.
//!
//! See <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html>.

use std::collections::BTreeMap;

use aws_sdk_iam::types::AccessKeyLastUsed;
use chrono::DateTime;
use futures_util::{StreamExt, stream};
use hygiene::source::{Source, Unavailable};
use hygiene::text::sentence;
use hygiene::trace::LastUsed;

use crate::error::{CallError, Kind, chain};
use crate::permission::Permission;
use crate::retry::{Retry, with_retry};

/// The permissions to read the last use.
pub const PERMISSIONS: &[Permission] = &[Permission {
    action: "iam:GetAccessKeyLastUsed",
    resource: "the account's users",
    purpose: "has the last use of a key, and whose it is",
    condition: None,
}];

const OPERATION: &str = "GetAccessKeyLastUsed";
/// Concurrent calls. IAM's rate limits are not documented, and other tools in the account share them.
const AT_ONCE: usize = 4;

/// Returns the last uses by key id; `None` if a key was never used.
pub async fn of_keys(
    iam: &aws_sdk_iam::Client,
    ids: &[String],
    retry: &Retry,
) -> BTreeMap<String, Source<Option<LastUsed>>> {
    let of_key = |id: &String| {
        let id = id.clone();
        async move {
            let used = get(iam, &id, retry).await.map(|(_, used)| used.as_ref().and_then(read));
            (id, used.map_err(|error| Unavailable::Unreadable(sentence(&chain(&error)))))
        }
    };
    stream::iter(ids).map(of_key).buffer_unordered(AT_ONCE).collect().await
}

/// Returns the name of the user whose key has the id; `None` if IAM knows no such key.
///
/// # Errors
///
/// When the call fails. That it is denied can mean that the key is another account's.
pub async fn owner_of(iam: &aws_sdk_iam::Client, id: &str, retry: &Retry) -> Result<Option<String>, CallError> {
    match get(iam, id, retry).await {
        Ok((user, _)) => Ok(user.filter(|user| !user.is_empty())),
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn get(
    iam: &aws_sdk_iam::Client,
    id: &str,
    retry: &Retry,
) -> Result<(Option<String>, Option<AccessKeyLastUsed>), CallError> {
    let output = with_retry(OPERATION, retry.clone(), async || {
        let output = iam.get_access_key_last_used().access_key_id(id).send().await;
        output.map_err(|error| CallError::new(OPERATION, &error))
    });
    let output = output.await?;
    // Without the check, an answer that says nothing would be a key that was never used.
    if output.user_name.is_none() && output.access_key_last_used.is_none() {
        return Err(CallError::unexpected(OPERATION, "the answer has no key"));
    }
    Ok((output.user_name, output.access_key_last_used))
}

/// A key that was never used has no date, and `N/A` for the rest.
fn read(used: &AccessKeyLastUsed) -> Option<LastUsed> {
    let date = used.last_used_date()?;
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty() && text != "N/A");
    Some(LastUsed {
        date: DateTime::from_timestamp(date.secs(), 0)?,
        region: given(used.region()),
        service: given(used.service_name()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_use_is_read() {
        let used = AccessKeyLastUsed::builder().service_name("s3").region("N/A");
        let date = aws_smithy_types::DateTime::from_secs(1_795_154_400);
        let used_last = read(&used.clone().last_used_date(date).build().unwrap());
        let expected = LastUsed {
            date: hygiene::time::rfc3339("2026-11-20T06:00:00Z").unwrap(),
            region: None,
            service: Some("s3".to_owned()),
        };
        assert_eq!(used_last, Some(expected));
        assert_eq!(read(&used.service_name("N/A").build().unwrap()), None);
    }
}
