//! The Lambda function. Only this file reads the clock and the environment.

// The SDK's futures are deeply nested, and the run nests them further.
#![recursion_limit = "256"]

use std::io::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws::clients::loader;
use aws::collect::{AccountOf, Expected};
use aws::environment::empty_variables;
use aws::tls::http_client;
use aws_smithy_http_client::tls::TrustStore;
use checker::clients::{Clients, Configurations};
use checker::config::Config;
use checker::log;
use checker::metric::successful_run;
use checker::run::{Invocation, guarded, run};
use checker::summary::Summary;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;

// One thread: a run mostly waits for AWS, and a function of 128 MB has a fourteenth of a processor. The system's allocator:
// mimalloc needs 8 % fewer instructions, but 3 to 5 MB more memory.
fn main() -> Result<(), Error> {
    unset_empty_variables();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve())
}

#[expect(unsafe_code, reason = "variables can only be unset so")]
fn unset_empty_variables() {
    for name in empty_variables(std::env::vars_os()) {
        // SAFETY: this is the only thread.
        unsafe { std::env::remove_var(name) };
    }
}

async fn serve() -> Result<(), Error> {
    log::start(environment("AWS_LAMBDA_LOG_LEVEL").as_deref());
    let config =
        Config::read(environment).inspect_err(|error| tracing::error!(%error, "The settings cannot be used."))?;
    let sdk = loader(http_client(TrustStore::default())).load().await;
    let clients = Clients::new(&Configurations::all(&sdk), config.topic_arn.as_ref());
    let (config, clients) = (&config, &clients);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| handle(clients, config, event).await)).await
}

/// Handles one invocation. Every JSON value is accepted as event; only `{"dry_run": true}` has a meaning.
async fn handle(clients: &Clients, config: &Config, event: LambdaEvent<Value>) -> Result<Summary, Diagnostic> {
    let now = clock();
    let LambdaEvent { payload, context } = event;
    let deadline = UNIX_EPOCH + Duration::from_millis(context.deadline);
    let left = deadline.duration_since(now).unwrap_or_default();
    let dry_run = payload.get("dry_run") == Some(&Value::Bool(true));
    let expected = AccountOf::arn(&context.invoked_function_arn).map_or(Expected::Any, Expected::Presumed);
    let invocation = Invocation { now: now.into(), left, dry_run, expected };
    let summary = guarded(Box::pin(run(clients, config, &invocation))).await?;
    if !dry_run {
        let line = successful_run(invocation.now, &context.env_config.function_name, &context.request_id);
        // Printed and not logged, since the metric must not depend on the log level.
        let _ = writeln!(io::stdout(), "{line}");
    }
    Ok(summary)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn clock() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
