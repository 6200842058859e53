//! Selects the parts of an outcome that are reported to people, and decides whether to send a message.

use crate::decision::{AlertOn, AlertStatus, CloseReason, Closing, Decision, Failing, Hub};
use crate::memory::Workflow;
use crate::outcome::Outcome;
use crate::verdict::Severity;

/// The parts of an outcome that are reported.
#[derive(Debug)]
pub struct Alert<'a> {
    /// The decision.
    pub decision: &'a Decision,
    /// The errors, each with all its causes, in the order of the steps.
    pub errors: Vec<String>,
    /// Findings that are reported as new, worst first.
    pub new: Vec<&'a Failing>,
    /// The number of failing findings that are suppressed.
    pub suppressed: usize,
    /// Findings that could not be imported into Security Hub, with the reason.
    pub unwritten: Vec<(&'a Failing, &'a str)>,
    /// Findings that are reported as resolved.
    pub resolved: Vec<&'a Closing>,
    /// Findings whose check was removed or disabled.
    pub unchecked: Vec<&'a Closing>,
    source_failed: bool,
}

impl<'a> Alert<'a> {
    /// Selects the reported parts.
    pub fn of(outcome: &'a Outcome) -> Self {
        let decision = &outcome.decision;
        let is_reported = |closing: &&Closing| {
            decision.is_reportable(closing.stored.severity)
                && closing.stored.workflow != Workflow::Suppressed
                && closing.reason != CloseReason::KnownByDate
                && outcome.can_be_closed(closing)
        };
        let (resolved, unchecked) =
            decision.closings.iter().filter(is_reported).partition(|closing| closing.is_resolved());
        let refused = &outcome.receipts.refused;
        let (suppressed, failing): (Vec<_>, Vec<_>) =
            decision.failing.iter().partition(|failing| outcome.is_suppressed(failing));
        let failing = failing.into_iter().filter(|failing| decision.is_reportable(failing.severity()));
        Self {
            decision,
            errors: outcome.problems().list(),
            new: outcome.reported_as_new().collect(),
            suppressed: suppressed.len(),
            unwritten: failing.filter_map(|failing| Some((failing, refused.get(&failing.id)?.as_str()))).collect(),
            resolved,
            unchecked,
            source_failed: outcome.source_failed(),
        }
    }

    /// Whether to send a message.
    pub fn is_due(&self) -> bool {
        let change = !(self.new.is_empty() && self.resolved.is_empty() && self.unchecked.is_empty());
        // A held event was already reported, and can no longer be fixed.
        let fails =
            || self.still_open().any(|failing| !failing.held && self.decision.is_reportable(failing.severity()));
        self.is_blind()
            || self.decision.hub == Hub::Unread
            || !self.unwritten.is_empty()
            || match self.decision.rules.on {
                AlertOn::Changes => change,
                AlertOn::Failures => change || fails(),
                AlertOn::Always => true,
            }
    }

    /// Whether a source failed, or a reportable open finding could not be evaluated.
    fn is_blind(&self) -> bool {
        self.source_failed || self.decision.is_blind
    }

    /// The highest severity of the findings that are reported as new.
    pub fn max_severity(&self) -> Option<Severity> {
        self.new.iter().map(|failing| failing.severity()).max()
    }

    /// Failing findings that are neither reported as new nor suppressed.
    pub fn still_open(&self) -> impl Iterator<Item = &'a Failing> {
        let decision = self.decision;
        decision.failing.iter().filter(|failing| match failing.alert {
            AlertStatus::New(_) => !decision.is_reportable(failing.severity()),
            AlertStatus::Reported => true,
            AlertStatus::Suppressed => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::decision::AlertRules;
    use crate::outcome::{Meanwhile, Receipts};
    use crate::problems::Step;
    use crate::testing::{account, decided};

    fn outcome(table: &str, reported_before: bool, rules: AlertRules) -> Outcome {
        let mut decision = decided(&account(table), rules);
        if reported_before {
            decision.failing.iter_mut().for_each(|failing| failing.alert = AlertStatus::Reported);
        }
        Outcome { decision, receipts: Receipts::default() }
    }

    /// Whether a message about an account with one MEDIUM finding is sent, in each mode and at each threshold.
    fn due(table: &str, reported_before: bool, min_severity: Severity) -> [bool; 3] {
        AlertOn::ALL.map(|on| Alert::of(&outcome(table, reported_before, AlertRules { on, min_severity })).is_due())
    }

    const FAILS: &str = "
user           | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date
<root_account> | false               | N/A                       | N/A
alice          | true                | 2021-06-20T05:16:50Z      | 2026-11-19T06:00:00Z
";
    const CLEAN: &str = "
user
<root_account>
";

    #[test]
    fn modes_and_thresholds_say_when_there_is_a_message() {
        assert_eq!(due(FAILS, false, Severity::Low), [true, true, true]);
        assert_eq!(due(FAILS, true, Severity::Low), [false, true, true]);
        assert_eq!(due(FAILS, false, Severity::High), [false, false, true]);
        assert_eq!(due(CLEAN, false, Severity::Low), [false, false, true]);
    }

    #[test]
    fn what_is_suppressed_meanwhile_is_neither_reported_nor_marked() {
        let rules = AlertRules { on: AlertOn::Failures, min_severity: Severity::Low };
        let with = |meanwhile: fn(&str) -> Meanwhile| {
            let mut outcome = outcome(FAILS, false, rules);
            let id = outcome.decision.failing[0].id.clone();
            outcome.receipts.meanwhile = meanwhile(&id);
            outcome.receipts.refused = [(id, "InvalidInput".to_owned())].into();
            // The message may be sent by another process.
            let outcome: Outcome = serde_json::from_str(&serde_json::to_string(&outcome).unwrap()).unwrap();
            let alert = Alert::of(&outcome);
            let reported = (alert.is_due(), alert.new.len(), alert.unwritten.len(), alert.suppressed);
            let outcome = Outcome { receipts: Receipts { refused: BTreeMap::new(), ..outcome.receipts }, ..outcome };
            (reported, outcome.can_be_marked(&outcome.decision.failing[0]))
        };
        let suppressed = |id: &str| Meanwhile::Suppressed([id.to_owned()].into());
        let nothing = |_: &str| Meanwhile::default();
        assert_eq!(with(nothing), ((true, 1, 1, 0), true));
        assert_eq!(with(suppressed), ((false, 0, 0, 1), false));
        assert_eq!(with(|_| Meanwhile::Unread), ((true, 1, 1, 0), false), "the next run reports it again");
    }

    #[test]
    fn a_blind_spot_of_root_is_reported_once() {
        let no_root_row = FAILS.replace("<root_account> | false               | N/A                       | N/A\n", "");
        assert_eq!(due(&no_root_row, false, Severity::High), [true, true, true]);
        assert_eq!(due(&no_root_row, true, Severity::High), [false, true, true]);
        assert_eq!(due(&no_root_row, true, Severity::Critical), [false, false, true], "it is below the threshold");
    }

    #[test]
    fn what_could_not_be_read_or_written_is_always_reported() {
        let rules = AlertRules { on: AlertOn::Changes, min_severity: Severity::Low };
        let read = || Hub::Read { region: "eu-central-1".to_owned() };
        let due = |hub, refused: &BTreeMap<String, String>, source_failed| {
            let mut outcome = outcome(FAILS, true, rules);
            outcome.decision.hub = hub;
            outcome.receipts.refused = refused.clone();
            if source_failed {
                outcome.decision.problems.fail(Step::Collect, "it failed".to_owned());
            }
            Alert::of(&outcome).is_due()
        };
        let id = outcome(FAILS, true, rules).decision.failing[0].id.clone();
        let refused = [(id, "InvalidInput".to_owned())].into();
        assert!(!due(read(), &BTreeMap::new(), false));
        assert!(due(read(), &BTreeMap::new(), true));
        assert!(due(read(), &refused, false));
        assert!(due(Hub::Unread, &BTreeMap::new(), false));
        let mut outcome = outcome(FAILS, true, rules);
        outcome.receipts.problems.fail(Step::Import, "it failed".to_owned());
        assert!(!Alert::of(&outcome).is_due(), "an import is no source");
    }
}
