//! `credwarden organization`: the accounts of an organization, and the checks on each of them.

mod accounts;
mod audit;
mod folder;
mod json;
pub mod page;
pub(crate) mod reason;
mod spreadsheet;
mod table;

use aws::permission::Permission;
use aws::{access_keys, accounts as listing, collect, member, stack_set};
use chrono::{DateTime, Utc};
use hygiene::organization::{Member, Organization, Outcome};
use hygiene::verdict::Status;

use crate::arguments::{AccountsArguments, AccountsFormat, AuditArguments, AuditFormat, FailOn, OrganizationCommand};
use crate::check::{CheckError, Ending, ended};
use crate::configuration::{Configuration, Variables};
use crate::live::Live;
use crate::output::{deliver, file};
use crate::table::Screen;

/// The permissions of the person who audits an organization. The documentation has a policy with these permissions.
pub const ROLE: &[&[Permission]] = &[listing::PERMISSIONS, member::PERMISSIONS, stack_set::PERMISSIONS];

/// The permissions of the member role in each account.
pub const MEMBER_ROLE: &[&[Permission]] = &[collect::PERMISSIONS, access_keys::PERMISSIONS];

/// The services that are called, by the ids of their SDKs.
const SERVICES: [&str; 4] = ["Organizations", "STS", "IAM", "CloudFormation"];

/// Runs the command. `clock` is the current time, `variables` the environment; `note` prints a line on standard error.
///
/// # Errors
///
/// When the input is invalid or the output cannot be written; then nothing is printed.
pub fn organization(
    command: &OrganizationCommand,
    clock: DateTime<Utc>,
    variables: Variables<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<Ending, CheckError> {
    match command {
        OrganizationCommand::Accounts(arguments) => list(arguments, variables, note),
        OrganizationCommand::Check(arguments) => check(arguments, clock, variables, note),
    }
}

fn list(
    arguments: &AccountsArguments,
    variables: Variables<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<Ending, CheckError> {
    let live = live(arguments.profile.as_deref(), arguments.region.as_deref(), variables)?;
    let mut interrupt = live.interrupt()?;
    let selection = arguments.scope.selection();
    let Some(listed) = audit::list(&live, &selection, &mut interrupt, note)? else { return Ok(Ending::Unread) };
    let Some(names) = audit::names(&live, &listed, &mut interrupt, note) else { return Ok(Ending::Unread) };
    // While it is printing, a signal ends the process.
    drop(interrupt);
    let output = file(arguments.output.as_deref());
    let mut rendered = Vec::new();
    let done = match arguments.format {
        AccountsFormat::Table => accounts::table(&listed, &names, Screen::of(output), &mut rendered),
        AccountsFormat::Json => accounts::json(&listed, &names, &mut rendered),
        AccountsFormat::Csv => accounts::csv(&listed, &names, &mut rendered),
    };
    done.map_err(CheckError::Render)?;
    deliver(&rendered, output)?;
    Ok(Ending::Clean)
}

fn check(
    arguments: &AuditArguments,
    clock: DateTime<Utc>,
    variables: Variables<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<Ending, CheckError> {
    let output = file(arguments.output.as_deref());
    let mut organization = if let Some(folder) = &arguments.accounts_from {
        let files = folder::Folder::of(folder)?;
        files.not_over_accounts(output)?;
        files.audited(arguments, clock, note)?
    } else {
        let live = live(arguments.profile.as_deref(), arguments.region.as_deref(), variables)?;
        match audit::audited(&live, arguments, clock, note)? {
            Some(organization) => organization,
            None => return Ok(Ending::Unread),
        }
    };
    let ending = ending(&organization, arguments.fail_on);
    if !arguments.status.is_empty() {
        show_only(&mut organization, &arguments.status);
    }
    let mut rendered = Vec::new();
    let done = match arguments.format {
        AuditFormat::Table => table::write(&organization, Screen::of(output), &mut rendered),
        AuditFormat::Json => json::write(&organization, &mut rendered),
        AuditFormat::Csv => spreadsheet::write(&organization, &mut rendered),
        AuditFormat::Html => page::write(&organization, &mut rendered),
    };
    done.map_err(CheckError::Render)?;
    deliver(&rendered, output)?;
    Ok(ending)
}

fn live(profile: Option<&str>, region: Option<&str>, variables: Variables<'_>) -> Result<Live, CheckError> {
    Ok(Live::new(&Configuration::read(profile, region, variables)?, &SERVICES)?)
}

/// Drops the findings with another status.
fn show_only(organization: &mut Organization, statuses: &[Status]) {
    for member in &mut organization.members {
        if let Outcome::Audited(audit) = &mut member.outcome {
            audit.findings.retain(|finding| statuses.contains(&finding.status()));
        }
    }
}

fn ending(organization: &Organization, fail_on: FailOn) -> Ending {
    if organization.partial || organization.coverage().not_audited != 0 {
        return Ending::Unread;
    }
    let audits = || organization.members.iter().filter_map(Member::audit);
    let fails = audits().any(|audit| audit.findings.iter().any(|finding| fail_on.includes(finding)));
    ended(fail_on, fails, audits().any(|audit| audit.is_incomplete))
}
