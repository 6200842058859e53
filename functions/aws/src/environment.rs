//! The SDK's environment variables, where the SDK differs from the AWS CLI.
//!
//! The AWS CLI treats an empty variable as unset. The SDK does not: an empty `AWS_ENDPOINT_URL` makes it panic, an empty
//! `AWS_REGION` gives host names without a region.

use std::ffi::{OsStr, OsString};

/// Returns the names of empty or blank variables, among those that the SDK and its HTTP client read.
///
/// Both programs unset them before they do anything else.
pub fn empty_variables(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<OsString> {
    let is_empty = |(name, value): &(OsString, OsString)| is_read_by_sdk(name) && is_blank(value);
    variables.into_iter().filter(is_empty).map(|(name, _)| name).collect()
}

fn is_read_by_sdk(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("AWS_") || name.starts_with("SSL_CERT_") || name.to_ascii_uppercase().ends_with("_PROXY")
}

fn is_blank(value: &OsStr) -> bool {
    value.to_str().is_some_and(|value| value.trim().is_empty())
}

/// Whether the text is the URL of an endpoint, with scheme and host. The SDK takes a URL without scheme for a path, and retries
/// it.
pub fn is_endpoint(text: &str) -> bool {
    let uri = text.parse::<http::Uri>().ok().filter(|uri| uri.authority().is_some());
    uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_blank_variables_of_the_sdk_are_found() {
        let variables = [
            ("AWS_PROFILE", ""),
            ("AWS_ENDPOINT_URL_IAM", " \t"),
            ("AWS_REGION", "eu-central-1"),
            ("SSL_CERT_FILE", ""),
            ("https_proxy", ""),
            ("HTTP_PROXY", "http://localhost:3128"),
            ("CREDWARDEN_TOPIC_ARN", ""),
            ("HOME", ""),
        ];
        let found = empty_variables(variables.map(|(name, value)| (name.into(), value.into())));
        assert_eq!(found, ["AWS_PROFILE", "AWS_ENDPOINT_URL_IAM", "SSL_CERT_FILE", "https_proxy"]);
    }
}
