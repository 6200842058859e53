//! Reads saved files, without any call to AWS.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hygiene::account::{Account, AccountSummary, Report};
use hygiene::report::{CredentialReport, Damage, Origin, ReportError};
use hygiene::saved::OwnerError;
use hygiene::service_credential::{ServiceCredential, checked};
use hygiene::source::{Source, Unavailable};
use hygiene::text::{cut, escape};
use hygiene::time::rfc3339;
use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::wrong_output::{Format, Output};

/// The maximum size of a file. An account has at most 5,000 users, whose report has 6 MB, or 8 MB in base64.
const LARGEST: u64 = 32 * 1024 * 1024;

/// Only the live account shows whether root's MFA device is virtual.
pub fn not_in_files() -> Unavailable {
    Unavailable::NotAsked("The virtual MFA devices are in none of the files.".to_owned())
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}")]
pub struct InputError {
    file: String,
    #[source]
    what: What,
}

/// The reason why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum What {
    #[error("cannot be read")]
    Io(#[from] io::Error),
    #[error("not a regular file")]
    NotRegular,
    #[error("larger than 32 MiB; the credential report of the largest account has a quarter of that")]
    TooLarge,
    #[error("the file is empty")]
    Empty,
    #[error("the folder has no file named after an account, such as 111122223333.report.json")]
    NoAccounts,
    #[error("standard input can be only one of the files")]
    StandardInputTwice,
    #[error("cannot be read as JSON")]
    Json(#[from] serde_json::Error),
    #[error("the file looks like {0}; save the output of `aws iam get-credential-report --output json`")]
    NoReport(String),
    #[error("the file looks like {0}; save the output of `aws iam get-account-summary --output json`")]
    NoSummary(String),
    #[error(
        "the file looks like {0}; save the output of `aws iam list-service-specific-credentials --all-users --output json`"
    )]
    NoCredentials(String),
    #[error("not what `aws iam list-service-specific-credentials --all-users` prints: {0}")]
    NoCredentialsAnswer(String),
    #[error(
        "the list is not whole (\"{0}\"); `aws iam list-service-specific-credentials --all-users` without --max-items is"
    )]
    PartOfList(&'static str),
    #[error("not what `aws iam get-credential-report` prints: {0}")]
    NoReportAnswer(String),
    #[error("not what `aws iam get-account-summary` prints: {0}")]
    NoSummaryAnswer(String),
    #[error("not what `{0}` prints: {1}")]
    Unexpected(&'static str, String),
    #[error("the list is not whole (\"NextToken\"); `{0}` without --max-items is")]
    PartOfAnswer(&'static str),
    #[error("the record of event {0} cannot be read as JSON")]
    Record(usize, #[source] serde_json::Error),
    #[error("\"Content\" is not base64")]
    Base64(#[from] base64::DecodeError),
    #[error("\"Content\"")]
    Content(#[source] Box<Self>),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("line {} is damaged: {}", .0.line, .0.what)]
    Damaged(Damage),
    #[error(transparent)]
    Owner(#[from] OwnerError),
    #[error("line {0} is damaged: what is in `{1}` cannot be there")]
    Corrupt(u64, String),
    #[error("line 1 is damaged: it has no column `{0}`, but a column `{1}`")]
    Garbled(&'static str, String),
}

/// The input files.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// The credential report.
    pub credential_report: Option<&'a Path>,
    /// The account summary.
    pub account_summary: Option<&'a Path>,
    /// The service-specific credentials.
    pub service_credentials: Option<&'a Path>,
}

impl<'a> Files<'a> {
    /// Whether there are any.
    pub fn are_given(&self) -> bool {
        self.paths().next().is_some()
    }

    /// Their paths.
    pub fn paths(&self) -> impl Iterator<Item = &'a Path> + use<'a> {
        [self.credential_report, self.account_summary, self.service_credentials].into_iter().flatten()
    }

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or has the wrong content. A cell that cannot be parsed is not an error.
    pub fn read(&self) -> Result<Account, InputError> {
        standard_input_once(self.paths())?;
        self.read_each(bytes, Err)
    }

    /// Reads the files with `read`. `failed` returns the reason why the source of a file that cannot be used is missing, or an error.
    ///
    /// # Errors
    ///
    /// When `failed` returns one.
    pub(crate) fn read_each(
        &self,
        read: fn(&Path) -> Result<Vec<u8>, InputError>,
        mut failed: impl FnMut(InputError) -> Result<Unavailable, InputError>,
    ) -> Result<Account, InputError> {
        let not_given = "The credential report was not given.";
        let report = source(self.credential_report, not_given, read, report, &mut failed)?;
        let not_given = "The account summary was not given.";
        let summary = source(self.account_summary, not_given, read, summary, &mut failed)?;
        let not_given = "The service-specific credentials were not given.";
        let service_credentials = source(self.service_credentials, not_given, read, service_credentials, &mut failed)?;
        let account = report.as_ref().ok().and_then(|report| report.credentials.account());
        let account = account.map(|(account, partition)| (account.to_owned(), partition.to_owned()));
        let (id, partition) = account.unzip();
        Ok(Account { id, partition, report, summary, virtual_mfa_users: Err(not_in_files()), service_credentials })
    }

    /// Notes about the files, one line each.
    pub fn notes(&self, account: &Account) -> Vec<String> {
        let report = self.credential_report.zip(account.report.as_ref().ok());
        let notes = report.map(|(path, report)| (name(path), report.credentials.notes()));
        notes
            .into_iter()
            .flat_map(|(file, notes)| notes.into_iter().map(move |note| format!("{file}: {note}")))
            .collect()
    }
}

/// Reads the file of a source.
fn source<T>(
    path: Option<&Path>,
    not_given: &str,
    read: fn(&Path) -> Result<Vec<u8>, InputError>,
    parse: fn(&str, &[u8]) -> Result<T, InputError>,
    failed: &mut impl FnMut(InputError) -> Result<Unavailable, InputError>,
) -> Result<Source<T>, InputError> {
    let Some(path) = path else { return Ok(Err(Unavailable::NotAsked(not_given.to_owned()))) };
    match read(path).and_then(|bytes| parse(&name(path), &bytes)) {
        Ok(data) => Ok(Ok(data)),
        Err(error) => failed(error).map(Err),
    }
}

/// Returns the input file to which the path leads too, with links followed.
pub(crate) fn same_file<'a>(inputs: impl IntoIterator<Item = &'a Path>, path: &Path) -> Option<&'a Path> {
    let place = path.canonicalize().ok()?;
    let mut files = inputs.into_iter().filter(|input| !is_standard_input(input));
    files.find(|input| input.is_file() && input.canonicalize().is_ok_and(|input| input == place))
}

/// Checks that standard input is at most one of the files.
///
/// # Errors
///
/// When it is several.
pub(crate) fn standard_input_once<'a>(inputs: impl IntoIterator<Item = &'a Path>) -> Result<(), InputError> {
    match inputs.into_iter().filter(|path| is_standard_input(path)).nth(1) {
        Some(again) => Err(What::StandardInputTwice.of(&name(again))),
        None => Ok(()),
    }
}

/// Parses a credential report: the CSV, or the output of `aws iam get-credential-report`.
///
/// # Errors
///
/// When it is neither, or damaged.
pub fn report(file: &str, bytes: &[u8]) -> Result<Report, InputError> {
    saved_report(&utf8(bytes)).map_err(|what| what.of(file))
}

/// Parses an account summary: the output of `aws iam get-account-summary`.
///
/// # Errors
///
/// When it is something else.
pub fn summary(file: &str, bytes: &[u8]) -> Result<AccountSummary, InputError> {
    saved_summary(&utf8(bytes)).map_err(|what| what.of(file))
}

/// Parses service-specific credentials: the output of `aws iam list-service-specific-credentials --all-users`.
///
/// # Errors
///
/// When it is something else, or only a part of the list.
pub fn service_credentials(file: &str, bytes: &[u8]) -> Result<Vec<ServiceCredential>, InputError> {
    saved_credentials(&utf8(bytes)).map_err(|what| what.of(file))
}

impl InputError {
    /// Whether the file is a credential report with rows of several accounts.
    pub(crate) fn accounts_differ(&self) -> bool {
        let mut what = &self.what;
        while let What::Content(inner) = what {
            what = inner;
        }
        matches!(what, What::Owner(error) if error.accounts_differ)
    }
}

impl What {
    pub(crate) fn of(self, file: &str) -> InputError {
        InputError { file: file.to_owned(), what: self }
    }
}

fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

pub(crate) fn name(path: &Path) -> String {
    if is_standard_input(path) { "standard input".to_owned() } else { escape(&path.to_string_lossy()).into_owned() }
}

pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, InputError> {
    read(path).map_err(|what| what.of(&name(path)))
}

/// The file, or standard input.
pub(crate) fn reader(path: &Path) -> io::Result<Box<dyn BufRead>> {
    if is_standard_input(path) {
        Ok(Box::new(io::stdin().lock()))
    } else {
        Ok(Box::new(BufReader::new(File::open(path)?)))
    }
}

/// Reads a regular file. Nothing else is opened: a pipe would block.
pub(crate) fn regular(path: &Path) -> Result<Vec<u8>, InputError> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(What::NotRegular.of(&name(path)));
    }
    bytes(path)
}

fn read(path: &Path) -> Result<Vec<u8>, What> {
    let source = reader(path)?;
    let mut bytes = Vec::new();
    source.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(What::TooLarge);
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(What::Empty);
    }
    Ok(bytes)
}

/// Removes the byte order mark and converts to UTF-8: `>` in Windows PowerShell writes UTF-16.
pub(crate) fn utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    let decoded = |units: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let units = bytes.as_chunks().0.iter().map(|unit| units(*unit));
        let text: String = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        Cow::Owned(text.into_bytes())
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => decoded(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => decoded(u16::from_be_bytes, rest),
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(rest),
        bytes => Cow::Borrowed(bytes),
    }
}

/// The output of the AWS CLI. Other members are ignored.
#[derive(Deserialize)]
struct ReportAnswer {
    #[serde(rename = "Content")]
    content: Option<String>,
    #[serde(rename = "GeneratedTime")]
    generated_time: Option<String>,
    #[serde(rename = "State")]
    state: Option<IgnoredAny>,
    #[serde(rename = "SummaryMap")]
    summary_map: Option<IgnoredAny>,
    #[serde(rename = "ServiceSpecificCredentials")]
    service_credentials: Option<IgnoredAny>,
}

fn saved_report(bytes: &[u8]) -> Result<Report, What> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return match credentials(bytes, Origin::File) {
            Ok(credentials) => Ok(Report { generated_time: None, credentials }),
            Err(error @ What::Report(ReportError::NoHeader(_))) => {
                Err(Output::of(bytes).map_or(error, |output| What::NoReport(in_place_of_report(output))))
            }
            Err(error) => Err(error),
        };
    }
    let answer: ReportAnswer = serde_json::from_slice(bytes)?;
    if answer.content.is_none() && answer.service_credentials.is_some() {
        return Err(What::NoReport(in_place_of_report(Output::ServiceCredentials(Format::Json))));
    }
    let content = match (answer.content, answer.summary_map, answer.state) {
        (Some(content), _, _) => content,
        (None, Some(_), _) => return Err(What::NoReport(in_place_of_report(Output::Summary(Format::Json)))),
        (None, None, Some(_)) => return Err(What::NoReport(in_place_of_report(Output::Generated))),
        (None, None, None) => return Err(What::NoReport("JSON without \"Content\"".to_owned())),
    };
    let generated_time = answer.generated_time.as_deref().map(time).transpose()?;
    let decoded = STANDARD.decode(content.trim())?;
    let credentials = credentials(&decoded, Origin::Answer).map_err(|what| What::Content(Box::new(what)))?;
    Ok(Report { generated_time, credentials })
}

/// The description of an output that was given as a report.
fn in_place_of_report(output: Output) -> String {
    match output {
        Output::Summary(_) => "an account summary (--account-summary)".to_owned(),
        Output::ServiceCredentials(_) => "service-specific credentials (--service-credentials)".to_owned(),
        Output::Report(_) | Output::Content | Output::Generated | Output::Csv => output.to_string(),
    }
}

/// The description of an output that was given as a summary.
fn in_place_of_summary(output: Output) -> String {
    match output {
        Output::Report(_) | Output::Content | Output::Csv => "a credential report (--credential-report)".to_owned(),
        Output::ServiceCredentials(_) => "service-specific credentials (--service-credentials)".to_owned(),
        Output::Summary(_) | Output::Generated => output.to_string(),
    }
}

/// The description of an output that was given as service-specific credentials.
fn in_place_of_credentials(output: Output) -> String {
    match output {
        Output::Report(_) | Output::Content | Output::Csv => "a credential report (--credential-report)".to_owned(),
        Output::Summary(_) => "an account summary (--account-summary)".to_owned(),
        Output::ServiceCredentials(_) | Output::Generated => output.to_string(),
    }
}

/// Parses the report.
fn credentials(bytes: &[u8], origin: Origin) -> Result<CredentialReport, What> {
    let report = CredentialReport::parse_from(bytes, origin)?;
    let garbled = match origin {
        Origin::Live | Origin::Answer => report.garbled_column(),
        // People add columns to a file, and omit some.
        Origin::File => None,
    };
    if let Some((missing, garbled)) = garbled {
        return Err(What::Garbled(missing, garbled.to_owned()));
    }
    if let Some(damage) = report.first_damage() {
        return Err(What::Damaged(damage.clone()));
    }
    report.check_owners()?;
    match report.first_corruption(origin) {
        Some((line, column)) => Err(What::Corrupt(line, column.to_owned())),
        None => Ok(report),
    }
}

fn time(text: &str) -> Result<DateTime<Utc>, What> {
    let shown = escape(text);
    let no_time = || What::NoReportAnswer(format!("\"GeneratedTime\" is `{}`, not a date", cut(&shown, 64)));
    rfc3339(text).ok_or_else(no_time)
}

/// The output of `aws iam get-account-summary`.
#[derive(Deserialize)]
#[serde(expecting = "a map")]
struct SummaryAnswer {
    #[serde(rename = "SummaryMap")]
    summary_map: Option<Members>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// A JSON object without duplicate members: it would be unclear which one counts.
struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unique;

        impl<'de> Visitor<'de> for Unique {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut unique = BTreeMap::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    let name = match unique.entry(name) {
                        Entry::Vacant(entry) => {
                            entry.insert(value);
                            continue;
                        }
                        Entry::Occupied(entry) => escape(entry.key()).into_owned(),
                    };
                    return Err(de::Error::custom(format_args!("duplicate field `{}`", cut(&name, 64))));
                }
                Ok(Members(unique))
            }
        }

        deserializer.deserialize_map(Unique)
    }
}

fn saved_summary(bytes: &[u8]) -> Result<AccountSummary, What> {
    let no_summary = |output| What::NoSummary(in_place_of_summary(output));
    let answer: SummaryAnswer =
        serde_json::from_slice(bytes).map_err(|error| Output::of(bytes).map_or(error.into(), no_summary))?;
    let Some(Members(map)) = answer.summary_map else {
        let other = answer.others.keys().find_map(|name| Output::with_member(name, Format::Json));
        if let Some(other @ (Output::Report(_) | Output::Generated | Output::ServiceCredentials(_))) = other {
            return Err(no_summary(other));
        }
        return Err(What::NoSummaryAnswer("it has no \"SummaryMap\"".to_owned()));
    };
    let number =
        |value: &Value| value.as_i64().and_then(|number| i32::try_from(number).ok()).filter(|number| *number >= 0);
    if let Some((key, value)) = map.iter().find(|(_, value)| number(value).is_none()) {
        let value = value.to_string();
        let (key, value) = (escape(key), escape(&value));
        let what = format!("`{}` is {}, not a whole number of 0 or more", cut(&key, 64), cut(&value, 64));
        return Err(What::NoSummaryAnswer(what));
    }
    AccountSummary::of(|key| map.get(key).and_then(number))
        .map_err(|impossible| What::NoSummaryAnswer(impossible.to_string()))
}

/// The output of `aws iam list-service-specific-credentials`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct CredentialsAnswer {
    service_specific_credentials: Option<Vec<CredentialAnswer>>,
    is_truncated: Option<bool>,
    /// With `--max-items`.
    next_token: Option<IgnoredAny>,
    marker: Option<IgnoredAny>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a map")]
struct CredentialAnswer {
    user_name: String,
    status: String,
    create_date: String,
    expiration_date: Option<String>,
    service_specific_credential_id: String,
    service_name: String,
}

fn saved_credentials(bytes: &[u8]) -> Result<Vec<ServiceCredential>, What> {
    let no_credentials = |output| What::NoCredentials(in_place_of_credentials(output));
    let answer: CredentialsAnswer =
        serde_json::from_slice(bytes).map_err(|error| Output::of(bytes).map_or(error.into(), no_credentials))?;
    let Some(list) = answer.service_specific_credentials else {
        let other = answer.others.keys().find_map(|name| Output::with_member(name, Format::Json));
        let what = || What::NoCredentialsAnswer("it has no \"ServiceSpecificCredentials\"".to_owned());
        return Err(other.map_or_else(what, no_credentials));
    };
    if answer.is_truncated == Some(true) {
        return Err(What::PartOfList("IsTruncated"));
    }
    if answer.next_token.is_some() {
        return Err(What::PartOfList("NextToken"));
    }
    if answer.marker.is_some() {
        return Err(What::PartOfList("Marker"));
    }
    let list = list.into_iter().map(saved_credential).collect::<Result<_, What>>()?;
    checked(list).map_err(|invalid| What::NoCredentialsAnswer(invalid.to_string()))
}

fn saved_credential(answer: CredentialAnswer) -> Result<ServiceCredential, What> {
    Ok(ServiceCredential {
        created: date("CreateDate", &answer.create_date)?,
        expires: answer.expiration_date.map(|text| date("ExpirationDate", &text)).transpose()?,
        id: answer.service_specific_credential_id,
        user: answer.user_name,
        service: answer.service_name,
        status: answer.status,
    })
}

fn date(member: &str, text: &str) -> Result<DateTime<Utc>, What> {
    rfc3339(text).ok_or_else(|| {
        let shown = escape(text);
        What::NoCredentialsAnswer(format!("\"{member}\" is `{}`, not a date", cut(&shown, 64)))
    })
}

#[cfg(test)]
mod tests {
    use aws::error::chain;

    use super::*;

    const CSV: &str = "user,arn,password_enabled\n<root_account>,arn:aws:iam::012345678901:root,false\nalice,,true";

    fn read(bytes: &[u8]) -> Result<Report, String> {
        saved_report(&utf8(bytes)).map_err(|what| chain(&what))
    }

    fn answer(content: &str) -> String {
        format!(
            "{{\"Content\": \"{content}\", \"ReportFormat\": \"text/csv\", \"GeneratedTime\": \"2026-11-20T05:59:00+00:00\"}}\n"
        )
    }

    #[test]
    fn a_report_is_read_from_every_form_it_is_saved_in() {
        let json = answer(&STANDARD.encode(CSV));
        let utf16: Vec<u8> = "\u{feff}".encode_utf16().chain(json.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let big_endian: Vec<u8> =
            "\u{feff}".encode_utf16().chain(CSV.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        let forms = [
            CSV.as_bytes().to_vec(),
            format!("\u{feff}{}\r\n", CSV.replace('\n', "\r\n")).into_bytes(),
            format!("\n  {json}").into_bytes(),
            utf16,
            big_endian,
        ];
        for form in forms {
            let report = read(&form).unwrap();
            assert_eq!(report.credentials.account(), Some(("012345678901", "aws")));
            assert_eq!(report.credentials.users[0].password_enabled, Ok(true));
        }
        let generated = read(json.as_bytes()).unwrap().generated_time.unwrap();
        assert_eq!(generated.to_rfc3339(), "2026-11-20T05:59:00+00:00");
    }

    #[test]
    fn what_is_no_report_is_refused_with_the_place() {
        let refused = |bytes: &[u8]| read(bytes).unwrap_err();
        let damaged = CSV.replace(",true", "");
        insta::assert_snapshot!(refused(b"\x89PNG\r\n\x1a\n"), @"not a credential report: line 1 is damaged in column 1");
        insta::assert_snapshot!(refused(CSV.replace("true", "tr\u{1}e").as_bytes()), @"line 3 is damaged: what is in `password_enabled` cannot be there");
        insta::assert_snapshot!(refused(CSV.replace("arn,", "a\u{1}n,").as_bytes()), @"not a credential report: line 1 is damaged in column 2");
        insta::assert_snapshot!(refused(b"{\"Content\": \"dXNlci"), @"cannot be read as JSON: EOF while parsing a string at line 1 column 19");
        insta::assert_snapshot!(refused(b"{\"Content\": 7}"), @"cannot be read as JSON: invalid type: integer `7`, expected a string at line 1 column 13");
        insta::assert_snapshot!(refused(b"{\"State\": \"STARTED\"}"), @"the file looks like the output of `aws iam generate-credential-report`; save the output of `aws iam get-credential-report --output json`");
        insta::assert_snapshot!(refused(answer("dXNlcixhcm4=!").as_bytes()), @r#""Content" is not base64: Invalid symbol 33, offset 12."#);
        insta::assert_snapshot!(refused(answer(&STANDARD.encode(&damaged)).as_bytes()), @r#""Content": line 3 is damaged: it has 2 fields for 3 columns and ends in `arn`"#);
        insta::assert_snapshot!(refused(answer(&STANDARD.encode("user,name")).as_bytes()), @r#""Content": not a credential report: line 1 has no column `arn`"#);
        insta::assert_snapshot!(refused(damaged.as_bytes()), @"line 3 is damaged: it has 2 fields for 3 columns and ends in `arn`");
        insta::assert_snapshot!(refused(answer(&STANDARD.encode(CSV)).replace("2026-11-20T", "yesterday ").as_bytes()), @r#"not what `aws iam get-credential-report` prints: "GeneratedTime" is `yesterday 05:59:00+00:00`, not a date"#);
        insta::assert_snapshot!(refused(format!("{CSV}\n{CSV}").as_bytes()), @"not one credential report: line 5 has the user `<root_account>` again");
        insta::assert_snapshot!(refused(format!("{0}{0}", answer(&STANDARD.encode(CSV))).as_bytes()), @"cannot be read as JSON: trailing characters at line 2 column 1");
    }

    #[test]
    fn an_account_summary_is_read() {
        let text = br#"{"SummaryMap": {"AccountMFAEnabled": 1, "AccountAccessKeysPresent": 0, "Users": 12}}"#;
        let expected = AccountSummary {
            account_mfa_enabled: Some(1),
            users: Some(12),
            account_access_keys_present: Some(0),
            ..AccountSummary::default()
        };
        assert_eq!(saved_summary(text).unwrap(), expected);
        let refused = |bytes: &[u8]| chain(&saved_summary(bytes).unwrap_err());
        insta::assert_snapshot!(refused(b"[]"), @"cannot be read as JSON: invalid type: sequence, expected a map at line 1 column 0");
        insta::assert_snapshot!(refused(b"{\"AccountMFAEnabled\": 1}"), @r#"not what `aws iam get-account-summary` prints: it has no "SummaryMap""#);
        insta::assert_snapshot!(refused(b"{\"SummaryMap\": {\"AccountMFAEnabled\": -1}}"), @"not what `aws iam get-account-summary` prints: `AccountMFAEnabled` is -1, not a whole number of 0 or more");
        insta::assert_snapshot!(refused(b"{\"SummaryMap\": {\"AccountMFAEnabled\": 7}}"), @"not what `aws iam get-account-summary` prints: `AccountMFAEnabled` is 7, not 0 or 1");
        insta::assert_snapshot!(refused(b"{\"SummaryMap\": {\"Users\": 1, \"Users\": 0}}"), @"cannot be read as JSON: duplicate field `Users` at line 1 column 39");
        insta::assert_snapshot!(refused("{\"SummaryMap\": {\"Users\": \"\u{202e}1\"}}".as_bytes()), @r#"not what `aws iam get-account-summary` prints: `Users` is "\u{202e}1", not a whole number of 0 or more"#);
        insta::assert_snapshot!(refused(b"{\"SummaryMap\": {\"AccountMFAEnabled\": true}}"), @"not what `aws iam get-account-summary` prints: `AccountMFAEnabled` is true, not a whole number of 0 or more");
    }

    #[test]
    fn a_list_of_service_specific_credentials_is_read() {
        let credential = r#"{"UserName": "alice", "Status": "Active", "ServiceUserName": "alice-at-1", "CreateDate":
            "2026-11-13T06:00:00+00:00", "ServiceSpecificCredentialId": "ACCA1", "ServiceName": "bedrock.amazonaws.com"}"#;
        let list = |members: &str| format!("{{\"ServiceSpecificCredentials\": [{members}], \"IsTruncated\": false}}");
        let read = saved_credentials(list(credential).as_bytes()).unwrap();
        assert_eq!((read.len(), read[0].id.as_str(), read[0].expires), (1, "ACCA1", None));
        let expiring = credential.replace("\"Status\"", "\"ExpirationDate\": \"2026-11-14T06:00:00Z\", \"Status\"");
        assert!(saved_credentials(list(&expiring).as_bytes()).unwrap()[0].expires.is_some());

        let refused = |text: &str| chain(&saved_credentials(text.as_bytes()).unwrap_err());
        insta::assert_snapshot!(refused("[]"), @"cannot be read as JSON: invalid type: sequence, expected a map at line 1 column 0");
        insta::assert_snapshot!(refused("{}"), @r#"not what `aws iam list-service-specific-credentials --all-users` prints: it has no "ServiceSpecificCredentials""#);
        insta::assert_snapshot!(refused(CSV), @"the file looks like a credential report (--credential-report); save the output of `aws iam list-service-specific-credentials --all-users --output json`");
        insta::assert_snapshot!(refused("{\"SummaryMap\": {}}"), @"the file looks like an account summary (--account-summary); save the output of `aws iam list-service-specific-credentials --all-users --output json`");
        insta::assert_snapshot!(refused("{\"ServiceSpecificCredentials\": [{}]}"), @"cannot be read as JSON: missing field `UserName` at line 1 column 34");
        insta::assert_snapshot!(refused(&list(credential).replace("false", "true")), @r#"the list is not whole ("IsTruncated"); `aws iam list-service-specific-credentials --all-users` without --max-items is"#);
        insta::assert_snapshot!(refused(&list(credential).replace("\"IsTruncated\": false", "\"NextToken\": \"x\"")), @r#"the list is not whole ("NextToken"); `aws iam list-service-specific-credentials --all-users` without --max-items is"#);
        insta::assert_snapshot!(refused(&list(credential).replace("2026-11-13T", "yesterday ")), @r#"not what `aws iam list-service-specific-credentials --all-users` prints: "CreateDate" is `yesterday 06:00:00+00:00`, not a date"#);
        insta::assert_snapshot!(refused(&list(credential).replace("ACCA1", "ACCA/1")), @"not what `aws iam list-service-specific-credentials --all-users` prints: `ACCA/1` is not the id of a service-specific credential");
        insta::assert_snapshot!(refused(&list(&format!("{credential}, {}", credential.replace("Active", "Inactive")))), @"not what `aws iam list-service-specific-credentials --all-users` prints: the credential `ACCA1` is listed twice, with different values");
        let given = |text: &str| chain(&saved_report(text.as_bytes()).unwrap_err());
        insta::assert_snapshot!(given("ServiceSpecificCredentials:"), @"the file looks like service-specific credentials (--service-credentials); save the output of `aws iam get-credential-report --output json`");
        insta::assert_snapshot!(chain(&saved_summary(list(credential).as_bytes()).unwrap_err()), @"the file looks like service-specific credentials (--service-credentials); save the output of `aws iam get-account-summary --output json`");
    }
}
