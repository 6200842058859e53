//! What the function would import into Security Hub: the SDK words it as it would for the wire.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use aws_credential_types::Credentials;
use aws_sdk_securityhub::config::retry::RetryConfig;
use aws_sdk_securityhub::config::{BehaviorVersion, Region};
use aws_sdk_securityhub::{Client, Config};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use checker::asff::failing;
use checker::cause::{CallError, chain};
use checker::recall::Scope;
use hygiene::finding::Status;
use hygiene::reconcile::reconcile;
use serde::Deserialize;
use serde_json::Value;

use crate::view::View;

/// There is no such finding without the account's number.
#[derive(Debug, thiserror::Error)]
#[error("--format asff needs the account's number, which the root user's row of the credential report has")]
pub struct NoAccount;

/// Findings the SDK is given at once: as many as a call takes.
const BATCH: usize = 100;

/// Whose Security Hub the findings are for.
///
/// # Errors
///
/// When the account is not known.
pub fn scope(view: &View<'_>, region: Option<&str>, note: &mut dyn FnMut(&str)) -> Result<Scope, NoAccount> {
    let account_id = view.account().ok_or(NoAccount)?.to_owned();
    let partition = view.evaluation.partition.clone();
    let region = region.unwrap_or_else(|| {
        let home = home(&partition);
        note(&format!("no --region was given, so the findings are for the Security Hub of {home}"));
        home
    });
    Ok(Scope { region: region.to_owned(), account_id, partition })
}

/// Writes what the first run would import: a JSON list, which `aws securityhub batch-import-findings --findings` takes a
/// hundred at a time.
pub fn write(view: &View<'_>, scope: &Scope, to: &mut dyn Write) -> io::Result<()> {
    let wire = Wire::default();
    let client = client(&wire, &scope.region);
    let nothing = BTreeMap::new();
    let plan = reconcile(view.evaluation, &nothing, &[]);
    let shown = view.findings.iter().any(|finding| finding.status == Status::Failed);
    let failing_findings = if shown { plan.failing.as_slice() } else { &[] };
    let now = view.evaluation.evaluated_at;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut separator = "[\n";
    for batch in failing_findings.chunks(BATCH) {
        let findings = batch.iter().map(|finding| failing(finding, scope, now)).collect();
        let sent = runtime.block_on(client.batch_import_findings().set_findings(Some(findings)).send());
        let words = |error| io::Error::other(chain(&CallError::new("BatchImportFindings", &error)));
        sent.map_err(words)?;
        let body = wire.take();
        for finding in serde_json::from_slice::<Body>(&body)?.findings {
            write!(to, "{separator}{}", sorted(finding))?;
            separator = ",\n";
        }
    }
    to.write_all(if separator == "[\n" { b"[]\n" } else { b"\n]\n" })
}

/// In order by name: the SDK's maps are in none, and the same input shall give the same bytes. Whether `serde_json` sorts by
/// itself depends on what else is compiled with it.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        value => value,
    }
}

/// The body of `BatchImportFindings`.
#[derive(Deserialize)]
struct Body {
    #[serde(rename = "Findings")]
    findings: Vec<Value>,
}

/// A wire that ends here: it keeps what is sent, and answers that all is well.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<u8>>>);

impl Wire {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Wire")
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default().to_vec();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = body;
        let ok = StatusCode::try_from(200)
            .map_err(|error| aws_smithy_runtime_api::client::result::ConnectorError::other(error.into(), None));
        let answer = SdkBody::from(r#"{"SuccessCount":0,"FailedCount":0,"FailedFindings":[]}"#);
        HttpConnectorFuture::ready(ok.map(|ok| HttpResponse::new(ok, answer)))
    }
}

fn client(wire: &Wire, region: &str) -> Client {
    let wire = SharedHttpConnector::new(wire.clone());
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        // Nothing is signed for anyone: the request does not leave the process.
        .credentials_provider(Credentials::new("none", "none", None, None, "none"))
        .retry_config(RetryConfig::disabled())
        .http_client(http_client_fn(move |_, _| wire.clone()));
    Client::from_conf(config.build())
}

/// The region of IAM itself in a partition, where one looks for its findings if nobody says otherwise.
fn home(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    }
}
