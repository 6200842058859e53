//! The live account's credentials, from the same sources and in the same order as in the AWS CLI.

use std::error::Error;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws::error::{CallError, chain};
use aws::tls::direct_http_client;
use aws_config::SdkConfig;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::{Profile, ProfileFileCredentialsProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::result::ConnectorError;
use hygiene::text::escape;

use crate::configuration::{Configuration, Source, is_header_text};

/// The chain of all sources of credentials. `sdk` is the configuration for requests: Region, HTTP client, endpoints.
///
/// Without `--profile`: the environment's key, its web identity, the profile, the container, the instance. A profile of
/// `--profile` has precedence over the environment, which is then ignored.
pub fn provider(configuration: &Configuration, sdk: &SdkConfig) -> SharedCredentialsProvider {
    let config = provider_config(sdk, sdk.http_client());
    let machine = Machine { config: provider_config(sdk, Some(direct_http_client(configuration.trusted.clone()))) };
    let chain = match configuration.source {
        Source::EnvironmentKey => {
            CredentialsProviderChain::first_try("Environment", EnvironmentVariableCredentialsProvider::new())
        }
        Source::WebIdentity(_) => {
            let identity = WebIdentityTokenCredentialsProvider::builder().configure(&config).build();
            CredentialsProviderChain::first_try("WebIdentityToken", identity)
        }
        Source::Profile => {
            let profile = ProfileProvider::new(configuration, sdk, &config, &machine);
            CredentialsProviderChain::first_try("Profile", profile)
        }
    };
    let chain = chain.or_else("EcsContainer", machine.container());
    SharedCredentialsProvider::new(chain.or_else("Ec2InstanceMetadata", machine.instance()))
}

fn provider_config(sdk: &SdkConfig, http_client: Option<SharedHttpClient>) -> ProviderConfig {
    let mut config = ProviderConfig::without_region()
        .with_region(sdk.region().cloned())
        .with_use_fips(sdk.use_fips())
        .with_use_dual_stack(sdk.use_dual_stack())
        .with_behavior_version(sdk.behavior_version())
        .with_retry_config(RetryConfig::standard());
    if let Some(timeouts) = sdk.timeout_config() {
        config = config.with_timeout_config(timeouts.clone());
    }
    match http_client {
        Some(http_client) => config.with_http_client(http_client),
        None => config,
    }
}

/// The credentials of the container or instance that runs the command line. They are requested without a proxy, since a
/// proxy could read them and the token to get them.
struct Machine {
    config: ProviderConfig,
}

impl Machine {
    fn container(&self) -> EcsCredentialsProvider {
        EcsCredentialsProvider::builder().configure(&self.config).build()
    }

    fn instance(&self) -> ImdsCredentialsProvider {
        ImdsCredentialsProvider::builder().configure(&self.config).build()
    }
}

/// The credentials of the profile. The SDK handles all profiles but roles with an MFA code.
#[derive(Debug)]
struct ProfileProvider {
    sdk: SdkConfig,
    /// The credentials with which the first role is assumed.
    base: Base,
    /// The roles to assume, in order, starting with the first that requires an MFA code.
    roles: Vec<Role>,
}

#[derive(Debug)]
enum Base {
    Sdk(Box<ProfileFileCredentialsProvider>),
    /// The keys of a profile that is its own `source_profile`.
    Keys(Credentials),
    Environment(EnvironmentVariableCredentialsProvider),
    EcsContainer(Box<EcsCredentialsProvider>),
    Ec2InstanceMetadata(Box<ImdsCredentialsProvider>),
    Invalid(String),
}

/// A role of a profile, with the profile's settings for `AssumeRole`.
#[derive(Debug)]
struct Role {
    profile: String,
    arn: String,
    session_name: String,
    external_id: Option<String>,
    duration_seconds: Option<i32>,
    mfa_serial: Option<String>,
}

impl Role {
    fn of(profile: &Profile) -> Option<Self> {
        let text = |key| profile.get(key).map(str::to_owned);
        Some(Self {
            profile: profile.name().to_owned(),
            arn: text("role_arn")?,
            session_name: text("role_session_name").unwrap_or_else(|| "credwarden".to_owned()),
            external_id: text("external_id"),
            duration_seconds: profile.get("duration_seconds").and_then(|seconds| seconds.parse().ok()),
            mfa_serial: text("mfa_serial"),
        })
    }
}

impl ProfileProvider {
    fn new(configuration: &Configuration, sdk: &SdkConfig, config: &ProviderConfig, machine: &Machine) -> Self {
        let chain = configuration.chain();
        let wants_code = |profile: &&Profile| profile.get("role_arn").is_some() && profile.get("mfa_serial").is_some();
        // The SDK handles the profiles below the last one that requires a code.
        let last = chain.iter().rposition(wants_code);
        let of = |name: &str| {
            let provider = ProfileFileCredentialsProvider::builder()
                .configure(config)
                .with_custom_provider("EcsContainer", machine.container())
                .with_custom_provider("Ec2InstanceMetadata", machine.instance());
            Box::new(provider.profile_files(configuration.files.clone()).profile_name(name).build())
        };
        let base = match last.map(|last| (chain[last], chain.get(last + 1))) {
            None => match (chain.as_slice(), chain.last().and_then(|last| incomplete(last))) {
                // An incomplete sign-in is ignored if the profile has a key.
                ([only], Some(_)) if has_keys_alone(only) => keys(only).map_or_else(Base::Invalid, Base::Keys),
                (_, Some(what)) => Base::Invalid(what),
                (_, None) => Base::Sdk(of(&configuration.profile)),
            },
            Some((_, Some(source))) => Base::Sdk(of(source.name())),
            Some((profile, None)) => match profile.get("credential_source") {
                Some("Environment") => Base::Environment(EnvironmentVariableCredentialsProvider::new()),
                Some("EcsContainer") => Base::EcsContainer(Box::new(machine.container())),
                Some("Ec2InstanceMetadata") => Base::Ec2InstanceMetadata(Box::new(machine.instance())),
                Some(other) => {
                    let other = escape(other);
                    Base::Invalid(format!("the credential_source of profile `{}` is `{other}`", escape(profile.name())))
                }
                None => keys(profile).map_or_else(Base::Invalid, Base::Keys),
            },
        };
        let roles =
            last.map_or_else(Vec::new, |last| chain[..=last].iter().rev().filter_map(|one| Role::of(one)).collect());
        Self { sdk: sdk.clone(), base, roles }
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let mut credentials = match &self.base {
            Base::Sdk(provider) => provider.provide_credentials().await,
            Base::Keys(credentials) => Ok(credentials.clone()),
            Base::Environment(provider) => provider.provide_credentials().await,
            Base::EcsContainer(provider) => provider.provide_credentials().await,
            Base::Ec2InstanceMetadata(provider) => provider.provide_credentials().await,
            Base::Invalid(what) => Err(CredentialsError::invalid_configuration(what.clone())),
        };
        for role in &self.roles {
            // This error ends the search: the next source may have another account's credentials.
            let source = credentials.map_err(CredentialsError::provider_error)?;
            credentials = self.assume(role, source).await;
        }
        credentials
    }

    async fn assume(&self, role: &Role, source: Credentials) -> Result<Credentials, CredentialsError> {
        let code = role.mfa_serial.as_deref().map(|serial| mfa_code(&role.profile, serial)).transpose()?;
        let sdk = self.sdk.to_builder().credentials_provider(SharedCredentialsProvider::new(source));
        let sts = aws_sdk_sts::Client::new(&sdk.retry_config(RetryConfig::standard()).build());
        let request = sts
            .assume_role()
            .role_arn(&role.arn)
            .role_session_name(&role.session_name)
            .set_external_id(role.external_id.clone())
            .set_duration_seconds(role.duration_seconds)
            .set_serial_number(role.mfa_serial.clone())
            .set_token_code(code);
        let answer = request
            .send()
            .await
            .map_err(|error| CredentialsError::provider_error(CallError::new("AssumeRole", &error)))?;
        let missing = || CredentialsError::provider_error("AssumeRole returned no credentials");
        let assumed = answer.credentials.ok_or_else(missing)?;
        let expiry = SystemTime::try_from(assumed.expiration).map_err(CredentialsError::provider_error)?;
        let (id, secret) = (assumed.access_key_id, assumed.secret_access_key);
        Ok(Credentials::new(id, secret, Some(assumed.session_token), Some(expiry), "AssumeRole"))
    }
}

impl ProvideCredentials for ProfileProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// The missing setting of a profile, without which the SDK tries the next source of credentials and the AWS CLI fails.
fn incomplete(profile: &Profile) -> Option<String> {
    let missing = ["sso_account_id", "sso_role_name"].into_iter().find(|key| profile.get(key).is_none())?;
    signs_in(profile).then(|| format!("profile `{}` has no {missing}", escape(profile.name())))
}

/// Whether the profile signs in to IAM Identity Center.
fn signs_in(profile: &Profile) -> bool {
    profile.get("sso_session").or(profile.get("sso_start_url")).is_some()
}

/// Whether the profile has a key, but no account and role for a sign-in.
fn has_keys_alone(profile: &Profile) -> bool {
    let has = |key| profile.get(key).is_some();
    has("aws_access_key_id") && !has("sso_account_id") && !has("sso_role_name")
}

/// The profile's own access key.
fn keys(profile: &Profile) -> Result<Credentials, String> {
    let text = |key| profile.get(key).map(str::to_owned);
    let key = text("aws_access_key_id").zip(text("aws_secret_access_key"));
    let (id, secret) = key.ok_or_else(|| {
        format!(
            "profile `{}` has a role_arn, but neither a source_profile nor a credential_source",
            escape(profile.name())
        )
    })?;
    Ok(Credentials::new(id, secret, text("aws_session_token"), None, "Profile"))
}

/// Prompts for the code of an MFA device, if there is a terminal.
fn mfa_code(profile: &str, serial: &str) -> Result<String, CredentialsError> {
    let (profile, serial) = (escape(profile), escape(serial));
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(CredentialsError::provider_error(format!(
            "profile `{profile}` wants a code of the MFA device {serial}, and there is no terminal to ask for it; \
             `eval \"$(aws configure export-credentials --profile {profile} --format env)\"` in a terminal puts its \
             credentials into the environment"
        )));
    }
    let asked = write!(io::stderr(), "MFA code of {serial}: ").and_then(|()| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let code = asked.map_err(CredentialsError::provider_error)?;
    Ok(code.trim().to_owned())
}

/// Credentials that were already fetched, for the first request: fetching may run a program, or prompt for a code that
/// works only once. When they have expired, they are fetched again.
#[derive(Debug)]
struct Fetched {
    first: Mutex<Option<Credentials>>,
    provider: SharedCredentialsProvider,
}

impl ProvideCredentials for Fetched {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        match self.first.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(credentials) => future::ProvideCredentials::ready(Ok(credentials)),
            None => self.provider.provide_credentials(),
        }
    }
}

/// The reason why there are no credentials, in one line.
#[derive(Debug)]
pub enum NoCredentials {
    /// A profile is invalid.
    Settings(String),
    /// No source has credentials, or the source does not return them.
    Unavailable(String),
}

/// Fetches the credentials, and returns a provider for them.
///
/// # Errors
///
/// When there are no credentials.
pub async fn fetch(
    configuration: &Configuration,
    provider: SharedCredentialsProvider,
) -> Result<SharedCredentialsProvider, NoCredentials> {
    let credentials = provider.provide_credentials().await.map_err(|error| {
        let reason = reason(configuration, &error);
        let is_setting =
            matches!(error, CredentialsError::InvalidConfiguration(_)) && !configuration.chain().is_empty();
        if is_setting { NoCredentials::Settings(reason) } else { NoCredentials::Unavailable(reason) }
    })?;
    let parts = [Some(credentials.access_key_id()), Some(credentials.secret_access_key()), credentials.session_token()];
    if !parts.into_iter().flatten().all(is_header_text) {
        return Err(NoCredentials::Unavailable("they have a character in them that no credential has".to_owned()));
    }
    let first = Mutex::new(Some(credentials));
    Ok(SharedCredentialsProvider::new(Fetched { first, provider }))
}

/// The reason why there are no credentials, with advice.
fn reason(configuration: &Configuration, error: &CredentialsError) -> String {
    if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
        return NOT_FOUND.to_owned();
    }
    let mut cause: &(dyn Error + 'static) = error;
    // Each role of a profile wraps the error once more, without information.
    while let Some(source) = cause.source().filter(|_| cause.is::<CredentialsError>()) {
        cause = source;
    }
    let said = chain(cause);
    let said = said.strip_prefix("ProfileFile provider could not be built: ").unwrap_or(&said);
    if configuration.source != Source::Profile {
        return one_line(said);
    }
    let profiles = configuration.chain();
    // There is no profile with credentials, so the error is from the machine.
    let Some(base) = profiles.last() else { return format!("{NOT_FOUND}: {}", one_line(said)) };
    if base.get("credential_process").is_some() && base.get("role_arn").is_none() {
        return failed_process(said);
    }
    let sign_in = if signs_in(base) {
        "aws sso login"
    } else if base.get("login_session").is_some() {
        "aws login"
    } else {
        return one_line(said);
    };
    let is_setting = matches!(error, CredentialsError::InvalidConfiguration(_));
    if is_setting || is_network(error) {
        return one_line(said);
    }
    format!("{}; `{sign_in} --profile {}` signs in anew", one_line(said), escape(base.name()))
}

/// No credentials in the settings or from the machine.
pub const NOT_FOUND: &str = "none in the environment, in a profile or from the machine";

/// Whether the connection failed, so that another sign-in would not help.
fn is_network(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| (*error).source()).any(<dyn Error>::is::<ConnectorError>)
}

/// The last line that a `credential_process` wrote to standard error, which usually has the error message.
fn failed_process(said: &str) -> String {
    let Some((failure, written)) = said.split_once(". Stderr: ") else { return one_line(said) };
    let last = written.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it wrote nothing to standard error");
    format!("{}: {}", one_line(failure), escape(last.trim()))
}

fn one_line(text: &str) -> String {
    escape(text.lines().next().unwrap_or_default()).into_owned()
}
