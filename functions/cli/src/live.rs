//! Reads the live account, with the AWS CLI's own credentials, through the function's own hands.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws::access_keys;
use aws::clients::{Clients, loader};
use aws::collect::{CollectError, Expected, collect};
use aws::error::{CallError, chain};
use aws::retry::Retry;
use aws::tls::http_client;
use aws_config::{Region, SdkConfig};
use aws_types::service_config::ServiceConfigKey;
use chrono::{DateTime, Utc};
use hygiene::account::Account;
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::Evaluation;
use hygiene::memory::Memory;
use hygiene::source::Unavailable;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::configuration::{Configuration, ConfigurationError, check_endpoint};
use crate::credentials::{self, NoCredentials};

/// How long the sources are waited for: IAM takes seconds for a report, and longer for one of thousands of users.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long the keys' ids are: with thousands of failing keys it is a call a user.
const NAMING: Duration = Duration::from_mins(10);

/// How often an endpoint is tried that cannot be reached: whoever sits before a terminal can see to the network.
const REACHING: u32 = 3;

/// IAM is the same from every region of a partition; this one signs where none is configured.
const ANY_REGION: &str = "us-east-1";

/// The live account.
#[derive(Debug)]
pub struct Live {
    runtime: Runtime,
    clients: Clients,
    /// The region that signed.
    region: String,
    unreadable: Option<String>,
}

/// What was read of the live account.
#[derive(Debug)]
pub struct Read {
    /// What was read.
    pub account: Account,
    /// Why the rest could not be read, a line each.
    pub errors: Vec<String>,
    /// What went wrong although everything was read, a line each.
    pub notes: Vec<String>,
}

/// Why the live account is not asked.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There can be no runtime.
    #[error("could not start")]
    Runtime(#[from] io::Error),
    /// A setting cannot be used.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
}

impl Live {
    /// The account whose credentials the configuration has. Fetching them may ask for the code of an MFA device.
    ///
    /// # Errors
    ///
    /// When there can be no runtime, or a configured endpoint is not a URL. Missing credentials are not an error: then
    /// nothing is known of the account.
    pub fn new(configuration: &Configuration) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let region = configuration.region.clone().map_or(Region::from_static(ANY_REGION), Region::new);
        let loader = loader(http_client(configuration.trusted.clone()))
            .no_credentials()
            .region(region)
            .profile_files(configuration.files.clone())
            .profile_name(&configuration.profile);
        let sdk = runtime.block_on(loader.load());
        check_endpoints(&sdk)?;
        let provider = credentials::provider(configuration, &sdk);
        let (sdk, unreadable) = match runtime.block_on(credentials::fetch(configuration, provider)) {
            Ok(provider) => (sdk.into_builder().credentials_provider(provider).build(), None),
            Err(NoCredentials::Settings(reason)) => return Err(ConfigurationError::Profile(reason).into()),
            Err(NoCredentials::Unavailable(reason)) => (sdk, Some(reason)),
        };
        let region = sdk.region().map_or_else(String::new, |region| region.as_ref().to_owned());
        Ok(Self { runtime, clients: Clients::new(&sdk), region, unreadable })
    }

    /// Reads all sources; the report's age is as of `now`.
    pub fn read(&self, now: DateTime<Utc>) -> Read {
        if let Some(reason) = &self.unreadable {
            return nothing(reason);
        }
        let progress = spinner("Reading the account; IAM is making the credential report …");
        let collected = self.runtime.block_on(async {
            let until = Instant::now() + PATIENCE;
            collect(&self.clients, &Expected::Any, now, retry(until, &progress), until + PATIENCE / 4).await
        });
        progress.finish_and_clear();
        let errors = match refused(&collected.errors) {
            Some(refusal) => vec![self.refusal(refusal)],
            None => collected.errors.iter().map(|error| chain(error)).collect(),
        };
        Read { account: collected.account, errors, notes: collected.notes.iter().map(|note| chain(note)).collect() }
    }

    /// Says once what all calls would say, and what can be done.
    fn refusal(&self, error: &CallError) -> String {
        let cause = chain(&error.cause);
        let region = &self.region;
        let advice = match error.code() {
            Some("InvalidClientTokenId" | "UnrecognizedClientException") => format!(
                "; the keys of another partition need a Region of theirs (this run used {region}): --region us-gov-west-1 for \
                 GovCloud, --region cn-north-1 for China"
            ),
            _ => String::new(),
        };
        format!("AWS refuses the credentials: {}{advice}", cause.trim_end_matches('.'))
    }

    /// Looks up the ids of the keys that fail; returns what went wrong too. A key without an id is reported all the same.
    pub fn enrich(&self, evaluation: &Evaluation) -> (Enrichment, Vec<String>) {
        let progress = spinner("Looking up the ids of the access keys …");
        let retry = retry(Instant::now() + NAMING, &progress);
        let looked_up = self.runtime.block_on(access_keys::look_up(&self.clients.iam, evaluation, &Memory::Off, retry));
        progress.finish_and_clear();
        looked_up
    }
}

/// Checks the endpoints that the environment or the profile sets for what is called.
fn check_endpoints(sdk: &SdkConfig) -> Result<(), ConfigurationError> {
    let services = ["IAM", "STS"].map(|service| {
        let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        sdk.service_config()?.load_config(key.build().ok()?)
    });
    services.into_iter().flatten().try_for_each(|endpoint| check_endpoint(&endpoint))
}

/// The codes with which AWS refuses the credentials themselves, whatever is called.
const REFUSALS: [&str; 6] = [
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "ExpiredToken",
    "ExpiredTokenException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
];

/// The refusal of the credentials, where every call had the same.
fn refused(errors: &[CollectError]) -> Option<&CallError> {
    let mut calls = errors.iter().map(|error| error.source().and_then(|cause| cause.downcast_ref::<CallError>()));
    let first = calls.next()??;
    let code = first.code().filter(|code| REFUSALS.contains(code))?;
    calls.all(|call| call.is_some_and(|call| call.code() == Some(code))).then_some(first)
}

/// What is known of an account without credentials for it.
fn nothing(reason: &str) -> Read {
    let unread = Unavailable::Unreadable(format!("There are no AWS credentials: {}.", reason.trim_end_matches('.')));
    let advice = if reason.starts_with(credentials::NOT_FOUND) {
        " `aws sts get-caller-identity` shows what the AWS CLI would use; --credential-report takes a saved report"
    } else {
        ""
    };
    Read { account: Account::unread(&unread), errors: vec![format!("{unread}{advice}")], notes: Vec::new() }
}

/// Tries a few times to reach an endpoint, and until then whatever else may pass; says so on a terminal.
fn retry(until: Instant, progress: &ProgressBar) -> Retry {
    let progress = progress.clone();
    let on_retry = move |error: &CallError| progress.set_message(format!("{}; trying again …", chain(error)));
    Retry { unreachable: Some(REACHING), on_retry: Some(Arc::new(on_retry)), ..Retry::from(until) }
}

/// Something to look at on a terminal; nothing where standard error is none.
fn spinner(message: &'static str) -> ProgressBar {
    let progress = ProgressBar::new_spinner().with_message(message);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(120));
    progress
}
