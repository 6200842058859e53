//! Moments as IAM writes them.

use chrono::{DateTime, Datelike as _, Utc};

/// A moment in the report.
pub type Time = DateTime<Utc>;

/// The moment in any form of RFC 3339. `None` where the offset carries it out of the years 0000 to 9999: no format that this
/// program writes has room for it.
pub fn rfc3339(text: &str) -> Option<Time> {
    let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    time.filter(|time| (0..=9999).contains(&time.year()))
}
