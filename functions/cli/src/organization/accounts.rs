//! Renders the list of accounts.

use std::collections::BTreeMap;
use std::io::{self, Write};

use hygiene::organization::Listed;
use hygiene::text::{counted, cut, escape};
use serde::Serialize;
use textwrap::core::display_width;

use crate::json::write_lines;
use crate::organization::audit::InScope;
use crate::spreadsheet::write_row;
use crate::table::{BOLD, DIM, Screen};

#[derive(Serialize)]
struct Document<'a> {
    organization_id: &'a str,
    accounts: Vec<Account<'a>>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the contract's names")]
struct Account<'a> {
    account_id: &'a str,
    name: Option<&'a str>,
    state: Option<&'a str>,
    path: Option<&'a str>,
    organizational_unit: Option<&'a str>,
    in_scope: bool,
    why: Option<&'a str>,
}

fn account<'a>((listed, why): (&'a Listed, Option<&'a str>), names: &'a BTreeMap<String, String>) -> Account<'a> {
    Account {
        account_id: &listed.id,
        name: listed.name.as_deref(),
        state: listed.state.as_deref(),
        path: listed.path(),
        organizational_unit: listed.parent().and_then(|unit| names.get(unit)).map(String::as_str),
        in_scope: why.is_none(),
        why,
    }
}

/// Writes JSON. `functions/cli/accounts.schema.json` describes it.
pub(crate) fn json(listed: &InScope, names: &BTreeMap<String, String>, to: &mut dyn Write) -> io::Result<()> {
    let accounts = listed.all().map(|one| account(one, names)).collect();
    write_lines(&Document { organization_id: &listed.accounts.organization, accounts }, to)
}

/// Writes CSV.
pub(crate) fn csv(listed: &InScope, names: &BTreeMap<String, String>, to: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    let header = ["account_id", "name", "state", "path", "organizational_unit", "in_scope", "why"];
    write_row(&mut writer, &header.map(str::to_owned))?;
    for one in listed.all() {
        let Account { account_id, name, state, path, organizational_unit, in_scope, why } = account(one, names);
        let in_scope = in_scope.to_string();
        let cells = [Some(account_id), name, state, path, organizational_unit, Some(&in_scope), why];
        write_row(&mut writer, &cells.map(|cell| cell.unwrap_or_default().to_owned()))?;
    }
    writer.flush()
}

/// Writes a table.
pub(crate) fn table(
    listed: &InScope,
    names: &BTreeMap<String, String>,
    screen: Screen,
    to: &mut dyn Write,
) -> io::Result<()> {
    let in_scope = listed.all().filter(|(_, why)| why.is_none()).count();
    let all = counted(listed.accounts.listed.len() as u64, "account");
    screen.prose(&format!("Organization {}: {all}, {in_scope} in scope", listed.accounts.organization), BOLD, to)?;
    writeln!(to)?;
    let rows: Vec<[String; 4]> = listed
        .all()
        .map(|one| {
            let Account { account_id, name, state, organizational_unit, why, .. } = account(one, names);
            let short = |text: Option<&str>| cut(&escape(text.unwrap_or_default()), 40).into_owned();
            let scope = why.map_or_else(|| "in scope".to_owned(), |why| format!("out of scope: {why}"));
            let state = state.filter(|state| *state != "ACTIVE" && Some(*state) != why);
            let scope = state.map_or_else(|| scope.clone(), |state| format!("{scope} ({state})"));
            [account_id.to_owned(), short(name), short(organizational_unit), scope]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| display_width(&row[column])).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2)];
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line += cell;
            line += &" ".repeat(width - display_width(cell) + 2);
        }
        let style = if row[3].starts_with("out") { DIM } else { anstyle::Style::new() };
        screen.prose(&(line + &row[3]), style, to)?;
    }
    Ok(())
}
