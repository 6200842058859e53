//! `credwarden readiness`: which statements of the service control policy the account is ready for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use aws::permission::Permission;
use aws::{collect, organization, regions, ssh_keys, trail};
use chrono::{DateTime, Utc};
use hygiene::account::Account;
use hygiene::event::Lookups;
use hygiene::readiness::{
    Blocker, Call, Inputs, Membership, Missing, Readiness, SshKey, Statement, Verdict, users_to_list,
};
use hygiene::source::{Source, Unavailable};
use hygiene::text::{counted, escape, moment};

use crate::arguments::{ReadinessArguments, ReadinessFormat};
use crate::check::{CheckError, Ending, is_undated, not_before, not_over_input, present};
use crate::configuration::{Configuration, Variables};
use crate::input::{InputError, standard_input_once};
use crate::json::pretty;
use crate::live::{Live, Read, Surroundings};
use crate::output::{deliver, file};
use crate::table::{BOLD, DIM, Screen};
use crate::trail as saved;

/// The permissions to read the live account. The documentation has a policy with these permissions; the function has none but those of
/// [`collect`].
pub const ROLE: &[&[Permission]] =
    &[collect::PERMISSIONS, organization::PERMISSIONS, regions::PERMISSIONS, ssh_keys::PERMISSIONS, trail::PERMISSIONS];

/// The services that are called, by the ids of their SDKs.
const SERVICES: [&str; 5] = ["IAM", "STS", "CloudTrail", "EC2", "Organizations"];

/// The maximum number of calls that the table shows.
const CALLS: usize = 10;

/// Says what the account is ready for. `clock` is the current time, `variables` the environment; `note` prints a line on standard
/// error.
///
/// # Errors
///
/// When the input is invalid or the output cannot be written; then nothing is printed.
pub fn readiness(
    arguments: &ReadinessArguments,
    clock: DateTime<Utc>,
    variables: Variables<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<Ending, CheckError> {
    let output = file(arguments.output.as_deref());
    not_over_input(output, arguments.files.given().paths().chain(others(arguments)))?;
    let result = if are_given(arguments) {
        of_files(arguments, clock, note)?
    } else {
        of_live_account(arguments, clock, variables, note)?
    };
    let mut rendered = Vec::new();
    let done = match arguments.format {
        ReadinessFormat::Json => pretty(&result, &mut rendered),
        ReadinessFormat::Table => {
            let screen = Screen::of(output);
            table(&result, screen, &mut rendered)
        }
    };
    done.map_err(CheckError::Render)?;
    deliver(&rendered, output)?;
    Ok(ending(&result))
}

/// Whether any file is given; then nothing is called.
fn are_given(arguments: &ReadinessArguments) -> bool {
    arguments.files.given().are_given() || others(arguments).next().is_some()
}

/// The files that only this command reads.
fn others(arguments: &ReadinessArguments) -> impl Iterator<Item = &Path> {
    let one = [&arguments.organization, &arguments.regions].into_iter().flatten().map(PathBuf::as_path);
    one.chain(arguments.events.iter().map(|(_, path)| path.as_path()))
}

fn of_files(
    arguments: &ReadinessArguments,
    clock: DateTime<Utc>,
    note: &mut dyn FnMut(&str),
) -> Result<Readiness, CheckError> {
    let files = arguments.files.given();
    standard_input_once(files.paths().chain(others(arguments)))?;
    let account = files.read()?;
    let surroundings = saved_surroundings(arguments, &account)?;
    not_before(arguments.now, &account)?;
    files.notes(&account).iter().for_each(|line| note(line));
    let now = arguments.now.unwrap_or_else(|| present(&account, clock, note));
    let mut undated = None;
    if arguments.now.is_none() && is_undated(&account, clock) {
        undated = Some("The file does not say when the report was made; --now does.".to_owned());
    }
    Ok(evaluated(&account, &surroundings, &BTreeMap::new(), undated, now))
}

fn saved_surroundings(arguments: &ReadinessArguments, account: &Account) -> Result<Surroundings, InputError> {
    let not_given = |what: &str| Unavailable::NotAsked(format!("{what} in none of the files."));
    let organization = arguments.organization.as_deref().map(saved::organization).transpose()?;
    let membership = match (organization, &account.id) {
        (Some(organization), Some(account)) => Ok(organization.membership(account)),
        (Some(_), None) => Err(not_given("The account's number is")),
        (None, _) => Err(not_given("The organization is")),
    };
    let regions = match &arguments.regions {
        Some(path) => Ok(saved::regions(path)?),
        None => Err(not_given("The Regions are")),
    };
    let mut events = Lookups::new();
    for (region, path) in &arguments.events {
        let found = &mut events.entry(region.clone()).or_default().events;
        let _ = saved::events(path, region, account.id.as_deref(), &mut |event| found.push(event))?;
    }
    Ok(Surroundings { membership, regions, events })
}

fn of_live_account(
    arguments: &ReadinessArguments,
    clock: DateTime<Utc>,
    variables: Variables<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<Readiness, CheckError> {
    let (profile, region) = (arguments.profile.as_deref(), arguments.region.as_deref());
    let live = Live::new(&Configuration::read(profile, region, variables)?, &SERVICES)?;
    let Read { account, errors, notes } = live.read(clock);
    not_before(arguments.now, &account)?;
    let now = arguments.now.unwrap_or(clock);
    let surroundings = live.surroundings(&account, now);
    let without_ssh_keys = evaluated(&account, &surroundings, &BTreeMap::new(), None, now);
    let ssh_keys = live.ssh_keys(&users_to_list(&without_ssh_keys, &account));
    notes.iter().chain(&errors).for_each(|error| note(error));
    Ok(evaluated(&account, &surroundings, &ssh_keys, None, now))
}

fn evaluated(
    account: &Account,
    surroundings: &Surroundings,
    ssh_keys: &BTreeMap<String, Source<Vec<SshKey>>>,
    undated: Option<String>,
    now: DateTime<Utc>,
) -> Readiness {
    let Surroundings { membership, regions, events } = surroundings;
    let inputs =
        Inputs { account, membership: membership.clone(), regions: regions.clone(), events, ssh_keys, undated };
    hygiene::readiness::readiness(&inputs, now)
}

fn ending(result: &Readiness) -> Ending {
    let has = |verdict| result.policies.iter().any(|statement| statement.verdict == verdict);
    match (has(Verdict::NotReady), has(Verdict::Unknown)) {
        (true, _) => Ending::Failing,
        (false, true) => Ending::Unread,
        (false, false) => Ending::Clean,
    }
}

fn table(result: &Readiness, screen: Screen, to: &mut dyn Write) -> io::Result<()> {
    let mut table = Table { screen, to, shown: BTreeSet::new() };
    let account = result.account_id.as_deref().unwrap_or("of unknown number");
    table.line(0, &format!("AWS account {account}"), BOLD)?;
    table.line(0, &format!("Evaluated as of {}.", moment(result.evaluated_at)), DIM)?;
    match result.membership {
        Some(Membership::Management) => {
            table.line(0, "It is the management account, which no service control policy reaches.", DIM)?;
        }
        Some(Membership::None) => table.line(0, "It is in no organization with service control policies.", DIM)?,
        Some(Membership::Member) | None => {}
    }
    writeln!(table.to)?;
    for statement in &result.policies {
        let blockers = match statement.blockers.len() {
            0 => String::new(),
            count => format!(", {}", counted(count as u64, "blocker")),
        };
        table.title(statement, &blockers)?;
    }
    let is_explained = |statement: &&Statement| !statement.is_empty();
    result.policies.iter().filter(is_explained).try_for_each(|statement| table.statement(statement))?;
    table.line(0, "", DIM)?;
    table.line(0, "The statements are switches of infra/prevent.yaml. Try each in one organizational unit first.", DIM)
}

struct Table<'t> {
    screen: Screen,
    to: &'t mut dyn Write,
    /// The commands that were shown: what removes a credential is the same for each statement.
    shown: BTreeSet<Vec<String>>,
}

impl Table<'_> {
    /// The statement and its verdict.
    fn title(&mut self, statement: &Statement, rest: &str) -> io::Result<()> {
        let Statement { policy, verdict, .. } = statement;
        let colour = match verdict {
            Verdict::Ready => AnsiColor::Green.on_default().bold(),
            Verdict::NotReady => AnsiColor::Red.on_default().bold(),
            Verdict::Unknown => AnsiColor::Magenta.on_default().bold(),
            Verdict::NotApplicable => DIM,
        };
        let policy = self.screen.paint(BOLD, &format!("{policy}:"));
        writeln!(self.to, "{policy} {}{rest}", self.screen.paint(colour, verdict.label()))
    }

    fn statement(&mut self, statement: &Statement) -> io::Result<()> {
        let Statement { blockers, unknown, would_have_stopped, .. } = statement;
        writeln!(self.to)?;
        self.title(statement, "")?;
        for Blocker { subject, why, commands } in blockers {
            self.line(2, why, Style::new())?;
            if !self.shown.insert(commands.clone()) {
                self.line(6, "(commands as above)", DIM)?;
                continue;
            }
            for line in commands.iter().flat_map(|command| command.lines()) {
                // The root user's are steps in the console. Commands are not wrapped, so that they can be copied.
                if subject == "root" {
                    self.line(6, line, Style::new())?;
                } else {
                    writeln!(self.to, "{:6}{line}", "")?;
                }
            }
        }
        for (reason, whats) in by_reason(unknown) {
            self.line(2, &format!("Not known: {}. {reason}", whats.join(", ")), Style::new())?;
        }
        if !would_have_stopped.is_empty() {
            let calls = counted(would_have_stopped.len() as u64, "call");
            self.line(2, &format!("It would have stopped {calls} in the last 90 days:"), Style::new())?;
        }
        for Call { event, who, when } in would_have_stopped.iter().take(CALLS) {
            let when = when.map_or_else(|| "unknown time".to_owned(), moment);
            self.line(4, &format!("{when}  {}  {}", escape(event), escape(who)), Style::new())?;
        }
        if CALLS < would_have_stopped.len() {
            let more = counted((would_have_stopped.len() - CALLS) as u64, "more call");
            self.line(4, &format!("and {more}; --format json has all of them"), DIM)?;
        }
        Ok(())
    }

    /// Writes prose, with the following lines indented further.
    fn line(&mut self, indent: usize, text: &str, style: Style) -> io::Result<()> {
        self.screen.indented(indent, text, style, self.to)
    }
}

/// Groups what is missing by reason: without events, all 17 Regions are missing for the same one.
fn by_reason(unknown: &[Missing]) -> Vec<(String, Vec<String>)> {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for Missing { what, reason } in unknown {
        let (what, reason) = (escape(what).into_owned(), escape(reason).into_owned());
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, whats)) => whats.push(what.strip_prefix("events in ").map(str::to_owned).unwrap_or(what)),
            None => reasons.push((reason, vec![what])),
        }
    }
    reasons
}
