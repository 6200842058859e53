//! Security Hub's calls with credwarden's own finding type. The SDK would need 31 KB of memory per resource and parse every
//! member of a finding. Interceptors serialize and parse the bodies here; endpoint, signature and errors stay the SDK's.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_securityhub::Client;
use aws_sdk_securityhub::operation::batch_import_findings::BatchImportFindingsOutput;
use aws_sdk_securityhub::operation::get_findings::GetFindingsOutput;
use aws_sdk_securityhub::types::AwsSecurityFindingFilters;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut, Error, Output,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::asff::Asff;
use crate::error::CallError;

/// The name of the operation that writes findings.
pub const IMPORT: &str = "BatchImportFindings";
/// The name of the operation that reads them.
pub const GET: &str = "GetFindings";

/// The maximum page size of `GetFindings`.
pub const PAGE: usize = 100;

/// The body of `BatchImportFindings`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ImportBody<'a> {
    findings: &'a [Asff<'a>],
}

/// A page of findings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Page {
    /// Required: a response without it does not mean that there are no findings.
    pub findings: Vec<Asff<'static>>,
    /// The token of the next page; `None` on the last page.
    pub next_token: Option<String>,
}

/// Serializes the body of `BatchImportFindings`.
///
/// # Errors
///
/// None is known: every value of the format has a JSON representation.
pub fn import_body(findings: &[Asff<'_>]) -> Result<Bytes, CallError> {
    let body = serde_json::to_vec(&ImportBody { findings });
    body.map(Bytes::from).map_err(|error| CallError::unexpected(IMPORT, error.to_string()))
}

/// Calls `BatchImportFindings` once.
///
/// # Errors
///
/// The call's.
pub async fn import(client: &Client, body: Bytes) -> Result<BatchImportFindingsOutput, CallError> {
    let call = client.batch_import_findings().customize().interceptor(Body(body));
    call.send().await.map_err(|error| CallError::new(IMPORT, &error))
}

/// Calls `GetFindings` once.
///
/// # Errors
///
/// The call's, and a response that is not a page of findings.
pub async fn get_findings(
    client: &Client,
    filters: AwsSecurityFindingFilters,
    next_token: Option<String>,
) -> Result<Page, CallError> {
    let read = ReadPage::default();
    let call = client.get_findings().filters(filters).max_results(100).set_next_token(next_token);
    call.customize().interceptor(read.clone()).send().await.map_err(|error| CallError::new(GET, &error))?;
    read.take().ok_or_else(|| CallError::unexpected(GET, "the answer was not read"))
}

/// An interceptor that replaces the body that the SDK serialized.
struct Body(Bytes);

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Body({} bytes)", self.0.len())
    }
}

#[dyn_dispatch_hint]
impl Intercept for Body {
    fn name(&self) -> &'static str {
        "Body"
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        // Otherwise the length of the SDK's body would be sent.
        request.headers_mut().insert("content-length", self.0.len().to_string());
        *request.body_mut() = SdkBody::from(self.0.clone());
        Ok(())
    }
}

/// An interceptor that parses a page instead of the SDK, and keeps it, since the operation's output has another type.
#[derive(Clone, Default)]
struct ReadPage(Arc<Mutex<Option<Page>>>);

impl ReadPage {
    fn take(&self) -> Option<Page> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for ReadPage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ReadPage")
    }
}

#[dyn_dispatch_hint]
impl Intercept for ReadPage {
    fn name(&self) -> &'static str {
        "ReadPage"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // The SDK parses errors: it knows their codes.
        if context.response().status().is_success() {
            config.interceptor_state().store_put(SharedResponseDeserializer::new(self.clone()));
        }
        Ok(())
    }
}

impl DeserializeResponse for ReadPage {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        // The deserializer would also be used for a retry of the SDK. Those are off, but an error must never be parsed as a page.
        if !response.status().is_success() {
            return Err(OrchestratorError::response("an error was answered in the place of a page".into()));
        }
        let page: Page = serde_json::from_slice(response.body().bytes().unwrap_or_default())
            .map_err(|error| OrchestratorError::response(error.into()))?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(page);
        // The SDK panics if the output has another type.
        Ok(Output::erase(GetFindingsOutput::builder().set_findings(Some(Vec::new())).build()))
    }
}
