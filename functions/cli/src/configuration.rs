//! The AWS CLI's settings: environment variables and the two configuration files. Invalid settings are reported before
//! any call, in one line with the variable, or with the file and the line.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aws::environment::is_endpoint;
use aws_config::profile::Profile;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_runtime::env_config::section::EnvConfigSections;
use aws_smithy_http_client::tls::TrustStore;
use aws_types::os_shim_internal::{Env, Fs};
use futures_util::FutureExt as _;
use hygiene::text::{cut, escape};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::arguments::region;

/// The environment variables. Empty variables count as unset: `main` removes them.
#[derive(Clone, Copy)]
pub struct Variables<'a>(pub &'a dyn Fn(&str) -> Option<OsString>);

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// An environment variable.
    #[error("{0} {1}")]
    Variable(&'static str, String),
    /// A configuration file, or a file that a setting names.
    #[error("{}: {what}", shown(path))]
    File {
        /// The file.
        path: PathBuf,
        /// The problem, with the line if it is known.
        what: String,
    },
    /// A requested profile that is in no file.
    #[error("there is no profile {profile} ({origin}) in {files}")]
    UnknownProfile {
        /// Its name, quoted.
        profile: String,
        /// The origin of the request: an option, a variable, or another profile.
        origin: String,
        /// The files, as text.
        files: String,
    },
    /// A setting of a profile.
    #[error("{setting} of profile {profile} {what}")]
    Setting {
        /// The profile, quoted.
        profile: String,
        /// The setting.
        setting: &'static str,
        /// The problem.
        what: String,
    },
    /// A profile that cannot have credentials.
    #[error("{0}")]
    Profile(String),
    /// An endpoint, by a variable `AWS_ENDPOINT_URL…` or by a profile.
    #[error("the endpoint URL {0} is not one such as http://localhost:4566")]
    Endpoint(String),
    /// A circle of profiles that refer to each other.
    #[error("the profile {0} is its own source_profile by way of {1}")]
    Circle(String, String),
    /// The operating system has no certificate authorities for TLS.
    #[error("the system has no certificate authorities{0}; SSL_CERT_FILE or AWS_CA_BUNDLE names a file of them")]
    NoAuthorities(String),
}

/// The settings of one run.
#[derive(Debug)]
pub struct Configuration {
    /// The requested profile, or `default`.
    pub profile: String,
    /// The source of the credentials.
    pub source: Source,
    /// Every profile of both files.
    pub profiles: EnvConfigSections,
    /// The files' contents, in the form that the SDK requires.
    pub files: EnvConfigFiles,
    /// The AWS region, if one is configured.
    pub region: Option<String>,
    /// The certificate authorities with which connections are verified.
    pub trusted: TrustStore,
}

/// The source of a run's credentials.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// The environment's access key.
    EnvironmentKey,
    /// The environment's web identity, with the file of its token.
    WebIdentity(PathBuf),
    /// The profile, or the machine if the profile has no credentials.
    Profile,
}

/// The environment variables and the keys of the files that hold credentials.
const KEY_VARIABLES: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
const KEY_PROPERTIES: [&str; 3] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];

impl Configuration {
    /// Reads the environment and the files. `profile` and `region` are from the command line.
    ///
    /// # Errors
    ///
    /// When this run would use an invalid setting.
    pub fn read(
        profile: Option<&str>,
        region: Option<&str>,
        variables: Variables<'_>,
    ) -> Result<Self, ConfigurationError> {
        let credentials = File::read(EnvConfigFileKind::Credentials, variables, None)?;
        let stored = parsed(&[&credentials])?;
        let config = File::read(EnvConfigFileKind::Config, variables, Some(&stored))?;
        let files = [&config, &credentials];
        let profiles = parsed(&files)?;

        // In the AWS SDKs' documented order.
        let named = profile.map(|name| ("--profile", name.to_owned()));
        let named = match named {
            None => variables.first(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])?,
            named => named,
        };
        if let Some((origin, name)) = named.as_ref().filter(|(_, name)| profiles.get_profile(name).is_none()) {
            return Err(unknown_profile(name, (*origin).to_owned(), &files));
        }
        let name = named.map_or_else(|| "default".to_owned(), |(_, name)| name);

        let configuration = Self {
            region: region_of(region, profiles.get_profile(&name), variables)?,
            trusted: trusted(profiles.get_profile(&name), variables)?,
            // With `--profile` the environment's credentials are ignored, as in the AWS CLI.
            source: match profile {
                Some(_) => Source::Profile,
                None => Source::of(profiles.get_profile(&name), variables)?,
            },
            files: inline(&files),
            profile: name,
            profiles,
        };
        configuration.check_credentials(&files, variables)?;
        check_proxies(variables)?;
        Ok(configuration)
    }

    /// The profile, followed by the profiles from which it gets credentials; empty if the environment has the
    /// credentials, or if there is no such profile.
    pub fn chain(&self) -> Vec<&Profile> {
        let mut chain: Vec<&Profile> = Vec::new();
        let mut next = self.profiles.get_profile(&self.profile).filter(|_| self.source == Source::Profile);
        while let Some(profile) = next.filter(|next| !chain.iter().any(|seen| seen.name() == next.name())) {
            chain.push(profile);
            next = source_of(profile).and_then(|source| self.profiles.get_profile(source));
        }
        chain
    }

    /// Validates the credentials that this run would use, without using them.
    fn check_credentials(&self, files: &[&File], variables: Variables<'_>) -> Result<(), ConfigurationError> {
        match &self.source {
            Source::EnvironmentKey => return variables.check_keys(),
            Source::WebIdentity(token) => return readable(token),
            Source::Profile => {}
        }
        let chain = self.chain();
        for profile in &chain {
            let Some(source) = source_of(profile) else { continue };
            let named = format!("source_profile of {}", quoted(profile.name()));
            if self.profiles.get_profile(source).is_none() {
                return Err(unknown_profile(source, named, files));
            }
            let is_last = chain.last().is_some_and(|last| last.name() == profile.name());
            if is_last && source != profile.name() {
                return Err(ConfigurationError::Circle(quoted(source), quoted(profile.name())));
            }
        }
        if chain.last().is_some_and(|last| last.get("credential_source") == Some("Environment")) {
            variables.check_keys()?;
        }
        if let Some(last) = chain.last() {
            // Without a role the AWS CLI ignores it, but the SDK would use it.
            let has_source = last.get("role_arn").is_none() && last.get("credential_source").is_some();
            if has_source && last.get("aws_access_key_id").is_none() {
                return Err(ConfigurationError::Setting {
                    profile: quoted(last.name()),
                    setting: "credential_source",
                    what: "is set without role_arn".to_owned(),
                });
            }
            if let Some(token) = last.get("web_identity_token_file") {
                readable(Path::new(token))?;
            }
        }
        let unusable = files.iter().flat_map(|file| file.unusable.iter().map(move |line| (file, line)));
        let used = unusable.into_iter().find(|(_, line)| chain.iter().any(|profile| profile.name() == line.profile));
        used.map_or(Ok(()), |(file, line)| Err(file.error(format!("line {} {}", line.number, line.what))))
    }
}

impl Source {
    /// Without `--profile`. A web identity has precedence over the profile's own credentials, but not over its role.
    fn of(profile: Option<&Profile>, variables: Variables<'_>) -> Result<Self, ConfigurationError> {
        let is_set = |name| (variables.0)(name).is_some();
        if is_set("AWS_ACCESS_KEY_ID") {
            if !is_set("AWS_SECRET_ACCESS_KEY") {
                let what = "is set without AWS_SECRET_ACCESS_KEY".to_owned();
                return Err(ConfigurationError::Variable("AWS_ACCESS_KEY_ID", what));
            }
            return Ok(Self::EnvironmentKey);
        }
        let assumes = |profile: &Profile| {
            let source = profile.get("source_profile").or(profile.get("credential_source"));
            profile.get("role_arn").and(source).is_some()
        };
        if profile.is_some_and(assumes) {
            return Ok(Self::Profile);
        }
        let Some(token) = variables.text("AWS_WEB_IDENTITY_TOKEN_FILE")? else { return Ok(Self::Profile) };
        if variables.text("AWS_ROLE_ARN")?.is_none() {
            let what = "is set without AWS_ROLE_ARN".to_owned();
            return Err(ConfigurationError::Variable("AWS_WEB_IDENTITY_TOKEN_FILE", what));
        }
        Ok(Self::WebIdentity(PathBuf::from(token)))
    }
}

fn readable(path: &Path) -> Result<(), ConfigurationError> {
    let error = |cause| ConfigurationError::File { path: path.to_owned(), what: format!("cannot be read: {cause}") };
    std::fs::File::open(path).map(drop).map_err(error)
}

/// The profile from which a profile with a role gets its credentials. Without a role the setting is ignored.
fn source_of(profile: &Profile) -> Option<&str> {
    profile.get("role_arn").and(profile.get("source_profile"))
}

/// One of the two configuration files.
#[derive(Debug)]
struct File {
    kind: EnvConfigFileKind,
    path: PathBuf,
    /// Without byte order mark and without empty settings, which are unset, as in the AWS CLI.
    contents: String,
    unusable: Vec<UnusableLine>,
    /// The names of profiles that the AWS CLI accepts and the SDK does not, such as names with a space.
    foreign: Vec<String>,
}

/// The maximum size of a file.
const LARGEST: u64 = 32 * 1024 * 1024;

/// A line with which no request could be sent. It is only an error if its profile is used.
#[derive(Debug)]
struct UnusableLine {
    profile: String,
    number: usize,
    what: &'static str,
}

impl File {
    /// Reads a file. `stored` is the credentials file, whose keys have precedence over a `credential_process`.
    fn read(
        kind: EnvConfigFileKind,
        variables: Variables<'_>,
        stored: Option<&EnvConfigSections>,
    ) -> Result<Self, ConfigurationError> {
        let (variable, name) = match kind {
            EnvConfigFileKind::Config => ("AWS_CONFIG_FILE", "config"),
            EnvConfigFileKind::Credentials => ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        };
        let path = (variables.0)(variable).map_or_else(|| Path::new("~/.aws").join(name), PathBuf::from);
        let path = variables.at_home(&path);
        let mut file = Self { kind, path, contents: String::new(), unusable: Vec::new(), foreign: Vec::new() };
        let mut bytes = Vec::new();
        let read = std::fs::File::open(&file.path).and_then(|source| source.take(LARGEST + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) if bytes.len() as u64 > LARGEST => return Err(file.error("is larger than 32 MiB".to_owned())),
            Ok(_) => {}
            // Both files are optional.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(file),
            Err(error) => return Err(file.error(format!("cannot be read: {error}"))),
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(file.error("line 1 is in UTF-16; save the file as UTF-8".to_owned()));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.split(|byte| *byte == b'\n').count();
            file.error(format!("line {line} is not in UTF-8"))
        })?;
        file.take(text.strip_prefix('\u{feff}').unwrap_or(&text), stored);
        Ok(file)
    }

    fn error(&self, what: String) -> ConfigurationError {
        ConfigurationError::File { path: self.path.clone(), what }
    }

    /// Reads the text line by line.
    fn take(&mut self, text: &str, stored: Option<&EnvConfigSections>) {
        let (mut profile, mut is_credential, mut defaults) = (String::new(), false, BTreeSet::new());
        let mut lines = text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let is_indented = line.starts_with([' ', '\t']);
            let is_continued =
                lines.peek().is_some_and(|(_, next)| next.starts_with([' ', '\t']) && !next.trim().is_empty());
            let bare = without_comment(line);
            let mut is_second_default = false;
            if let Some(header) = bare.strip_prefix('[') {
                section(header).clone_into(&mut profile);
                is_credential = false;
                if profile == "default" {
                    defaults.insert(header.trim_start().starts_with("profile"));
                    is_second_default = defaults.len() > 1;
                } else if !profile.bytes().all(is_name_byte) {
                    self.foreign.push(profile.trim_matches(['"', '\'']).to_owned());
                }
            } else if !is_indented && let Some((key, value)) = bare.split_once('=') {
                is_credential = KEY_PROPERTIES.iter().any(|known| key.trim().eq_ignore_ascii_case(known));
                let stored = stored.and_then(|stored| stored.get_profile(&profile));
                let is_superseded = key.trim().eq_ignore_ascii_case("credential_process")
                    && stored.is_some_and(|stored| KEY_PROPERTIES[..2].iter().all(|key| stored.get(key).is_some()));
                if is_superseded || (value.trim().is_empty() && !is_continued) {
                    self.contents.push('\n');
                    continue;
                }
            }
            let what = if bare.contains(|character: char| character.is_control() && character != '\t') {
                Some("has a control character in it, such as a stray carriage return")
            } else if is_credential && is_indented && !bare.trim().is_empty() {
                Some("continues a credential, which has one line")
            } else if is_credential && !bare.split_once('=').is_none_or(|(_, value)| is_header_text(value.trim())) {
                Some("has a credential with a character in it that no credential has")
            } else if is_second_default {
                Some("begins the default profile again: [default] and [profile default] are two of them")
            } else {
                None
            };
            self.unusable.extend(what.map(|what| UnusableLine { profile: profile.clone(), number: number + 1, what }));
            self.contents.push_str(line);
            self.contents.push('\n');
        }
    }
}

/// The name of the profile in a section header without its opening bracket.
fn section(header: &str) -> &str {
    let name = header.trim_end().trim_end_matches(']').trim();
    let profile = name.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t']));
    profile.map_or(name, str::trim)
}

/// The characters that the SDK accepts in the name of a profile.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-/.%@:+".contains(&byte)
}

/// A line without its comment, as in the SDK: a comment is at the start of the line, or after white space.
fn without_comment(line: &str) -> &str {
    if line.starts_with(['#', ';']) {
        return "";
    }
    let comment = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| line.find(mark)).min();
    comment.map_or(line, |start| &line[..start])
}

/// Whether the text is visible ASCII, as required in the headers of a request.
pub(crate) fn is_header_text(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Every profile of the files.
fn parsed(files: &[&File]) -> Result<EnvConfigSections, ConfigurationError> {
    let mut builder = EnvConfigFiles::builder();
    let mut contents = HashMap::new();
    for file in files {
        let path = file.path.to_string_lossy().into_owned();
        builder = builder.with_file(file.kind, &path);
        contents.insert(path, file.contents.clone().into_bytes());
    }
    // With these shims only the given contents are read.
    let (fs, env, paths) = (Fs::from_map(contents), Env::from_slice(&[]), builder.build());
    let loaded = aws_config::profile::load(&fs, &env, &paths, None).now_or_never();
    let Some(loaded) = loaded else { return Ok(EnvConfigSections::default()) };
    loaded.map_err(|error| {
        // `error parsing PATH on line N:\n  REASON`
        let said = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        let file = files.iter().find(|file| said.contains(&*file.path.to_string_lossy())).unwrap_or(&files[0]);
        let place = said.rsplit_once(" on line ").map_or(said.as_str(), |(_, place)| place);
        file.error(format!("line {}", place.split_whitespace().collect::<Vec<_>>().join(" ")))
    })
}

/// The files' contents for the SDK, which then reads no file.
fn inline(files: &[&File]) -> EnvConfigFiles {
    let builder = files
        .iter()
        .fold(EnvConfigFiles::builder(), |builder, file| builder.with_contents(file.kind, file.contents.clone()));
    builder.build()
}

impl fmt::Debug for Variables<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Variables")
    }
}

impl Variables<'_> {
    fn text(self, name: &'static str) -> Result<Option<String>, ConfigurationError> {
        let value = (self.0)(name).map(OsString::into_string).transpose();
        value.map_err(|_| ConfigurationError::Variable(name, "is not in UTF-8".to_owned()))
    }

    /// The path with a leading `~` replaced by the home directory.
    fn at_home(self, path: &Path) -> PathBuf {
        let home = ["HOME", "USERPROFILE"].into_iter().find_map(self.0).filter(|home| !home.is_empty());
        let home = home.map(PathBuf::from).unwrap_or_default();
        path.strip_prefix("~").map_or_else(|_| path.to_owned(), |rest| home.join(rest))
    }

    /// The first of the variables that is set, with its value.
    fn first(self, names: &[&'static str]) -> Result<Option<(&'static str, String)>, ConfigurationError> {
        for name in names {
            if let Some(value) = self.text(name)? {
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }

    /// Checks that requests can be sent with the environment's credentials.
    fn check_keys(self) -> Result<(), ConfigurationError> {
        for name in KEY_VARIABLES {
            let value = self.text(name)?.unwrap_or_default();
            if !is_header_text(&value) {
                let what =
                    if value.contains(['\r', '\n']) { "a line end" } else { "a character that no credential has" };
                return Err(ConfigurationError::Variable(name, format!("has {what} in it")));
            }
        }
        Ok(())
    }
}

fn region_of(
    option: Option<&str>,
    profile: Option<&Profile>,
    variables: Variables<'_>,
) -> Result<Option<String>, ConfigurationError> {
    if let Some(option) = option {
        return Ok(Some(option.to_owned()));
    }
    if let Some((name, value)) = variables.first(&["AWS_REGION", "AWS_DEFAULT_REGION"])? {
        let unusable = |error| ConfigurationError::Variable(name, format!("is {}: {error}", quoted(&value)));
        return region(value.trim()).map(Some).map_err(unusable);
    }
    let Some((profile, value)) = profile.and_then(|profile| Some((profile, profile.get("region")?))) else {
        return Ok(None);
    };
    region(value).map(Some).map_err(|error| ConfigurationError::Setting {
        profile: quoted(profile.name()),
        setting: "region",
        what: format!("is {}: {error}", quoted(value)),
    })
}

/// The certificate authorities of the system, and those of `AWS_CA_BUNDLE` or the profile's `ca_bundle`.
fn trusted(profile: Option<&Profile>, variables: Variables<'_>) -> Result<TrustStore, ConfigurationError> {
    let bundle = variables.text("AWS_CA_BUNDLE")?.or_else(|| Some(profile?.get("ca_bundle")?.to_owned()));
    let system = rustls_native_certs::load_native_certs();
    if system.certs.is_empty() && bundle.is_none() {
        let reason = system.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
        return Err(ConfigurationError::NoAuthorities(reason));
    }
    let trusted = TrustStore::empty().with_native_roots(!system.certs.is_empty());
    let Some(bundle) = bundle else { return Ok(trusted) };
    let path = variables.at_home(Path::new(&bundle));
    let error = |what| ConfigurationError::File { path: path.clone(), what };
    let pem = std::fs::read(&path).map_err(|cause| error(format!("cannot be read: {cause}")))?;
    // The SDK panics on a certificate that it cannot parse.
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| error("is damaged: it is not in PEM format".to_owned()))?;
        let number = roots.len() + 1;
        roots.add(certificate).map_err(|cause| error(format!("certificate {number} cannot be used: {cause}")))?;
    }
    if roots.is_empty() {
        return Err(error("has no certificate in PEM format".to_owned()));
    }
    Ok(trusted.with_pem_certificate(pem))
}

/// Rejects an invalid proxy: the HTTP client would ignore it and connect without a proxy.
fn check_proxies(variables: Variables<'_>) -> Result<(), ConfigurationError> {
    let proxies = [["HTTPS_PROXY", "https_proxy"], ["HTTP_PROXY", "http_proxy"], ["ALL_PROXY", "all_proxy"]];
    for names in proxies {
        let Some((name, value)) = variables.first(&names)? else { continue };
        let uri = value.parse::<http::Uri>().ok().filter(|uri| uri.authority().is_some());
        let is_usable = uri.is_some_and(|uri| matches!(uri.scheme_str(), None | Some("http" | "https")));
        if !is_usable {
            // The value may contain a password.
            let what = "is not a proxy such as http://proxy.example.com:3128".to_owned();
            return Err(ConfigurationError::Variable(name, what));
        }
    }
    Ok(())
}

/// Checks the endpoint of a service: the SDK takes a URL without a scheme for a path.
///
/// # Errors
///
/// When it has no scheme or no host.
pub fn check_endpoint(endpoint: &str) -> Result<(), ConfigurationError> {
    if is_endpoint(endpoint) { Ok(()) } else { Err(ConfigurationError::Endpoint(quoted(endpoint))) }
}

fn unknown_profile(name: &str, origin: String, files: &[&File]) -> ConfigurationError {
    if let Some(file) = files.iter().find(|file| file.foreign.iter().any(|foreign| foreign == name)) {
        let what = "can be named with letters, digits and _-/.%@:+ only here";
        return file.error(format!("the profile {} ({origin}) {what}", quoted(name)));
    }
    let files = files.iter().map(|file| shown(&file.path)).collect::<Vec<_>>().join(" or ");
    ConfigurationError::UnknownProfile { profile: quoted(name), origin, files }
}

fn quoted(text: &str) -> String {
    let shown = escape(text);
    format!("`{}`", cut(&shown, 100))
}

fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy()).into_owned()
}
