//! The services that users called last, by IAM: the one free source that has calls which are in no event. It is by user, not by
//! key, and can be four hours old.
//!
//! See <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GenerateServiceLastAccessedDetails.html>.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_iam::operation::get_service_last_accessed_details::GetServiceLastAccessedDetailsOutput;
use aws_sdk_iam::types::{JobStatusType, ServiceLastAccessed};
use chrono::DateTime;
use futures_util::{StreamExt, stream};
use hygiene::source::{Source, Unavailable};
use hygiene::text::sentence;
use hygiene::trace::Accessed;
use tokio::time::Instant;

use crate::error::{CallError, Kind, chain};
use crate::permission::Permission;
use crate::retry::{Backoff, Retry, with_retry};

/// The permissions to read the services. A trace does without them.
pub const PERMISSIONS: &[Permission] = &[
    Permission {
        action: "iam:GenerateServiceLastAccessedDetails",
        resource: "the account's users",
        purpose: "has IAM list the services that a user called",
        condition: None,
    },
    Permission {
        action: "iam:GetServiceLastAccessedDetails",
        resource: "*",
        purpose: "reads that list",
        condition: None,
    },
];

const GENERATE: &str = "GenerateServiceLastAccessedDetails";
const GET: &str = "GetServiceLastAccessedDetails";
/// Concurrent jobs. IAM's rate limits are not documented, and other tools in the account share them.
const AT_ONCE: usize = 4;
/// The timeout of a user's list, of which people measured seconds.
const LIST: Duration = Duration::from_mins(2);

/// Returns the services by user, given the users' names and ARNs. That the calls are denied is no failure: then nobody asked.
pub async fn of_users(
    iam: &aws_sdk_iam::Client,
    users: BTreeMap<String, String>,
    retry: &Retry,
) -> BTreeMap<String, Source<Vec<Accessed>>> {
    let of_user = |(user, arn): (String, String)| async move {
        let accessed = of(iam, &arn, &retry.until(retry.until.min(Instant::now() + LIST))).await;
        let unavailable = |error: CallError| {
            let reason = sentence(&chain(&error));
            if error.kind == Kind::Denied { Unavailable::NotAsked(reason) } else { Unavailable::Unreadable(reason) }
        };
        (user, accessed.map_err(unavailable))
    };
    stream::iter(users).map(of_user).buffer_unordered(AT_ONCE).collect().await
}

async fn of(iam: &aws_sdk_iam::Client, arn: &str, retry: &Retry) -> Result<Vec<Accessed>, CallError> {
    let job = with_retry(GENERATE, retry.clone(), async || {
        let request = iam.generate_service_last_accessed_details().arn(arn);
        request.send().await.map_err(|error| CallError::new(GENERATE, &error))
    });
    let job = job.await?.job_id.ok_or_else(|| CallError::unexpected(GENERATE, "the answer has no job"))?;
    let mut backoff = Backoff::until(retry.until);
    let mut page = loop {
        let page = get(iam, &job, None, retry).await?;
        match page.job_status() {
            JobStatusType::Completed => break page,
            JobStatusType::InProgress if backoff.wait().await => {}
            JobStatusType::InProgress => return Err(CallError::timeout(GET, "the list was not completed in time")),
            other => {
                let error =
                    page.error().map_or_else(String::new, |error| format!(": {}: {}", error.code(), error.message()));
                return Err(CallError::unexpected(GET, format!("the job is {other}{error}")));
            }
        }
    };
    let mut accessed = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        accessed.extend(page.services_last_accessed().iter().filter_map(read));
        match page.marker() {
            Some(next) if page.is_truncated() && marker.as_deref() != Some(next) => marker = Some(next.to_owned()),
            _ if page.is_truncated() => {
                return Err(CallError::unexpected(GET, "the list goes on, and the answer does not say where"));
            }
            _ => return Ok(accessed),
        }
        page = get(iam, &job, marker.as_deref(), retry).await?;
    }
}

async fn get(
    iam: &aws_sdk_iam::Client,
    job: &str,
    marker: Option<&str>,
    retry: &Retry,
) -> Result<GetServiceLastAccessedDetailsOutput, CallError> {
    with_retry(GET, retry.clone(), async || {
        let request = iam.get_service_last_accessed_details().job_id(job).set_marker(marker.map(str::to_owned));
        request.send().await.map_err(|error| CallError::new(GET, &error))
    })
    .await
}

/// A service that was never called has no date.
fn read(service: &ServiceLastAccessed) -> Option<Accessed> {
    Some(Accessed {
        service: service.service_namespace().to_owned(),
        date: DateTime::from_timestamp(service.last_authenticated()?.secs(), 0)?,
        region: service.last_authenticated_region().map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_services_that_were_called_are_read() {
        let service = ServiceLastAccessed::builder().service_name("Amazon S3").service_namespace("s3");
        assert_eq!(read(&service.clone().build().unwrap()), None);
        let date = aws_smithy_types::DateTime::from_secs(1_795_154_400);
        let called = service.last_authenticated(date).last_authenticated_region("eu-central-1").build().unwrap();
        let expected = Accessed {
            service: "s3".to_owned(),
            date: hygiene::time::rfc3339("2026-11-20T06:00:00Z").unwrap(),
            region: Some("eu-central-1".to_owned()),
        };
        assert_eq!(read(&called), Some(expected));
    }
}
