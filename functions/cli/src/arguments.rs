//! The command line, which is also the source of the help, the man pages and the completions.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use hygiene::check::Check;
use hygiene::checks::{CHECKS, find};
use hygiene::finding::Finding;
use hygiene::organization::{Selection, is_account_id};
use hygiene::policy::Policy;
use hygiene::settings::MAX_ACCOUNT_NAME_CHARS;
use hygiene::time::rfc3339;
use hygiene::trace::DAYS;
use hygiene::verdict::{Severity, Status};

use crate::input::Files;
use crate::organization::reason::STACK_SET_ROLE;

/// Finds long-lived AWS credentials: root access keys, keys years old, keys never used, users who cannot sign in.
#[derive(Debug, Parser)]
#[command(
    name = "credwarden",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    arg_required_else_help = false
)]
pub struct Arguments {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check an account: a saved credential report, or the live account
    ///
    /// With --credential-report, --account-summary or --service-credentials, only those files are read and AWS is not called; checks
    /// on a source without a file are UNKNOWN. Without any of them, the live account is read with the credentials that the AWS CLI
    /// would use. Nothing in the account is changed.
    Check(Box<CheckArguments>),
    /// Say what may be denied in an account: which statements of the service control policy it is ready for
    ///
    /// With --credential-report and other files, only those files are read and AWS is not called; what is in none of them is unknown.
    /// Without any of them, the live account is read with the credentials that the AWS CLI would use.
    Readiness(Box<ReadinessArguments>),
    /// Find out who uses access keys, from where, and what to do about each
    ///
    /// CloudTrail's event history is looked up in all Regions, and matched with the account's network interfaces. With
    /// --credential-report and other files, only those files are read and AWS is not called. Nothing in the account is changed.
    Trace(Box<TraceArguments>),
    /// List what to do about an account's access keys, grouped, in the order in which to do it
    ///
    /// The keys are traced as by `credwarden trace`, with the same options.
    Plan(Box<PlanArguments>),
    /// Check every account of an organization
    ///
    /// Each account is read with the member role, which infra/organization/member-stackset.yaml makes in all accounts. Nothing in
    /// the accounts is changed, and nothing is published.
    #[command(subcommand)]
    Organization(OrganizationCommand),
    /// List the checks
    Checks,
    /// Explain a check: what fails, why it matters, how to fix it, what it maps to
    Explain {
        /// The check's id, as `credwarden checks` lists it
        #[arg(value_name = "CHECK", hide_possible_values = true, value_parser = check_parser())]
        check: &'static Check,
    },
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print a man page, in roff
    Man {
        /// The command to describe [default: `credwarden` itself]
        #[arg(value_name = "COMMAND", value_parser = ["check", "readiness", "trace", "plan", "organization", "checks", "explain", "completions", "man"])]
        command: Option<String>,
    },
}

const EXAMPLES: &str = "\
Examples:
  aws iam generate-credential-report        # until it says COMPLETE
  aws iam get-credential-report > report.json
  aws iam get-account-summary > summary.json
  aws iam list-service-specific-credentials --all-users > credentials.json

  credwarden check --credential-report report.json --account-summary summary.json --service-credentials credentials.json
  credwarden check --credential-report report.json --format html --output report.html
  aws iam get-credential-report | credwarden check --credential-report - --fail-on HIGH
  credwarden check --credential-report last-year.csv --now 2025-12-31T23:59:59Z
  credwarden check --profile audit --format json | jq .counts

Exit status:
  0  nothing fails at or above --fail-on
  1  a finding fails at or above --fail-on
  2  the command line or the input is wrong, or the output cannot be written
  3  nothing fails, but a requested source could not be read";

/// The saved files of one account.
#[derive(Debug, Args)]
pub struct AccountFiles {
    /// Credential report: the CSV, or the JSON that `aws iam get-credential-report` prints; `-` is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Input")]
    pub credential_report: Option<PathBuf>,
    /// Account summary: the JSON that `aws iam get-account-summary` prints; `-` is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Input")]
    pub account_summary: Option<PathBuf>,
    /// Service-specific credentials: the JSON that `aws iam list-service-specific-credentials --all-users` prints; `-` is standard
    /// input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Input")]
    pub service_credentials: Option<PathBuf>,
}

impl AccountFiles {
    /// The files that are given.
    pub fn given(&self) -> Files<'_> {
        Files {
            credential_report: self.credential_report.as_deref(),
            account_summary: self.account_summary.as_deref(),
            service_credentials: self.service_credentials.as_deref(),
        }
    }
}

/// `credwarden check`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CheckArguments {
    /// The account's files.
    #[command(flatten)]
    pub files: AccountFiles,
    /// AWS profile of the live account
    #[arg(long, value_name = "NAME", help_heading = "Input",
        conflicts_with_all = ["credential_report", "account_summary", "service_credentials"])]
    pub profile: Option<String>,
    /// AWS Region. With input files, only `--format asff` uses it
    #[arg(long, value_name = "REGION", help_heading = "Input", value_parser = region)]
    pub region: Option<String>,
    /// Time of the evaluation [default: the report's GeneratedTime if the file has it, otherwise the current time]
    #[arg(long, value_name = "RFC3339", help_heading = "Input", value_parser = moment)]
    pub now: Option<DateTime<Utc>>,

    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table, help_heading = "Output")]
    pub format: Format,
    /// Output file; `-` is standard output, the default
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Name of the account for display, beside its number; at most 64 characters
    #[arg(long, value_name = "NAME", help_heading = "Output", value_parser = account_name)]
    pub account_name: Option<String>,
    /// Show only findings with this status; repeatable [default: FAILED and UNKNOWN in table and html, all in json and csv]
    #[arg(long, value_name = "STATUS", help_heading = "Output", ignore_case = true, value_parser = status_parser())]
    pub status: Vec<Status>,
    /// Exit with 1 if a finding of this severity or worse fails
    #[arg(long, value_name = "SEVERITY", default_value = "LOW", help_heading = "Output", ignore_case = true,
        value_parser = fail_on_parser())]
    pub fail_on: FailOn,

    /// The checks and their limits.
    #[command(flatten)]
    pub rules: Rules,
}

const READINESS_EXAMPLES: &str = "\
Examples:
  credwarden readiness --profile audit
  credwarden readiness --credential-report report.json --account-summary summary.json --service-credentials credentials.json \\
    --organization organization.json --regions regions.json --events us-east-1=us-east-1.json --events eu-west-1=eu-west-1.json

  aws organizations describe-organization > organization.json
  aws ec2 describe-regions > regions.json
  aws cloudtrail lookup-events --region us-east-1 > us-east-1.json

Exit status:
  0  the account is ready for each statement, or the statement cannot apply to it
  1  it is not ready for one
  2  the command line or the input is wrong, or the output cannot be written
  3  it is not known for one, and it is not ready for none";

/// `credwarden readiness`
#[derive(Debug, Args)]
#[command(after_help = READINESS_EXAMPLES)]
pub struct ReadinessArguments {
    /// The account's files.
    #[command(flatten)]
    pub files: AccountFiles,
    /// Organization: the JSON that `aws organizations describe-organization` prints
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Input")]
    pub organization: Option<PathBuf>,
    /// Enabled Regions: the JSON that `aws ec2 describe-regions` prints [default: the Regions that every account has]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Input")]
    pub regions: Option<PathBuf>,
    /// Events of the last 90 days in a Region: the JSON that `aws cloudtrail lookup-events` prints, or a log file of CloudTrail, also
    /// compressed; repeatable
    #[arg(long, value_name = "REGION=FILE", help_heading = "Input", value_parser = events)]
    pub events: Vec<(String, PathBuf)>,
    /// AWS profile of the live account
    #[arg(long, value_name = "NAME", help_heading = "Input",
        conflicts_with_all = ["credential_report", "account_summary", "service_credentials", "organization", "regions", "events"])]
    pub profile: Option<String>,
    /// AWS Region of the live account
    #[arg(long, value_name = "REGION", help_heading = "Input", value_parser = region,
        conflicts_with_all = ["credential_report", "account_summary", "service_credentials", "organization", "regions", "events"])]
    pub region: Option<String>,
    /// Time of the evaluation [default: the report's GeneratedTime if the file has it, otherwise the current time]
    #[arg(long, value_name = "RFC3339", help_heading = "Input", value_parser = moment)]
    pub now: Option<DateTime<Utc>>,

    /// Output format
    #[arg(long, value_enum, default_value_t = ReadinessFormat::Table, help_heading = "Output")]
    pub format: ReadinessFormat,
    /// Output file; `-` is standard output, the default
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,
}

/// The output formats of `credwarden readiness`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReadinessFormat {
    /// For people at a terminal
    Table,
    /// For programs
    Json,
}

const TRACE_EXAMPLES: &str = "\
Examples:
  credwarden trace --profile audit
  credwarden trace --key AKIAIOSFODNN7EXAMPLE
  credwarden plan --format csv --output plan.csv

  credwarden trace --credential-report report.json --access-keys alice.json --events us-east-1=us-east-1.json \\
    --events eu-west-1=eu-west-1.json.gz --regions regions.json --network-interfaces interfaces.json --addresses addresses.json

  aws iam list-access-keys --user-name alice > alice.json
  aws cloudtrail lookup-events --region us-east-1 > us-east-1.json
  aws ec2 describe-regions > regions.json
  aws ec2 describe-network-interfaces --include-managed-resources --region us-east-1 > interfaces.json
  aws ec2 describe-addresses --region us-east-1 > addresses.json

Exit status:
  0  no trace of a leak was found, and everything that was asked for was read
  1  a tool that looks for leaked keys used one
  2  the command line or the input is wrong, or the output cannot be written
  3  no trace of a leak was found, but something that was asked for could not be read";

/// What `credwarden trace` and `credwarden plan` read.
#[derive(Debug, Args)]
pub struct TraceInput {
    /// The account's files.
    #[command(flatten)]
    pub files: AccountFiles,
    /// Events of the last 90 days in a Region: the JSON that `aws cloudtrail lookup-events` prints, or a log file of CloudTrail, also
    /// compressed; repeatable
    #[arg(long, value_name = "REGION=FILE", help_heading = "Input", value_parser = events)]
    pub events: Vec<(String, PathBuf)>,
    /// Enabled Regions: the JSON that `aws ec2 describe-regions` prints [default: the Regions that every account has]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Input")]
    pub regions: Option<PathBuf>,
    /// Network interfaces: the JSON that `aws ec2 describe-network-interfaces` prints, also of other accounts; repeatable
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Input")]
    pub network_interfaces: Vec<PathBuf>,
    /// Elastic IP addresses: the JSON that `aws ec2 describe-addresses` prints, also of other accounts; repeatable
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Input")]
    pub addresses: Vec<PathBuf>,
    /// Access keys of a user: the JSON that `aws iam list-access-keys` prints; repeatable
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Input")]
    pub access_keys: Vec<PathBuf>,
    /// AWS profile of the live account
    #[arg(long, value_name = "NAME", help_heading = "Input",
        conflicts_with_all = ["credential_report", "account_summary", "service_credentials", "events", "regions", "network_interfaces", "addresses",
            "access_keys"])]
    pub profile: Option<String>,
    /// AWS Region of the live account
    #[arg(long, value_name = "REGION", help_heading = "Input", value_parser = region,
        conflicts_with_all = ["credential_report", "account_summary", "service_credentials", "events", "regions", "network_interfaces", "addresses",
            "access_keys"])]
    pub region: Option<String>,
    /// Time of the evaluation [default: the report's GeneratedTime if the file has it, otherwise the current time]
    #[arg(long, value_name = "RFC3339", help_heading = "Input", value_parser = moment)]
    pub now: Option<DateTime<Utc>>,

    /// Trace the keys of this user [default: every key with a FAILED finding]
    #[arg(long, value_name = "NAME", help_heading = "Keys", conflicts_with = "key")]
    pub user: Option<String>,
    /// Trace the key with this id
    #[arg(long, value_name = "ID", help_heading = "Keys", value_parser = key_id)]
    pub key: Option<String>,
    /// Look at the events of this many days
    #[arg(long, value_name = "DAYS", help_heading = "Keys", value_parser = clap::value_parser!(i64).range(1..=DAYS),
        default_value_t = DAYS)]
    pub days: i64,
}

/// `credwarden trace`
#[derive(Debug, Args)]
#[command(after_help = TRACE_EXAMPLES)]
pub struct TraceArguments {
    /// What to read.
    #[command(flatten)]
    pub input: TraceInput,
    /// Output format
    #[arg(long, value_enum, default_value_t = TraceFormat::Table, help_heading = "Output")]
    pub format: TraceFormat,
    /// Output file; `-` is standard output, the default
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// The checks and their limits.
    #[command(flatten)]
    pub rules: Rules,
}

/// `credwarden plan`
#[derive(Debug, Args)]
#[command(after_help = TRACE_EXAMPLES)]
pub struct PlanArguments {
    /// What to read.
    #[command(flatten)]
    pub input: TraceInput,
    /// Output format
    #[arg(long, value_enum, default_value_t = PlanFormat::Table, help_heading = "Output")]
    pub format: PlanFormat,
    /// Output file; `-` is standard output, the default
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// The checks and their limits.
    #[command(flatten)]
    pub rules: Rules,
}

/// The output formats of `credwarden trace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// For people at a terminal
    Table,
    /// For programs
    Json,
    /// A page for people: one file that loads nothing else
    Html,
}

/// The output formats of `credwarden plan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people at a terminal
    Table,
    /// For programs
    Json,
    /// For spreadsheets
    Csv,
    /// A page for people: one file that loads nothing else
    Html,
}

/// `credwarden organization`
#[derive(Debug, Subcommand)]
pub enum OrganizationCommand {
    /// List the accounts: which are in scope, and why the others are not
    ///
    /// Only the management account and delegated administrators may list the accounts of an organization.
    Accounts(AccountsArguments),
    /// Check the accounts in scope
    ///
    /// The accounts are listed with the credentials that the AWS CLI would use, and each account in scope is read with the member
    /// role. With --accounts-from, saved files are read and AWS is not called. An account that cannot be audited is listed with the
    /// reason, and the exit status is 3.
    Check(Box<AuditArguments>),
}

/// The accounts to include and to exclude.
#[derive(Debug, Args)]
pub struct SelectionArguments {
    /// Include this account; repeatable [default: all accounts]
    #[arg(long, value_name = "ID", help_heading = "Scope", value_parser = account)]
    pub account: Vec<String>,
    /// Include this organizational unit, or the root, with everything below; repeatable
    #[arg(long, value_name = "ID", help_heading = "Scope", value_parser = unit)]
    pub ou: Vec<String>,
    /// Exclude this account or organizational unit, even if it is included; repeatable
    #[arg(long, value_name = "ID", help_heading = "Scope", value_parser = account_or_unit)]
    pub exclude: Vec<String>,
}

impl SelectionArguments {
    /// The selection.
    pub fn selection(&self) -> Selection {
        Selection { accounts: self.account.clone(), units: self.ou.clone(), exclude: self.exclude.clone() }
    }
}

/// `credwarden organization accounts`
#[derive(Debug, Args)]
#[command(after_help = ACCOUNTS_EXIT)]
pub struct AccountsArguments {
    /// The accounts to list as in scope.
    #[command(flatten)]
    pub scope: SelectionArguments,
    /// AWS profile of the management account or a delegated administrator
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    pub profile: Option<String>,
    /// AWS Region
    #[arg(long, value_name = "REGION", help_heading = "Input", value_parser = region)]
    pub region: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = AccountsFormat::Table, help_heading = "Output")]
    pub format: AccountsFormat,
    /// Output file; `-` is standard output, the default
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,
}

const ACCOUNTS_EXIT: &str = "\
Exit status:
  0  the accounts are listed
  2  the command line is wrong, or the output cannot be written
  3  the list was refused, or could not be read whole, or the run was interrupted";

const AUDIT_EXAMPLES: &str = "\
Examples:
  credwarden organization check --profile audit
  credwarden organization check --ou ou-ab12-11111111 --format html --output organization.html
  credwarden organization check --format json | jq '.accounts[] | select(.audited == false)'
  credwarden organization check --accounts-from reports

Exit status:
  0  nothing fails at or above --fail-on
  1  a finding fails at or above --fail-on
  2  the command line or the input is wrong, or the output cannot be written
  3  an account in scope was not audited, the accounts could not be listed, or the run was
     interrupted; or nothing fails, but a source could not be read";

/// `credwarden organization check`
#[derive(Debug, Args)]
#[command(after_help = AUDIT_EXAMPLES)]
pub struct AuditArguments {
    /// The accounts to audit.
    #[command(flatten)]
    pub scope: SelectionArguments,
    /// AWS profile from which the accounts are listed, and the role is assumed
    #[arg(long, value_name = "NAME", help_heading = "Input", conflicts_with = "accounts_from")]
    pub profile: Option<String>,
    /// AWS Region
    #[arg(long, value_name = "REGION", help_heading = "Input", value_parser = region, conflicts_with = "accounts_from")]
    pub region: Option<String>,
    /// Role in each account, with its path
    #[arg(long, value_name = "NAME", help_heading = "Input", value_parser = role, default_value = STACK_SET_ROLE,
        conflicts_with = "accounts_from")]
    pub role: String,
    /// Accounts that are audited at the same time
    #[arg(long, value_name = "NUMBER", help_heading = "Input", value_parser = clap::value_parser!(u8).range(1..=50),
        default_value_t = 20, conflicts_with = "accounts_from")]
    pub concurrency: u8,
    /// Folder of saved files: ID.report.json or ID.report.csv, ID.summary.json, ID.service-credentials.json, where ID is the account
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Input", conflicts_with = "ou")]
    pub accounts_from: Option<PathBuf>,
    /// Time of the evaluation [default: the current time; with --accounts-from each report's GeneratedTime]
    #[arg(long, value_name = "RFC3339", help_heading = "Input", value_parser = moment)]
    pub now: Option<DateTime<Utc>>,

    /// Output format
    #[arg(long, value_enum, default_value_t = AuditFormat::Table, help_heading = "Output")]
    pub format: AuditFormat,
    /// Output file; `-` is standard output, the default
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Show only findings with this status; repeatable [default: FAILED and UNKNOWN]
    #[arg(long, value_name = "STATUS", help_heading = "Output", ignore_case = true, value_parser = kept_status_parser())]
    pub status: Vec<Status>,
    /// Exit with 1 if a finding of this severity or worse fails
    #[arg(long, value_name = "SEVERITY", default_value = "LOW", help_heading = "Output", ignore_case = true,
        value_parser = fail_on_parser())]
    pub fail_on: FailOn,

    /// The checks and their limits.
    #[command(flatten)]
    pub rules: Rules,
}

/// The output formats of `credwarden organization accounts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccountsFormat {
    /// For people at a terminal
    Table,
    /// For programs
    Json,
    /// For spreadsheets
    Csv,
}

/// The output formats of `credwarden organization check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuditFormat {
    /// For people at a terminal
    Table,
    /// For programs
    Json,
    /// For spreadsheets: accounts in scope that were not audited, then findings
    Csv,
    /// A page for people: one file that loads nothing else
    Html,
}

fn account(text: &str) -> Result<String, &'static str> {
    if is_account_id(text) { Ok(text.to_owned()) } else { Err("an account's number is wanted: 12 digits") }
}

/// The id of an organizational unit or of the root.
/// See <https://docs.aws.amazon.com/organizations/latest/APIReference/API_OrganizationalUnit.html>.
fn unit(text: &str) -> Result<String, &'static str> {
    let is_word = |word: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let is_unit = match text.split('-').collect::<Vec<_>>()[..] {
        ["r", root] => is_word(root, 4..=32),
        ["ou", root, unit] => is_word(root, 4..=32) && is_word(unit, 8..=32),
        _ => false,
    };
    if is_unit { Ok(text.to_owned()) } else { Err("an id such as ou-ab12-11111111 or r-ab12 is wanted") }
}

fn account_or_unit(text: &str) -> Result<String, &'static str> {
    account(text).or_else(|_| unit(text)).map_err(|_| "an account's number or an id such as ou-ab12-11111111 is wanted")
}

/// A role's name, with its path.
/// See <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>.
fn role(text: &str) -> Result<String, &'static str> {
    let name = text.trim_start_matches('/');
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
    };
    let is_role = name.split('/').all(is_word) && name.rsplit('/').next().is_some_and(|name| name.len() <= 64);
    if is_role {
        Ok(name.to_owned())
    } else {
        Err("a role's name is wanted, with its path: credwarden/credwarden-member")
    }
}

fn kept_status_parser() -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new([Status::Failed, Status::Unknown].map(Status::label))
        .map(|name| if name.eq_ignore_ascii_case(Status::Failed.label()) { Status::Failed } else { Status::Unknown })
}

/// The id of an access key. See <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html>.
pub(crate) fn key_id(text: &str) -> Result<String, &'static str> {
    let is_id =
        (16..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_id { Ok(text.to_owned()) } else { Err("an id such as AKIAIOSFODNN7EXAMPLE is wanted") }
}

/// `REGION=FILE`
fn events(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("a Region and a file are wanted, as in us-east-1=events.json")?;
    if file.is_empty() {
        return Err("a file is wanted after the Region".to_owned());
    }
    Ok((region(name)?, PathBuf::from(file)))
}

/// The checks, and their thresholds with the names and the meanings of the function's settings.
#[derive(Debug, Args)]
pub struct Rules {
    #[arg(long, value_name = "DAYS", help_heading = "Checks", value_parser = days(), help = meaning("ACCESS_KEY_MAX_AGE_DAYS"),
        default_value_t = Policy::cis().access_key_max_age.num_days())]
    access_key_max_age_days: i64,
    #[arg(long, value_name = "DAYS", help_heading = "Checks", value_parser = days(), help = meaning("CREDENTIAL_UNUSED_DAYS"),
        default_value_t = Policy::cis().credential_unused.num_days())]
    credential_unused_days: i64,
    #[arg(long, value_name = "DAYS", help_heading = "Checks", value_parser = days(), help = meaning("ROOT_USED_WITHIN_DAYS"),
        default_value_t = Policy::cis().root_used_within.num_days())]
    root_used_within_days: i64,
    #[arg(long, value_name = "DAYS", help_heading = "Checks", value_parser = days(), help = meaning("NEW_CREDENTIAL_GRACE_DAYS"),
        default_value_t = Policy::cis().new_credential_grace.num_days())]
    new_credential_grace_days: i64,
    /// Disable this check; repeatable. `credwarden checks` lists the ids
    #[arg(long, value_name = "CHECK", help_heading = "Checks", value_delimiter = ',', hide_possible_values = true,
        value_parser = check_parser())]
    disable: Vec<&'static Check>,
}

impl Rules {
    /// The limits, and the disabled checks.
    pub fn policy(&self) -> Policy {
        Policy {
            access_key_max_age: TimeDelta::days(self.access_key_max_age_days),
            credential_unused: TimeDelta::days(self.credential_unused_days),
            root_used_within: TimeDelta::days(self.root_used_within_days),
            new_credential_grace: TimeDelta::days(self.new_credential_grace_days),
            disabled_checks: self.disable.iter().map(|check| check.id).collect(),
        }
    }
}

/// The output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people at a terminal
    Table,
    /// For programs: all verdicts
    Json,
    /// For spreadsheets: all verdicts
    Csv,
    /// What the function would import into Security Hub: a JSON list in the AWS Security Finding Format
    Asff,
    /// A page for people: one file that loads nothing else
    Html,
}

/// The lowest severity that sets the exit status to 1; `None`: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailOn(pub Option<Severity>);

impl FailOn {
    /// Whether the finding is one for which the exit status is 1. Unreadable data is not a failing finding.
    pub fn includes(self, finding: &Finding) -> bool {
        let Self(threshold) = self;
        finding.status() == Status::Failed
            && !finding.is_blind_spot()
            && threshold.is_some_and(|threshold| threshold <= finding.severity())
    }
}

impl CheckArguments {
    /// The statuses to show.
    pub fn statuses(&self) -> &[Status] {
        match self.format {
            _ if !self.status.is_empty() => &self.status,
            Format::Table | Format::Html => &[Status::Failed, Status::Unknown],
            Format::Json | Format::Csv | Format::Asff => &Status::ALL,
        }
    }
}

fn check_parser() -> impl TypedValueParser<Value = &'static Check> {
    PossibleValuesParser::new(CHECKS.iter().map(|check| check.id))
        .try_map(|id| find(&id).ok_or_else(|| format!("there is no check `{id}`")))
}

fn status_parser() -> impl TypedValueParser<Value = Status> {
    let named = |name: String| Status::ALL.into_iter().find(|status| status.label().eq_ignore_ascii_case(&name));
    PossibleValuesParser::new(Status::ALL.map(Status::label))
        .try_map(move |name| named(name).ok_or("there is no such status"))
}

const NEVER: &str = "never";

fn fail_on_parser() -> impl TypedValueParser<Value = FailOn> {
    let severities = Severity::ALL.into_iter().rev().map(Severity::label);
    PossibleValuesParser::new(severities.chain([NEVER]))
        .map(|name| FailOn(Severity::from_label(&name.to_ascii_uppercase())))
}

fn account_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    match name.chars().count() {
        0 => Err("a name is wanted".to_owned()),
        length if MAX_ACCOUNT_NAME_CHARS < length => {
            Err(format!("allowed are at most {MAX_ACCOUNT_NAME_CHARS} characters, and these are {length}"))
        }
        _ => Ok(name.to_owned()),
    }
}

fn days() -> clap::builder::RangedI64ValueParser<i64> {
    clap::value_parser!(i64).range(1..=i64::from(u16::MAX))
}

fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let wanted = "a date and time such as 2026-11-20T06:00:00Z is wanted";
    DateTime::parse_from_rfc3339(text).map_err(|error| format!("{error}; {wanted}"))?;
    rfc3339(text).ok_or_else(|| format!("its year in UTC is not one of 0000 to 9999; {wanted}"))
}

/// A Region's name, which becomes a part of host names.
pub(crate) fn region(text: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_region = text.contains('-') && text.bytes().all(plain);
    if is_region { Ok(text.to_owned()) } else { Err("a region such as eu-central-1 is wanted") }
}

/// Returns the description of the function's setting.
fn meaning(setting: &str) -> &'static str {
    let variable = hygiene::settings::variable(&format!("CREDWARDEN_{setting}"));
    variable.map_or("", |variable| variable.meaning.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn check(arguments: &[&str]) -> Result<CheckArguments, clap::Error> {
        let all = ["credwarden", "check"].into_iter().chain(arguments.iter().copied());
        Arguments::try_parse_from(all).map(|arguments| match arguments.command {
            Command::Check(arguments) => *arguments,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_command_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_the_functions() {
        let arguments = check(&[]).unwrap();
        assert_eq!(arguments.rules.policy(), Policy::cis());
        assert_eq!(arguments.fail_on, FailOn(Some(Severity::Low)));
        assert_eq!(arguments.format, Format::Table);
        assert!(arguments.rules.policy().disabled_checks.is_empty());
    }

    #[test]
    fn every_threshold_of_the_function_is_an_option_with_its_meaning() {
        let command = Arguments::command();
        let check = command.find_subcommand("check").unwrap();
        for variable in hygiene::settings::VARIABLES.iter().filter(|variable| variable.name.ends_with("_DAYS")) {
            let name = variable.name.trim_start_matches("CREDWARDEN_").to_lowercase();
            let option = check.get_arguments().find(|option| option.get_id() == name.as_str());
            let option = option.unwrap_or_else(|| panic!("no option for {}", variable.name));
            assert_eq!(option.get_long().unwrap(), name.replace('_', "-"));
            assert_eq!(option.get_help().unwrap().to_string(), variable.meaning.trim_end_matches('.'));
            assert_eq!(option.get_default_values(), [variable.default]);
        }
    }

    #[test]
    fn values_are_read_in_any_letter_case() {
        let arguments = check(&["--fail-on", "critical", "--status", "not_applicable", "--status", "FAILED"]).unwrap();
        assert_eq!(arguments.fail_on, FailOn(Some(Severity::Critical)));
        assert_eq!(arguments.statuses(), [Status::NotApplicable, Status::Failed]);
        assert_eq!(check(&["--fail-on", "NEVER"]).unwrap().fail_on, FailOn(None));
    }

    #[test]
    fn checks_are_left_out_one_by_one_or_in_a_list() {
        let arguments =
            check(&["--disable", "root-mfa-disabled", "--disable", "access-key-unused,access-key-inactive"]);
        assert_eq!(
            arguments.unwrap().rules.policy().disabled_checks,
            ["root-mfa-disabled", "access-key-unused", "access-key-inactive"]
        );
    }

    #[test]
    fn nonsense_is_refused() {
        let nonsense: [&[&str]; 13] = [
            &["--access-key-max-age-days", "0"],
            &["--access-key-max-age-days", "-3"],
            &["--credential-unused-days", "65536"],
            &["--disable", "root-mfa"],
            &["--now", "yesterday"],
            &["--now", "2026-11-20"],
            &["--now", "9999-12-31T23:59:59-18:00"],
            &["--now", "0000-01-01T00:00:00+18:00"],
            &["--status", "OPEN"],
            &["--region", "Frankfurt"],
            &["--account-name", " "],
            &["--account-name", &"\u{f6}".repeat(65)],
            &["--credential-report", "r.csv", "--profile", "audit"],
        ];
        for arguments in nonsense {
            assert!(check(arguments).is_err(), "{arguments:?}");
        }
    }
}
