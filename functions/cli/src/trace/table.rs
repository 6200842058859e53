//! Traces and plans for people at a terminal, as wide as it is.

use std::collections::BTreeSet;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Utc};
use hygiene::plan::{Group, LeftUser, Plan};
use hygiene::text::{age, counted, escape, grouped, moment};
use hygiene::trace::{Advice, Gap, LastUsed, StoredIn, Trace, TracedKey, UsedFrom};

use super::PLANS;
use crate::table::{BOLD, DIM, Screen};

/// The maximum number of places that are shown of a key.
const PLACES: usize = 6;

/// Writes the keys.
pub(super) fn trace(trace: &Trace, screen: Screen, to: &mut dyn Write) -> io::Result<()> {
    let mut table = Table { screen, now: trace.evaluated_at, common: common(trace.keys.iter()), to };
    table.head(trace.account_id.as_deref(), trace.since)?;
    for key in &trace.keys {
        writeln!(table.to)?;
        table.key(key, Some(key.plan))?;
    }
    table.common()?;
    writeln!(table.to)?;
    if trace.keys.is_empty() {
        return table.line(0, "No access key to trace: none has a finding that fails.", BOLD);
    }
    let counts = PLANS.map(|advice| (advice, trace.keys.iter().filter(|key| key.plan == advice).count()));
    let counts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(advice, count)| format!("{count} {}", advice.name()))
        .collect();
    table.line(0, &format!("{}: {}", counted(trace.keys.len() as u64, "key"), counts.join(", ")), BOLD)?;
    table.line(0, "`credwarden plan` groups them, with what each takes; `--format html` has the commands.", DIM)
}

/// Writes the groups.
pub(super) fn plan(plan: &Plan, screen: Screen, to: &mut dyn Write) -> io::Result<()> {
    let keys = plan.groups.iter().flat_map(|group| match group {
        Group::Keys { keys, .. } => keys.as_slice(),
        Group::Users { .. } => &[],
    });
    let mut table = Table { screen, now: plan.evaluated_at, common: common(keys), to };
    table.head(plan.account_id.as_deref(), plan.since)?;
    if plan.groups.is_empty() {
        writeln!(table.to)?;
        return table.line(0, "Nothing to do: no access key has a finding that fails.", BOLD);
    }
    for (number, group) in (1..).zip(&plan.groups) {
        writeln!(table.to)?;
        let noun = if matches!(group, Group::Keys { .. }) { "key" } else { "user" };
        let title = format!("{number}. {}: {}", group.name(), counted(group.count() as u64, noun));
        table.line(0, &title, style(group.name()))?;
        table.line(0, group.effort(), Style::new())?;
        match group {
            Group::Keys { keys, .. } => keys.iter().try_for_each(|key| table.key(key, None))?,
            Group::Users { users, .. } => users.iter().try_for_each(|user| table.user(user))?,
        }
    }
    table.common()?;
    writeln!(table.to)?;
    table.line(0, "`--format html` has the commands of each, `--format csv` a row for each.", DIM)
}

struct Table<'t> {
    screen: Screen,
    now: DateTime<Utc>,
    /// What was not looked at of any key.
    common: BTreeSet<&'t Gap>,
    to: &'t mut dyn Write,
}

impl Table<'_> {
    fn head(&mut self, account: Option<&str>, since: DateTime<Utc>) -> io::Result<()> {
        self.line(0, &format!("AWS account {}", account.unwrap_or("of unknown number")), BOLD)?;
        let (now, since) = (moment(self.now), moment(since));
        self.line(0, &format!("Judged as of {now}, by the events since {since}."), DIM)
    }

    /// The key, with its plan unless the title has it.
    fn key(&mut self, key: &TracedKey, plan: Option<Advice>) -> io::Result<()> {
        let id = id(key);
        let indent = if plan.is_some() { 0 } else { 2 };
        self.line(indent, &format!("{}  {id}", escape(&key.user)), BOLD)?;
        self.line(indent + 2, &self.life(key), DIM)?;
        let verdict = match plan {
            Some(plan) => format!("{} {}", self.screen.paint(style(plan.name()), plan.name()), key.verdict),
            None => key.verdict.clone(),
        };
        self.line(indent + 2, &verdict, Style::new())?;
        for from in key.used_from.iter().take(PLACES) {
            self.line(indent + 4, &place(from), Style::new())?;
        }
        if PLACES < key.used_from.len() {
            let more = counted((key.used_from.len() - PLACES) as u64, "more place");
            self.line(indent + 4, &format!("and {more}; --format json has all of them"), DIM)?;
        }
        for gap in gaps(key.not_looked_at.iter().filter(|gap| !self.common.contains(gap))) {
            self.line(indent + 4, &format!("Not looked at: {gap}"), DIM)?;
        }
        Ok(())
    }

    /// `Created 1,979 days ago, last used 3 hours ago (ec2 in eu-central-1), 12 events.`
    fn life(&self, key: &TracedKey) -> String {
        let ago = |time: DateTime<Utc>| format!("{} ago", age(self.now - time));
        let created = key
            .created
            .map_or_else(|| "Created at an unknown time".to_owned(), |time| format!("Created {}", ago(time)));
        let used = match &key.last_used {
            Some(used) => format!("last used {}{}", ago(used.date), called(used)),
            None => "no use recorded".to_owned(),
        };
        let events = events(key);
        let active = key.subject.access_key().and_then(|key| key.active);
        let state = if active == Some(false) { ", inactive" } else { "" };
        format!("{created}, {used}, {events}{state}.")
    }

    /// What was not looked at of any key, once.
    fn common(&mut self) -> io::Result<()> {
        if self.common.is_empty() {
            return Ok(());
        }
        writeln!(self.to)?;
        for gap in gaps(self.common.clone()) {
            self.line(0, &format!("Not looked at, for every key: {gap}"), DIM)?;
        }
        Ok(())
    }

    fn user(&mut self, user: &LeftUser) -> io::Result<()> {
        self.line(2, &escape(&user.user), BOLD)?;
        self.line(4, &user.reason, Style::new())
    }

    /// Writes prose, with the following lines indented further.
    fn line(&mut self, indent: usize, text: &str, style: Style) -> io::Result<()> {
        self.screen.indented(indent, text, style, self.to)
    }
}

/// The key's id, or which of the user's keys it is.
pub(super) fn id(key: &TracedKey) -> String {
    let slot = key.subject.access_key().map_or(0, |key| key.slot);
    key.access_key_id.as_deref().map_or_else(|| format!("access key {slot}"), |id| escape(id).into_owned())
}

/// ` (ec2 in eu-central-1)`
pub(super) fn called(used: &LastUsed) -> String {
    let what = [&used.service, &used.region].into_iter().flatten().map(|text| escape(text));
    let what = what.collect::<Vec<_>>().join(" in ");
    if what.is_empty() { what } else { format!(" ({what})") }
}

/// `12 events`, `a sample of 4,500 events`
pub(super) fn events(key: &TracedKey) -> String {
    let events = counted(key.events, "event");
    if key.sampled { format!("a sample of {events}") } else { events }
}

fn style(plan: &str) -> Style {
    match plan {
        "incident" => AnsiColor::White.on(AnsiColor::Red).bold(),
        "remove" | "remove-user" => AnsiColor::Green.on_default().bold(),
        "replace-by-role" | "sign-in" => AnsiColor::Yellow.on_default().bold(),
        _ => AnsiColor::Cyan.on_default().bold(),
    }
}

/// A place on one line: `own-instance i-1 (eu-central-1): 12 events until 2026-11-28 06:00 UTC, by Boto3/1.39.7 …`.
pub(super) fn place(from: &UsedFrom) -> String {
    let region = from.region.as_deref().map_or_else(String::new, |region| format!(" ({})", escape(region)));
    // `outside outside the account` says it twice.
    let what = if from.what.starts_with(from.kind.name()) { String::new() } else { format!(" {}", from.what) };
    let last = from.last.map_or_else(String::new, |last| format!(" until {}", moment(last)));
    let address = from.address.as_deref().map_or_else(String::new, |address| format!(" from {}", escape(address)));
    let client = from.client.as_deref().map_or_else(String::new, |client| format!(" by {}", escape(client)));
    let stored = match from.key_stored_in {
        StoredIn::Unknown => String::new(),
        stored => format!(" (key in: {})", stored.name()),
    };
    let services = from.services.iter().map(|service| escape(service)).collect::<Vec<_>>().join(" ");
    let events = format!("{} {}", grouped(from.events), if from.events == 1 { "event" } else { "events" });
    format!("{}{what}{region}: {events}{last}{address}{client}{stored}: {services}", from.kind.name())
}

/// What was not looked at of any of several keys.
fn common<'k>(keys: impl Iterator<Item = &'k TracedKey>) -> BTreeSet<&'k Gap> {
    let mut of_keys = keys.map(|key| key.not_looked_at.iter().collect::<BTreeSet<_>>()).peekable();
    let (Some(first), Some(_)) = (of_keys.next(), of_keys.peek()) else { return BTreeSet::new() };
    of_keys.fold(first, |common, gaps| &common & &gaps)
}

/// What was not looked at, grouped by reason: without events, all 17 Regions are missing for the same one.
pub(super) fn gaps<'g>(gaps: impl IntoIterator<Item = &'g Gap>) -> Vec<String> {
    let mut reasons: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for gap in gaps {
        let region = gap.region.as_deref();
        match reasons.iter_mut().find(|(what, reason, _)| *what == gap.what && *reason == gap.reason) {
            Some((_, _, regions)) => regions.extend(region),
            None => reasons.push((&gap.what, &gap.reason, region.into_iter().collect())),
        }
    }
    let shown = |(what, reason, regions): (&str, &str, Vec<&str>)| {
        let regions = if regions.is_empty() { String::new() } else { format!(" in {}", regions.join(", ")) };
        escape(&format!("{what}{regions}. {reason}")).into_owned()
    };
    reasons.into_iter().map(shown).collect()
}
