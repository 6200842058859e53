//! Pseudonyms in a saved report, and user names that IAM does not allow. Checks are applied to a plausible row, with a
//! note; a row that may be damaged is an error.

use crate::local_boolean;
use crate::report::{ArnOwner, Column, CredentialReport, ROOT, Row, holds_dates, is_iam_name, is_known};
use crate::text::{cut, escape, grouped};

/// A row whose owner is uncertain, so that no row of the file can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct OwnerError {
    /// The line, from 1.
    pub line: u64,
    /// The names and ARNs that do not match.
    pub what: String,
    /// Whether the file has rows of several accounts.
    pub accounts_differ: bool,
}

impl CredentialReport {
    /// Checks which user owns each row. If the ARN names another user, the row is owned by its `user`, as in a
    /// pseudonymized report, unless another cell shows that the row may be damaged.
    ///
    /// # Errors
    ///
    /// The first row whose owner is uncertain.
    pub fn check_owners(&self) -> Result<(), OwnerError> {
        let other_account = self.other_account();
        let errors = self.rows().filter_map(|row| {
            let what = self.owner_fault(row, other_account)?;
            Some(OwnerError { line: row.line, what, accounts_differ: other_account.is_some() })
        });
        errors.min_by_key(|error| error.line).map_or(Ok(()), Err)
    }

    /// The account of a row that is not of this account.
    pub fn account_other_than(&self, id: &str) -> Option<&str> {
        self.rows().filter_map(Row::account).map(|(account, _)| account).find(|account| *account != id)
    }

    /// The account of the rows, if none of them is of this account.
    pub fn only_other_account(&self, id: &str) -> Option<&str> {
        let has_own = self.rows().filter_map(Row::account).any(|(account, _)| account == id);
        self.account_other_than(id).filter(|_| !has_own)
    }

    /// Notes on the file for readers of the findings, as sentences without a full stop.
    pub fn notes(&self) -> Vec<String> {
        let lines = |applies: &dyn Fn(&Row) -> bool| {
            let mut lines: Vec<u64> = self.rows().filter(|row| applies(row)).map(|row| row.line).collect();
            lines.sort_unstable();
            shown_lines(&lines)
        };
        let pseudonyms = lines(&|row| row.is_pseudonymised).map(|lines| {
            format!(
                "{lines}: `user` and `arn` name different users; each row is judged under its `user`, without an ARN"
            )
        });
        let names = lines(&|row| row.user != ROOT && !is_iam_name(&row.user))
            .map(|lines| format!("{lines}: IAM does not allow such a user name; each row is judged all the same"));
        [self.dates.note(), pseudonyms, names].into_iter().flatten().collect()
    }

    /// Returns the reason why the owner of the row is uncertain.
    fn owner_fault(&self, row: &Row, other_account: Option<&Row>) -> Option<String> {
        let both = || (shown(&row.user), shown(arn_cell(row)));
        if row.user != ROOT && arn_cell(row).ends_with(":root") {
            let (user, arn) = both();
            return Some(format!("the user is `{user}`, but the ARN `{arn}` is the root user's"));
        }
        if row.user == ROOT && row.is_pseudonymised {
            let (user, arn) = both();
            return Some(format!("the user is `{user}`, but the ARN `{arn}` is not the root user's"));
        }
        if row.user.contains('/') {
            return Some(format!("the user name `{}` contains a `/`, which IAM does not allow", shown(&row.user)));
        }
        let root = self.root.as_ref().filter(|root| is_other(account(root), account(row)));
        if let Some(root) = root {
            let (arn, root) = (shown(arn_cell(row)), shown(arn_cell(root)));
            return Some(format!("the ARN `{arn}` is of another account than the root user's, `{root}`"));
        }
        // Without the root user's row, the first row decides the account.
        let first = self.rows().find(|row| account(row).is_some()).filter(|_| self.root.is_none());
        if let Some(first) = first.filter(|first| is_other(account(first), account(row))) {
            let (arn, line, other) = (shown(arn_cell(row)), first.line, shown(arn_cell(first)));
            return Some(format!("the ARN `{arn}` is of another account than that in line {line}, `{other}`"));
        }
        if !row.is_pseudonymised {
            return None;
        }
        let misplaced = row.named_cells().find(|(column, cell)| !self.holds(column, cell));
        let problem = match (misplaced, other_account) {
            (Some((column, _)), _) => format!("what is in `{column}` cannot be there"),
            (None, Some(other)) => {
                format!("the ARN in line {}, `{}`, is of another account", other.line, shown(arn_cell(other)))
            }
            (None, None) => return None,
        };
        let (user, arn) = both();
        Some(format!("the user is `{user}`, the ARN `{arn}` is another user's, and {problem}"))
    }

    /// A row whose ARN has another account than the first row's.
    fn other_account(&self) -> Option<&Row> {
        let first = self.rows().find_map(account);
        self.rows().find(|row| is_other(first, account(row)))
    }

    /// Whether the cell is valid in the column. In a column that IAM does not have, every cell is.
    fn holds(&self, column: &str, cell: &str) -> bool {
        let is_one_of = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(cell));
        let no_value = is_one_of(&["N/A", "no_information", "not_supported"]);
        match column {
            _ if !is_known(column) => true,
            _ if holds_dates(column) => no_value || self.dates.time(cell).is_some(),
            _ if column.ends_with("_active") || column.ends_with("_enabled") => {
                local_boolean::parse(cell).is_some() || is_one_of(&["not_supported"])
            }
            _ if column.ends_with("_region") => no_value || is_region(cell),
            _ if column.ends_with("_service") => no_value || (is_service(cell) && !is_one_of(&["true", "false"])),
            _ => true,
        }
    }
}

/// Whether the text can be the name of a Region.
fn is_region(text: &str) -> bool {
    text.contains('-') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether the text can be the namespace of a service.
fn is_service(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// The cell in `arn`, even if it names another user.
fn arn_cell(row: &Row) -> &str {
    row.cell(Column::Arn).unwrap_or_default()
}

/// The partition and the account of the cell in `arn`, unchecked: an account number can be masked.
fn account(row: &Row) -> Option<(&str, &str)> {
    let arn = arn_cell(row);
    ArnOwner::of(arn)?;
    let mut parts = arn.split(':');
    Some((parts.nth(1)?, parts.nth(2)?))
}

/// Whether both accounts are known and differ.
fn is_other<'a>(one: Option<(&'a str, &'a str)>, other: Option<(&'a str, &'a str)>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

fn shown(text: &str) -> String {
    cut(&escape(text), 128).into_owned()
}

/// The maximum number of listed runs of lines. More would make the sentence hard to read.
const MOST_RUNS: usize = 8;

/// `line 3`, `lines 3 and 5`, `lines 3 to 22`, `lines 3, 5, 7, 9, 11, 13, 15, 17 and 3,992 more`.
fn shown_lines(lines: &[u64]) -> Option<String> {
    let runs: Vec<&[u64]> = lines.chunk_by(|one, next| one + 1 == *next).collect();
    let run = |run: &&[u64]| match run {
        [first, .., last] if run.len() > 2 => vec![format!("{first} to {last}")],
        run => run.iter().map(u64::to_string).collect(),
    };
    let mut parts: Vec<String> = runs.iter().take(MOST_RUNS).flat_map(run).collect();
    let hidden: usize = runs.iter().skip(MOST_RUNS).map(|run| run.len()).sum();
    if hidden != 0 {
        parts.push(format!("{} more", grouped(hidden as u64)));
    }
    let last = parts.pop()?;
    let noun = if lines.len() == 1 { "line" } else { "lines" };
    Some(if parts.is_empty() { format!("{noun} {last}") } else { format!("{noun} {} and {last}", parts.join(", ")) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Origin;

    const HEADER: &str =
        "user,arn,mfa_active,user_creation_time,access_key_1_last_used_region,access_key_1_last_used_service";
    const CELLS: &str = "true,2021-06-20T05:16:50Z,eu-central-1,s3";

    /// A report with rows of the users and ARNs, in account 123456789012.
    fn report(rows: &[(&str, &str)]) -> CredentialReport {
        let row = |(user, owner): &(&str, &str)| format!("{user},arn:aws:iam::123456789012:{owner},{CELLS}");
        let rows: Vec<String> = std::iter::once(HEADER.to_owned()).chain(rows.iter().map(row)).collect();
        CredentialReport::parse_from(rows.join("\n").as_bytes(), Origin::File).unwrap()
    }

    #[test]
    fn a_pseudonymized_row_has_no_arn() {
        let report = report(&[(ROOT, "root"), ("user-1", "user/alice"), ("bob", "user/bob")]);
        assert_eq!(report.check_owners(), Ok(()));
        assert_eq!(report.users[0].arn, None);
        assert!(report.users[0].is_pseudonymised && !report.users[1].is_pseudonymised && report.is_whole());
        insta::assert_snapshot!(report.notes().join("\n"), @"line 3: `user` and `arn` name different users; each row is judged under its `user`, without an ARN");
    }

    #[test]
    fn every_other_cell_of_a_pseudonymized_row_has_to_be_valid() {
        let fault = |cells: &str| {
            let text = format!("{HEADER}\nuser-1,arn:aws:iam::123456789012:user/alice,{cells}");
            let report = CredentialReport::parse_from(text.as_bytes(), Origin::File).unwrap();
            report.check_owners().err().map(|error| error.to_string().rsplit_once(", and ").unwrap().1.to_owned())
        };
        assert_eq!(fault(CELLS), None);
        assert_eq!(fault("not_supported,N/A,N/A,N/A"), None);
        assert_eq!(fault("FALSE,no_information,us-gov-west-1,aws-portal"), None);
        let column = |name: &str| Some(format!("what is in `{name}` cannot be there"));
        assert_eq!(fault(",N/A,N/A,N/A"), column("mfa_active"));
        assert_eq!(fault("true,true,N/A,N/A"), column("user_creation_time"));
        assert_eq!(fault("true,N/A,s3,N/A"), column("access_key_1_last_used_region"));
        assert_eq!(fault("true,N/A,N/A,true"), column("access_key_1_last_used_service"));
    }

    #[test]
    fn a_live_report_has_no_pseudonyms() {
        let text = format!("{HEADER}\nuser-1,arn:aws:iam::123456789012:user/alice,{CELLS}");
        let report = CredentialReport::parse(text.as_bytes()).unwrap();
        assert!(report.users.is_empty() && report.damaged.len() == 1);
    }

    #[test]
    fn only_root_has_roots_arn() {
        let fault = |rows: &[(&str, &str)]| report(rows).check_owners().unwrap_err().to_string();
        insta::assert_snapshot!(fault(&[(ROOT, "root"), ("alice", "root")]), @"line 3: the user is `alice`, but the ARN `arn:aws:iam::123456789012:root` is the root user's");
        insta::assert_snapshot!(fault(&[(ROOT, "user/alice")]), @"line 2: the user is `<root_account>`, but the ARN `arn:aws:iam::123456789012:user/alice` is not the root user's");
        insta::assert_snapshot!(fault(&[("x:root", "user/x:root")]), @"line 2: the user is `x:root`, but the ARN `arn:aws:iam::123456789012:user/x:root` is the root user's");
        insta::assert_snapshot!(fault(&[("a/b", "user/a/b")]), @"line 2: the user name `a/b` contains a `/`, which IAM does not allow");
    }

    #[test]
    fn lines_are_listed_in_runs_and_truncated() {
        let shown = |lines: &[u64]| shown_lines(lines).unwrap();
        assert_eq!(shown(&[3]), "line 3");
        assert_eq!(shown(&[3, 4]), "lines 3 and 4");
        assert_eq!(shown(&[3, 4, 5]), "lines 3 to 5");
        assert_eq!(shown(&[2, 4, 5, 6, 9]), "lines 2, 4 to 6 and 9");
        let odd: Vec<u64> = (0..1000).map(|number| 2 * number + 1).collect();
        assert_eq!(shown(&odd), "lines 1, 3, 5, 7, 9, 11, 13, 15 and 992 more");
        assert_eq!(shown_lines(&[]), None);
    }
}
