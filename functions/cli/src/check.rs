//! `credwarden check`: reads the account, evaluates it, writes the findings and returns the exit status.

use std::io;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use hygiene::account::{Account, Report};
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::{Evaluation, Scope, evaluate};
use hygiene::finding::Finding;
use hygiene::organization::SelectionError;
use hygiene::policy::Policy;
use hygiene::report::CLOCK_SKEW;
use hygiene::text::{age, escape, moment};
use hygiene::time::to_last_digit;
use hygiene::verdict::Status;

use crate::arguments::{CheckArguments, FailOn, Format};
use crate::asff::{self, NoAccount};
use crate::configuration::{Configuration, ConfigurationError, Variables};
use crate::input::{InputError, same_file};
use crate::live::{Live, Read, SERVICES, StartError};
use crate::output::{OutputError, deliver, file};
use crate::table::Screen;
use crate::view::View;
use crate::{json, page, spreadsheet, table};

/// The reason why there are no findings.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file cannot be used.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The findings cannot be rendered in the AWS Security Finding Format.
    #[error(transparent)]
    Asff(#[from] NoAccount),
    /// A setting of the environment or of a configuration file cannot be used.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The live account cannot be read.
    #[error(transparent)]
    Start(#[from] StartError),
    /// `--now` is before the newest date in the report.
    #[error(
        "--now is {}, more than five minutes before the newest date in the credential report, {}",
        to_last_digit(*.now),
        to_last_digit(*.newest)
    )]
    BeforeReport {
        /// `--now`
        now: DateTime<Utc>,
        /// The report's newest date.
        newest: DateTime<Utc>,
    },
    /// An account or an organizational unit is not in the organization.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// There is no credential report, which has the keys.
    #[error("the keys are those of a credential report: --credential-report FILE")]
    NoReport,
    /// The credential report has no such user.
    #[error("the credential report has no user `{0}`")]
    NoUser(String),
    /// No access key has the id.
    #[error("no access key in the credential report is known to have the id {0}")]
    NoKey(String),
    /// No account is in scope.
    #[error("no account is in scope: {0}")]
    NoAccountInScope(String),
    /// The output would overwrite an input file.
    #[error("--output is the file {0} itself, which would be gone")]
    OverInput(String),
    /// The output would be read as a file of an account.
    #[error("--output {0} has the name of an account's file in the folder, and the next run would read it")]
    AccountsFile(String),
    /// The findings cannot be rendered in this format.
    #[error("could not render the findings")]
    Render(#[source] io::Error),
    /// The output could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// The exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// No finding fails at or above the threshold.
    Clean = 0,
    /// A finding fails at or above the threshold.
    Failing = 1,
    /// The command line or the input is wrong.
    Wrong = 2,
    /// No finding fails, but a requested source could not be read.
    Unread = 3,
}

/// If the newest date of a file without its own date is older than this, the file may be older than the user expects.
const RECENT: TimeDelta = TimeDelta::days(7);

/// Runs the checks. `clock` is the current time, `variables` the environment; `note` prints a line on standard error.
///
/// # Errors
///
/// When the input is invalid or the output cannot be written; then nothing is printed.
pub fn check(
    arguments: &CheckArguments,
    clock: DateTime<Utc>,
    variables: Variables<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<Ending, CheckError> {
    let files = arguments.files.given();
    let output = file(arguments.output.as_deref());
    not_over_input(output, files.paths())?;
    let policy = arguments.rules.policy();
    let evaluated = if files.are_given() {
        let account = files.read()?;
        not_before(arguments.now, &account)?;
        files.notes(&account).iter().for_each(|line| note(line));
        let now = arguments.now.unwrap_or_else(|| present(&account, clock, note));
        let evaluation = evaluate(&account, &policy, &Scope::All, now);
        Evaluated { account, evaluation, enrichment: Enrichment::default(), unread: false }
    } else {
        let (profile, region) = (arguments.profile.as_deref(), arguments.region.as_deref());
        let live = Live::new(&Configuration::read(profile, region, variables)?, &SERVICES)?;
        let Read { account, errors, notes } = live.read(clock);
        not_before(arguments.now, &account)?;
        let evaluation = evaluate(&account, &policy, &Scope::All, arguments.now.unwrap_or(clock));
        let (enrichment, unnamed) = live.enrich(&evaluation);
        notes.iter().chain(&errors).chain(&unnamed).for_each(|error| note(error));
        Evaluated { account, evaluation, enrichment, unread: !errors.is_empty() }
    };
    evaluated.evaluation.missing_users().for_each(|doubt| note(&doubt.to_string()));
    let ending = ending(&evaluated.evaluation, arguments.fail_on, evaluated.unread);
    // Rendered completely before the first byte is written: an error while rendering does not change an old file.
    let rendered = render(arguments, &policy, evaluated, output, note)?;
    deliver(&rendered, output)?;
    Ok(ending)
}

/// An account with its evaluation and enrichment.
struct Evaluated {
    account: Account,
    evaluation: Evaluation,
    enrichment: Enrichment,
    /// Whether a requested source could not be read.
    unread: bool,
}

fn render(
    arguments: &CheckArguments,
    policy: &Policy,
    Evaluated { account, evaluation, enrichment, .. }: Evaluated,
    output: Option<&Path>,
    note: &mut dyn FnMut(&str),
) -> Result<Vec<u8>, CheckError> {
    let mut rendered = Vec::new();
    let account = account.as_of(evaluation.evaluated_at);
    let view = View::new(&account, &evaluation, &enrichment, policy, arguments.statuses());
    let view = View { account_name: arguments.account_name.as_deref(), ..view };
    let done = match arguments.format {
        Format::Table => {
            let screen = Screen::of(output);
            table::write(&view, screen, &mut rendered)
        }
        Format::Json => json::write(&view, &mut rendered),
        Format::Csv => spreadsheet::write(&view, &mut rendered),
        Format::Html => page::write(&view, &mut rendered),
        Format::Asff => {
            let product = asff::product(&evaluation, arguments.region.as_deref(), note)?;
            let evaluation = if arguments.statuses().contains(&Status::Failed) {
                evaluation
            } else {
                Evaluation { findings: Vec::new(), ..evaluation }
            };
            asff::write(evaluation, &enrichment, &product, &mut rendered)
        }
    };
    done.map_err(CheckError::Render)?;
    Ok(rendered)
}

/// Rejects an output that would overwrite an input file.
pub(crate) fn not_over_input<'a>(
    output: Option<&Path>,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), CheckError> {
    match output.and_then(|output| same_file(inputs, output)) {
        Some(input) => Err(CheckError::OverInput(escape(&input.to_string_lossy()).into_owned())),
        None => Ok(()),
    }
}

/// Rejects a time before the report's newest date: the report has data that is later than that time.
pub(crate) fn not_before(now: Option<DateTime<Utc>>, account: &Account) -> Result<(), CheckError> {
    match now.zip(account.report.as_ref().ok().and_then(Report::newest_time)) {
        Some((now, newest)) if newest - now > CLOCK_SKEW => Err(CheckError::BeforeReport { now, newest }),
        Some(_) | None => Ok(()),
    }
}

/// The time at which a saved report is evaluated: its own if it has one, otherwise the current time.
pub(crate) fn present(account: &Account, clock: DateTime<Utc>, note: &mut dyn FnMut(&str)) -> DateTime<Utc> {
    if let Some(generated) = account.report_generated_at() {
        return generated;
    }
    let newest = account.report.as_ref().ok().and_then(Report::newest_time);
    if let Some(newest) = newest.filter(|newest| clock - *newest > RECENT) {
        let (newest, ago) = (moment(newest), age(clock - newest));
        note(&format!(
            "the newest date in the credential report is {newest}, {ago} ago; if the file is as old, say --now"
        ));
    }
    clock
}

/// Whether the age of a saved report is not known: the file has no time, and no date of the last days.
pub(crate) fn is_undated(account: &Account, clock: DateTime<Utc>) -> bool {
    let Ok(report) = &account.report else { return false };
    report.generated_time.is_none() && report.newest_time().is_none_or(|newest| clock - newest > RECENT)
}

fn ending(evaluation: &Evaluation, fail_on: FailOn, unread: bool) -> Ending {
    let fails = evaluation.findings.iter().any(|finding| fail_on.includes(finding));
    ended(fail_on, fails, unread || evaluation.findings.iter().any(Finding::is_unread))
}

/// The exit status if a finding fails at or above the threshold, and if something could not be read.
pub(crate) fn ended(FailOn(threshold): FailOn, fails: bool, is_unread: bool) -> Ending {
    match (threshold, fails, is_unread) {
        (None, ..) | (Some(_), false, false) => Ending::Clean,
        (Some(_), true, _) => Ending::Failing,
        (Some(_), false, true) => Ending::Unread,
    }
}
