//! Calls of services whose SDK takes minutes to compile for one operation: the request is made here, in AWS's Query protocol, and
//! signed and sent by the SDK's runtime.
//!
//! See <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>, and for EC2
//! <https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html>.

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
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use aws_types::service_config::ServiceConfigKey;

use crate::error::CallError;
use crate::retry::{Retry, with_retry};
use crate::whole::is_whole;

/// An operation of a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query {
    /// The id of the service's SDK, such as `EC2`.
    pub(crate) service: &'static str,
    /// The service's name in signatures and host names.
    pub(crate) name: &'static str,
    /// The version of the service's API.
    pub(crate) version: &'static str,
    /// The operation.
    pub(crate) operation: &'static str,
}

/// An error that the service returned.
#[derive(Debug)]
struct ServiceError(ErrorMetadata);

impl fmt::Display for ServiceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("service error")
    }
}

impl std::error::Error for ServiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl ProvideErrorMetadata for ServiceError {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

impl Query {
    /// Calls the operation in the configuration's Region. `parse` reads the response, whose end is there.
    ///
    /// # Errors
    ///
    /// When the call fails, or the response cannot be parsed.
    pub(crate) async fn call<T: fmt::Debug + Send + Sync + 'static>(
        self,
        sdk: &SdkConfig,
        parameters: &[(&str, &str)],
        parse: fn(&[u8]) -> Result<T, XmlDecodeError>,
        retry: impl Into<Retry>,
    ) -> Result<T, CallError> {
        let unexpected = |what: &str| CallError::unexpected(self.operation, what);
        let region = sdk.region().ok_or_else(|| unexpected("there is no Region to call"))?.as_ref();
        let credentials = sdk.credentials_provider().ok_or_else(|| unexpected("there are no credentials"))?;
        let http_client = sdk.http_client().ok_or_else(|| unexpected("there is no HTTP client"))?;
        let mut layer = Layer::new("signing");
        layer.store_put(AuthSchemeOptionResolverParams::new(()));
        layer.store_put(SigV4OperationSigningConfig::default());
        layer.store_put(SigningName::from_static(self.name));
        layer.store_put(SigningRegion::from(aws_config::Region::new(region.to_owned())));
        let components = RuntimeComponentsBuilder::new("signing")
            .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
            .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
                StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]),
            )))
            .with_identity_cache(Some(IdentityCache::no_cache()))
            .with_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials));
        let mut operation = Operation::builder()
            .service_name(self.service)
            .operation_name(self.operation)
            .behavior_version(BehaviorVersion::latest())
            .http_client(http_client)
            .endpoint_url(&self.endpoint(sdk, region))
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
        let body = self.body(parameters);
        let operation = operation
            .serializer(request)
            .deserializer(move |response| {
                let body = response.body().bytes().unwrap_or_default();
                if !response.status().is_success() {
                    return Err(OrchestratorError::operation(ServiceError(error(body).unwrap_or_default())));
                }
                let parsed =
                    if is_whole(body) { parse(body) } else { Err(XmlDecodeError::custom("its end is missing")) };
                parsed.map_err(|error| OrchestratorError::other(error.to_string()))
            })
            .build();
        with_retry(self.operation, retry, async || {
            operation.invoke(body.clone()).await.map_err(|error| CallError::new(self.operation, &error))
        })
        .await
    }

    fn body(self, parameters: &[(&str, &str)]) -> String {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("Action", self.operation).append_pair("Version", self.version).extend_pairs(parameters);
        body.finish()
    }

    /// The endpoint of the environment or of the profile; otherwise AWS's, of the Region's partition.
    fn endpoint(self, sdk: &SdkConfig, region: &str) -> String {
        let key = ServiceConfigKey::builder().service_id(self.service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        let configured = key.build().ok().and_then(|key| sdk.service_config()?.load_config(key));
        if let Some(configured) = configured.or_else(|| sdk.endpoint_url().map(str::to_owned)) {
            return configured;
        }
        let (fips, dual_stack) = (sdk.use_fips() == Some(true), sdk.use_dual_stack() == Some(true));
        let suffix = match (region.starts_with("cn-"), dual_stack) {
            (true, false) => "amazonaws.com.cn",
            (true, true) => "api.amazonwebservices.com.cn",
            (false, false) => "amazonaws.com",
            (false, true) => "api.aws",
        };
        format!("https://{}{}.{region}.{suffix}", self.name, if fips { "-fips" } else { "" })
    }
}

fn request(body: String) -> Result<HttpRequest, Box<dyn std::error::Error + Send + Sync>> {
    let request = http::Request::post("/")
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")
        .header(http::header::CONTENT_LENGTH, body.len())
        .body(SdkBody::from(body))?;
    Ok(HttpRequest::try_from(request)?)
}

/// The code and message of an error response. EC2's has its error in a list.
fn error(body: &[u8]) -> Option<ErrorMetadata> {
    let mut document = Document::try_from(body).ok()?;
    let mut root = document.root_element().ok()?;
    let mut first = root.next_tag()?;
    if first.start_el().matches("Errors") {
        return first.next_tag().as_mut().and_then(metadata);
    }
    metadata(&mut first)
}

fn metadata(error: &mut ScopedDecoder<'_, '_>) -> Option<ErrorMetadata> {
    let mut metadata = ErrorMetadata::builder();
    while let Some(mut member) = error.next_tag() {
        let name = member.start_el().local().to_owned();
        metadata = match name.as_str() {
            "Code" => metadata.code(try_data(&mut member).ok()?),
            "Message" => metadata.message(try_data(&mut member).ok()?),
            _ => metadata,
        };
    }
    Some(metadata.build())
}

/// The text of the element's child of that name.
pub(crate) fn child(parent: &mut ScopedDecoder<'_, '_>, name: &str) -> Result<Option<String>, XmlDecodeError> {
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
    fn an_error_has_its_code_and_message() {
        let of_ec2 = "<?xml version=\"1.0\"?><Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>No.</Message>\
             </Error></Errors><RequestID>1</RequestID></Response>";
        let of_others = "<ErrorResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><Error><Type>Sender</Type>\
             <Code>StackSetNotFoundException</Code><Message>No.</Message></Error><RequestId>1</RequestId></ErrorResponse>";
        for (body, code) in [(of_ec2, "UnauthorizedOperation"), (of_others, "StackSetNotFoundException")] {
            let read = error(body.as_bytes()).unwrap();
            assert_eq!((read.code(), read.message()), (Some(code), Some("No.")));
        }
        assert!(error(b"<html>").is_none());
    }

    #[test]
    fn the_endpoint_is_that_of_the_partition() {
        let query = Query { service: "EC2", name: "ec2", version: "2016-11-15", operation: "DescribeRegions" };
        let endpoint = |region: &str, fips: bool, dual: bool| {
            query.endpoint(&SdkConfig::builder().use_fips(fips).use_dual_stack(dual).build(), region)
        };
        assert_eq!(endpoint("eu-west-1", false, false), "https://ec2.eu-west-1.amazonaws.com");
        assert_eq!(endpoint("us-gov-west-1", true, false), "https://ec2-fips.us-gov-west-1.amazonaws.com");
        assert_eq!(endpoint("cn-north-1", false, false), "https://ec2.cn-north-1.amazonaws.com.cn");
        assert_eq!(endpoint("eu-west-1", false, true), "https://ec2.eu-west-1.api.aws");
    }
}
