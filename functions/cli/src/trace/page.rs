//! One HTML page on access keys: each key's life on one line, who uses it, and what to do. It loads nothing from elsewhere, needs no
//! script, and all data is escaped.

mod life;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use askama::Template;
use chrono::{DateTime, Utc};
use hygiene::plan::{Group, LeftUser, Plan, REMOVE_USER};
use hygiene::text::{age, capitalized, counted, escape, grouped, moment};
use hygiene::trace::{Advice, Because, Gap, Trace, TracedKey, UsedFrom};

use super::{PLANS, table};
use crate::page;
use life::{Axis, Life, Tick};

const STYLE: &str = concat!(include_str!("../../templates/page.css"), include_str!("../../templates/trace.css"));
const SCRIPT: &str = concat!(
    "\"use strict\";\n",
    include_str!("../../templates/copy.js"),
    include_str!("../../templates/print.js"),
    include_str!("../../templates/trace.js")
);
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The maximum number of places that are shown of a key: one of a laptop is used from many addresses.
const PLACES: usize = 25;

/// Writes the keys, those with the most urgent plan first. The same input gives the same bytes.
pub(super) fn trace(trace: &Trace, to: &mut dyn Write) -> io::Result<()> {
    let mut keys: Vec<&TracedKey> = trace.keys.iter().collect();
    keys.sort_by_key(|key| key.plan);
    let section =
        Section { id: "keys", plan: None, count: counted(keys.len() as u64, "key"), effort: None, keys, users: &[] };
    let sections = if trace.keys.is_empty() { Vec::new() } else { vec![section] };
    let tiles =
        PLANS.map(|plan| Tile::new(plan.name(), trace.keys.iter().filter(|key| key.plan == plan).count(), "key"));
    let subject = Subject { account: trace.account_id.as_deref(), since: trace.since, now: trace.evaluated_at };
    Page::new(false, subject, sections, tiles.into()).write_into(to)
}

/// Writes the groups. The same input gives the same bytes.
pub(super) fn plan<'p>(plan: &'p Plan, to: &mut dyn Write) -> io::Result<()> {
    let section = |group: &'p Group| match group {
        Group::Keys { keys, .. } => Section::of(group, "key", keys.iter().collect(), &[]),
        Group::Users { users, .. } => Section::of(group, "user", Vec::new(), users),
    };
    let count = |name: &str| plan.groups.iter().find(|group| group.name() == name).map_or(0, Group::count);
    let mut tiles: Vec<Tile> = PLANS.map(|plan| Tile::new(plan.name(), count(plan.name()), "key")).into();
    tiles.insert(2, Tile::new(REMOVE_USER, count(REMOVE_USER), "user"));
    let subject = Subject { account: plan.account_id.as_deref(), since: plan.since, now: plan.evaluated_at };
    Page::new(true, subject, plan.groups.iter().map(section).collect(), tiles).write_into(to)
}

#[derive(Template)]
#[template(path = "trace.html")]
struct Page<'a> {
    is_plan: bool,
    subject: Subject<'a>,
    style_hash: String,
    script_hash: String,
    axis: Axis,
    ticks: Vec<Tick>,
    looked_at: (String, String),
    tiles: Vec<Tile>,
    sections: Vec<Section<'a>>,
    /// The number of keys.
    total: usize,
    /// What was not looked at for most keys, with the number of these. It is shown once.
    common: BTreeMap<&'a Gap, usize>,
}

/// What the page is about.
struct Subject<'a> {
    account: Option<&'a str>,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
}

/// The number of keys or users with a plan.
struct Tile {
    name: &'static str,
    is_empty: bool,
    count: String,
    noun: &'static str,
}

/// Keys, or users.
struct Section<'a> {
    id: &'a str,
    /// The plan of all of them, if they have the same.
    plan: Option<&'a str>,
    count: String,
    effort: Option<&'static str>,
    keys: Vec<&'a TracedKey>,
    users: &'a [LeftUser],
}

impl Tile {
    fn new(name: &'static str, count: usize, noun: &'static str) -> Self {
        let noun = match (noun, count) {
            ("key", 1) => "key",
            ("key", _) => "keys",
            (_, 1) => "user",
            (_, _) => "users",
        };
        Self { name, is_empty: count == 0, count: grouped(count as u64), noun }
    }
}

impl<'a> Section<'a> {
    fn of(group: &'a Group, noun: &str, keys: Vec<&'a TracedKey>, users: &'a [LeftUser]) -> Self {
        Self {
            id: group.name(),
            plan: Some(group.name()),
            count: counted(group.count() as u64, noun),
            effort: Some(group.effort()),
            keys,
            users,
        }
    }

    /// The key's plan, if it is the first with it: the summary links to it.
    fn anchor(&self, key: &TracedKey) -> Option<&'static str> {
        let first = self.keys.iter().find(|one| one.plan == key.plan)?;
        (self.plan.is_none() && std::ptr::eq(*first, key)).then(|| key.plan.name())
    }
}

impl<'a> Page<'a> {
    fn new(is_plan: bool, subject: Subject<'a>, sections: Vec<Section<'a>>, tiles: Vec<Tile>) -> Self {
        let axis = Axis::new(subject.since, subject.now);
        let keys = || sections.iter().flat_map(|section| &section.keys);
        let total = keys().count();
        let mut common: BTreeMap<&Gap, usize> = BTreeMap::new();
        for gap in keys().flat_map(|key| &key.not_looked_at) {
            *common.entry(gap).or_default() += 1;
        }
        common.retain(|_, count| total < *count * 2);
        Self {
            is_plan,
            subject,
            style_hash: page::hash(STYLE),
            script_hash: page::hash(SCRIPT),
            axis,
            ticks: axis.ticks(),
            looked_at: Axis::looked_at(),
            tiles,
            sections,
            total,
            common,
        }
    }

    fn name(&self) -> String {
        let what = if self.is_plan { "Plan for the access keys" } else { "Access keys" };
        format!("{what} of AWS account {}", escape(self.subject.account.unwrap_or("of unknown number")))
    }

    fn now(&self) -> String {
        moment(self.subject.now)
    }

    fn since(&self) -> String {
        moment(self.subject.since)
    }

    fn days(&self) -> String {
        counted(self.axis.days().unsigned_abs(), "day")
    }

    /// What was not looked at for most keys, with their number.
    fn gaps(&self) -> Vec<String> {
        let mut by_count: BTreeMap<Reverse<usize>, Vec<&Gap>> = BTreeMap::new();
        for (gap, count) in &self.common {
            by_count.entry(Reverse(*count)).or_default().push(gap);
        }
        let total = counted(self.total as u64, "key");
        let lines = |(Reverse(count), gaps): (Reverse<usize>, Vec<&Gap>)| {
            let of = match count {
                _ if self.total == 1 => "the key".to_owned(),
                count if count == self.total => format!("all {total}"),
                count => format!("{} of {total}", grouped(count as u64)),
            };
            table::gaps(gaps).into_iter().map(move |gap| format!("{} ({of})", capitalized(&gap)))
        };
        by_count.into_iter().flat_map(lines).collect()
    }

    /// What was not looked at for this key, unless it is so for most keys.
    fn own_gaps(&self, key: &TracedKey) -> Vec<String> {
        let own = key.not_looked_at.iter().filter(|gap| !self.common.contains_key(gap));
        table::gaps(own).iter().map(|gap| capitalized(gap)).collect()
    }

    /// Whether something was not looked at for this key and for most others.
    fn shares_gap(&self, key: &TracedKey) -> bool {
        key.not_looked_at.iter().any(|gap| self.common.contains_key(gap))
    }

    fn life(&self, key: &TracedKey) -> Life {
        self.axis.life(key)
    }

    /// `703 days old, used 1 day ago (ec2 in eu-central-1), 12 events`
    fn caption(&self, key: &TracedKey) -> String {
        let since = |time: DateTime<Utc>| age(self.subject.now - time);
        let old = key.created.map_or_else(|| "of unknown age".to_owned(), |created| format!("{} old", since(created)));
        let used = match &key.last_used {
            Some(used) => format!("used {} ago{}", since(used.date), table::called(used)),
            None => "no use recorded".to_owned(),
        };
        let events = match &key.access_key_id {
            Some(_) => table::events(key),
            None => "events not looked at".to_owned(),
        };
        format!("{old}, {used}, {events}")
    }

    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn id(&self, key: &TracedKey) -> String {
        table::id(key)
    }

    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn is_inactive(&self, key: &TracedKey) -> bool {
        is_inactive(key)
    }

    /// What it takes, above the commands.
    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn effort(&self, key: &TracedKey) -> &'static str {
        match key.plan {
            Advice::Remove if is_inactive(key) => "Delete the key. It is inactive already.",
            plan => plan.effort(),
        }
    }

    /// The conclusion of the verdict, and the evidence for it with the colon before it.
    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn verdict<'t>(&self, key: &'t TracedKey) -> (&'t str, &'t str) {
        key.verdict.find(": ").map_or((key.verdict.as_str(), ""), |end| key.verdict.split_at(end))
    }

    /// The places to show, and how many there are besides.
    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn places<'t>(&self, key: &'t TracedKey) -> (&'t [UsedFrom], usize) {
        let shown = key.used_from.len().min(PLACES);
        (&key.used_from[..shown], key.used_from.len() - shown)
    }

    /// The kind, with where it is: `own-instance, eu-central-1`.
    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn kind(&self, from: &UsedFrom) -> String {
        let place = [&from.account, &from.region].into_iter().flatten().map(|text| escape(text));
        std::iter::once(from.kind.name().into()).chain(place).collect::<Vec<Cow<'_, str>>>().join(", ")
    }

    /// The source of a fact, unless its sentence names it, and the Region.
    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn source(&self, because: &Because) -> String {
        let what = Some(&because.what).filter(|what| !because.reason.contains(*what));
        what.into_iter().chain(&because.region).map(|text| escape(text)).collect::<Vec<_>>().join(", ")
    }

    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn services(&self, from: &UsedFrom) -> String {
        from.services.iter().map(|service| escape(service)).collect::<Vec<_>>().join(", ")
    }

    #[expect(clippy::unused_self, clippy::ref_option, reason = "the template calls it")]
    fn optional<'t>(&self, text: &'t Option<String>) -> Cow<'t, str> {
        text.as_deref().map_or("not known".into(), escape)
    }

    /// `2026-08-22 06:00 UTC to 2026-11-20 06:00 UTC`
    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn period(&self, from: &UsedFrom) -> String {
        match (from.first, from.last) {
            (Some(first), Some(last)) if first != last => format!("{} to {}", moment(first), moment(last)),
            (_, Some(one)) | (Some(one), None) => moment(one),
            (None, None) => "not known".to_owned(),
        }
    }

    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn moment(&self, time: &DateTime<Utc>) -> String {
        moment(*time)
    }

    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn escape<'t>(&self, text: &'t str) -> Cow<'t, str> {
        escape(text)
    }

    #[expect(
        clippy::unused_self,
        clippy::trivially_copy_pass_by_ref,
        reason = "the template calls it, with a reference"
    )]
    fn number(&self, count: &u64) -> String {
        grouped(*count)
    }
}

fn is_inactive(key: &TracedKey) -> bool {
    key.subject.access_key().and_then(|key| key.active) == Some(false)
}
