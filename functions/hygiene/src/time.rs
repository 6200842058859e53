//! Moments, read and written as text.

use chrono::{DateTime, Datelike as _, SecondsFormat, Utc};

/// A moment in the report.
pub type Time = DateTime<Utc>;

/// The moment in any form of RFC 3339. `None` where the offset carries it out of the years 0000 to 9999: no format that this
/// program writes has room for it.
pub fn rfc3339(text: &str) -> Option<Time> {
    let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    time.filter(|time| (0..=9999).contains(&time.year()))
}

/// `2026-11-20T06:00:00Z`, fractions cut: as IAM writes it.
pub fn to_seconds(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `2026-11-20T06:00:00.000Z`: as Security Hub writes it.
pub fn to_milliseconds(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// With as many digits as the fraction has, and none where it is zero: for what is compared again.
pub fn to_last_digit(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
