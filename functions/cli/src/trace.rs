//! `credwarden trace`: who uses access keys, and `credwarden plan`: what to do about all of them.

mod files;
mod spreadsheet;
mod table;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use hygiene::account::Account;
use hygiene::evaluate::{Evaluation, Scope, evaluate};
use hygiene::plan::Plan;
use hygiene::policy::Policy;
use hygiene::readiness::default_regions;
use hygiene::source::Unavailable;
use hygiene::text::escape;
use hygiene::trace::{ADDRESSES, Conditions, Gap, INTERFACES, Key, Networks, Trace, Tracer, Which, id_of, keys};

use crate::arguments::{PlanArguments, PlanFormat, TraceArguments, TraceFormat, TraceInput};
use crate::check::{CheckError, Ending, not_before, not_over_input, present};
use crate::input::standard_input_once;
use crate::json;
use crate::output::{deliver, file};
use crate::table::Screen;
use crate::trail as saved;

/// Says who uses access keys. `clock` is the current time; `note` prints a line on standard error.
///
/// # Errors
///
/// When the input is invalid or the output cannot be written; then nothing is printed.
pub fn trace(
    arguments: &TraceArguments,
    clock: DateTime<Utc>,
    note: &mut dyn FnMut(&str),
) -> Result<Ending, CheckError> {
    let output = file(arguments.output.as_deref());
    let policy = arguments.rules.policy();
    let Traced { trace, .. } = traced(&arguments.input, output, &policy, clock, note)?;
    let mut rendered = Vec::new();
    let done = match arguments.format {
        TraceFormat::Table => table::trace(&trace, Screen::of(output), &mut rendered),
        TraceFormat::Json => json::pretty(&trace, &mut rendered),
    };
    done.map_err(CheckError::Render)?;
    deliver(&rendered, output)?;
    Ok(ending(&trace))
}

/// Says what to do about all access keys, grouped. See [`trace`].
///
/// # Errors
///
/// As [`trace`].
pub fn plan(arguments: &PlanArguments, clock: DateTime<Utc>, note: &mut dyn FnMut(&str)) -> Result<Ending, CheckError> {
    let output = file(arguments.output.as_deref());
    let policy = arguments.rules.policy();
    let Traced { trace, account, evaluation } = traced(&arguments.input, output, &policy, clock, note)?;
    let ending = ending(&trace);
    let plan: Plan = hygiene::plan::plan(trace, &account, &evaluation, &policy);
    let mut rendered = Vec::new();
    let done = match arguments.format {
        PlanFormat::Table => table::plan(&plan, Screen::of(output), &mut rendered),
        PlanFormat::Json => json::pretty(&plan, &mut rendered),
        PlanFormat::Csv => spreadsheet::plan(&plan, &mut rendered),
    };
    done.map_err(CheckError::Render)?;
    deliver(&rendered, output)?;
    Ok(ending)
}

/// The exit status: a leak is worse than something that could not be read.
fn ending(trace: &Trace) -> Ending {
    if trace.has_incident() {
        Ending::Failing
    } else if trace.has_failure() {
        Ending::Unread
    } else {
        Ending::Clean
    }
}

/// The keys' trace, with the account that they are of.
struct Traced {
    trace: Trace,
    account: Account,
    evaluation: Evaluation,
}

fn traced(
    input: &TraceInput,
    output: Option<&Path>,
    policy: &Policy,
    clock: DateTime<Utc>,
    note: &mut dyn FnMut(&str),
) -> Result<Traced, CheckError> {
    let paths = || input.files.given().paths().chain(others(input));
    not_over_input(output, paths())?;
    standard_input_once(paths())?;
    if input.files.credential_report.is_none() {
        return Err(CheckError::NoReport);
    }
    of_files(input, policy, clock, note)
}

/// The files that only these commands read.
fn others(input: &TraceInput) -> impl Iterator<Item = &Path> {
    let events = input.events.iter().map(|(_, path)| path);
    let lists = [&input.network_interfaces, &input.addresses, &input.access_keys];
    events.chain(&input.regions).chain(lists.into_iter().flatten()).map(PathBuf::as_path)
}

fn of_files(
    input: &TraceInput,
    policy: &Policy,
    clock: DateTime<Utc>,
    note: &mut dyn FnMut(&str),
) -> Result<Traced, CheckError> {
    let files = input.files.given();
    let account = files.read()?;
    not_before(input.now, &account)?;
    files.notes(&account).iter().for_each(|line| note(line));
    let now = input.now.unwrap_or_else(|| present(&account, clock, note));
    let account = account.as_of(now).into_owned();
    let evaluation = evaluate(&account, policy, &Scope::All, now);
    let keys = chosen(input, &account, &evaluation, |keys| identify(input, keys))?;

    let mut networks = Networks::default();
    let mut unread_networks = Vec::new();
    for (what, paths) in [(INTERFACES, &input.network_interfaces), (ADDRESSES, &input.addresses)] {
        if paths.is_empty() {
            let reason = Unavailable::NotAsked("They are in none of the files.".to_owned());
            unread_networks.push(Gap::of(what, &reason));
        }
    }
    for path in &input.network_interfaces {
        files::interfaces(path, &mut networks)?;
    }
    for path in &input.addresses {
        files::addresses(path, &mut networks)?;
    }
    let conditions = Conditions {
        account_id: account.id.as_deref(),
        now,
        days: input.days,
        policy,
        networks: &networks,
        unread_networks,
    };
    let mut tracer = Tracer::new(conditions, keys);
    for (region, path) in &input.events {
        saved::events(path, region, account.id.as_deref(), &mut |event| tracer.add(region, &event))?;
    }
    for region in regions(input, &account)?.difference(&input.events.iter().map(|(region, _)| region.clone()).collect())
    {
        let reason = Unavailable::NotAsked("They are in none of the files.".to_owned());
        tracer.miss(None, &Gap::events(region, &reason));
    }
    Ok(Traced { trace: tracer.finish(), account, evaluation })
}

/// The Regions whose events have to be looked at.
fn regions(input: &TraceInput, account: &Account) -> Result<BTreeSet<String>, CheckError> {
    // The default Regions cannot be disabled, so a list without them is not whole.
    let partition = account.partition.as_deref().unwrap_or("aws");
    let default = default_regions(partition).iter().map(|region| (*region).to_owned());
    let given = input.regions.as_deref().map(saved::regions).transpose()?.unwrap_or_default();
    Ok(default.chain(given).collect())
}

/// The keys to trace, with their ids.
fn chosen(
    input: &TraceInput,
    account: &Account,
    evaluation: &Evaluation,
    identify: impl FnOnce(&mut Vec<Key>) -> Result<(), CheckError>,
) -> Result<Vec<Key>, CheckError> {
    let which = match (&input.user, &input.key) {
        (Some(user), _) => Which::OfUser(user.clone()),
        (None, Some(_)) => Which::All,
        (None, None) => Which::Failing,
    };
    if let Some(name) = &input.user
        && !account.users().iter().any(|user| user.is_named && user.name == *name)
    {
        return Err(CheckError::NoUser(escape(name).into_owned()));
    }
    let mut keys = keys(account, evaluation, &which);
    identify(&mut keys)?;
    if let Some(id) = &input.key {
        keys.retain(|key| key.id.as_ref() == Ok(id));
        if keys.is_empty() {
            return Err(CheckError::NoKey(id.clone()));
        }
    }
    Ok(keys)
}

/// Gives the keys the ids that the files have.
fn identify(input: &TraceInput, keys: &mut [Key]) -> Result<(), CheckError> {
    let mut listed = Vec::new();
    for path in &input.access_keys {
        listed.extend(files::access_keys(path)?);
    }
    for key in keys {
        if let Some(id) = id_of(&key.subject, &listed) {
            key.id = Ok(id);
        }
    }
    Ok(())
}
