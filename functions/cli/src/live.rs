//! Reads the live account with the AWS CLI's credentials, using the same code as the function.

pub mod keys;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws::clients::{Clients, loader};
use aws::collect::{CollectError, Collected, Expected, collect};
use aws::error::{CallError, chain};
use aws::retry::Retry;
use aws::tls::http_client;
use aws::{access_keys, organization, regions, ssh_keys, trail};
use aws_config::{Region, SdkConfig};
use aws_types::service_config::ServiceConfigKey;
use chrono::{DateTime, Utc};
use hygiene::account::{Account, Doubt};
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::Evaluation;
use hygiene::event::Lookups;
use hygiene::memory::Memory;
use hygiene::readiness::{Membership, SshKey, default_regions};
use hygiene::source::{Source, Unavailable};
use hygiene::text::sentence;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::configuration::{Configuration, ConfigurationError, check_endpoint};
use crate::credentials::{self, NoCredentials};
use crate::interrupt::Interrupt;

/// The timeout of reading all sources: IAM needs seconds for a report, and longer for thousands of users.
const READ_TIMEOUT: Duration = Duration::from_mins(2);
/// The timeout of looking up key ids: with thousands of failing keys there is one call per user.
const LOOK_UP_TIMEOUT: Duration = Duration::from_mins(10);

/// The timeout of looking up events (two calls a second in each Region, with 50 events each), and of listing SSH public keys (one
/// call for each user).
const EVENTS_TIMEOUT: Duration = Duration::from_mins(3);

/// The maximum number of tries if an endpoint cannot be reached: a person at a terminal can check the network.
const MAX_UNREACHABLE: u32 = 3;

/// IAM is the same from every region of a partition; this region signs if none is configured.
const ANY_REGION: &str = "us-east-1";

/// The live account.
#[derive(Debug)]
pub struct Live {
    runtime: Runtime,
    sdk: SdkConfig,
    clients: Clients,
    /// The region of the signatures.
    region: String,
    unreadable: Option<String>,
}

/// The services of `credwarden check`, by the ids of their SDKs.
pub const SERVICES: [&str; 2] = ["IAM", "STS"];

/// The data of the live account, with errors.
#[derive(Debug)]
pub struct Read {
    /// The account, as far as it could be read.
    pub account: Account,
    /// The errors of sources that could not be read, and the reasons not to trust the report, one line each.
    pub errors: Vec<String>,
    /// Errors although everything was read, one line each.
    pub notes: Vec<String>,
}

/// The reason why the live account is not read.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The runtime could not be started.
    #[error("could not start")]
    Runtime(#[from] io::Error),
    /// A setting is invalid.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
}

impl Live {
    /// The account of the configured credentials. Fetching them may prompt for the code of an MFA device. `services` are those that
    /// will be called, by the ids of their SDKs.
    ///
    /// # Errors
    ///
    /// When the runtime cannot be started, or a configured endpoint is not a URL. Missing credentials are not an error:
    /// then no source can be read.
    pub fn new(configuration: &Configuration, services: &[&'static str]) -> Result<Self, StartError> {
        let runtime = runtime()?;
        let region = configuration.region.clone().map_or(Region::from_static(ANY_REGION), Region::new);
        let loader = loader(http_client(configuration.trusted.clone()))
            .no_credentials()
            .region(region)
            .profile_files(configuration.files.clone())
            .profile_name(&configuration.profile);
        let sdk = runtime.block_on(loader.load());
        check_endpoints(&sdk, services)?;
        let provider = credentials::provider(configuration, &sdk);
        let (sdk, unreadable) = match runtime.block_on(credentials::fetch(configuration, provider)) {
            Ok(provider) => (sdk.into_builder().credentials_provider(provider).build(), None),
            Err(NoCredentials::Settings(reason)) => return Err(ConfigurationError::Profile(reason).into()),
            Err(NoCredentials::Unavailable(reason)) => (sdk, Some(reason)),
        };
        let region = sdk.region().map_or_else(String::new, |region| region.as_ref().to_owned());
        Ok(Self { runtime, clients: Clients::new(&sdk), sdk, region, unreadable })
    }

    /// The runtime and the configuration of calls.
    ///
    /// # Errors
    ///
    /// When there are no credentials.
    pub(crate) fn parts(&self) -> Result<(&Runtime, &SdkConfig), Unavailable> {
        match &self.unreadable {
            None => Ok((&self.runtime, &self.sdk)),
            Some(reason) => Err(no_credentials(reason)),
        }
    }

    /// Listens for signals from now on.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(crate) fn interrupt(&self) -> Result<Interrupt, StartError> {
        Ok(Interrupt::listen(&self.runtime)?)
    }

    /// The Region of the calls.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Reads all sources. The age of the report is computed at `now`.
    pub fn read(&self, now: DateTime<Utc>) -> Read {
        if let Some(reason) = &self.unreadable {
            return nothing(reason);
        }
        let progress = spinner("Reading the account; IAM is making the credential report …");
        let collected = self.runtime.block_on(async {
            let until = Instant::now() + READ_TIMEOUT;
            collect(&self.clients, &Expected::Any, now, retry(until, &progress), until + READ_TIMEOUT / 4).await
        });
        progress.finish_and_clear();
        let errors = match refused(&collected.errors) {
            Some(refusal) => vec![self.refusal(refusal)],
            None => errors(&collected, now),
        };
        Read { account: collected.account, errors, notes: collected.notes.iter().map(|note| chain(note)).collect() }
    }

    /// Renders the error that all calls have in common once, with advice.
    fn refusal(&self, error: &CallError) -> String {
        let message = chain(&error.cause);
        let region = &self.region;
        let advice = match error.code() {
            Some("InvalidClientTokenId" | "UnrecognizedClientException") => format!(
                "; the keys of another partition need a Region of theirs (this run used {region}): --region us-gov-west-1 for \
                 GovCloud, --region cn-north-1 for China"
            ),
            _ => String::new(),
        };
        format!("AWS refuses the credentials: {}{advice}", message.trim_end_matches('.'))
    }

    /// Looks up the ids of failing keys, and returns errors. A key without an id is reported without it.
    pub fn enrich(&self, evaluation: &Evaluation) -> (Enrichment, Vec<String>) {
        let progress = spinner("Looking up the ids of the access keys …");
        let retry = retry(Instant::now() + LOOK_UP_TIMEOUT, &progress);
        let looked_up = self.runtime.block_on(access_keys::look_up(&self.clients.iam, evaluation, &Memory::Off, retry));
        progress.finish_and_clear();
        looked_up
    }

    /// Reads what else decides about readiness: the organization, the enabled Regions and CloudTrail's events in them.
    pub fn surroundings(&self, account: &Account, now: DateTime<Utc>) -> Surroundings {
        if let Some(reason) = &self.unreadable {
            return Surroundings::unread(&no_credentials(reason));
        }
        let progress = spinner("Looking up the events of the last 90 days …");
        let retry = retry(Instant::now() + EVENTS_TIMEOUT, &progress);
        let unreadable = |error: CallError| Unavailable::Unreadable(sentence(&chain(&error)));
        let partition = account.partition.as_deref().unwrap_or("aws");
        let surroundings = self.runtime.block_on(async {
            let membership = async {
                match &account.id {
                    Some(id) => organization::membership(&self.sdk, id, retry.clone()).await.map_err(unreadable),
                    None => Err(Unavailable::Unreadable("The account's number is not known.".to_owned())),
                }
            };
            let regions_and_events = async {
                let regions = regions::enabled(&self.sdk, retry.clone()).await.map_err(unreadable);
                let default = || default_regions(partition).iter().map(|region| (*region).to_owned()).collect();
                let asked: Vec<String> =
                    regions.as_ref().map_or_else(|_| default(), |regions| regions.iter().cloned().collect());
                let events = trail::look_up(&self.sdk, &asked, partition, now, retry.clone()).await;
                (regions, events)
            };
            let (membership, (regions, events)) = tokio::join!(membership, regions_and_events);
            Surroundings { membership, regions, events }
        });
        progress.finish_and_clear();
        surroundings
    }

    /// Lists the SSH public keys of the users.
    pub fn ssh_keys(&self, users: &[String]) -> BTreeMap<String, Source<Vec<SshKey>>> {
        if users.is_empty() {
            return BTreeMap::new();
        }
        let progress = spinner("Listing the SSH public keys …");
        let retry = retry(Instant::now() + EVENTS_TIMEOUT, &progress);
        let keys = self.runtime.block_on(ssh_keys::list(&self.clients.iam, users, retry));
        progress.finish_and_clear();
        keys
    }
}

/// The inputs of readiness beside the account itself.
#[derive(Debug)]
pub struct Surroundings {
    /// The account's place in an organization.
    pub membership: Source<Membership>,
    /// The enabled Regions.
    pub regions: Source<BTreeSet<String>>,
    /// CloudTrail's events by Region.
    pub events: Lookups,
}

impl Surroundings {
    fn unread(reason: &Unavailable) -> Self {
        Self { membership: Err(reason.clone()), regions: Err(reason.clone()), events: Lookups::new() }
    }
}

/// A runtime with one thread.
pub(crate) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Checks the endpoints of the environment or the profile for the services that are called.
fn check_endpoints(sdk: &SdkConfig, services: &[&'static str]) -> Result<(), ConfigurationError> {
    let endpoints = services.iter().filter_map(|service| {
        let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        sdk.service_config()?.load_config(key.build().ok()?)
    });
    endpoints.into_iter().try_for_each(|endpoint| check_endpoint(&endpoint))
}

/// The errors of sources that could not be read, and the reasons not to trust the report, which then does not count as read. `now`
/// is the time of the run.
pub(crate) fn errors(collected: &Collected, now: DateTime<Utc>) -> Vec<String> {
    // The error of a report that could not be generated has the age of the existing one.
    let has_age = collected.errors.iter().any(|error| matches!(error, CollectError::NotGenerated { .. }));
    let is_reported = |doubt: &Doubt| has_age && matches!(doubt, Doubt::Old { .. } | Doubt::Future { .. });
    let doubts = collected.account.doubts(now).into_iter().filter(|doubt| doubt.is_failure() && !is_reported(doubt));
    collected.errors.iter().map(|error| chain(error)).chain(doubts.map(|doubt| doubt.to_string())).collect()
}

/// The error codes with which AWS rejects the credentials themselves, for any operation.
const REFUSALS: [&str; 6] = [
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "ExpiredToken",
    "ExpiredTokenException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
];

/// The call that failed, if the error is that of a call.
pub(crate) fn call_of(error: &CollectError) -> Option<&CallError> {
    error.source().and_then(|cause| cause.downcast_ref())
}

/// The rejection of the credentials, if every call has the same.
fn refused(errors: &[CollectError]) -> Option<&CallError> {
    let mut calls = errors.iter().map(call_of);
    let first = calls.next()??;
    let code = first.code().filter(|code| REFUSALS.contains(code))?;
    calls.all(|call| call.is_some_and(|call| call.code() == Some(code))).then_some(first)
}

/// The result when there are no credentials.
fn nothing(reason: &str) -> Read {
    let unread = no_credentials(reason);
    let advice = if reason.starts_with(credentials::NOT_FOUND) {
        " `aws sts get-caller-identity` shows what the AWS CLI would use; --credential-report takes a saved report"
    } else {
        ""
    };
    Read { account: Account::unread(&unread), errors: vec![format!("{unread}{advice}")], notes: Vec::new() }
}

fn no_credentials(reason: &str) -> Unavailable {
    Unavailable::Unreadable(format!("There are no AWS credentials: {}.", reason.trim_end_matches('.')))
}

/// Retries an unreachable endpoint a few times, other temporary errors until the deadline; shown on a terminal.
pub(crate) fn retry(until: Instant, progress: &ProgressBar) -> Retry {
    let progress = progress.clone();
    let on_retry = move |error: &CallError| progress.set_message(format!("{}; trying again …", chain(error)));
    Retry { unreachable: Some(MAX_UNREACHABLE), on_retry: Some(Arc::new(on_retry)), ..Retry::from(until) }
}

/// Shows progress on a terminal. Does nothing if standard error is not a terminal.
pub(crate) fn spinner(message: &'static str) -> ProgressBar {
    let progress = ProgressBar::new_spinner().with_message(message);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(120));
    progress
}

/// Shows how many accounts are done, on a terminal.
pub(crate) fn counter(accounts: u64) -> ProgressBar {
    let progress = ProgressBar::new(accounts);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} of {len} accounts, {msg} {elapsed}") {
        progress.set_style(style);
    }
    progress.set_message("0 not audited, 0 failing");
    progress.enable_steady_tick(Duration::from_millis(120));
    progress
}
