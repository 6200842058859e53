//! CSV of a plan: a row for each key and user.

use std::io::{self, Write};

use hygiene::plan::{Group, LeftUser, Plan};
use hygiene::text::counted;
use hygiene::time::to_seconds;
use hygiene::trace::TracedKey;

use crate::spreadsheet::{io_error, write_row};

const HEADER: [&str; 14] = [
    "plan",
    "account_id",
    "user",
    "access_key_id",
    "created",
    "last_used",
    "verdict",
    "used_from",
    "services",
    "events",
    "sampled",
    "not_looked_at",
    "remediation",
    "evaluated_at",
];

/// Writes the plan.
pub(super) fn plan(plan: &Plan, to: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(HEADER).map_err(io_error)?;
    let account = plan.account_id.clone().unwrap_or_default();
    let evaluated_at = to_seconds(plan.evaluated_at);
    for group in &plan.groups {
        let rows: Vec<[String; 11]> = match group {
            Group::Keys { keys, .. } => keys.iter().map(key).collect(),
            Group::Users { users, .. } => users.iter().map(user).collect(),
        };
        for row in rows {
            let start = [group.name().to_owned(), account.clone()];
            let cells: Vec<String> = start.into_iter().chain(row).chain([evaluated_at.clone()]).collect();
            write_row(&mut writer, &cells)?;
        }
    }
    writer.flush()
}

fn key(key: &TracedKey) -> [String; 11] {
    let services: std::collections::BTreeSet<&String> = key.used_from.iter().flat_map(|from| &from.services).collect();
    let list = |list: Vec<String>| list.join("\n");
    [
        key.user.clone(),
        key.access_key_id.clone().unwrap_or_default(),
        key.created.map(to_seconds).unwrap_or_default(),
        key.last_used.as_ref().map(|used| to_seconds(used.date)).unwrap_or_default(),
        key.verdict.clone(),
        list(places(key)),
        services.into_iter().map(String::as_str).collect::<Vec<_>>().join(" "),
        key.events.to_string(),
        key.sampled.to_string(),
        list(super::table::gaps(&key.not_looked_at)),
        key.remedy().to_string(),
    ]
}

/// The maximum number of places in a cell, which can have 32,767 characters in a spreadsheet.
const PLACES: usize = 50;

fn places(key: &TracedKey) -> Vec<String> {
    let mut places: Vec<String> = key.used_from.iter().take(PLACES).map(super::table::place).collect();
    if PLACES < key.used_from.len() {
        places.push(format!("and {}", counted((key.used_from.len() - PLACES) as u64, "more place")));
    }
    places
}

fn user(user: &LeftUser) -> [String; 11] {
    let mut cells: [String; 11] = Default::default();
    cells[0].clone_from(&user.user);
    cells[4].clone_from(&user.reason);
    cells[10] = user.remedy().to_string();
    cells
}
