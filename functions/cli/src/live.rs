//! Reads the live account, with the AWS CLI's own credentials, through the function's own hands.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use checker::access_keys;
use checker::aws::{self, Clients};
use checker::cause::chain;
use checker::collect::collect;
use hygiene::evaluate::Evaluation;
use hygiene::snapshot::{Snapshot, Unavailable};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// How long the sources are waited for: IAM takes seconds for a report, and longer for one of thousands of users.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long the keys' ids are: with thousands of failing keys it is a call a user.
const NAMING: Duration = Duration::from_mins(10);

const NOT_FOUND: &str = "none in the environment, in a profile or from the machine";

/// IAM is the same from every region of a partition; this one signs where none is configured.
const ANY_REGION: &str = "us-east-1";

/// The live account.
#[derive(Debug)]
pub struct Live {
    runtime: Runtime,
    sdk: SdkConfig,
    clients: Clients,
}

impl Live {
    /// The account of that profile, or of the environment.
    ///
    /// # Errors
    ///
    /// When there can be no runtime.
    pub fn new(profile: Option<&str>, region: Option<&str>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut sdk = runtime.block_on(aws::load(profile, region));
        if sdk.region().is_none() {
            sdk = sdk.into_builder().region(Region::from_static(ANY_REGION)).build();
        }
        let clients = Clients::new(&sdk, None);
        Ok(Self { runtime, sdk, clients })
    }

    /// Reads all sources; answers why the rest could not be read, a line each.
    pub fn read(&self) -> (Snapshot, Vec<String>) {
        if let Err(reason) = self.runtime.block_on(self.credentials()) {
            return nothing(&reason);
        }
        let progress = spinner("Reading the account; IAM is making the credential report …");
        let collected = self.runtime.block_on(async {
            let until = Instant::now() + PATIENCE;
            collect(&self.clients, until, until + PATIENCE / 4).await
        });
        progress.finish_and_clear();
        (collected.snapshot, collected.errors.iter().map(|error| chain(error)).collect())
    }

    /// Whether there are credentials at all: without them every call would say so, in its own many words.
    async fn credentials(&self) -> Result<(), String> {
        let provider = self.sdk.credentials_provider().ok_or_else(|| "none are configured".to_owned())?;
        provider.provide_credentials().await.map(drop).map_err(|error| match error {
            CredentialsError::CredentialsNotLoaded(_) => NOT_FOUND.to_owned(),
            error => chain(&error).lines().next().unwrap_or_default().to_owned(),
        })
    }

    /// Gives the keys that fail their ids; answers what went wrong. A key without an id is told all the same.
    pub fn name_keys(&self, evaluation: &mut Evaluation) -> Vec<String> {
        let progress = spinner("Looking up the ids of the access keys …");
        let nothing = BTreeMap::new();
        let errors = self.runtime.block_on(async {
            access_keys::name(&self.clients.iam, evaluation, &nothing, Instant::now() + NAMING).await
        });
        progress.finish_and_clear();
        errors
    }
}

/// What is known of an account without credentials for it.
fn nothing(reason: &str) -> (Snapshot, Vec<String>) {
    let unread = Unavailable::Unreadable(format!("There are no AWS credentials: {}.", reason.trim_end_matches('.')));
    let snapshot = Snapshot {
        account_id: None,
        partition: None,
        report: Err(unread.clone()),
        summary: Err(unread.clone()),
        virtual_mfa_users: Err(unread.clone()),
    };
    let advice =
        "`aws sts get-caller-identity` shows what the AWS CLI would use; --credential-report takes a saved report";
    (snapshot, vec![format!("{unread} {advice}")])
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
