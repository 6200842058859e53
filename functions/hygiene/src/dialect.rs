//! The CSV dialect of a credential report: the separator of its cells, and the lines above its header.
//!
//! IAM always returns the same dialect. A file can have another one after a spreadsheet or PowerShell saved it again.

use csv::ByteRecord;

use crate::text::{cut, escape};

/// The separators that spreadsheets use, depending on the locale.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// The CSV dialect of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// The separator of cells.
    separator: u8,
    /// The separator of cells within a line that is quoted as one cell.
    nested: u8,
    /// Whether a program other than IAM may have written the file.
    is_saved: bool,
}

/// The first line of a file that is not a credential report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a credential report: line {line} is `{text}`, not a header with `user` and `arn`")]
pub struct NoHeader {
    /// The line, from 1.
    pub line: u64,
    /// Its text, escaped and truncated.
    pub text: String,
}

impl Dialect {
    /// The dialect of IAM.
    pub(crate) const SERVED: Self = Self { separator: b',', nested: b',', is_saved: false };

    /// Detects the dialect of a saved file from its first line that is not blank and not a note of the program that
    /// wrote it.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, NoHeader> {
        let saved = Self { is_saved: true, ..Self::SERVED };
        let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
        let mut lines = lines.flat_map(|(line, text)| text.split(|byte| *byte == b'\r').map(move |text| (line, text)));
        let Some((line, header)) = lines.find(|(_, text)| !is_blank(text) && !is_preamble(text)) else {
            return Ok(saved);
        };
        for separator in SEPARATORS {
            if has_owner(&fields(header, separator)) {
                return Ok(Self { separator, nested: separator, ..saved });
            }
        }
        for separator in SEPARATORS {
            let outer = fields(header, separator);
            // With a wrong separator, the whole line is one cell.
            let is_split = outer.len() > 1 || header.trim_ascii_end().ends_with(b"\"");
            let Some(quoted) = only_cell(&outer).filter(|_| is_split) else { continue };
            if let Some(nested) = SEPARATORS.into_iter().find(|nested| has_owner(&fields(quoted, *nested))) {
                return Ok(Self { separator, nested, ..saved });
            }
        }
        match str::from_utf8(header) {
            Ok(text) if !text.contains(|character: char| character.is_control() && character != '\t') => {
                Err(NoHeader { line, text: cut(&escape(text.trim()), 64).into_owned() })
            }
            // The parser reports the damaged column.
            Ok(_) | Err(_) => Ok(saved),
        }
    }

    /// The separator of cells after [splitting](Self::split).
    pub(crate) fn cell_separator(self) -> u8 {
        self.nested
    }

    /// Whether a program other than IAM may have written the file.
    pub(crate) fn is_saved(self) -> bool {
        self.is_saved
    }

    /// Returns the records in the bytes.
    pub(crate) fn records(self, bytes: &[u8]) -> Records<'_> {
        Records::of(bytes, self.separator)
    }

    /// Whether the record is not a row of the report: a blank line, or a note above the header.
    pub(crate) fn is_skipped(self, record: &ByteRecord, is_above_header: bool) -> bool {
        self.is_saved && (record.iter().all(is_blank) || (is_above_header && record.get(0).is_some_and(is_preamble)))
    }

    /// Splits a line that is quoted as one cell: a spreadsheet saves a line this way if it did not split it.
    pub(crate) fn split(self, record: &mut ByteRecord) {
        let quoted = only_cell(record).filter(|cell| self.is_saved && cell.contains(&self.nested));
        if let Some(fields) = quoted.map(|cell| fields(cell, self.nested)) {
            *record = fields;
        }
    }
}

/// An iterator over records. Input without quotation marks is split directly: IAM writes none, and building the tables
/// of a CSV reader takes as long as parsing a report of a hundred users.
pub(crate) enum Records<'a> {
    Plain {
        bytes: &'a [u8],
        /// The position of the next record.
        at: usize,
        separator: u8,
    },
    Csv(csv::Reader<&'a [u8]>),
}

impl<'a> Records<'a> {
    fn of(bytes: &'a [u8], separator: u8) -> Self {
        // The reader skips a byte order mark.
        if !bytes.contains(&b'"') && !bytes.starts_with("\u{feff}".as_bytes()) {
            return Self::Plain { bytes, at: 0, separator };
        }
        let mut reader = csv::ReaderBuilder::new();
        reader.delimiter(separator).has_headers(false).flexible(true).buffer_capacity(bytes.len().clamp(64, 8 * 1024));
        Self::Csv(reader.from_reader(bytes))
    }

    /// Reads the next record that is not empty. Returns the position where it begins, or where the blank lines above it
    /// begin.
    pub(crate) fn read(&mut self, record: &mut ByteRecord) -> csv::Result<Option<usize>> {
        match self {
            Self::Plain { bytes, at, separator } => {
                let left = &bytes[*at..];
                let Some(blank) = left.iter().position(|byte| !is_line_break(*byte)) else { return Ok(None) };
                let line = left[blank..].split(|byte| is_line_break(*byte)).next().unwrap_or_default();
                record.clear();
                line.split(|byte| byte == separator).for_each(|cell| record.push_field(cell));
                let start = *at + blank;
                *at = start + line.len();
                Ok(Some(start))
            }
            Self::Csv(reader) => {
                let is_there = reader.read_byte_record(record)?;
                let start = record.position().map_or(0, csv::Position::byte);
                Ok(is_there.then(|| usize::try_from(start).unwrap_or(usize::MAX)))
            }
        }
    }
}

fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// The cells of one line.
fn fields(line: &[u8], separator: u8) -> ByteRecord {
    let mut record = ByteRecord::new();
    // Reading from memory cannot fail, and every input is a record with any number of fields.
    let _ = Records::of(line, separator).read(&mut record);
    record
}

/// The first cell, if all others are empty.
fn only_cell(record: &ByteRecord) -> Option<&[u8]> {
    let mut cells = record.iter();
    cells.next().filter(|_| cells.all(|cell| cell.trim_ascii().is_empty()))
}

fn has_owner(header: &ByteRecord) -> bool {
    let has = |name: &[u8]| header.iter().any(|cell| cell.trim_ascii().eq_ignore_ascii_case(name));
    has(b"user") && has(b"arn")
}

/// Whether a line or a cell has only separators, quotation marks and white space.
fn is_blank(text: &[u8]) -> bool {
    text.iter().all(|byte| SEPARATORS.contains(byte) || *byte == b'"' || byte.is_ascii_whitespace())
}

/// `Export-Csv` of Windows PowerShell writes `#TYPE …` as the first line; `sep=…` is the separator for Excel.
fn is_preamble(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"\"").unwrap_or(text);
    let begins = |word: &[u8]| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    begins(b"#type") || begins(b"sep=")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Input without quotation marks is parsed as the CSV reader parses it.
        #[test]
        fn plain_records_equal_those_of_the_csv_reader(text in "[a ,;\t\r\n\u{feff}\u{e9}\0]{0,24}") {
            let bytes = text.as_bytes();
            for separator in SEPARATORS {
                let mut reader = csv::ReaderBuilder::new();
                reader.has_headers(false).flexible(true).delimiter(separator);
                let expected: Vec<_> = reader.from_reader(bytes).into_byte_records().map(Result::unwrap).collect();
                let mut records = Records::of(bytes, separator);
                prop_assert_eq!(matches!(records, Records::Plain { .. }), !text.starts_with('\u{feff}'));
                let (mut record, mut read) = (ByteRecord::new(), Vec::new());
                while records.read(&mut record).unwrap().is_some() {
                    read.push(record.clone());
                }
                prop_assert_eq!(read, expected);
            }
        }
    }

    #[test]
    fn the_separator_is_detected_from_the_header() {
        let dialect_of = |text: &str| {
            Dialect::of(text.as_bytes()).map(|dialect| (char::from(dialect.separator), char::from(dialect.nested)))
        };
        let dialects = [
            ("user,arn", (',', ',')),
            (" User ; ARN ;;", (';', ';')),
            ("\n;;;\nsep=;\nuser;arn", (';', ';')),
            ("#TYPE x\r\n\"user\"\t\"arn\"", ('\t', '\t')),
            ("\"user,arn,\"\"x\"\"\";;", (';', ',')),
            ("\"user;arn\"", (',', ';')),
            ("", (',', ',')),
        ];
        for (text, dialect) in dialects {
            assert_eq!(dialect_of(text), Ok(dialect), "{text}");
        }
        let refused = dialect_of("\n \u{202e}user, mail").unwrap_err().to_string();
        assert_eq!(
            refused,
            "not a credential report: line 2 is `\\u{202e}user, mail`, not a header with `user` and `arn`"
        );
        assert_eq!(dialect_of("\u{1}x"), Ok((',', ',')), "the parser reports the column");
    }

    #[test]
    fn lines_are_skipped_and_split_only_in_a_saved_file() {
        let saved = Dialect::of(b"user,arn").unwrap();
        let mut record = ByteRecord::from(vec!["alice,\"arn\"", "", ""]);
        assert!(saved.is_skipped(&ByteRecord::from(vec![" ", ";;", "\""]), false));
        assert!(saved.is_skipped(&ByteRecord::from(vec!["SEP=;"]), true));
        assert!(!saved.is_skipped(&ByteRecord::from(vec!["sep=;"]), false), "below the header it is a name");
        assert!(!Dialect::SERVED.is_skipped(&ByteRecord::from(vec!["", ""]), false));
        Dialect::SERVED.split(&mut record);
        assert_eq!(record.len(), 3);
        saved.split(&mut record);
        assert_eq!(record, vec!["alice", "arn"]);
    }
}
