//! The instances of the `StackSet` that makes the member role: why the role may be missing in an account.
//!
//! See <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStackInstances.html>.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};

use crate::error::CallError;
use crate::permission::Permission;
use crate::query::{Query, child};
use crate::retry::Retry;

/// The permission to list the instances.
pub const PERMISSIONS: &[Permission] = &[Permission {
    action: "cloudformation:ListStackInstances",
    resource: "the StackSet of the member role",
    purpose: "says why the role is missing in an account",
    condition: None,
}];

const OPERATION: &str = "ListStackInstances";
const QUERY: Query =
    Query { service: "CloudFormation", name: "cloudformation", version: "2010-05-15", operation: OPERATION };
/// Of 100 instances each: the maximum number of instances of a `StackSet`.
const PAGES: usize = 1_000;

/// An instance of a `StackSet`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instance {
    account: String,
    /// `Status`: `CURRENT`, `OUTDATED` or `INOPERABLE`.
    pub status: String,
    /// `StackInstanceStatus.DetailedStatus`, such as `FAILED`.
    pub detailed_status: Option<String>,
    /// `StatusReason`, which is untrusted text.
    pub reason: Option<String>,
}

#[derive(Debug)]
struct Page {
    instances: Vec<Instance>,
    next_token: Option<String>,
}

/// Returns the instances of a `StackSet` by account, as the management account or else as a delegated administrator sees them.
///
/// # Errors
///
/// When they cannot be listed.
pub async fn instances(
    sdk: &SdkConfig,
    stack_set: &str,
    retry: impl Into<Retry>,
) -> Result<BTreeMap<String, Instance>, CallError> {
    let retry = retry.into();
    match of(sdk, stack_set, "SELF", &retry).await {
        // The management account's error is the clearer one.
        Err(refused) if !refused.kind.may_pass() => {
            of(sdk, stack_set, "DELEGATED_ADMIN", &retry).await.map_err(|_| refused)
        }
        instances => instances,
    }
}

async fn of(
    sdk: &SdkConfig,
    stack_set: &str,
    call_as: &str,
    retry: &Retry,
) -> Result<BTreeMap<String, Instance>, CallError> {
    let mut instances = BTreeMap::new();
    let mut token: Option<String> = None;
    for _ in 0..PAGES {
        let mut parameters = vec![("StackSetName", stack_set), ("CallAs", call_as), ("MaxResults", "100")];
        parameters.extend(token.as_deref().map(|token| ("NextToken", token)));
        let page = QUERY.call(sdk, &parameters, page, retry.clone()).await?;
        instances.extend(page.instances.into_iter().map(|instance| (instance.account.clone(), instance)));
        match page.next_token.filter(|token| !token.is_empty()) {
            Some(next) if token.as_ref() == Some(&next) => break,
            Some(next) => token = Some(next),
            None => return Ok(instances),
        }
    }
    Err(CallError::unexpected(OPERATION, "the list has no end"))
}

fn page(body: &[u8]) -> Result<Page, XmlDecodeError> {
    let mut document = Document::try_from(body)?;
    let mut root = document.root_element()?;
    let mut result = root.next_tag().ok_or_else(|| XmlDecodeError::custom("it has no result"))?;
    let (mut instances, mut next_token) = (None, None);
    while let Some(mut part) = result.next_tag() {
        match part.start_el().local() {
            "NextToken" => next_token = Some(try_data(&mut part)?.into_owned()),
            "Summaries" => {
                let instances: &mut Vec<_> = instances.get_or_insert_default();
                while let Some(mut member) = part.next_tag() {
                    instances.push(instance(&mut member)?);
                }
            }
            _ => {}
        }
    }
    let instances = instances.ok_or_else(|| XmlDecodeError::custom("it has no list"))?;
    Ok(Page { instances, next_token })
}

fn instance(member: &mut ScopedDecoder<'_, '_>) -> Result<Instance, XmlDecodeError> {
    let mut instance = Instance::default();
    while let Some(mut field) = member.next_tag() {
        match field.start_el().local() {
            "Account" => instance.account = try_data(&mut field)?.into_owned(),
            "Status" => instance.status = try_data(&mut field)?.into_owned(),
            "StatusReason" => instance.reason = Some(try_data(&mut field)?.into_owned()),
            "StackInstanceStatus" => instance.detailed_status = child(&mut field, "DetailedStatus")?,
            _ => {}
        }
    }
    Ok(instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read() {
        let body = b"<ListStackInstancesResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
            <ListStackInstancesResult><Summaries><member><Region>us-east-1</Region><Account>222222222222</Account>\
            <Status>OUTDATED</Status><StatusReason>It failed.</StatusReason><StackInstanceStatus><DetailedStatus>FAILED\
            </DetailedStatus></StackInstanceStatus></member></Summaries><NextToken>t</NextToken></ListStackInstancesResult>\
            </ListStackInstancesResponse>";
        let Page { instances, next_token } = page(body).unwrap();
        let instance = Instance {
            account: "222222222222".to_owned(),
            status: "OUTDATED".to_owned(),
            detailed_status: Some("FAILED".to_owned()),
            reason: Some("It failed.".to_owned()),
        };
        assert_eq!((instances, next_token.as_deref()), (vec![instance], Some("t")));
    }

    #[test]
    fn a_response_without_a_list_is_no_empty_list() {
        let response = |result: &str| format!("<ListStackInstancesResponse>{result}</ListStackInstancesResponse>");
        assert!(page(response("<ListStackInstancesResult/>").as_bytes()).is_err());
        let empty = page(response("<ListStackInstancesResult><Summaries/></ListStackInstancesResult>").as_bytes());
        assert!(empty.unwrap().instances.is_empty());
    }
}
