//! Two histograms, each with its limit: the age of active access keys, and the time since the last use of credentials.

use std::fmt::Write as _;

use chrono::TimeDelta;
use hygiene::report::{AccessKey, Cell, CredentialReport, Row};
use hygiene::text::{counted, grouped};
use hygiene::time::Time;

use crate::view::View;

/// The drawing's dimensions, in its own units.
const WIDTH: usize = 560;
const FLOOR: usize = 150;
const TALLEST: usize = 110;

/// A histogram. If there is no data it has no bars, and the caption gives the reason.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) caption: String,
    pub(super) unit: &'static str,
    pub(super) width: usize,
    pub(super) bars: Vec<Bar>,
    pub(super) limit: Option<LimitLine>,
}

/// The number of items in a bucket.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) class: &'static str,
    pub(super) count: usize,
    pub(super) shown_count: String,
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) middle: usize,
}

/// The position of the limit.
#[derive(Debug)]
pub(super) struct LimitLine {
    pub(super) x: usize,
    pub(super) label: String,
}

/// The ages to count, `None` for never, and the number of unreadable values.
#[derive(Debug, Default)]
struct Ages {
    ages: Vec<Option<TimeDelta>>,
    unreadable: usize,
}

/// The page's charts.
pub(super) fn all(view: &View<'_>) -> Vec<Chart> {
    let now = view.evaluation.evaluated_at;
    let age = |time: Time| (now - time).max(TimeDelta::zero());
    let report = view.account.report.as_ref().ok().map(|report| &report.credentials);
    let root = report.and_then(|report| report.root.as_ref());
    let users = report.map_or(&[][..], |report| &report.users);
    let damaged = report.map_or(0, |report| report.damaged.len());
    let damaged_root = report.and_then(CredentialReport::damaged_root);

    let used = |cell: &Cell<Option<Time>>| cell.as_ref().map(|used| used.map(age)).map_err(|_| ());
    // A damaged row can have two access keys, and a user's row also a password.
    let mut key_ages = Ages { unreadable: 2 * damaged, ..Ages::default() };
    for key in root.into_iter().chain(users).flat_map(active_keys) {
        key_ages.add(key.and_then(|key| key.created().map(|created| Some(age(created))).map_err(|_| ())));
    }
    let damaged_users = damaged - usize::from(damaged_root.is_some());
    let mut uses = Ages { unreadable: 3 * damaged_users, ..Ages::default() };
    for user in users {
        active_keys(user).for_each(|key| uses.add(key.and_then(|key| used(&key.last_used_date))));
        match user.password_enabled {
            Ok(true) => uses.add(used(&user.password_last_used)),
            Ok(false) => {}
            Err(_) => uses.unreadable += 1,
        }
    }
    let (max_age, unused) = (view.policy.access_key_max_age, view.policy.credential_unused);
    let no_report = view.account.report.as_ref().err().map(ToString::to_string);
    vec![
        key_ages.chart(Plan {
            id: "key-ages",
            title: "How old the active access keys are",
            unit: "age in days",
            thing: "active access key",
            whose: ", root's included",
            limit: max_age,
            with_never: false,
            no_report: no_report.as_deref(),
        }),
        uses.chart(Plan {
            id: "last-uses",
            title: "When keys and passwords were last used",
            unit: "days since the last use",
            thing: "active access key or console password",
            whose: " of IAM users",
            limit: unused,
            with_never: true,
            no_report: no_report.as_deref(),
        }),
    ]
}

/// The active keys, and an error for each key with unreadable status.
fn active_keys(row: &Row) -> impl Iterator<Item = Result<&AccessKey, ()>> {
    row.access_keys.iter().filter_map(|key| match key.active {
        Ok(true) => Some(Ok(key)),
        Ok(false) => None,
        Err(_) => Some(Err(())),
    })
}

/// A chart's texts and its limit.
#[derive(Clone, Copy)]
struct Plan<'a> {
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    thing: &'static str,
    whose: &'static str,
    limit: TimeDelta,
    with_never: bool,
    no_report: Option<&'a str>,
}

impl Ages {
    fn add(&mut self, age: Result<Option<TimeDelta>, ()>) {
        match age {
            Ok(age) => self.ages.push(age),
            Err(()) => self.unreadable += 1,
        }
    }

    fn chart(&self, plan: Plan<'_>) -> Chart {
        let borders = borders(plan.limit);
        let beyond = self.ages.iter().flatten().filter(|age| plan.limit < **age).count();
        let never = self.ages.iter().filter(|age| age.is_none()).count();
        let limit = counted(plan.limit.num_days().unsigned_abs(), "day");
        let mut caption = match (plan.no_report, self.ages.len()) {
            (Some(reason), _) => reason.to_owned(),
            (None, 0) => format!("The report shows no {}{}.", plan.thing, plan.whose),
            (None, count) => {
                let things = plan.thing.replace(" or ", "s and ");
                let things = if count == 1 { plan.thing.to_owned() } else { format!("{things}s") };
                let never = if plan.with_never && never != 0 {
                    format!(", {} without a recorded use", grouped(never as u64))
                } else {
                    String::new()
                };
                let (count, beyond) = (grouped(count as u64), grouped(beyond as u64));
                format!("{count} {things}{}; {beyond} beyond the limit of {limit}{never}.", plan.whose)
            }
        };
        if self.unreadable != 0 {
            let _ = write!(caption, " {} left out: the report cannot be read there.", grouped(self.unreadable as u64));
        }
        let mut chart = Chart {
            id: plan.id,
            title: plan.title,
            caption,
            unit: plan.unit,
            width: WIDTH,
            bars: Vec::new(),
            limit: None,
        };
        if self.ages.is_empty() {
            return chart;
        }
        let mut buckets: Vec<(String, &'static str, usize)> = Vec::new();
        let mut from = None;
        for border in borders.iter().map(Some).chain([None]) {
            let label = match (from, border) {
                (None, Some(to)) => format!("to {to}"),
                (Some(from), Some(to)) => format!("{from}–{to}"),
                (Some(from), None) => format!("over {from}"),
                (None, None) => "any".to_owned(),
            };
            let lower = from.map(|from: &i64| TimeDelta::days(*from));
            let upper = border.map(|to| TimeDelta::days(*to));
            let is_in =
                |age: &&TimeDelta| lower.is_none_or(|lower| lower < **age) && upper.is_none_or(|upper| **age <= upper);
            let class = if lower.is_some_and(|lower| plan.limit <= lower) { "beyond" } else { "within" };
            buckets.push((label, class, self.ages.iter().flatten().filter(is_in).count()));
            from = border;
        }
        if plan.with_never {
            buckets.push(("never".to_owned(), "never", never));
        }
        let most = buckets.iter().map(|(.., count)| *count).max().unwrap_or_default().max(1);
        let slot = WIDTH / buckets.len();
        let width = slot * 5 / 8;
        let first_beyond = buckets.iter().position(|(_, class, _)| *class == "beyond").unwrap_or(buckets.len());
        chart.limit = Some(LimitLine { x: slot * first_beyond, label: format!("limit: {limit}") });
        let bar = |(place, (label, class, count)): (usize, (String, &'static str, usize))| {
            // Every bar with items is visible, however few they are.
            let height = if count == 0 { 0 } else { (count * TALLEST / most).max(2) };
            let x = slot * place + (slot - width) / 2;
            let (y, middle) = (FLOOR - height, slot * place + slot / 2);
            Bar { label, class, count, shown_count: grouped(count as u64), x, y, width, height, middle }
        };
        chart.bars = buckets.into_iter().enumerate().map(bar).collect();
        chart
    }
}

/// The upper bounds of the buckets in whole days: thirds of the limit, the limit, and its doubles.
fn borders(limit: TimeDelta) -> Vec<i64> {
    let days = limit.num_days();
    let mut borders: Vec<i64> = [days / 3, days * 2 / 3, days, days * 2, days * 4, days * 8].into();
    borders.retain(|border| *border > 0);
    borders.dedup();
    borders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(limit: i64, with_never: bool) -> Plan<'static> {
        Plan {
            id: "x",
            title: "Title",
            unit: "age in days",
            thing: "active access key",
            whose: "",
            limit: TimeDelta::days(limit),
            with_never,
            no_report: None,
        }
    }

    fn bars(ages: &[Option<TimeDelta>], plan: Plan<'_>) -> String {
        let chart = Ages { ages: ages.to_vec(), unreadable: 0 }.chart(plan);
        let bar = |bar: &Bar| format!("{} {} {}", bar.label, bar.class, bar.count);
        chart.bars.iter().map(bar).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_limit_is_a_border_and_inclusive_to_the_second() {
        let limit = TimeDelta::days(90);
        let ages = [Some(TimeDelta::zero()), Some(limit), Some(limit + TimeDelta::seconds(1)), Some(limit * 100)];
        insta::assert_snapshot!(bars(&ages, plan(90, false)), @"to 30 within 1, 30–60 within 0, 60–90 within 1, 90–180 beyond 1, 180–360 beyond 0, 360–720 beyond 0, over 720 beyond 1");
    }

    #[test]
    fn small_limits_have_fewer_borders() {
        assert_eq!(borders(TimeDelta::days(1)), [1, 2, 4, 8]);
        assert_eq!(borders(TimeDelta::days(2)), [1, 2, 4, 8, 16]);
        assert_eq!(borders(TimeDelta::days(45)), [15, 30, 45, 90, 180, 360]);
    }

    #[test]
    fn what_was_never_used_has_a_bar_of_its_own() {
        insta::assert_snapshot!(bars(&[None, None, Some(TimeDelta::days(50))], plan(45, true)), @"to 15 within 0, 15–30 within 0, 30–45 within 0, 45–90 beyond 1, 90–180 beyond 0, 180–360 beyond 0, over 360 beyond 0, never never 2");
    }

    #[test]
    fn a_chart_of_nothing_says_so() {
        let chart = Ages { ages: Vec::new(), unreadable: 2 }.chart(plan(90, false));
        insta::assert_snapshot!(chart.caption, @"The report shows no active access key. 2 left out: the report cannot be read there.");
        assert!(chart.bars.is_empty() && chart.limit.is_none());
    }
}
