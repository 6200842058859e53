//! Which events of a busy key are read.

use chrono::TimeDelta;

use crate::time::Time;

const DAY: i64 = 86_400_000;
/// A day divided by the golden ratio, in milliseconds. With steps of this length any number of moments is spread over the day:
/// after N days no two neighbours are farther apart than 2/N of a day.
const STEP: i64 = 53_398_137;

/// The moments before which a page of the events of a busy key is read: one in each of the last days, newest first.
///
/// Their time of day changes from day to day: the newest events of each day would always be those of its end. With 90 days the
/// largest distance between two times of day is 19 minutes, so a page of 50 events finds what happens once a day at the same time
/// in up to 3,700 events a day.
pub fn moments(now: Time, days: i64) -> impl Iterator<Item = Time> {
    (0..days).map(move |day| now - TimeDelta::milliseconds(day * DAY + (day + 1) * STEP % DAY))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{NOW, time};
    use crate::trace::DAYS;

    /// The longest time of the day, which is a circle, without one of the moments.
    fn largest_distance(moments: &[Time]) -> i64 {
        let mut times: Vec<i64> = moments.iter().map(|moment| moment.timestamp_millis().rem_euclid(DAY)).collect();
        times.sort_unstable();
        let around = times[0] + DAY - times[times.len() - 1];
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default().max(around)
    }

    proptest! {
        #[test]
        fn each_day_has_a_moment_and_together_they_cover_the_day(days in 1..=DAYS, seconds in 0_i64..86_400) {
            let now = time(NOW) + TimeDelta::seconds(seconds);
            let moments: Vec<Time> = moments(now, days).collect();
            prop_assert_eq!(moments.len(), usize::try_from(days).unwrap());
            for (day, moment) in (0..).zip(&moments) {
                let ago = now - *moment;
                prop_assert!(TimeDelta::days(day) <= ago && ago < TimeDelta::days(day + 1));
            }
            prop_assert!(largest_distance(&moments) <= 2 * DAY / days);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn a_daily_event_among_ten_thousand_others_is_in_a_page(
            minute in 0_i64..1_440,
            mut others in proptest::collection::vec(0..90 * 1_440_i64, 10_000),
        ) {
            others.sort_unstable_by(|one, other| other.cmp(one));
            let minutes = |time: Time| (time - (self::time(NOW) - TimeDelta::days(90))).num_minutes();
            let is_found = moments(time(NOW), 90).map(minutes).any(|before| {
                // The latest of the daily events, and how many events come after it until the moment.
                let daily = before - (before - minute).rem_euclid(1_440);
                others.iter().filter(|other| (daily..=before).contains(*other)).count() < 50
            });
            prop_assert!(is_found);
        }
    }

    #[test]
    fn the_largest_distance_is_as_documented() {
        let moments: Vec<Time> = moments(time(NOW), DAYS).collect();
        assert_eq!(largest_distance(&moments) / 60_000, 18);
    }
}
