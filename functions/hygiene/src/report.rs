//! Parses the IAM credential report: bytes in, users with typed dates and booleans out.
//!
//! Both dialects are supported: dates with `Z` (since 2024) and with `+00:00` (before), and root rows with real values
//! and with `not_supported` in their place (before). Columns are found by name. A bad cell affects only its subject,
//! and a bad row only that row; see [`CredentialReport::is_whole`].

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use csv::{ByteRecord, StringRecord};
use serde::{Deserialize, Serialize};

use crate::dialect::Dialect;
pub use crate::dialect::NoHeader;
use crate::local_boolean;
pub use crate::local_date::LocalDateError;
use crate::local_date::{DateCell, DateForm};
use crate::text::{counted, cut, escape};
use crate::time::{Time, rfc3339};

/// The root user's name in the `user` column.
pub const ROOT: &str = "<root_account>";

/// A longer user name is damage: IAM allows 64 characters.
const LONGEST_NAME: usize = 128;

/// A credential report, row by row.
#[derive(Debug, Clone)]
pub struct CredentialReport {
    /// The row of `<root_account>`, if there is one and it is not damaged.
    pub root: Option<Row>,
    /// The IAM users, in the report's order.
    pub users: Vec<Row>,
    /// The rows that cannot be split into fields, in the report's order.
    pub damaged: Vec<DamagedRow>,
    /// Rows of another account than the root user's, in a live report: checks are not applied to them.
    pub foreign: Vec<Row>,
    /// The form of its dates.
    pub(crate) dates: DateForm,
    columns: Arc<Columns>,
}

/// An unreadable column: no verdict can be based on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// It is missing.
    #[error("the credential report has no column {}", .column.name())]
    Missing {
        /// The column.
        column: Column,
        /// The report's columns.
        header: String,
    },
    /// At least two users have a value in it, and all values are unreadable.
    #[error(
        "none of the {values} values of {} in the credential report can be read: line {line} has `{}`",
        .column.name(),
        shown(.cell)
    )]
    Unreadable {
        /// The column.
        column: Column,
        /// The number of users with a value in it.
        values: usize,
        /// The line of the first of them, from 1.
        line: u64,
        /// The first of the values.
        cell: String,
    },
}

impl ColumnError {
    /// The column.
    pub fn column(&self) -> Column {
        match self {
            Self::Missing { column, .. } | Self::Unreadable { column, .. } => *column,
        }
    }

    /// Describes the errors; all missing columns together.
    pub fn described(errors: &[Self]) -> Vec<String> {
        let missing: Vec<&Self> = errors.iter().filter(|error| matches!(error, Self::Missing { .. })).collect();
        let first = match missing[..] {
            [] => None,
            [one] => Some(one.to_string()),
            [first, ref others @ ..] => {
                let others: Vec<&str> = others.iter().map(|error| error.column().name()).collect();
                Some(format!("{first}, nor {}", others.join(", ")))
            }
        };
        let others = errors.iter().filter(|error| !matches!(error, Self::Missing { .. })).map(Self::to_string);
        first.into_iter().chain(others).collect()
    }
}

/// The origin of a report, which decides how it can have been changed since IAM generated it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// IAM's response to this program.
    Live,
    /// IAM's response to the AWS CLI, saved as JSON. The report can be pseudonymized.
    Answer,
    /// A CSV file. A spreadsheet can have saved it in its own dialect, and the report can be pseudonymized.
    File,
}

/// One row: a user's credentials.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its first line in the report, from 1.
    pub line: u64,
    /// The name.
    pub user: String,
    /// The ARN, if the cell has one.
    pub arn: Option<String>,
    /// Whether the cell `arn` is another user's, so that the row has no ARN. Only in saved reports: in a live report
    /// the row is damaged.
    pub is_pseudonymised: bool,
    /// `user_creation_time`
    pub user_creation_time: Cell<Option<Time>>,
    /// `password_enabled`
    pub password_enabled: Cell<bool>,
    /// `password_last_used`
    pub password_last_used: Cell<Option<Time>>,
    /// `password_last_changed`
    pub password_last_changed: Cell<Option<Time>>,
    /// `mfa_active`
    pub mfa_active: Cell<bool>,
    /// `access_key_1_…` and `access_key_2_…`
    pub access_keys: [AccessKey; 2],
    /// `cert_1_…` and `cert_2_…`
    pub certificates: [Certificate; 2],
    columns: Arc<Columns>,
    cells: StringRecord,
}

/// A row that cannot be split into fields. Of its cells, at most the name is known.
#[derive(Debug, Clone)]
pub struct DamagedRow {
    /// The damage.
    pub damage: Damage,
    /// The content of its `user` cell, if that can be a name. Another row can have the same name.
    pub name: Option<String>,
    /// The number of [`users`](CredentialReport::users) above it. Line numbers do not show that: rows can share a line.
    pub users_above: usize,
}

/// Why a row cannot be split into fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Line {line} of the credential report is damaged: {what}.")]
pub struct Damage {
    /// The line, from 1.
    pub line: u64,
    /// The description.
    pub what: String,
}

/// A slot for an access key. The slots' order is not the order of creation.
#[derive(Debug, Clone)]
pub struct AccessKey {
    /// 1 or 2.
    pub slot: u8,
    /// `access_key_N_active`
    pub active: Cell<bool>,
    /// `access_key_N_last_rotated`: when the key was created. An inactive key keeps its date; only an empty slot has no
    /// date.
    pub last_rotated: Cell<Option<Time>>,
    /// `access_key_N_last_used_date`
    pub last_used_date: Cell<Option<Time>>,
}

/// A slot for an X.509 signing certificate.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// `cert_N_active`
    pub active: Cell<bool>,
    /// `cert_N_last_rotated`
    pub last_rotated: Cell<Option<Time>>,
}

/// A cell's value. In a column of dates `None` means `N/A` or `no_information`: nothing was recorded.
pub type Cell<T> = Result<T, CellError>;

/// The reason why a cell has no value, as a sentence. It is small, since every [`Cell`] has space for one, and cheap to
/// clone, since checks clone cells.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    /// The report does not have the cell's column.
    #[error("The credential report has no column {}.", .column.name())]
    MissingColumn {
        /// The column.
        column: Column,
    },
    /// A cell in a column of booleans holds something else.
    #[error("{} is `{}` in the credential report, not true or false.", .column.name(), shown(.cell))]
    NotBoolean {
        /// The column.
        column: Column,
        /// The cell, as in the report.
        cell: Arc<String>,
    },
    /// A cell in a column of dates holds something else.
    #[error("{} is `{}` in the credential report, not a date.", .column.name(), shown(.cell))]
    NotTime {
        /// The column.
        column: Column,
        /// The cell, as in the report.
        cell: Arc<String>,
    },
    /// A date after the report's generation time, which IAM does not write.
    #[error("{} is `{}` in the credential report, a date later than the report itself.", .column.name(), shown(.cell))]
    AfterReport {
        /// The column.
        column: Column,
        /// The cell, as in the report.
        cell: Arc<String>,
    },
    /// A date that every user has is missing.
    #[error("{} is N/A in the credential report.", .column.name())]
    NoDate {
        /// The column.
        column: Column,
    },
    /// An access key has no creation date.
    #[error("{} is N/A though the key is there.", .column.name())]
    KeyWithoutDate {
        /// The column.
        column: Column,
    },
}

impl CellError {
    /// The cell's column.
    pub fn column(&self) -> Column {
        match self {
            Self::MissingColumn { column }
            | Self::NotBoolean { column, .. }
            | Self::NotTime { column, .. }
            | Self::AfterReport { column, .. }
            | Self::NoDate { column }
            | Self::KeyWithoutDate { column } => *column,
        }
    }
}

/// The reason why bytes are not a credential report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// No bytes, or only white space.
    #[error("the credential report is empty")]
    Empty,
    /// The header lacks a column that identifies the row (`user` or `arn`).
    #[error("not a credential report: line 1 has no column `{0}`")]
    MissingColumn(&'static str),
    /// A header that is not text: no column can be trusted.
    #[error("not a credential report: line {line} is damaged in column {column}")]
    DamagedHeader {
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: usize,
    },
    /// A column that occurs twice, so it is ambiguous.
    #[error("not a credential report: line {line} has the column `{column}` twice")]
    RepeatedColumn {
        /// The line, from 1.
        line: u64,
        /// The column, escaped.
        column: String,
    },
    /// A saved file without a header.
    #[error(transparent)]
    NoHeader(#[from] NoHeader),
    /// A saved file with local dates that cannot be parsed safely.
    #[error(transparent)]
    LocalDate(#[from] LocalDateError),
    /// A user that occurs twice: two reports in one file, or a damaged report.
    #[error("not one credential report: line {line} has the user `{user}` again")]
    RepeatedUser {
        /// The user, escaped.
        user: String,
        /// The line, from 1.
        line: u64,
    },
    /// A header without rows. Even a new account has the root user's row.
    #[error("the credential report has no rows")]
    NoRows,
    /// More rows than any account has users. The limit bounds the memory.
    #[error("not a credential report: it has more than {MOST_ROWS} rows, and an account has 5000 users at the most")]
    TooManyRows,
    /// An error of the CSV reader.
    #[error("could not read the credential report")]
    Csv(#[from] csv::Error),
}

/// The quota of users is 5,000 and cannot be raised.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const MOST_ROWS: usize = 50_000;

/// The report's columns, by IAM's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is named as the column is")]
pub enum Column {
    User,
    Arn,
    UserCreationTime,
    PasswordEnabled,
    PasswordLastUsed,
    PasswordLastChanged,
    MfaActive,
    AccessKey1Active,
    AccessKey1LastRotated,
    AccessKey1LastUsedDate,
    AccessKey1LastUsedRegion,
    AccessKey1LastUsedService,
    AccessKey2Active,
    AccessKey2LastRotated,
    AccessKey2LastUsedDate,
    AccessKey2LastUsedRegion,
    AccessKey2LastUsedService,
    Cert1Active,
    Cert1LastRotated,
    Cert2Active,
    Cert2LastRotated,
    AdditionalCredentialsInfo,
}

/// The columns that a report can lack, in the order of [`Column`].
#[cfg(test)]
pub(crate) const COLUMNS: [Column; 20] = [
    Column::UserCreationTime,
    Column::PasswordEnabled,
    Column::PasswordLastUsed,
    Column::PasswordLastChanged,
    Column::MfaActive,
    Column::AccessKey1Active,
    Column::AccessKey1LastRotated,
    Column::AccessKey1LastUsedDate,
    Column::AccessKey1LastUsedRegion,
    Column::AccessKey1LastUsedService,
    Column::AccessKey2Active,
    Column::AccessKey2LastRotated,
    Column::AccessKey2LastUsedDate,
    Column::AccessKey2LastUsedRegion,
    Column::AccessKey2LastUsedService,
    Column::Cert1Active,
    Column::Cert1LastRotated,
    Column::Cert2Active,
    Column::Cert2LastRotated,
    Column::AdditionalCredentialsInfo,
];

/// The names in the report, in the order of [`Column`].
const NAMES: [&str; 22] = [
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "mfa_active",
    "access_key_1_active",
    "access_key_1_last_rotated",
    "access_key_1_last_used_date",
    "access_key_1_last_used_region",
    "access_key_1_last_used_service",
    "access_key_2_active",
    "access_key_2_last_rotated",
    "access_key_2_last_used_date",
    "access_key_2_last_used_region",
    "access_key_2_last_used_service",
    "cert_1_active",
    "cert_1_last_rotated",
    "cert_2_active",
    "cert_2_last_rotated",
    "additional_credentials_info",
];

/// The columns that every report has had from the beginning, besides `user` and `arn`, which are required.
fn standard() -> impl Iterator<Item = &'static str> {
    let [_, _, known @ .., _] = &NAMES;
    known.iter().copied().chain(["password_next_rotation"])
}

impl Column {
    /// The columns whose cells have to be dates or booleans.
    pub(crate) const TYPED: [Self; 15] = [
        Self::UserCreationTime,
        Self::PasswordEnabled,
        Self::PasswordLastUsed,
        Self::PasswordLastChanged,
        Self::MfaActive,
        Self::AccessKey1Active,
        Self::AccessKey1LastRotated,
        Self::AccessKey1LastUsedDate,
        Self::AccessKey2Active,
        Self::AccessKey2LastRotated,
        Self::AccessKey2LastUsedDate,
        Self::Cert1Active,
        Self::Cert1LastRotated,
        Self::Cert2Active,
        Self::Cert2LastRotated,
    ];

    /// The column's name in the report.
    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

/// The maximum difference of two clocks. A time that is later by at most this counts as now.
pub const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

/// The columns of one access key slot.
#[derive(Debug)]
pub struct KeyColumns {
    /// `access_key_N_active`
    pub active: Column,
    /// `access_key_N_last_rotated`
    pub last_rotated: Column,
    /// `access_key_N_last_used_date`
    pub last_used_date: Column,
    /// `access_key_N_last_used_region`
    pub last_used_region: Column,
    /// `access_key_N_last_used_service`
    pub last_used_service: Column,
}

const KEY_COLUMNS: [KeyColumns; 2] = [
    KeyColumns {
        active: Column::AccessKey1Active,
        last_rotated: Column::AccessKey1LastRotated,
        last_used_date: Column::AccessKey1LastUsedDate,
        last_used_region: Column::AccessKey1LastUsedRegion,
        last_used_service: Column::AccessKey1LastUsedService,
    },
    KeyColumns {
        active: Column::AccessKey2Active,
        last_rotated: Column::AccessKey2LastRotated,
        last_used_date: Column::AccessKey2LastUsedDate,
        last_used_region: Column::AccessKey2LastUsedRegion,
        last_used_service: Column::AccessKey2LastUsedService,
    },
];

impl CredentialReport {
    /// Parses a report as IAM returns it: LF or CRLF, with or without BOM, columns in any order.
    ///
    /// # Errors
    ///
    /// When the bytes are not a credential report. A damaged row or cell is not an error: it is part of the report.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReportError> {
        Self::parse_from(bytes, Origin::Live)
    }

    /// Parses a report from the origin. A CSV file can have another separator, lines that are quoted as one cell, blank
    /// rows, notes above the header, and local dates.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse), and when local dates cannot be parsed safely.
    pub fn parse_from(bytes: &[u8], origin: Origin) -> Result<Self, ReportError> {
        let sheet = Sheet::read(bytes, origin)?;
        if sheet.rows.is_empty() {
            return Err(ReportError::NoRows);
        }
        let dates = match origin {
            Origin::Live | Origin::Answer => DateForm::Rfc3339,
            // Damage is reported first: it can be the reason for a date in a wrong column.
            Origin::File if sheet.rows.iter().any(|row| row.cells.is_err()) => DateForm::Rfc3339,
            Origin::File => DateForm::of(sheet.rows.iter().flat_map(|row| sheet.columns.dates(row)))?,
        };
        sheet.check_names()?;
        let mut report = Self::of(sheet, dates);
        // A saved file with a row of another account is rejected; see `saved`.
        if let (Origin::Live, Some((account, _))) = (origin, report.account()) {
            let account = account.to_owned();
            report.set_foreign_rows_apart(&account);
        }
        Ok(report)
    }

    /// Moves rows whose ARN is of another account to [`foreign`](Self::foreign). If the report does not show its
    /// account, the caller has to know it.
    pub fn set_foreign_rows_apart(&mut self, account: &str) {
        let is_foreign = |row: &Row| row.account().is_some_and(|(other, _)| other != account);
        if !self.users.iter().any(is_foreign) {
            return;
        }
        let above = |place: usize| self.users[..place].iter().filter(|row| is_foreign(row)).count();
        let shifts: Vec<usize> = self.damaged.iter().map(|damaged| above(damaged.users_above)).collect();
        for (damaged, shift) in self.damaged.iter_mut().zip(shifts) {
            damaged.users_above -= shift;
        }
        let (foreign, users) = std::mem::take(&mut self.users).into_iter().partition(is_foreign);
        (self.foreign, self.users) = (foreign, users);
    }

    fn of(Sheet { columns, rows }: Sheet, dates: DateForm) -> Self {
        let (mut root, mut users, mut damaged) = (None, Vec::with_capacity(rows.len()), Vec::new());
        for SheetRow { line, cells } in rows {
            match cells.map(|cells| Row::new(line, cells, &columns, &dates)) {
                Ok(row) if row.user == ROOT => root = Some(row),
                Ok(row) => users.push(row),
                Err(Unassigned { what, name }) => {
                    damaged.push(DamagedRow { damage: Damage { line, what }, name, users_above: users.len() });
                }
            }
        }
        Self { root, users, damaged, foreign: Vec::new(), dates, columns }
    }

    /// The account's 12 digits and its partition, from the root user's ARN.
    pub fn account(&self) -> Option<(&str, &str)> {
        self.root.as_ref().and_then(Row::account)
    }

    /// The root user's row if it is damaged: the first row of that name, unless another one is valid.
    pub fn damaged_root(&self) -> Option<&DamagedRow> {
        if self.root.is_some() {
            return None;
        }
        self.damaged.iter().find(|row| row.name.as_deref() == Some(ROOT))
    }

    /// The first damage; if rows share a line, the root user's.
    pub fn first_damage(&self) -> Option<&Damage> {
        let rows = self.damaged_root().into_iter().chain(&self.damaged);
        rows.map(|row| &row.damage).min_by_key(|damage| damage.line)
    }

    /// The line and the column of the first cell that cannot come from the origin: the bytes were damaged in transit.
    /// IAM does not write incomplete dates. A spreadsheet can: there an incomplete date is unreadable, but not a sign
    /// of damage.
    pub fn first_corruption(&self, origin: Origin) -> Option<(u64, &str)> {
        let possible = |column: &str, cell: &str| match origin {
            Origin::Live | Origin::Answer => is_plausible(column, cell),
            Origin::File => true,
        };
        let corrupt = |column: &str, cell: &str| cell.contains(char::is_control) || !possible(column, cell);
        let found = self.rows().filter_map(|row| {
            let (column, _) = row.named_cells().find(|(column, cell)| corrupt(column, cell))?;
            Some((row.line, column))
        });
        found.min_by_key(|(line, _)| *line)
    }

    /// Returns a missing column and an unknown column of the same report: the unknown column is probably the missing
    /// one, damaged.
    pub fn garbled_column(&self) -> Option<(&'static str, &str)> {
        let header = &self.columns.header;
        let missing = standard().find(|name| !header.iter().any(|known| known == name))?;
        let unknown = header.iter().find(|name| !is_known(name) && !name.is_empty())?;
        Some((missing, unknown))
    }

    /// Returns the unreadable columns among the needed ones. A single unreadable cell concerns its user, not the
    /// column.
    pub(crate) fn unreadable_columns(&self, needed: impl IntoIterator<Item = Column>) -> Vec<ColumnError> {
        needed.into_iter().filter_map(|column| self.column_error(column)).collect()
    }

    fn column_error(&self, column: Column) -> Option<ColumnError> {
        if self.columns.place(column).is_none() {
            let header = self.columns.header.join(", ");
            return Some(ColumnError::Missing { column, header });
        }
        let mut values = self.users.iter().filter_map(|row| Some((row, row.value(column)?))).peekable();
        let (first, cell) = values.peek().map(|(row, cell)| (row.line, (*cell).to_owned()))?;
        let mut count = 0;
        for (row, _) in values {
            row.cell_error(column)?;
            count += 1;
        }
        (count >= 2).then_some(ColumnError::Unreadable { column, values: count, line: first, cell })
    }

    /// The latest time in the report, which was generated then or later. A cell more than five minutes after the
    /// `generated` time is ignored: IAM does not write one.
    pub fn newest_time(&self, generated: Option<Time>) -> Option<Time> {
        let limit = generated.and_then(|generated| generated.checked_add_signed(CLOCK_SKEW)).unwrap_or(Time::MAX_UTC);
        self.rows().flat_map(Row::times).filter(|time| *time <= limit).max()
    }

    /// Whether a date of the report is later than the limit.
    pub(crate) fn has_time_after(&self, limit: Time) -> bool {
        self.rows().flat_map(Row::times).any(|time| limit < time)
    }

    /// Marks the dates that are later than the limit as unreadable.
    pub(crate) fn refuse_times_after(&mut self, limit: Time) {
        for row in self.root.iter_mut().chain(&mut self.users) {
            row.refuse_times_after(limit);
        }
    }

    /// The rows that are not damaged, the root user's first.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.root.iter().chain(&self.users)
    }

    /// Whether it has the root row, and every row has a known user of the account.
    pub fn is_whole(&self) -> bool {
        self.root.is_some() && self.damaged.is_empty() && self.foreign.is_empty()
    }
}

/// Whether the bytes have the header of a report, in any dialect.
pub fn is_report(bytes: &[u8]) -> bool {
    Sheet::read(bytes, Origin::File).is_ok()
}

/// The header and the rows of a report, with untyped cells.
struct Sheet {
    columns: Arc<Columns>,
    rows: Vec<SheetRow>,
}

/// A row with its cells by column.
struct SheetRow {
    line: u64,
    cells: Result<Assigned, Unassigned>,
}

/// A row with as many cells as there are columns.
struct Assigned {
    cells: StringRecord,
    is_pseudonymised: bool,
}

/// A row that cannot be split into fields.
struct Unassigned {
    what: String,
    /// The user that the row seems to be about.
    name: Option<String>,
}

impl Sheet {
    fn read(bytes: &[u8], origin: Origin) -> Result<Self, ReportError> {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let dialect = match origin {
            Origin::Live | Origin::Answer => Dialect::SERVED,
            Origin::File => Dialect::of(bytes)?,
        };
        let mut columns: Option<Arc<Columns>> = None;
        let mut rows = Vec::new();
        let mut record = ByteRecord::new();
        for (before, piece) in pieces(bytes, dialect)? {
            let mut records = dialect.records(piece);
            let mut lines = Lines { bytes: piece, at: 0, line: before + 1 };
            while let Some(start) = records.read(&mut record)? {
                let line = lines.at(start);
                if dialect.is_skipped(&record, columns.is_none()) {
                    continue;
                }
                dialect.split(&mut record);
                match &columns {
                    None => columns = Some(Arc::new(Columns::new(line, &record, dialect)?)),
                    Some(_) if rows.len() == MOST_ROWS => return Err(ReportError::TooManyRows),
                    Some(columns) => rows.push(SheetRow { line, cells: columns.row(&record, origin) }),
                }
            }
        }
        Ok(Self { columns: columns.ok_or(ReportError::Empty)?, rows })
    }

    /// Checks that no two rows have the same user. Damaged rows are ignored.
    fn check_names(&self) -> Result<(), ReportError> {
        let mut users = BTreeSet::new();
        for (line, row) in self.rows.iter().filter_map(|row| Some((row.line, row.cells.as_ref().ok()?))) {
            let user = self.columns.user(&row.cells);
            if !users.insert(user) {
                return Err(ReportError::RepeatedUser { user: escape(user).into_owned(), line });
            }
        }
        Ok(())
    }
}

/// Finds the first line of each record. The reader's own line number is that of the blank lines above the record.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the record at the position. It has to be called in the order of the records.
    fn at(&mut self, start: usize) -> u64 {
        while let Some(byte) = self.bytes.get(self.at).filter(|byte| self.at < start || matches!(byte, b'\r' | b'\n')) {
            self.line += u64::from(*byte == b'\n');
            self.at += 1;
        }
        self.line
    }
}

/// Splits the bytes into pieces that are parsed separately, each with the number of lines before it. Usually there is
/// one piece. No cell of a report contains a line break, so a line break in a cell means a stray quotation mark, which
/// would join the rows after it. Then each line is a piece, and only the row with the quotation mark is damaged.
fn pieces(bytes: &[u8], dialect: Dialect) -> Result<Vec<(u64, &[u8])>, ReportError> {
    if !(bytes.contains(&b'"') && has_line_break_in_cell(bytes, dialect)?) {
        return Ok(vec![(0, bytes)]);
    }
    Ok((0..).zip(bytes.split(|byte| *byte == b'\n')).collect())
}

fn has_line_break_in_cell(bytes: &[u8], dialect: Dialect) -> Result<bool, ReportError> {
    let (mut records, mut record) = (dialect.records(bytes), ByteRecord::new());
    while records.read(&mut record)?.is_some() {
        if record.as_slice().contains(&b'\n') {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The positions of the columns.
#[derive(Debug)]
struct Columns {
    places: [Option<usize>; NAMES.len()],
    /// The columns of the report, escaped.
    header: Vec<String>,
    /// The positions of IAM's columns of dates.
    dates: Vec<usize>,
    /// Whether a spreadsheet may have saved the file.
    is_saved: bool,
    separator: char,
}

impl Columns {
    fn new(line: u64, header: &ByteRecord, dialect: Dialect) -> Result<Self, ReportError> {
        let mut places = [None; NAMES.len()];
        let mut seen = BTreeSet::new();
        let mut shown = Vec::with_capacity(header.len());
        for (place, name) in header.iter().enumerate() {
            let name = str::from_utf8(name).ok().filter(|name| !name.contains(char::is_control));
            let name = name.ok_or(ReportError::DamagedHeader { line, column: place + 1 })?.trim().to_lowercase();
            shown.push(cut(&escape(&name), 64).into_owned());
            if let Some(known) = NAMES.iter().position(|known| *known == name) {
                places[known] = Some(place);
            }
            if !name.is_empty() && !seen.insert(name.clone()) {
                return Err(ReportError::RepeatedColumn { line, column: shown.swap_remove(place) });
            }
        }
        for required in [Column::User, Column::Arn] {
            if places[required as usize].is_none() {
                return Err(ReportError::MissingColumn(required.name()));
            }
        }
        let has_dates = |place: &usize| is_known(&shown[*place]) && holds_dates(&shown[*place]);
        let dates = (0..shown.len()).filter(has_dates).collect();
        let separator = char::from(dialect.cell_separator());
        Ok(Self { places, header: shown, dates, separator, is_saved: dialect.is_saved() })
    }

    fn place(&self, column: Column) -> Option<usize> {
        self.places[column as usize]
    }

    /// The cell in `user`.
    fn user<'a>(&self, cells: &'a StringRecord) -> &'a str {
        self.place(Column::User).and_then(|place| cells.get(place)).unwrap_or_default()
    }

    /// Assigns the record's fields to columns.
    fn row(&self, record: &ByteRecord, origin: Origin) -> Result<Assigned, Unassigned> {
        self.assign(record, origin).map_err(|what| Unassigned { what, name: damaged_name(record, self) })
    }

    /// The cells of a row in IAM's columns of dates.
    fn dates<'a>(&'a self, row: &'a SheetRow) -> impl Iterator<Item = DateCell<'a>> + Clone {
        let rows = row.cells.iter().flat_map(|row| self.dates.iter().map(move |place| (*place, row.cells.get(*place))));
        rows.filter_map(|(place, cell)| Some(DateCell { line: row.line, column: &self.header[place], cell: cell? }))
    }

    /// Returns the record with one field per column, or the description of its damage. It is not known how AWS quotes a
    /// name or a path with a comma. Without quotes the row has too many fields, and all surplus fields are between the
    /// start of the name and the end of the ARN: no other cell can contain a comma.
    fn assign(&self, record: &ByteRecord, origin: Origin) -> Result<Assigned, String> {
        let column = |place: usize| self.header.get(place).map_or_else(String::new, |name| format!(" in `{name}`"));
        let cells = StringRecord::from_byte_record(record.clone())
            .map_err(|error| format!("what is{} is not UTF-8", column(error.utf8_error().field())))?;
        if record.as_slice().iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            let place = cells.iter().position(|cell| cell.contains(['\n', '\r']));
            return Err(format!("there is a line break{}", column(place.unwrap_or_default())));
        }
        let count = cells.len();
        let miscounted = || format!("it has {} for {} columns", counted(count as u64, "field"), self.header.len());
        let surplus = count.saturating_sub(self.header.len());
        let (mut cells, is_as_read) = match count.cmp(&self.header.len()) {
            Ordering::Less => return Err(format!("{} and ends{}", miscounted(), column(count - 1))),
            Ordering::Equal => (cells, true),
            Ordering::Greater if cells.iter().rev().take(surplus).all(str::is_empty) => {
                (cells.iter().take(self.header.len()).collect(), true)
            }
            Ordering::Greater => (self.rejoin(&cells, surplus).ok_or_else(miscounted)?, false),
        };
        // Trimming copies the record, and few reports need it.
        if cells.iter().any(|cell| cell.len() != cell.trim().len()) {
            cells.trim();
        }
        let [user, arn] = [Column::User, Column::Arn].map(|column| cells.get(self.place(column)?));
        let (user, arn) = (user.unwrap_or_default(), arn.unwrap_or_default());
        if user.is_empty() {
            return Err("it has no user name".to_owned());
        }
        if origin == Origin::Live && user != ROOT && !is_iam_name(user) {
            return Err("IAM does not allow its user name".to_owned());
        }
        if user.chars().count() > LONGEST_NAME {
            return Err(format!("its user name is longer than {LONGEST_NAME} characters"));
        }
        let names_one_user = match ArnOwner::of(arn) {
            Some(ArnOwner::Root) => user == ROOT,
            Some(ArnOwner::User(name)) => user == name,
            // An ARN can be masked in a file. One that was joined can contain the next row, after a lost line break.
            None => is_as_read,
        };
        match origin {
            _ if names_one_user => Ok(Assigned { cells, is_pseudonymised: false }),
            _ if !is_as_read => Err(miscounted()),
            Origin::Live => Err("its ARN is another user's".to_owned()),
            Origin::Answer | Origin::File => Ok(Assigned { cells, is_pseudonymised: true }),
        }
    }

    fn rejoin(&self, cells: &StringRecord, surplus: usize) -> Option<StringRecord> {
        let (user, arn) = (self.place(Column::User)?, self.place(Column::Arn)?);
        if arn != user + 1 {
            return None;
        }
        let joined = cells.iter().skip(user).take(surplus + 2).collect::<Vec<_>>().join(&self.separator.to_string());
        let border = joined.find(&format!("{}arn:", self.separator))?;
        let before = cells.iter().take(user);
        let after = cells.iter().skip(user + surplus + 2);
        Some(before.chain([&joined[..border], &joined[border + 1..]]).chain(after).collect())
    }
}

/// The principal that an ARN names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ArnOwner<'a> {
    Root,
    User(&'a str),
}

impl<'a> ArnOwner<'a> {
    pub(crate) fn of(arn: &'a str) -> Option<Self> {
        let resource = arn.strip_prefix("arn:")?.splitn(5, ':').nth(4)?;
        if resource == "root" {
            return Some(Self::Root);
        }
        resource.strip_prefix("user/").and_then(|path| path.rsplit('/').next()).map(Self::User)
    }
}

impl Row {
    fn new(line: u64, row: Assigned, columns: &Arc<Columns>, dates: &DateForm) -> Self {
        let Assigned { cells, is_pseudonymised } = row;
        let reader = CellReader { columns, cells: &cells, dates };
        let user = columns.user(&cells).to_owned();
        let arn = columns.place(Column::Arn).and_then(|place| cells.get(place));
        let arn = arn.filter(|arn| !is_pseudonymised && ArnOwner::of(arn).is_some()).map(str::to_owned);
        let key = |slot: u8| {
            let columns = &KEY_COLUMNS[usize::from(slot - 1)];
            AccessKey {
                slot,
                active: reader.flag(columns.active),
                last_rotated: reader.time(columns.last_rotated),
                last_used_date: reader.time(columns.last_used_date),
            }
        };
        let certificate =
            |active, last_rotated| Certificate { active: reader.flag(active), last_rotated: reader.time(last_rotated) };
        Self {
            line,
            user,
            arn,
            is_pseudonymised,
            user_creation_time: reader.time(Column::UserCreationTime),
            password_enabled: reader.flag(Column::PasswordEnabled),
            password_last_used: reader.time(Column::PasswordLastUsed),
            password_last_changed: reader.time(Column::PasswordLastChanged),
            mfa_active: reader.flag(Column::MfaActive),
            access_keys: [key(1), key(2)],
            certificates: [
                certificate(Column::Cert1Active, Column::Cert1LastRotated),
                certificate(Column::Cert2Active, Column::Cert2LastRotated),
            ],
            columns: Arc::clone(columns),
            cells,
        }
    }

    /// The cells with their columns, as in the report.
    pub(crate) fn named_cells(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns.header.iter().map(String::as_str).zip(&self.cells)
    }

    /// A cell as in the report; `None` if the column is missing.
    pub fn cell(&self, column: Column) -> Option<&str> {
        self.columns.place(column).and_then(|place| self.cells.get(place))
    }

    /// The text in `additional_credentials_info`, if it has one. The column is documented but was in no report seen so
    /// far, so its absence has no meaning.
    pub fn additional_credentials(&self) -> Option<&str> {
        self.value(Column::AdditionalCredentialsInfo)
    }

    /// A cell as in the report; `None` if it means that there is no value.
    pub(crate) fn value(&self, column: Column) -> Option<&str> {
        let nothing = ["", "N/A", "no_information", "not_supported"];
        self.cell(column).filter(|cell| !nothing.iter().any(|word| word.eq_ignore_ascii_case(cell)))
    }

    /// The error of the column's cell. A cell that is only shown, such as a Region, has no error.
    pub(crate) fn cell_error(&self, column: Column) -> Option<&CellError> {
        let ([one, two], [first, second]) = (&self.access_keys, &self.certificates);
        match column {
            Column::UserCreationTime => self.user_creation_time.as_ref().err(),
            Column::PasswordEnabled => self.password_enabled.as_ref().err(),
            Column::PasswordLastUsed => self.password_last_used.as_ref().err(),
            Column::PasswordLastChanged => self.password_last_changed.as_ref().err(),
            Column::MfaActive => self.mfa_active.as_ref().err(),
            Column::AccessKey1Active => one.active.as_ref().err(),
            Column::AccessKey1LastRotated => one.last_rotated.as_ref().err(),
            Column::AccessKey1LastUsedDate => one.last_used_date.as_ref().err(),
            Column::AccessKey2Active => two.active.as_ref().err(),
            Column::AccessKey2LastRotated => two.last_rotated.as_ref().err(),
            Column::AccessKey2LastUsedDate => two.last_used_date.as_ref().err(),
            Column::Cert1Active => first.active.as_ref().err(),
            Column::Cert1LastRotated => first.last_rotated.as_ref().err(),
            Column::Cert2Active => second.active.as_ref().err(),
            Column::Cert2LastRotated => second.last_rotated.as_ref().err(),
            Column::User
            | Column::Arn
            | Column::AccessKey1LastUsedRegion
            | Column::AccessKey1LastUsedService
            | Column::AccessKey2LastUsedRegion
            | Column::AccessKey2LastUsedService
            | Column::AdditionalCredentialsInfo => None,
        }
    }

    /// Whether `password_enabled` is `not_supported`, as it was for root before AWS introduced centralized root access.
    /// It means that the report does not show the value.
    pub fn password_unknown(&self) -> bool {
        self.cell(Column::PasswordEnabled).is_some_and(|cell| cell.eq_ignore_ascii_case("not_supported"))
    }

    /// Every date of the row.
    fn times(&self) -> impl Iterator<Item = Time> {
        let [one, two] = &self.access_keys;
        let own = [&self.user_creation_time, &self.password_last_used, &self.password_last_changed];
        let keys = [&one.last_rotated, &one.last_used_date, &two.last_rotated, &two.last_used_date];
        let certificates = self.certificates.iter().map(|certificate| &certificate.last_rotated);
        own.into_iter().chain(keys).chain(certificates).filter_map(|cell| cell.clone().ok()?)
    }

    fn refuse_times_after(&mut self, limit: Time) {
        let places = [
            Column::UserCreationTime,
            Column::PasswordLastUsed,
            Column::PasswordLastChanged,
            Column::AccessKey1LastRotated,
            Column::AccessKey1LastUsedDate,
            Column::AccessKey2LastRotated,
            Column::AccessKey2LastUsedDate,
            Column::Cert1LastRotated,
            Column::Cert2LastRotated,
        ];
        let texts = places.map(|column| self.cell(column).unwrap_or_default().to_owned());
        let ([one, two], [first, second]) = (&mut self.access_keys, &mut self.certificates);
        let times = [
            &mut self.user_creation_time,
            &mut self.password_last_used,
            &mut self.password_last_changed,
            &mut one.last_rotated,
            &mut one.last_used_date,
            &mut two.last_rotated,
            &mut two.last_used_date,
            &mut first.last_rotated,
            &mut second.last_rotated,
        ];
        for ((time, column), text) in times.into_iter().zip(places).zip(texts) {
            if matches!(time, Ok(Some(time)) if limit < *time) {
                *time = Err(CellError::AfterReport { column, cell: Arc::new(text) });
            }
        }
    }

    /// The account number and the partition of the ARN.
    pub fn account(&self) -> Option<(&str, &str)> {
        let mut parts = self.arn.as_deref()?.split(':');
        let partition = parts.nth(1)?;
        let account = parts.nth(2)?;
        let digits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        (digits && !partition.is_empty()).then_some((account, partition))
    }
}

impl AccessKey {
    /// The slot's columns.
    pub fn columns(&self) -> &'static KeyColumns {
        &KEY_COLUMNS[usize::from(self.slot - 1)]
    }

    /// The creation date of a key that exists. `N/A` is an error.
    pub fn created(&self) -> Cell<Time> {
        self.last_rotated.clone()?.ok_or(CellError::KeyWithoutDate { column: self.columns().last_rotated })
    }

    /// Whether the slot certainly has no key.
    pub fn is_empty(&self) -> bool {
        self.active == Ok(false) && self.last_rotated == Ok(None)
    }
}

/// Whether a column of that name has dates.
pub(crate) fn holds_dates(column: &str) -> bool {
    ["_time", "_date", "_used", "_changed", "_rotated", "_rotation"].iter().any(|end| column.ends_with(end))
}

/// Whether IAM has a column of that name.
pub(crate) fn is_known(column: &str) -> bool {
    NAMES.into_iter().chain(standard()).any(|known| known == column)
}

/// Whether IAM could have written the cell in the column. An unknown word is plausible, an incomplete date is not.
fn is_plausible(column: &str, cell: &str) -> bool {
    let word =
        |extra: &str| cell.chars().all(|character| character.is_ascii_alphanumeric() || extra.contains(character));
    let ends = |ends: &[&str]| ends.iter().any(|end| column.ends_with(end));
    match column {
        "arn" => cell.is_empty() || ArnOwner::of(cell).is_some(),
        _ if ends(&["_active", "_enabled"]) => word("_/") && !cell.contains(|digit: char| digit.is_ascii_digit()),
        _ if holds_dates(column) => {
            let has_digits = cell.contains(|digit: char| digit.is_ascii_digit());
            if has_digits { rfc3339(cell).is_some() } else { word("_/") }
        }
        _ if ends(&["_region", "_service"]) => word("_/-."),
        _ => true,
    }
}

/// Whether IAM allows the user name.
///
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html>
pub(crate) fn is_iam_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
}

/// The user that a damaged row seems to be about, if the name is valid.
fn damaged_name(record: &ByteRecord, columns: &Columns) -> Option<String> {
    let name = str::from_utf8(record.get(columns.place(Column::User)?)?).ok()?.trim();
    (name == ROOT || is_iam_name(name)).then(|| name.to_owned())
}

struct CellReader<'a> {
    columns: &'a Columns,
    cells: &'a StringRecord,
    dates: &'a DateForm,
}

impl CellReader<'_> {
    fn cell(&self, column: Column) -> Cell<&str> {
        let cell = self.columns.place(column).and_then(|place| self.cells.get(place));
        cell.ok_or(CellError::MissingColumn { column })
    }

    fn flag(&self, column: Column) -> Cell<bool> {
        let cell = self.cell(column)?;
        if cell.eq_ignore_ascii_case("true") {
            return Ok(true);
        }
        if cell.eq_ignore_ascii_case("false") {
            return Ok(false);
        }
        let local = self.columns.is_saved.then(|| local_boolean::parse(cell)).flatten();
        local.ok_or_else(|| CellError::NotBoolean { column, cell: Arc::new(cell.to_owned()) })
    }

    fn time(&self, column: Column) -> Cell<Option<Time>> {
        let cell = self.cell(column)?;
        if cell.eq_ignore_ascii_case("N/A") || cell.eq_ignore_ascii_case("no_information") {
            return Ok(None);
        }
        let time = self.dates.time(cell);
        time.map(Some).ok_or_else(|| CellError::NotTime { column, cell: Arc::new(cell.to_owned()) })
    }
}

/// A cell for a message: escaped and truncated.
fn shown(cell: &str) -> String {
    cut(&escape(cell), 64).into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
        password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
        access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
        access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
        cert_1_last_rotated,cert_2_active,cert_2_last_rotated";

    const ROOT_ROW: &str = "<root_account>,arn:aws:iam::123456789012:root,2019-01-02T03:04:05Z,true,no_information,\
        2020-01-01T00:00:00Z,not_supported,false,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A";

    fn row(user: &str, arn: &str) -> String {
        format!(
            "{user},{arn},2020-01-01T00:00:00Z,false,N/A,N/A,N/A,false,true,2021-06-20T05:16:50Z,N/A,N/A,N/A,false,N/A,N/A,N/A,\
             N/A,false,N/A,false,N/A"
        )
    }

    fn alice() -> String {
        row("alice", "arn:aws:iam::123456789012:user/alice")
    }

    fn parse(lines: &[&str]) -> CredentialReport {
        CredentialReport::parse(lines.join("\n").as_bytes()).unwrap()
    }

    fn error(lines: &[&str]) -> String {
        CredentialReport::parse(lines.join("\n").as_bytes()).unwrap_err().to_string()
    }

    fn time(text: &str) -> Time {
        rfc3339(text).unwrap()
    }

    #[test]
    fn a_live_report_is_parsed() {
        let report = parse(&[HEADER, ROOT_ROW, &alice()]);
        let root = report.root.as_ref().unwrap();
        assert_eq!(root.account(), Some(("123456789012", "aws")));
        assert_eq!(root.password_enabled, Ok(true));
        assert_eq!(root.password_last_used, Ok(None));
        assert!(root.access_keys.iter().all(AccessKey::is_empty));
        assert_eq!(report.users[0].access_keys[0].last_rotated, Ok(Some(time("2021-06-20T05:16:50Z"))));
        assert_eq!(report.users[0].cell(Column::AccessKey1LastRotated), Some("2021-06-20T05:16:50Z"));
        assert!(report.is_whole());
    }

    #[test]
    fn the_old_dialect_is_parsed() {
        let root = "<root_account>,arn:aws-us-gov:iam::123456789012:root,2015-01-02T03:04:05+00:00,not_supported,\
            no_information,not_supported,not_supported,false,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A";
        let root = parse(&[HEADER, root]).root.unwrap();
        assert!(root.password_unknown());
        assert_eq!(root.account(), Some(("123456789012", "aws-us-gov")));
        assert_eq!(root.user_creation_time, Ok(Some(time("2015-01-02T03:04:05Z"))));
        assert_eq!(
            root.password_last_changed.unwrap_err().to_string(),
            "password_last_changed is `not_supported` in the credential report, not a date."
        );
    }

    #[test]
    fn line_ends_bom_case_and_order_do_not_matter() {
        let text =
            "\u{feff}ARN, User ,extra,Access_Key_1_Active\r\narn:aws:iam::123456789012:user/a/b/alice,alice,,TRUE\r\n";
        let report = CredentialReport::parse(text.as_bytes()).unwrap();
        assert_eq!(report.users[0].user, "alice");
        assert_eq!(report.users[0].access_keys[0].active, Ok(true));
        assert_eq!(
            report.users[0].access_keys[0].last_rotated,
            Err(CellError::MissingColumn { column: Column::AccessKey1LastRotated })
        );
        assert!(!report.is_whole(), "the root row is missing");
    }

    #[test]
    fn a_cell_has_16_bytes() {
        assert_eq!((size_of::<Cell<bool>>(), size_of::<Cell<Option<Time>>>()), (16, 16));
    }

    #[test]
    fn every_rfc_3339_form_is_a_date() {
        let expected = Some(time("2021-06-20T05:16:50Z"));
        let dates =
            ["2021-06-20T05:16:50+00:00", "2021-06-20t05:16:50z", "2021-06-20T07:16:50+02:00", "2021-06-20 05:16:50Z"];
        for date in dates {
            let report = parse(&["user,arn,user_creation_time", &format!("alice,,{date}")]);
            assert_eq!(report.users[0].user_creation_time, Ok(expected), "{date}");
        }
        let report =
            parse(&["user,arn,user_creation_time", "alice,,20.06.2021", "bob,,", "carol,,9999-12-31T23:59:59-18:00"]);
        assert!(report.users.iter().all(|user| user.user_creation_time.is_err()));
    }

    #[test]
    fn rows_over_the_limit_are_not_read() {
        let endless = format!("user,arn\n{}", "a\r".repeat(MOST_ROWS + 1));
        let error = CredentialReport::parse(endless.as_bytes()).unwrap_err().to_string();
        let expected =
            "not a credential report: it has more than 50000 rows, and an account has 5000 users at the most";
        assert_eq!(error, expected);
    }

    #[test]
    fn commas_in_names_and_paths_are_found_with_and_without_quotes() {
        let rows = [
            (row("last,first", "arn:aws:iam::123456789012:user/last,first"), "last,first"),
            (row("\"last,first\"", "\"arn:aws:iam::123456789012:user/last,first\""), "last,first"),
            (row("alice", "arn:aws:iam::123456789012:user/a,b/\"c\"/alice"), "alice"),
            (row("alice", "\"arn:aws:iam::123456789012:user/a,b/\"\"c\"\"/alice\""), "alice"),
        ];
        for (text, name) in rows {
            let report = parse(&[HEADER, ROOT_ROW, &text]);
            assert_eq!(report.users[0].user, name);
            assert_eq!(report.users[0].access_keys[0].active, Ok(true), "{text}");
            assert!(report.is_whole(), "{text}");
        }
    }

    #[test]
    fn a_row_that_contains_the_next_one_is_damaged() {
        for separator in ["", " ", "\u{2028}"] {
            for [first, second] in [[ROOT_ROW, &alice()], [&alice(), &row("bob", "arn:aws:iam::123456789012:user/bob")]]
            {
                let both = format!("{first}{separator}{second}");
                let report = parse(&[HEADER, &both]);
                assert!(report.root.is_none() && report.users.is_empty() && !report.is_whole(), "{both}");
                assert_eq!(report.damaged.len(), 1);
            }
        }
    }

    #[test]
    fn a_damaged_row_affects_no_other_row() {
        let short = "bob,arn:aws:iam::123456789012:user/bob,2020-01-01T00:00:00Z";
        let foreign = row("carol", "arn:aws:iam::123456789012:user/dave");
        let report = parse(&[HEADER, ROOT_ROW, &alice(), short, &foreign, "\u{1},,"]);
        assert!(!report.is_whole());
        assert_eq!(report.first_corruption(Origin::File), None);
        assert_eq!(report.users.iter().map(|user| user.user.as_str()).collect::<Vec<_>>(), ["alice"]);
        let line = |row: &DamagedRow| format!("{:?}: {}", row.name, row.damage);
        insta::assert_snapshot!(report.damaged.iter().map(line).collect::<Vec<_>>().join("\n"), @r#"
        Some("bob"): Line 4 of the credential report is damaged: it has 3 fields for 22 columns and ends in `user_creation_time`.
        Some("carol"): Line 5 of the credential report is damaged: its ARN is another user's.
        None: Line 6 of the credential report is damaged: it has 3 fields for 22 columns and ends in `user_creation_time`.
        "#);
        assert_eq!(report.first_damage().unwrap().line, 4);
    }

    #[test]
    fn a_row_of_another_account_is_set_apart() {
        let foreign = row("mallory", "arn:aws:iam::210987654321:user/mallory");
        let report = parse(&[HEADER, ROOT_ROW, &foreign, "\u{1},,", &alice()]);
        let names = |rows: &[Row]| rows.iter().map(|row| row.user.clone()).collect::<Vec<_>>();
        assert_eq!(
            (names(&report.users), names(&report.foreign)),
            (vec!["alice".to_owned()], vec!["mallory".to_owned()])
        );
        assert_eq!(report.damaged[0].users_above, 0);
        assert!(!parse(&[HEADER, ROOT_ROW, &foreign, &alice()]).is_whole());
        assert!(parse(&[HEADER, ROOT_ROW, &alice()]).is_whole());
    }

    #[test]
    fn damage_names_the_column_if_it_is_known() {
        let damage = |text: &[u8]| CredentialReport::parse(text).unwrap().first_damage().unwrap().to_string();
        let broken = b"user,arn,Password_Enabled\nalice,,\"a\nb\"";
        insta::assert_snapshot!(damage(broken), @"Line 3 of the credential report is damaged: it has 1 field for 3 columns and ends in `user`.");
        insta::assert_snapshot!(damage(b"user,arn,Password_Enabled\nalice,,\xfftrue"), @"Line 2 of the credential report is damaged: what is in `password_enabled` is not UTF-8.");
    }

    #[test]
    fn an_incomplete_date_or_an_invalid_arn_is_corruption_unless_from_a_file() {
        let whole = [HEADER, ROOT_ROW, &alice()].join("\n");
        let corruption = |from: &str, to: &str| {
            let report = CredentialReport::parse(whole.replacen(from, to, 1).as_bytes()).unwrap();
            let shown = |found: Option<(u64, &str)>| found.map(|(line, column)| format!("{line} {column}"));
            assert_eq!(shown(report.first_corruption(Origin::File)), None, "{to}");
            shown(report.first_corruption(Origin::Answer))
        };
        assert_eq!(corruption("alice", "alice"), None);
        assert_eq!(corruption("N/A", "not_recorded"), None, "an unknown word is not damage");
        assert_eq!(corruption("2021-06-20T05:16:50Z", "2021-06-2005:16:50Z").unwrap(), "3 access_key_1_last_rotated");
        assert_eq!(corruption(",true,2021", ",tr5e,2021").unwrap(), "3 access_key_1_active");
        assert_eq!(corruption("alice,arn:aws", "alice,arm:aws").unwrap(), "3 arn");
    }

    #[test]
    fn a_garbled_column_is_named_with_the_missing_one() {
        let garbled = HEADER.replace("mfa_active", "mfa_actiue");
        assert_eq!(parse(&[&garbled, ROOT_ROW]).garbled_column(), Some(("mfa_active", "mfa_actiue")));
        assert_eq!(parse(&[&format!("{HEADER},notes"), &format!("{ROOT_ROW},x")]).garbled_column(), None);
        assert_eq!(parse(&["user,arn", "alice,"]).garbled_column(), None);
    }

    #[test]
    fn the_newest_date_is_found_in_any_column() {
        let report = parse(&[HEADER, ROOT_ROW, &alice()]);
        assert_eq!(report.newest_time(None), Some(time("2021-06-20T05:16:50Z")));
        assert_eq!(parse(&["user,arn", "alice,"]).newest_time(None), None);
    }

    #[test]
    fn a_date_over_five_minutes_after_the_reports_own_time_is_not_the_newest() {
        let report = parse(&[
            "user,arn,user_creation_time,password_last_used,password_next_rotation",
            "alice,,2021-06-20T05:16:50Z,2026-01-01T00:05:00Z,2027-01-01T00:00:00Z",
        ]);
        assert_eq!(report.newest_time(None), Some(time("2026-01-01T00:05:00Z")));
        assert_eq!(report.newest_time(Some(time("2026-01-01T00:00:00Z"))), Some(time("2026-01-01T00:05:00Z")));
        assert_eq!(report.newest_time(Some(time("2025-12-31T23:59:59Z"))), Some(time("2021-06-20T05:16:50Z")));
    }

    #[test]
    fn every_cell_is_trimmed() {
        let spaced = row(" alice ", "  arn:aws:iam::123456789012:user/alice\t").replace(",true", ", true ");
        let report = parse(&[HEADER, ROOT_ROW, &spaced]);
        assert!(report.is_whole());
        assert_eq!(report.users[0].user, "alice");
        assert_eq!(report.users[0].arn.as_deref(), Some("arn:aws:iam::123456789012:user/alice"));
        assert_eq!(report.users[0].cell(Column::AccessKey1Active), Some("true"));
    }

    #[test]
    fn the_line_of_a_row_is_its_line_in_the_file() {
        for end in ["\n", "\r\n", "\n\n", "\r\n\r\n\n"] {
            let text = ["user,arn", "alice,", "bob", "\"carol", "dave"].join(end);
            let report = CredentialReport::parse(text.as_bytes()).unwrap();
            let damaged = report.damaged.iter().map(|row| row.damage.line);
            let lines: Vec<u64> = report.users.iter().map(|row| row.line).chain(damaged).collect();
            let step = end.matches('\n').count() as u64;
            assert_eq!(lines, [1 + step, 1 + 2 * step, 1 + 3 * step, 1 + 4 * step], "{end:?}");
        }
    }

    #[test]
    fn blank_rows_and_notes_are_skipped_in_a_saved_file_only() {
        let text = "sep=,\n\n,,,\nuser,arn\n , \nalice,\n;;;\n\"\"\nbob,";
        let report = CredentialReport::parse_from(text.as_bytes(), Origin::File).unwrap();
        let users: Vec<_> = report.users.iter().map(|row| (row.user.as_str(), row.line)).collect();
        assert_eq!(users, [("alice", 6), ("bob", 9)]);
        assert!(CredentialReport::parse(text.as_bytes()).is_err());
        assert!(parse(&["user,arn", ",", "alice,"]).first_damage().is_some(), "IAM does not return blank rows");
    }

    #[test]
    fn local_dates_are_parsed_in_a_saved_file_only() {
        let text = "user;arn;user_creation_time;password_last_used;review_date\nalice;;20.06.2021 05:16;a while ago;x\n\
            bob;;01.02.2022;N/A;2026-01-01T00:00:00Z";
        let report = CredentialReport::parse_from(text.as_bytes(), Origin::File).unwrap();
        assert_eq!(report.users[0].user_creation_time, Ok(Some(time("2021-06-20T05:16:00Z"))));
        assert_eq!(report.users[0].cell(Column::UserCreationTime), Some("20.06.2021 05:16"));
        assert!(report.users[0].password_last_used.is_err());
        assert_eq!(report.users[1].user_creation_time, Ok(Some(time("2022-02-01T00:00:00Z"))));
        let commas = text.replace(';', ",");
        for origin in [Origin::Live, Origin::Answer] {
            let report = CredentialReport::parse_from(commas.as_bytes(), origin).unwrap();
            assert!(report.users.iter().all(|user| user.user_creation_time.is_err()));
        }
    }

    #[test]
    fn a_stray_quotation_mark_damages_only_its_own_row() {
        let stray = format!("\"{}", row("bob", "arn:aws:iam::123456789012:user/bob"));
        let report = parse(&[HEADER, ROOT_ROW, &stray, &alice()]);
        assert_eq!(report.users.iter().map(|user| user.user.as_str()).collect::<Vec<_>>(), ["alice"]);
        let damaged: Vec<_> =
            report.damaged.iter().map(|row| (row.damage.line, row.name.as_deref(), row.users_above)).collect();
        assert_eq!(damaged, [(3, None, 0)]);
    }

    #[test]
    fn the_root_row_is_damaged_only_if_no_other_one_is_valid() {
        let damaged_root = |rows: &[&str]| parse(rows).damaged_root().map(|row| row.damage.line);
        let short = "<root_account>,x";
        assert_eq!(damaged_root(&[HEADER, &alice(), short, short]), Some(3));
        assert_eq!(damaged_root(&[HEADER, short, ROOT_ROW]), None);
        assert_eq!(damaged_root(&[HEADER, "bob,x"]), None);
    }

    #[test]
    fn bytes_that_are_not_a_report_are_an_error() {
        assert_eq!(error(&[""]), "the credential report is empty");
        assert_eq!(error(&["\0\u{1}binary"]), "not a credential report: line 1 is damaged in column 1");
        assert_eq!(error(&["user,name"]), "not a credential report: line 1 has no column `arn`");
        assert_eq!(error(&["user,arn,User"]), "not a credential report: line 1 has the column `user` twice");
        assert_eq!(error(&[HEADER]), "the credential report has no rows");
        assert_eq!(
            error(&[HEADER, ROOT_ROW, &alice(), HEADER, ROOT_ROW]),
            "not one credential report: line 5 has the user `<root_account>` again"
        );
    }

    /// Rows for [`HEADER`]: the root user and users with names that IAM allows, with all kinds of cells.
    fn rows() -> impl Strategy<Value = Vec<Vec<String>>> {
        let cell = prop_oneof![
            Just("true".to_owned()),
            Just("FALSE".to_owned()),
            Just("N/A".to_owned()),
            Just("no_information".to_owned()),
            Just("2021-06-20T05:16:50+00:00".to_owned()),
            "[ -~]{1,8}",
        ];
        let names = proptest::collection::btree_set("[A-Za-z0-9+=,.@_-]{1,10}", 0..6);
        names.prop_flat_map(move |names| {
            let names: Vec<String> = std::iter::once(ROOT.to_owned()).chain(names).collect();
            let cells = proptest::collection::vec(proptest::collection::vec(cell.clone(), 20), names.len());
            cells.prop_map(move |cells| {
                let arn = |name: &String| match name.as_str() {
                    ROOT => "arn:aws:iam::123456789012:root".to_owned(),
                    name => format!("arn:aws:iam::123456789012:user/{name}"),
                };
                names.iter().zip(cells).map(|(name, cells)| [vec![name.clone(), arn(name)], cells].concat()).collect()
            })
        })
    }

    /// Serializes the rows as CSV with the columns in the given order.
    fn serialized(rows: &[Vec<String>], order: &[usize]) -> Vec<u8> {
        let header: Vec<&str> = HEADER.split(',').collect();
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(order.iter().map(|place| header[*place])).unwrap();
        for row in rows {
            writer.write_record(order.iter().map(|place| &row[*place])).unwrap();
        }
        writer.into_inner().unwrap()
    }

    /// The parsed data of each user, by name.
    fn parsed_live(text: &[u8]) -> BTreeMap<String, String> {
        parsed_from(text, Origin::Live)
    }

    fn parsed_from(text: &[u8], origin: Origin) -> BTreeMap<String, String> {
        let report = CredentialReport::parse_from(text, origin).unwrap();
        let facts = |row: &Row| {
            let Row { arn, user_creation_time, password_enabled, password_last_used, password_last_changed, .. } = row;
            let password = (password_enabled, password_last_used, password_last_changed, &row.mfa_active);
            let facts = (arn, user_creation_time, password, &row.access_keys, &row.certificates);
            (row.user.clone(), format!("{facts:?}"))
        };
        report.rows().map(facts).collect()
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = CredentialReport::parse(&bytes);
            for header in [HEADER.to_owned(), HEADER.replace(',', ";"), format!("\"{HEADER}\"\t")] {
                let below_a_header = [header.as_bytes(), b"\n", &bytes].concat();
                for origin in [Origin::Live, Origin::Answer, Origin::File] {
                    if let Ok(report) = CredentialReport::parse_from(&below_a_header, origin) {
                        let _ = (report.check_owners(), report.notes(), report.newest_time(None));
                    }
                }
            }
        }

        #[test]
        fn every_dialect_is_parsed_to_the_same_report(rows in rows()) {
            let order: Vec<usize> = (0..22).collect();
            let served = String::from_utf8(serialized(&rows, &order)).unwrap();
            let expected = parsed_live(served.as_bytes());
            let cells = csv::ReaderBuilder::new().has_headers(false).from_reader(served.as_bytes()).into_records();
            let cells: Vec<StringRecord> = cells.map(Result::unwrap).collect();
            for separator in [b';', b'\t'] {
                let mut writer = csv::WriterBuilder::new().delimiter(separator).from_writer(b"sep=x\n".to_vec());
                for row in &cells {
                    writer.write_record(row).unwrap();
                }
                prop_assert_eq!(&parsed_from(&writer.into_inner().unwrap(), Origin::File), &expected);
            }
            let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
            for line in served.lines() {
                writer.write_record([line]).unwrap();
            }
            prop_assert_eq!(&parsed_from(&writer.into_inner().unwrap(), Origin::File), &expected);
        }

        #[test]
        fn a_report_is_parsed_as_it_was_serialized(rows in rows()) {
            let order: Vec<usize> = (0..22).collect();
            let report = CredentialReport::parse(&serialized(&rows, &order)).unwrap();
            prop_assert!(report.is_whole());
            let header: Vec<&str> = HEADER.split(',').collect();
            for row in report.rows() {
                let serialized = rows.iter().find(|cells| cells[0] == row.user).unwrap();
                for (place, name) in NAMES.iter().enumerate().filter(|(_, name)| header.contains(name)) {
                    let column = header.iter().position(|known| known == name).unwrap();
                    let read = row.columns.places[place].and_then(|place| row.cells.get(place));
                    prop_assert_eq!(read, Some(serialized[column].trim()));
                }
            }
        }

        #[test]
        fn the_order_of_rows_and_columns_changes_nothing(
            rows in rows(),
            order in Just((0..22).collect::<Vec<usize>>()).prop_shuffle(),
            turn in 0_usize..6,
        ) {
            let mut turned = rows.clone();
            turned.rotate_left(turn % rows.len());
            let known: Vec<usize> = (0..22).collect();
            prop_assert_eq!(parsed_live(&serialized(&rows, &known)), parsed_live(&serialized(&turned, &order)));
        }

        #[test]
        fn a_report_truncated_within_a_row_has_damage(at in 0usize..700) {
            let text = [HEADER, ROOT_ROW, &alice(), &row("bob", "arn:aws:iam::123456789012:user/bob")].join("\n");
            let at = at.min(text.len());
            let cut = CredentialReport::parse(&text.as_bytes()[..at]);
            let lost_inside_a_row = !text[..at].ends_with('\n') && text.as_bytes().get(at).is_some_and(|byte| *byte != b'\n');
            if let Ok(report) = cut && lost_inside_a_row && HEADER.len() < at {
                // The truncated last cell may still be a word: then it is unreadable, or its subject does not need it.
                let last = report.users.last().or(report.root.as_ref());
                prop_assert!(!report.damaged.is_empty() || last.unwrap().certificates[1].last_rotated.is_err());
            }
        }
    }
}
