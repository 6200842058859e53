//! Renders the list of accounts.

use std::collections::BTreeMap;
use std::io::{self, Write};

use hygiene::organization::{Listed, units};
use hygiene::text::counted;
use serde::Serialize;
use textwrap::core::display_width;

use crate::json::write_lines;
use crate::organization::audit::InScope;
use crate::organization::json::ListedJson;
use crate::spreadsheet::write_row;
use crate::table::{BOLD, DIM, Screen, columns, short};

/// The maximum width of a name.
const NAME: usize = 40;

#[derive(Serialize)]
struct Document<'a> {
    organization_id: &'a str,
    accounts: Vec<ListedJson<'a>>,
}

fn account<'a>((listed, why): (&'a Listed, Option<&'a str>), names: &'a BTreeMap<String, String>) -> ListedJson<'a> {
    let unit = listed.parent().and_then(|unit| names.get(unit)).map(String::as_str);
    ListedJson::new(listed, unit, why)
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
        let ListedJson { account_id, name, state, path, organizational_unit, in_scope, why } = account(one, names);
        let in_scope = in_scope.to_string();
        let cells = [Some(account_id), name, state, path, organizational_unit, Some(&in_scope), why];
        write_row(&mut writer, &cells.map(|cell| cell.unwrap_or_default().to_owned()))?;
    }
    writer.flush()
}

/// The organizational units above the account, outermost first: `Workloads/Prod`, with the id of each unit whose name is not known.
/// The root is left out, except for an account that is directly in it.
fn named_path(account: &Listed, names: &BTreeMap<String, String>) -> String {
    let mut ids: Vec<&str> = units(account.path().unwrap_or_default()).collect();
    if ids.len() > 1 {
        ids.remove(0);
    }
    let names: Vec<&str> = ids.into_iter().map(|id| names.get(id).map_or(id, String::as_str)).collect();
    names.join("/")
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
    let rows: Vec<[String; 5]> = listed
        .all()
        .map(|(listed, why)| {
            let scope = why.map_or_else(|| "in scope".to_owned(), |why| format!("out of scope: {why}"));
            let state = short(listed.state.as_deref(), NAME);
            let path = short(Some(&named_path(listed, names)), NAME);
            [listed.id.clone(), short(listed.name.as_deref(), NAME), state, path, scope]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| display_width(&row[column])).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2), width(3)];
    for row in &rows {
        let line = columns(row.iter().map(String::as_str), &widths);
        let style = if row[4].starts_with("out") { DIM } else { anstyle::Style::new() };
        screen.prose(&(line + &row[4]), style, to)?;
    }
    Ok(())
}
