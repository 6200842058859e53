//! Times, parsed and serialized.

use chrono::{DateTime, Datelike as _, SecondsFormat, TimeDelta, Utc};
use serde::Serializer;

/// A time in the report.
pub type Time = DateTime<Utc>;

/// Parses any form of RFC 3339. Returns `None` if the offset moves the time out of the years 0000 to 9999: no format
/// that this program writes can represent it.
pub fn rfc3339(text: &str) -> Option<Time> {
    let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    time.filter(|time| (0..=9999).contains(&time.year()))
}

/// The last millisecond of the year 9999 in Unix time.
const LAST: i64 = 253_402_300_799_999;

/// Returns the time one millisecond later, or the last time that Security Hub's format can represent.
pub fn later(time: Time) -> Time {
    let last = DateTime::from_timestamp_millis(LAST).unwrap_or(DateTime::<Utc>::MAX_UTC);
    time.checked_add_signed(TimeDelta::milliseconds(1)).unwrap_or(last).min(last)
}

/// `2026-11-20T06:00:00Z` without fractions: IAM's format.
pub fn to_seconds(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `2026-11-20T06:00:00.000Z`: Security Hub's format.
pub fn to_milliseconds(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// With all digits of the fraction, or no fraction if it is zero: for times that are parsed and compared later.
pub fn to_last_digit(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Serializes the time in IAM's format.
pub(crate) fn seconds<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_seconds(*time))
}

/// Serializes the time in IAM's format, or null.
#[expect(clippy::ref_option, reason = "serde passes the field")]
pub(crate) fn optional_seconds<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => seconds(time, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_later_than_the_last_serializable_one() {
        let after = |text: &str| to_milliseconds(later(rfc3339(text).unwrap()));
        assert_eq!(after("2026-11-20T06:00:00.999Z"), "2026-11-20T06:00:01.000Z");
        assert_eq!(after("9999-12-31T23:59:59.998Z"), "9999-12-31T23:59:59.999Z");
        assert_eq!(after("9999-12-31T23:59:59.999999999Z"), "9999-12-31T23:59:59.999Z");
        assert_eq!(to_milliseconds(later(DateTime::<Utc>::MAX_UTC)), "9999-12-31T23:59:59.999Z");
    }
}
