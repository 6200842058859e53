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
        let is_cut = response.status().is_success() && response.body().bytes().is_some_and(|body| !is_whole(body));
        if let (true, Some(result)) = (is_cut, context.output_or_error_mut()) {
            *result = Err(OrchestratorError::response("the answer is cut: its root element is not closed".into()));
        }
        Ok(())
    }
}

/// Whether an XML document ends with the end tag of its root element.
fn is_whole(document: &[u8]) -> bool {
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
