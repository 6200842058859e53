//! The deadlines of a run's steps within the time of an invocation.

use std::time::Duration;

use tokio::time::Instant;

/// A step of a run that has a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reads the account's sources. Those that are read by the deadline are evaluated.
    Collect,
    /// Reads the account's number, and credwarden's findings in Security Hub.
    Recall,
    /// Looks up access key ids.
    Enrich,
    /// Sets findings to NEW that are reported again.
    MarkNew,
    /// Imports failing findings.
    Import,
    /// Reads which findings were suppressed in the meantime.
    Reread,
    /// Sends the alert.
    Alert,
    /// Marks findings as reported.
    Mark,
    /// Closes findings.
    Close,
    /// Returns the result.
    Answer,
}

/// The steps of a run with their weights. A step has the share of the time that its weight is of the sum of weights, so that an
/// added step shortens all others in proportion.
pub const RUN: [(Stage, u32); 10] = [
    (Stage::Collect, 45),
    (Stage::Recall, 10),
    (Stage::Enrich, 6),
    (Stage::MarkNew, 5),
    (Stage::Import, 9),
    (Stage::Reread, 5),
    (Stage::Alert, 8),
    (Stage::Mark, 5),
    (Stage::Close, 5),
    (Stage::Answer, 7),
];

/// The deadline of each step. Each step has its own share of the time, so that a slow step does not shorten the next one. Time
/// that a step does not use is available to the next.
#[derive(Debug, Clone)]
pub struct Budget {
    deadlines: Vec<(Stage, Instant)>,
    end: Instant,
}

impl Budget {
    /// Distributes the remaining time of an invocation among the steps, in their order.
    pub fn new(left: Duration, stages: &[(Stage, u32)]) -> Self {
        let now = Instant::now();
        let total: u32 = stages.iter().map(|(_, weight)| weight).sum();
        let mut before = 0;
        let deadline = |(stage, weight): &(Stage, u32)| {
            before += weight;
            (*stage, now + left * before / total.max(1))
        };
        Self { deadlines: stages.iter().map(deadline).collect(), end: now + left }
    }

    /// The deadline of the step; that of a step that is not in the budget is the end of the invocation.
    pub fn until(&self, stage: Stage) -> Instant {
        self.deadlines.iter().find(|(known, _)| *known == stage).map_or(self.end, |(_, deadline)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_step_has_its_share_of_the_time() {
        let start = Instant::now();
        let budget = Budget::new(Duration::from_secs(105), &RUN);
        let until = RUN.map(|(stage, _)| (budget.until(stage) - start).as_secs());
        assert_eq!(until, [45, 55, 61, 66, 75, 80, 88, 93, 98, 105]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_added_step_shortens_all_others_in_proportion() {
        let start = Instant::now();
        let more = [&RUN[..2], &[(Stage::Enrich, 35)], &RUN[2..]].concat();
        let shares = |stages: &[(Stage, u32)]| {
            let budget = Budget::new(Duration::from_mins(7), stages);
            let mut before = start;
            let share = |deadline: &(Stage, Instant)| {
                let share = deadline.1 - before;
                before = deadline.1;
                share.as_millis()
            };
            budget.deadlines.iter().map(share).collect::<Vec<_>>()
        };
        let (old, mut new) = (shares(&RUN), shares(&more));
        assert_eq!(new.remove(2), 105_000);
        let shrunk: Vec<_> = old.iter().map(|share| share * 3 / 4).collect();
        assert_eq!(new, shrunk);
    }
}
