//! What of a run is told to people, and whether it is worth a message.

use std::collections::BTreeMap;

use crate::evaluate::Evaluation;
use crate::finding::{Finding, Severity, Status, SubjectKind};
use crate::reconcile::{Closing, Failing, Plan, Standing, Stored, Workflow};

/// When a message is sent, and about what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertRules {
    /// The occasion.
    pub on: AlertOn,
    /// Milder findings are published but not told.
    pub min_severity: Severity,
}

/// What occasions a message. A run that could not read something sends one whatever is set here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertOn {
    /// Something is new, resolved, or no longer checked.
    Changes,
    /// Anything fails.
    Failures,
    /// Every run.
    Always,
}

impl AlertOn {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Changes, Self::Failures, Self::Always];

    /// As the setting spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Failures => "failures",
            Self::Always => "always",
        }
    }
}

/// Security Hub's part in the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hub {
    /// Our findings in it were read; it is in this region.
    Read {
        /// The region.
        region: String,
    },
    /// It is not used: there is no memory of earlier runs.
    Off,
    /// Our findings in it could not be read: no memory in this run, and nothing is written.
    Unread,
}

/// The contents of a run's message.
#[derive(Debug)]
pub struct Alert<'a> {
    /// The verdicts.
    pub evaluation: &'a Evaluation,
    /// What the run does about them.
    pub plan: &'a Plan<'a>,
    /// Security Hub's part.
    pub hub: Hub,
    /// What went wrong, each with every cause, in the order of the steps.
    pub errors: Vec<String>,
    /// Findings that are told as new, worst first.
    pub new: Vec<&'a Failing<'a>>,
    /// Findings that could not be written, with the reason.
    pub unwritten: Vec<(&'a Failing<'a>, String)>,
    /// Findings that are told as resolved.
    pub resolved: Vec<&'a Closing<'a>>,
    /// Findings whose check is gone or disabled.
    pub unchecked: Vec<&'a Closing<'a>>,
    rules: AlertRules,
    source_failed: bool,
}

impl<'a> Alert<'a> {
    /// Chooses what is told. `unwritten` has the reason for each identity whose import failed; `source_failed` says whether
    /// one of the `errors` is a source that could not be read.
    pub fn new(
        evaluation: &'a Evaluation,
        plan: &'a Plan<'a>,
        rules: AlertRules,
        hub: Hub,
        unwritten: &BTreeMap<String, String>,
        errors: Vec<String>,
        source_failed: bool,
    ) -> Self {
        let told = |closing: &&Closing<'_>| {
            rules.min_severity <= closing.stored.severity && closing.stored.workflow != Workflow::Suppressed
        };
        let worth_telling = plan.failing.iter().filter(|failing| {
            rules.min_severity <= failing.finding.severity && failing.standing != Standing::Suppressed
        });
        Self {
            evaluation,
            plan,
            hub,
            errors,
            new: worth_telling.clone().filter(|failing| failing.is_new()).collect(),
            unwritten: worth_telling
                .filter_map(|failing| unwritten.get(&failing.id).map(|reason| (failing, reason.clone())))
                .collect(),
            resolved: plan.closings.iter().filter(told).filter(|closing| closing.is_resolved()).collect(),
            unchecked: plan.closings.iter().filter(told).filter(|closing| !closing.is_resolved()).collect(),
            rules,
            source_failed,
        }
    }

    /// Whether the run is worth a message.
    pub fn is_due(&self) -> bool {
        let change = !(self.new.is_empty() && self.resolved.is_empty() && self.unchecked.is_empty());
        let fails = || self.still_open().any(|failing| self.rules.min_severity <= failing.finding.severity);
        self.is_blind()
            || self.hub == Hub::Unread
            || !self.unwritten.is_empty()
            || match self.rules.on {
                AlertOn::Changes => change,
                AlertOn::Failures => change || fails(),
                AlertOn::Always => true,
            }
    }

    /// Whether the run could not look where it matters: a source, the root user, or something that is open.
    fn is_blind(&self) -> bool {
        let matters =
            |stored: &Stored| self.rules.min_severity <= stored.severity && stored.workflow != Workflow::Suppressed;
        let unknown =
            |finding: &Finding| finding.status == Status::Unknown && finding.subject.kind == SubjectKind::Root;
        self.source_failed
            || self.plan.unjudged.iter().any(|stored| matters(stored))
            || self.evaluation.findings.iter().any(unknown)
    }

    /// The worst that is told as new.
    pub fn max_severity(&self) -> Option<Severity> {
        self.new.iter().map(|failing| failing.finding.severity).max()
    }

    /// What fails, is not told as new, and is not suppressed.
    pub fn still_open(&self) -> impl Iterator<Item = &'a Failing<'a>> {
        let rules = self.rules;
        self.plan.failing.iter().filter(move |failing| match failing.standing {
            Standing::New(_) => failing.finding.severity < rules.min_severity,
            Standing::Told => true,
            Standing::Suppressed => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::reconcile;
    use crate::testing::{account, evaluated};

    /// Whether there is a message in each mode, at each threshold, about an account with one MEDIUM finding.
    fn due(table: &str, told_before: bool, min_severity: Severity) -> [bool; 3] {
        let evaluation = evaluated(&account(table));
        let nothing = BTreeMap::new();
        let mut plan = reconcile(&evaluation, &nothing, &[]);
        if told_before {
            plan.failing.iter_mut().for_each(|failing| failing.standing = Standing::Told);
        }
        AlertOn::ALL.map(|on| {
            let hub = Hub::Read { region: "eu-central-1".to_owned() };
            let rules = AlertRules { on, min_severity };
            Alert::new(&evaluation, &plan, rules, hub, &BTreeMap::new(), Vec::new(), false).is_due()
        })
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
    fn a_root_user_that_could_not_be_judged_is_always_told() {
        let no_root_row = FAILS.replace("<root_account> | false               | N/A                       | N/A\n", "");
        assert_eq!(due(&no_root_row, true, Severity::High), [true, true, true]);
    }

    #[test]
    fn what_could_not_be_read_or_written_is_always_told() {
        let evaluation = evaluated(&account(FAILS));
        let nothing = BTreeMap::new();
        let mut plan = reconcile(&evaluation, &nothing, &[]);
        plan.failing.iter_mut().for_each(|failing| failing.standing = Standing::Told);
        let rules = AlertRules { on: AlertOn::Changes, min_severity: Severity::Low };
        let read = || Hub::Read { region: "eu-central-1".to_owned() };
        let due = |hub, unwritten: &BTreeMap<String, String>, source_failed| {
            Alert::new(&evaluation, &plan, rules, hub, unwritten, Vec::new(), source_failed).is_due()
        };
        let unwritten = [(plan.failing[0].id.clone(), "InvalidInput".to_owned())].into();
        assert!(!due(read(), &BTreeMap::new(), false));
        assert!(due(read(), &BTreeMap::new(), true));
        assert!(due(read(), &unwritten, false));
        assert!(due(Hub::Unread, &BTreeMap::new(), false));
    }
}
