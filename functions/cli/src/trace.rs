//! `credwarden trace`: who uses access keys, and `credwarden plan`: what to do about all of them.

pub mod files;
mod page;
mod spreadsheet;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aws::permission::Permission;
use aws::{access_keys, collect, key_events, last_accessed, last_used, networks, regions};
use chrono::{DateTime, TimeDelta, Utc};
use hygiene::account::{Account, OLDEST};
use hygiene::evaluate::{Evaluation, Scope, evaluate};
use hygiene::plan::Plan;
use hygiene::policy::Policy;
use hygiene::readiness::all_regions;
use hygiene::report::CLOCK_SKEW;
use hygiene::source::Unavailable;
use hygiene::text::{counted, escape, moment};
use hygiene::trace::{
    ADDRESSES, Advice, Conditions, DAYS, Gap, INTERFACES, Key, Networks, Trace, Tracer, Which, id_of, keys,
};

use crate::arguments::{PlanArguments, PlanFormat, TraceArguments, TraceFormat, TraceInput};
use crate::check::{CheckError, Ending, is_undated, not_before, not_over_input, present};
use crate::configuration::{Configuration, Variables};
use crate::input::standard_input_once;
use crate::json;
use crate::live::keys::KeyUses;
use crate::live::{Live, Read};
use crate::output::{deliver, file};
use crate::table::Screen;
use crate::trail::{self as saved, Covered};

/// The permissions to read the live account. The documentation has a policy with these permissions; the function has none but those of
/// [`collect`] and [`access_keys`].
pub const ROLE: &[&[Permission]] = &[
    collect::PERMISSIONS,
    access_keys::PERMISSIONS,
    regions::PERMISSIONS,
    key_events::PERMISSIONS,
    last_used::PERMISSIONS,
    last_accessed::PERMISSIONS,
    networks::PERMISSIONS,
];

/// The services that are called, by the ids of their SDKs.
const SERVICES: [&str; 4] = ["IAM", "STS", "CloudTrail", "EC2"];

/// The plans that a key can get, in the order in which one would do them.
const PLANS: [Advice; 5] = [Advice::Incident, Advice::Remove, Advice::SignIn, Advice::ReplaceByRole, Advice::AskOwner];

/// Says who uses access keys. `clock` is the current time, `variables` the environment; `note` prints a line on standard error.
///
/// # Errors
///
/// When the input is invalid or the output cannot be written; then nothing is printed.
pub fn trace(
    arguments: &TraceArguments,
    clock: DateTime<Utc>,
    variables: Variables<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<Ending, CheckError> {
    let output = file(arguments.output.as_deref());
    let policy = arguments.rules.policy();
    let Traced { trace, is_unread, .. } = traced(&arguments.input, output, &policy, clock, variables, note)?;
    let mut rendered = Vec::new();
    let done = match arguments.format {
        TraceFormat::Table => table::trace(&trace, Screen::of(output), &mut rendered),
        TraceFormat::Json => json::pretty(&trace, &mut rendered),
        TraceFormat::Html => page::trace(&trace, &mut rendered),
    };
    done.map_err(CheckError::Render)?;
    deliver(&rendered, output)?;
    Ok(ending(&trace, is_unread))
}

/// Says what to do about all access keys, grouped. See [`trace`].
///
/// # Errors
///
/// As [`trace`].
pub fn plan(
    arguments: &PlanArguments,
    clock: DateTime<Utc>,
    variables: Variables<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<Ending, CheckError> {
    let output = file(arguments.output.as_deref());
    let policy = arguments.rules.policy();
    let Traced { trace, account, evaluation, is_unread } =
        traced(&arguments.input, output, &policy, clock, variables, note)?;
    let ending = ending(&trace, is_unread);
    let chosen = arguments.input.user.is_some() || arguments.input.key.is_some();
    let plan: Plan = hygiene::plan::plan(trace, &account, &evaluation, &policy, chosen);
    let mut rendered = Vec::new();
    let done = match arguments.format {
        PlanFormat::Table => table::plan(&plan, Screen::of(output), &mut rendered),
        PlanFormat::Json => json::pretty(&plan, &mut rendered),
        PlanFormat::Csv => spreadsheet::plan(&plan, &mut rendered),
        PlanFormat::Html => page::plan(&plan, &mut rendered),
    };
    done.map_err(CheckError::Render)?;
    deliver(&rendered, output)?;
    Ok(ending)
}

/// The exit status: a leak is worse than something that could not be read.
fn ending(trace: &Trace, is_unread: bool) -> Ending {
    if trace.has_incident() {
        Ending::Failing
    } else if is_unread || trace.has_failure() {
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
    /// Whether a key may be missing, since a source could not be read.
    is_unread: bool,
}

fn traced(
    input: &TraceInput,
    output: Option<&Path>,
    policy: &Policy,
    clock: DateTime<Utc>,
    variables: Variables<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<Traced, CheckError> {
    let paths = || input.files.given().paths().chain(others(input));
    not_over_input(output, paths())?;
    standard_input_once(paths())?;
    if paths().next().is_none() {
        return of_live_account(input, policy, clock, variables, note);
    }
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
    let keys = saved_keys(input, &account, &evaluation)?;

    let mut networks = Networks::default();
    let mut unread_networks = Vec::new();
    for (what, paths) in [(INTERFACES, &input.network_interfaces), (ADDRESSES, &input.addresses)] {
        if paths.is_empty() {
            unread_networks.push(Gap::of(what, &not_asked("They are in none of the files.")));
        }
    }
    let expected = expected_regions(input, &account)?;
    let (mut seen, mut empty) = (BTreeSet::new(), 0);
    for path in &input.network_interfaces {
        let regions = files::interfaces(path, &mut networks)?;
        empty += usize::from(regions.is_empty());
        seen.extend(regions);
    }
    // A list without an interface does not say which Region it is of.
    let unseen: Vec<&String> = expected.difference(&seen).collect();
    if !input.network_interfaces.is_empty() && empty < unseen.len() {
        unread_networks.extend(unseen.into_iter().map(|region| Gap {
            region: Some(region.clone()),
            ..Gap::of("network interfaces of other Regions", &not_asked("The files have none of there."))
        }));
    }
    for path in &input.addresses {
        files::addresses(path, &mut networks)?;
    }
    let conditions = conditions(input, policy, &account, now, &networks);
    let mut tracer = Tracer::new(Conditions { unread_networks, ..conditions }, keys);
    if let Some(reason) = later_uses(input, &account, clock, now) {
        tracer.miss(None, &Gap::of("later uses", &not_asked(&reason)));
    }
    let mut covered: BTreeMap<&String, Vec<Covered>> = expected.iter().map(|region| (region, Vec::new())).collect();
    for (region, path) in &input.events {
        let read = saved::events(path, region, account.id.as_deref(), &mut |event| tracer.add(region, &event))?;
        covered.entry(region).or_default().push(read);
    }
    for (region, files) in covered {
        if let Some(reason) = not_covered(&files, now, input.days) {
            tracer.miss(None, &Gap::events(region, &not_asked(&reason)));
        }
    }
    Ok(Traced { trace: tracer.finish(), account, evaluation, is_unread: false })
}

/// The conditions, with all networks read.
fn conditions<'a>(
    input: &TraceInput,
    policy: &'a Policy,
    account: &'a Account,
    now: DateTime<Utc>,
    networks: &'a Networks,
) -> Conditions<'a> {
    let (account_id, days) = (account.id.as_deref(), input.days);
    Conditions { account_id, now, days, policy, networks, unread_networks: Vec::new() }
}

fn not_asked(reason: &str) -> Unavailable {
    Unavailable::NotAsked(reason.to_owned())
}

/// IAM makes another report after four hours at most. If the report is older, why a later use is in none of the files.
fn later_uses(input: &TraceInput, account: &Account, clock: DateTime<Utc>, now: DateTime<Utc>) -> Option<String> {
    match account.report_generated_at() {
        Some(generated) if now - generated > OLDEST => {
            Some(format!("The credential report is of {}, and has no use after that.", moment(generated)))
        }
        None if input.now.is_none() && is_undated(account, clock) => {
            Some("The file does not say when the report was made; --now does.".to_owned())
        }
        Some(_) | None => None,
    }
}

/// Why the files do not cover the days before `now`, if they do not: the output of `aws cloudtrail lookup-events` does, unless it is
/// older; log files do, if they have an event of each day.
fn not_covered(files: &[Covered], now: DateTime<Utc>, days: i64) -> Option<String> {
    let mut lists = files.iter().filter(|file| !file.is_log).peekable();
    if lists.peek().is_some() {
        // The event history has 90 days: with an older event, the file was made before `now`.
        let kept = now - TimeDelta::days(DAYS) - CLOCK_SKEW;
        let is_current = |file: &Covered| file.oldest.is_none_or(|oldest| kept <= oldest);
        let is_older = !lists.any(is_current);
        return is_older
            .then(|| "The file is older: it has an event of which CloudTrail has none any more.".to_owned());
    }
    if files.is_empty() {
        return Some("They are in none of the files.".to_owned());
    }
    let seen: BTreeSet<_> = files.iter().flat_map(|file| &file.days).collect();
    let wanted = (0..days).map(|day| (now - TimeDelta::days(day)).date_naive());
    let missing = wanted.filter(|day| !seen.contains(day)).count();
    (missing > 0).then(|| format!("The log files have no event of {} of them.", counted(missing as u64, "day")))
}

/// The Regions whose events have to be looked at.
fn expected_regions(input: &TraceInput, account: &Account) -> Result<BTreeSet<String>, CheckError> {
    let partition = account.partition.as_deref().unwrap_or("aws");
    Ok(all_regions(partition, input.regions.as_deref().map(saved::regions).transpose()?.unwrap_or_default()))
}

fn of_live_account(
    input: &TraceInput,
    policy: &Policy,
    clock: DateTime<Utc>,
    variables: Variables<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<Traced, CheckError> {
    let (profile, region) = (input.profile.as_deref(), input.region.as_deref());
    let live = Live::new(&Configuration::read(profile, region, variables)?, &SERVICES)?;
    let Read { account, errors, notes } = live.read(clock);
    not_before(input.now, &account)?;
    let now = input.now.unwrap_or(clock);
    let account = account.as_of(now).into_owned();
    let evaluation = evaluate(&account, policy, &Scope::All, now);
    notes.iter().chain(&errors).for_each(|line| note(line));
    let mut is_unread = !errors.is_empty();
    for damage in account.users().iter().filter_map(|user| user.row.err()) {
        is_unread = true;
        note(&damage.to_string());
    }
    evaluation.missing_users().for_each(|doubt| note(&doubt.to_string()));

    let which = match &input.key {
        Some(id) if account.report.is_ok() => match live.owner_of(id) {
            Ok(Some(user)) => Which::OfUser(user),
            Ok(None) => return Err(CheckError::NoKey(id.clone())),
            Err(reason) => {
                is_unread = true;
                note(&reason);
                Which::OfUser(String::new())
            }
        },
        Some(_) | None => which(input, &account)?,
    };
    let uses = live.key_uses(&account, keys(&account, &evaluation, &which), input.days, now);
    let KeyUses { mut keys, events, gaps, sampled, networks, unread_networks, accessed, notes } = uses;
    for line in &notes {
        note(line);
    }
    if let Some(id) = &input.key {
        // A key whose id could not be read may be the one.
        keys.retain(|key| key.id.as_ref().map_or(true, |known| known == id));
        if keys.is_empty() && !is_unread {
            return Err(CheckError::NoKey(id.clone()));
        }
    }
    let conditions = conditions(input, policy, &account, now, &networks);
    let mut tracer = Tracer::new(Conditions { unread_networks, ..conditions }, keys);
    for (region, event) in &events {
        tracer.add(region, event);
    }
    for (id, gap) in &gaps {
        tracer.miss(id.as_deref(), gap);
    }
    for id in &sampled {
        tracer.set_sampled(id);
    }
    for (user, accessed) in &accessed {
        tracer.add_accessed(user, accessed);
    }
    Ok(Traced { trace: tracer.finish(), account, evaluation, is_unread })
}

/// Which keys to trace.
fn which(input: &TraceInput, account: &Account) -> Result<Which, CheckError> {
    match (&input.user, &input.key) {
        (Some(name), _) => {
            let is_there = account.users().iter().any(|user| user.is_named && user.name == *name);
            if account.report.is_ok() && !is_there {
                return Err(CheckError::NoUser(escape(name).into_owned()));
            }
            Ok(Which::OfUser(name.clone()))
        }
        (None, Some(_)) => Ok(Which::All),
        (None, None) => Ok(Which::Failing),
    }
}

/// The keys of the files, with their ids.
fn saved_keys(input: &TraceInput, account: &Account, evaluation: &Evaluation) -> Result<Vec<Key>, CheckError> {
    let mut keys = keys(account, evaluation, &which(input, account)?);
    identify(input, &mut keys)?;
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
        if let Some(id) = id_of(&key.subject, key.is_twin, &listed) {
            key.id = Ok(id);
        }
    }
    Ok(())
}
