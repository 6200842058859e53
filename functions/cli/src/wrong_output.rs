//! Recognizes outputs of the AWS CLI that are not the requested file. They are named in the error but not parsed: only
//! one output of each operation is public interface.

use std::fmt;

use hygiene::report::is_report;

/// The start of every report, in base64: `user,arn,`.
const CONTENT: &[u8] = b"dXNlcixhcm4s";

/// A file that was given in place of the requested one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The output of `aws iam get-credential-report`.
    Report(Format),
    /// The `Content` of that output, still in base64.
    Content,
    /// The output of `aws iam generate-credential-report`, in any format.
    Generated,
    /// The output of `aws iam get-account-summary`.
    Summary(Format),
    /// The output of `aws iam list-service-specific-credentials`.
    ServiceCredentials(Format),
    /// A credential report as CSV.
    Csv,
}

/// A format of the AWS CLI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `--output json`
    Json,
    /// `--output text`
    Text,
    /// `--output yaml`
    Yaml,
    /// `--output yaml-stream`
    YamlStream,
    /// `--output table`
    Table,
}

impl Output {
    /// The output in those bytes, which are not the expected JSON.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        Self::of_cli(bytes).or_else(|| is_report(bytes).then_some(Self::Csv))
    }

    /// The output with that member, in any format with member names.
    pub fn with_member(name: &str, format: Format) -> Option<Self> {
        match name {
            "Content" | "GeneratedTime" | "ReportFormat" => Some(Self::Report(format)),
            "State" | "Description" => Some(Self::Generated),
            "SummaryMap" => Some(Self::Summary(format)),
            "ServiceSpecificCredentials" => Some(Self::ServiceCredentials(format)),
            _ => None,
        }
    }

    /// The output of the AWS CLI that starts like those bytes.
    fn of_cli(bytes: &[u8]) -> Option<Self> {
        let mut lines = bytes.trim_ascii_start().split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        let first = lines.next()?;
        let mut cells = first.split(|byte| *byte == b'\t');
        if cells.any(|cell| cell.starts_with(CONTENT)) {
            return Some(if first.contains(&b'\t') { Self::Report(Format::Text) } else { Self::Content });
        }
        // A JSON string.
        if first.strip_prefix(b"\"").is_some_and(|text| text.starts_with(CONTENT)) {
            return Some(Self::Content);
        }
        if first.starts_with(b"SUMMARYMAP\t") {
            return Some(Self::Summary(Format::Text));
        }
        if first.starts_with(b"SERVICESPECIFICCREDENTIALS\t") {
            return Some(Self::ServiceCredentials(Format::Text));
        }
        // A table has the name of the operation in its first row.
        if first.starts_with(b"-----") {
            return match lines.next()?.trim_ascii_start().strip_prefix(b"|")?.strip_suffix(b"|")?.trim_ascii() {
                b"GetCredentialReport" => Some(Self::Report(Format::Table)),
                b"GenerateCredentialReport" => Some(Self::Generated),
                b"GetAccountSummary" => Some(Self::Summary(Format::Table)),
                b"ListServiceSpecificCredentials" => Some(Self::ServiceCredentials(Format::Table)),
                _ => None,
            };
        }
        let (member, format) =
            first.strip_prefix(b"- ").map_or((first, Format::Yaml), |member| (member, Format::YamlStream));
        let end = member.iter().position(|byte| *byte == b':')?;
        Self::with_member(str::from_utf8(&member[..end]).ok()?, format)
    }
}

impl fmt::Display for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Report(format) => {
                write!(formatter, "the output of `aws iam get-credential-report --output {format}`")
            }
            Self::Content => {
                formatter.write_str("the output of `aws iam get-credential-report --query Content`, in base64")
            }
            Self::Generated => formatter.write_str("the output of `aws iam generate-credential-report`"),
            Self::Summary(format) => write!(formatter, "the output of `aws iam get-account-summary --output {format}`"),
            Self::ServiceCredentials(format) => {
                write!(formatter, "the output of `aws iam list-service-specific-credentials --output {format}`")
            }
            Self::Csv => formatter.write_str("a credential report"),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Yaml => "yaml",
            Self::YamlStream => "yaml-stream",
            Self::Table => "table",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_recognized_by_their_start() {
        let known = [
            ("dXNlcixhcm4sdXNl\t2026-11-20T05:59:00+00:00\ttext/csv\n", Output::Report(Format::Text)),
            ("Content: dXNlcixhcm4s\n", Output::Report(Format::Yaml)),
            ("\n- ReportFormat: text/csv\r\n  Content: x", Output::Report(Format::YamlStream)),
            ("-----------\n|  GetCredentialReport  |\n", Output::Report(Format::Table)),
            ("\"dXNlcixhcm4sdXNl\"\n", Output::Content),
            ("dXNlcixhcm4sdXNl\ndXNl", Output::Content),
            ("State: COMPLETE", Output::Generated),
            ("-----------\r\n|GenerateCredentialReport|\r\n", Output::Generated),
            ("SUMMARYMAP\t1\t2", Output::Summary(Format::Text)),
            ("SummaryMap:\n  Users: 2", Output::Summary(Format::Yaml)),
            ("- SummaryMap:\n    Users: 2", Output::Summary(Format::YamlStream)),
            ("-----------\n|  GetAccountSummary  |\n", Output::Summary(Format::Table)),
            ("SERVICESPECIFICCREDENTIALS\t2026-01-02", Output::ServiceCredentials(Format::Text)),
            ("ServiceSpecificCredentials:\n- CreateDate: x", Output::ServiceCredentials(Format::Yaml)),
            ("----------\n|  ListServiceSpecificCredentials  |\n", Output::ServiceCredentials(Format::Table)),
            ("user;arn\nalice;", Output::Csv),
        ];
        for (text, output) in known {
            assert_eq!(Output::of(text.as_bytes()), Some(output), "{text}");
        }
        for text in ["", "Dear auditor: here", "-----\nx", "-----", "- ", "\"", "SUMMARYMAP", "\u{1}user,arn"] {
            assert_eq!(Output::of(text.as_bytes()), None, "{text}");
        }
    }
}
