//! A key's life on one line: its creation, the last use that IAM recorded, and its events by day, on an axis that all keys share.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use hygiene::text::{counted, moment};
use hygiene::trace::{LastUsed, TracedKey};

/// The positions, in percent of the width: the earliest time, the first day that was looked at, and the time of the evaluation.
const EARLIEST: f64 = 2.0;
const SINCE: f64 = 24.0;
const NOW: f64 = 99.0;

/// The earliest time of the axis, before the time of the evaluation.
const DECADE: TimeDelta = TimeDelta::days(3650);

/// How fast the years before the days that were looked at become narrower.
const SCALE: TimeDelta = TimeDelta::days(90);

/// The height of one level of a bar, and the baseline, in pixels.
const LEVEL: usize = 5;
const FLOOR: usize = 24;

/// The axis: years, in a logarithmic scale, then the days whose events were looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    since: DateTime<Utc>,
    now: DateTime<Utc>,
}

/// A line across the drawing.
#[derive(Debug)]
pub(super) struct Tick {
    pub(super) x: String,
    /// Empty if there is no room for one.
    pub(super) label: String,
    /// How the label is aligned.
    pub(super) anchor: &'static str,
}

/// A key's life. Positions are in percent of the width, with the sign.
#[derive(Debug)]
pub(super) struct Life {
    /// Where the line begins.
    pub(super) start: String,
    /// Where the key was created; `None` if that is not known, or before the axis.
    pub(super) created: Option<String>,
    /// The last use that IAM recorded.
    pub(super) used: Option<String>,
    pub(super) bars: Vec<Bar>,
    /// Whether events of the key could be found.
    pub(super) is_looked_at: bool,
    pub(super) is_inactive: bool,
    /// The drawing in words.
    pub(super) label: String,
}

/// The events of a day.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) day: NaiveDate,
    pub(super) count: String,
    pub(super) x: String,
    pub(super) width: String,
    pub(super) y: usize,
    pub(super) height: usize,
}

impl Axis {
    pub(super) fn new(since: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self { since, now }
    }

    /// The number of days that were looked at.
    pub(super) fn days(self) -> i64 {
        (self.now - self.since).num_days()
    }

    /// The position of a time; one before the axis or after the evaluation is at the end.
    fn at(self, time: DateTime<Utc>) -> f64 {
        let (since, now) = (self.since, self.now);
        if since <= time {
            let part = (time - since).as_seconds_f64() / (now - since).as_seconds_f64();
            return SINCE + (NOW - SINCE) * part.min(1.0);
        }
        let compressed = |before: TimeDelta| (before.as_seconds_f64() / SCALE.as_seconds_f64()).ln_1p();
        let part = compressed(since - time) / compressed(DECADE - (now - since));
        SINCE - (SINCE - EARLIEST) * part.min(1.0)
    }

    fn percent(self, time: DateTime<Utc>) -> String {
        percent(self.at(time))
    }

    /// The position of the first day that was looked at, and the width of these days.
    pub(super) fn looked_at() -> (String, String) {
        (percent(SINCE), percent(NOW - SINCE))
    }

    /// The lines across all keys, from the left.
    pub(super) fn ticks(self) -> Vec<Tick> {
        let ago = |days: i64| self.percent(self.now - TimeDelta::days(days));
        let days = self.days();
        let tick = |ago_days: i64, label: &str| Tick { x: ago(ago_days), label: label.to_owned(), anchor: "middle" };
        // The label of the third year would overlap those beside it on a phone.
        let mut ticks = vec![Tick { anchor: "start", ..tick(3650, "10 y") }, tick(3 * 365, ""), tick(365, "1 y")];
        let step = match days {
            46.. => 30,
            16.. => 10,
            5.. => 3,
            _ => 1,
        };
        ticks.push(tick(days, &format!("{days} d")));
        ticks.extend(
            (1..days)
                .rev()
                .filter(|ago| ago % step == 0 && step / 2 < days - ago)
                .map(|ago| tick(ago, &format!("{ago} d"))),
        );
        ticks.push(Tick { anchor: "end", ..tick(0, "now") });
        ticks
    }

    pub(super) fn life(self, key: &TracedKey) -> Life {
        let earliest = self.now - DECADE;
        let created = key.created.filter(|created| earliest <= *created);
        let bars = key.days.iter().map(|(day, count)| self.bar(*day, *count)).collect();
        Life {
            start: created.map_or_else(|| percent(0.0), |created| self.percent(created)),
            created: created.map(|created| self.percent(created)),
            used: key.last_used.as_ref().map(|used| self.percent(used.date)),
            bars,
            is_looked_at: key.access_key_id.is_some(),
            is_inactive: super::is_inactive(key),
            label: self.label(key),
        }
    }

    fn bar(self, day: NaiveDate, count: u64) -> Bar {
        let start = day.and_time(NaiveTime::MIN).and_utc();
        let (from, to) = (self.at(start.max(self.since)), self.at(start + TimeDelta::days(1)));
        // A gap between days, but no day without a visible bar: the first and the last are not whole.
        let width = ((to - from) * 0.8).max(0.3);
        let level = match count {
            0..10 => 1,
            10..100 => 2,
            100..1000 => 3,
            _ => 4,
        };
        let height = level * LEVEL;
        let count = counted(count, "event");
        Bar { day, count, x: percent(from.min(NOW - width)), width: percent(width), y: FLOOR - height, height }
    }

    fn label(self, key: &TracedKey) -> String {
        let created = key.created.map_or_else(
            || "Created at an unknown time".to_owned(),
            |created| format!("Created on {}", moment(created)),
        );
        let used = match &key.last_used {
            Some(LastUsed { date, .. }) => format!("last used, by IAM's record, on {}", moment(*date)),
            None => "no use recorded by IAM".to_owned(),
        };
        let looked_at = counted(self.days().unsigned_abs(), "day");
        let events = match (key.days.first_key_value(), key.days.last_key_value()) {
            (Some((first, _)), Some((last, _))) => {
                let most = key.days.values().max().copied().unwrap_or_default();
                let days = counted(key.days.len() as u64, "day");
                format!(
                    "Events on {days} of the last {looked_at}, first on {first}, last on {last}, at most {most} a day."
                )
            }
            _ => format!("No event of the last {looked_at} was found."),
        };
        format!("{created}; {used}. {events}")
    }
}

fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(days: i64) -> Axis {
        let now = "2026-11-20T06:00:00Z".parse().unwrap();
        Axis::new(now - TimeDelta::days(days), now)
    }

    fn at(axis: Axis, days_ago: i64) -> String {
        axis.percent(axis.now - TimeDelta::days(days_ago))
    }

    #[test]
    fn the_days_that_were_looked_at_have_the_same_width_and_years_become_narrower() {
        let axis = axis(90);
        let positions = [0, 30, 60, 90, 91, 365, 2 * 365, 3650, 20_000].map(|days| at(axis, days));
        assert_eq!(positions.join(" "), "99.00% 74.00% 49.00% 24.00% 23.93% 15.68% 11.56% 2.00% 2.00%");
        assert_eq!(at(axis, -5), "99.00%", "an event after the evaluation is not lost");
    }

    #[test]
    fn the_labels_fit_the_number_of_days() {
        let labels = |days: i64| axis(days).ticks().iter().map(|tick| tick.label.clone()).collect::<Vec<_>>().join(" ");
        assert_eq!(labels(90), "10 y  1 y 90 d 60 d 30 d now");
        assert_eq!(labels(30), "10 y  1 y 30 d 20 d 10 d now");
        assert_eq!(labels(7), "10 y  1 y 7 d 3 d now");
        assert_eq!(labels(1), "10 y  1 y 1 d now");
    }

    #[test]
    fn a_day_has_a_bar_by_the_magnitude_of_its_count() {
        let axis = axis(90);
        let bar = |day: &str, count| {
            let Bar { x, width, y, height, count, .. } = axis.bar(day.parse().unwrap(), count);
            format!("{x} {width} {y} {height} {count}")
        };
        assert_eq!(bar("2026-10-21", 9), "73.79% 0.67% 19 5 9 events");
        assert_eq!(bar("2026-10-21", 1000), "73.79% 0.67% 4 20 1,000 events");
        assert_eq!(bar("2026-11-20", 10), "98.70% 0.30% 14 10 10 events", "the day of the evaluation");
        assert_eq!(bar("2026-08-22", 1), "24.00% 0.50% 19 5 1 event", "the first day is not whole");
        assert_eq!(bar("2026-12-24", 100), "98.70% 0.30% 9 15 100 events", "after the evaluation");
    }
}
