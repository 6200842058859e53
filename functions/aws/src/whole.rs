//! Rejects truncated responses of IAM and STS. When a connection ends without an error, the SDK takes the received part for the
//! whole response: a list without its last devices, a report without its last users.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// An interceptor that turns a successful response into an error if its root element is not closed. It is not used for SNS: the
/// message was published although the response is truncated, and a retry would send it again.
#[derive(Debug)]
pub struct Whole;

#[dyn_dispatch_hint]
impl Intercept for Whole {
    fn name(&self) -> &'static str {
        "Whole"
    }

    /// Runs after parsing: earlier hooks do not have the whole body.
    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(response) = context.response() else { return Ok(()) };
        let body = response.body().bytes().filter(|_| response.status().is_success());
        let missing = body.and_then(missing);
        if let (Some(missing), Some(result)) = (missing, context.output_or_error_mut()) {
            *result = Err(OrchestratorError::response(missing.into()));
        }
        Ok(())
    }
}

/// The list of a response, by its root element. The SDK takes a response without it for an empty list.
const LISTS: [(&[u8], &[u8]); 4] = [
    (b"ListAccessKeysResponse", b"<AccessKeyMetadata"),
    (b"ListSSHPublicKeysResponse", b"<SSHPublicKeys"),
    (b"ListServiceSpecificCredentialsResponse", b"<ServiceSpecificCredentials"),
    (b"ListVirtualMFADevicesResponse", b"<VirtualMFADevices"),
];

/// What the response lacks.
fn missing(document: &[u8]) -> Option<&'static str> {
    if !is_whole(document) {
        return Some("the answer is cut: its root element is not closed");
    }
    let (_, list) = LISTS.iter().find(|(name, _)| root(document) == Some(*name))?;
    // It is not documented that an empty list has an element, so the end of the list is accepted as well.
    let has = |element: &[u8]| document.windows(element.len()).any(|bytes| bytes == element);
    (!has(list) && !has(b"<IsTruncated")).then_some("the answer has neither a list nor its end")
}

/// Whether an XML document ends with the end tag of its root element.
pub(crate) fn is_whole(document: &[u8]) -> bool {
    let Some(name) = root(document) else { return false };
    let end = document.trim_ascii_end().strip_suffix(b">").map(<[u8]>::trim_ascii_end);
    let before_name = end.and_then(|end| end.strip_suffix(name));
    before_name.is_some_and(|before| before.ends_with(b"</"))
}

/// The name of the first element, after declarations and comments.
fn root(document: &[u8]) -> Option<&[u8]> {
    let mut rest = document.trim_ascii_start();
    for (start, end) in [("<?", "?>"), ("<!--", "-->")] {
        while rest.starts_with(start.as_bytes()) {
            let place = rest.windows(end.len()).position(|bytes| bytes == end.as_bytes())?;
            rest = rest[place + end.len()..].trim_ascii_start();
        }
    }
    let element = rest.strip_prefix(b"<")?;
    let end = element.iter().position(|byte| byte.is_ascii_whitespace() || b"/>".contains(byte))?;
    Some(&element[..end]).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_an_element_is_no_empty_list() {
        let result = |members: &str| {
            let name = "ListVirtualMFADevicesRes";
            format!("<{name}ponse><{name}ult>{members}</{name}ult></{name}ponse>")
        };
        let missing = |members: &str| missing(result(members).as_bytes());
        assert_eq!(missing(""), Some("the answer has neither a list nor its end"));
        assert_eq!(missing("<VirtualMFADevices/>"), None);
        assert_eq!(missing("<IsTruncated>false</IsTruncated>"), None);
        assert_eq!(super::missing(b"<GetAccountSummaryResponse></GetAccountSummaryResponse>"), None);
    }

    #[test]
    fn a_document_is_whole_with_the_end_tag_of_its_root_element() {
        for document in [
            "<A></A>",
            "<A xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><B/></A>\n",
            "\n<?xml version=\"1.0\"?>\n<!-- A --><A>x</A >",
        ] {
            assert!(is_whole(document.as_bytes()), "{document}");
        }
        for document in
            ["", "<", "<A", "<A>", "<A><A", "<A><B></B>", "<A><B></B></A", "<A></BA>", "A", "<></>", "<?xml", "</A>"]
        {
            assert!(!is_whole(document.as_bytes()), "{document}");
        }
    }
}
