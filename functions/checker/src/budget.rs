//! The time of an invocation, shared out among the steps of a run.

use std::time::Duration;

use tokio::time::Instant;

/// A step that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The account's sources: what is known by then is evaluated.
    Collect,
    /// Whose account it is, and our findings in Security Hub.
    Recall,
    /// The ids of access keys.
    Enrich,
    /// Setting to NEW what is to be reported again.
    MarkNew,
    /// Writing what fails.
    Import,
    /// What was suppressed meanwhile.
    Reread,
    /// The message.
    Alert,
    /// Marking what was reported.
    Mark,
    /// Writing what is resolved.
    Close,
    /// The answer.
    Answer,
}

/// The steps of a run, each with its weight. A step takes its part of the time by its weight among all of them: one that is
/// added takes from all others alike.
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

/// Until when each step may take. Each has time of its own, so that a slow one does not cost the next; what one does not need
/// is the next one's.
#[derive(Debug, Clone)]
pub struct Budget {
    deadlines: Vec<(Stage, Instant)>,
    end: Instant,
}

impl Budget {
    /// Shares out what is left of an invocation among those steps, in their order.
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

    /// Until when the step may take; one that is not in the budget has all the time there is.
    pub fn until(&self, stage: Stage) -> Instant {
        self.deadlines.iter().find(|(known, _)| *known == stage).map_or(self.end, |(_, deadline)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_step_has_its_share_after_those_before_it() {
        let start = Instant::now();
        let budget = Budget::new(Duration::from_secs(105), &RUN);
        let until = RUN.map(|(stage, _)| (budget.until(stage) - start).as_secs());
        assert_eq!(until, [45, 55, 61, 66, 75, 80, 88, 93, 98, 105]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_is_added_takes_from_all_others_alike() {
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
