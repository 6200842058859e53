//! The Regions that are enabled in the account.
//!
//! EC2's SDK takes minutes to compile for this one call, so the request is made here, and signed and sent by the SDK's runtime.

use std::collections::BTreeSet;
use std::fmt;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use aws_smithy_xml::decode::{Document, ScopedDecoder, try_data};
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use aws_types::service_config::ServiceConfigKey;

use crate::error::CallError;
use crate::permission::Permission;
use crate::retry::{Retry, with_retry};
use crate::whole::is_whole;

/// The permissions to list the Regions.
pub const PERMISSIONS: &[Permission] = &[Permission {
    action: "ec2:DescribeRegions",
    resource: "*",
    purpose: "lists the Regions in which the root user may have called",
    condition: None,
}];

const OPERATION: &str = "DescribeRegions";

/// An error that EC2 returned.
#[derive(Debug)]
struct Ec2Error(ErrorMetadata);

impl fmt::Display for Ec2Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("service error")
    }
}

impl std::error::Error for Ec2Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl ProvideErrorMetadata for Ec2Error {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

/// Returns the enabled Regions.
///
/// # Errors
///
/// When the call fails.
pub async fn enabled(sdk: &SdkConfig, retry: impl Into<Retry>) -> Result<BTreeSet<String>, CallError> {
    let unexpected = |what: &str| CallError::unexpected(OPERATION, what);
    let region = sdk.region().ok_or_else(|| unexpected("there is no Region to call"))?.as_ref();
    let credentials = sdk.credentials_provider().ok_or_else(|| unexpected("there are no credentials"))?;
    let http_client = sdk.http_client().ok_or_else(|| unexpected("there is no HTTP client"))?;
    let mut layer = Layer::new("signing");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(SigV4OperationSigningConfig::default());
    layer.store_put(SigningName::from_static("ec2"));
    layer.store_put(SigningRegion::from(aws_config::Region::new(region.to_owned())));
    let components = RuntimeComponentsBuilder::new("signing")
        .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
        .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
            StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]),
        )))
        .with_identity_cache(Some(IdentityCache::no_cache()))
        .with_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials));
    let mut operation = Operation::builder()
        .service_name("EC2")
        .operation_name(OPERATION)
        .behavior_version(BehaviorVersion::latest())
        .http_client(http_client)
        .endpoint_url(&endpoint(sdk, region))
        .no_retry()
        .runtime_plugin(StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components));
    if let Some(timeouts) = sdk.timeout_config() {
        operation = operation.timeout_config(timeouts.clone());
    }
    if let Some(sleep) = sdk.sleep_impl() {
        operation = operation.sleep_impl(sleep);
    }
    if let Some(time) = sdk.time_source() {
        operation = operation.time_source(time);
    }
    let operation = operation
        .serializer(|(): ()| Ok(request()?))
        .deserializer(|response| {
            let body = response.body().bytes().unwrap_or_default();
            let unhandled = OrchestratorError::other;
            if response.status().is_success() {
                return regions(body).map_err(|error| unhandled(error.to_string()));
            }
            Err(OrchestratorError::operation(Ec2Error(error(body).unwrap_or_default())))
        })
        .build();
    with_retry(OPERATION, retry, async || operation.invoke(()).await.map_err(|error| CallError::new(OPERATION, &error)))
        .await
}

/// The endpoint of the environment or of the profile; otherwise AWS's, of the Region's partition.
fn endpoint(sdk: &SdkConfig, region: &str) -> String {
    let key = ServiceConfigKey::builder().service_id("EC2").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let configured = key.ok().and_then(|key| sdk.service_config()?.load_config(key));
    if let Some(configured) = configured.or_else(|| sdk.endpoint_url().map(str::to_owned)) {
        return configured;
    }
    let (fips, dual_stack) = (sdk.use_fips() == Some(true), sdk.use_dual_stack() == Some(true));
    let service = if fips { "ec2-fips" } else { "ec2" };
    let suffix = match (region.starts_with("cn-"), dual_stack) {
        (true, false) => "amazonaws.com.cn",
        (true, true) => "api.amazonwebservices.com.cn",
        (false, false) => "amazonaws.com",
        (false, true) => "api.aws",
    };
    format!("https://{service}.{region}.{suffix}")
}

fn request() -> Result<HttpRequest, http::Error> {
    let body = "Action=DescribeRegions&Version=2016-11-15";
    let request = http::Request::post("/")
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")
        .header(http::header::CONTENT_LENGTH, body.len())
        .body(SdkBody::from(body))?;
    Ok(HttpRequest::try_from(request).unwrap_or_else(|_| HttpRequest::new(SdkBody::from(body))))
}

/// The Regions of a response: without `AllRegions` those that are enabled.
fn regions(body: &[u8]) -> Result<BTreeSet<String>, aws_smithy_xml::decode::XmlDecodeError> {
    if !is_whole(body) {
        return Err(aws_smithy_xml::decode::XmlDecodeError::custom("its end is missing"));
    }
    let mut document = Document::try_from(body)?;
    let mut root = document.root_element()?;
    let mut regions = BTreeSet::new();
    while let Some(mut list) = root.next_tag() {
        if list.start_el().matches("regionInfo") {
            while let Some(mut item) = list.next_tag() {
                regions.extend(child(&mut item, "regionName")?);
            }
        }
    }
    if regions.is_empty() {
        return Err(aws_smithy_xml::decode::XmlDecodeError::custom("it has no Region"));
    }
    Ok(regions)
}

/// The code and message of an error response.
fn error(body: &[u8]) -> Option<ErrorMetadata> {
    let mut document = Document::try_from(body).ok()?;
    let mut root = document.root_element().ok()?;
    let mut errors = root.next_tag()?;
    let mut error = errors.next_tag()?;
    let mut metadata = ErrorMetadata::builder();
    while let Some(mut member) = error.next_tag() {
        let name = member.start_el().local().to_owned();
        let text = try_data(&mut member).ok()?.into_owned();
        metadata = match name.as_str() {
            "Code" => metadata.code(text),
            "Message" => metadata.message(text),
            _ => metadata,
        };
    }
    Some(metadata.build())
}

fn child(
    parent: &mut ScopedDecoder<'_, '_>,
    name: &str,
) -> Result<Option<String>, aws_smithy_xml::decode::XmlDecodeError> {
    let mut found = None;
    while let Some(mut member) = parent.next_tag() {
        if member.start_el().matches(name) {
            found = Some(try_data(&mut member)?.into_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_regions_of_a_response_are_read() {
        let body = br#"<?xml version="1.0" encoding="UTF-8"?>
            <DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId><regionInfo>
            <item><regionName>eu-west-1</regionName><regionEndpoint>ec2.eu-west-1.amazonaws.com</regionEndpoint></item>
            <item><optInStatus>opted-in</optInStatus><regionName>af-south-1</regionName></item>
            </regionInfo></DescribeRegionsResponse>"#;
        assert_eq!(regions(body).unwrap().into_iter().collect::<Vec<_>>(), ["af-south-1", "eu-west-1"]);
        for end in 0..body.len() {
            assert!(regions(&body[..end]).is_err(), "{end}");
        }
        for other in [&b"<DescribeRegionsResponse/>"[..], b"{}"] {
            assert!(regions(other).is_err());
        }
    }

    #[test]
    fn an_error_has_its_code_and_message() {
        let body =
            b"<?xml version=\"1.0\"?><Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>No.</Message>\
            </Error></Errors><RequestID>1</RequestID></Response>";
        let read = error(body).unwrap();
        assert_eq!((read.code(), read.message()), (Some("UnauthorizedOperation"), Some("No.")));
        assert!(error(b"<html>").is_none());
    }
}
