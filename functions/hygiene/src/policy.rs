//! The thresholds, and which checks are disabled. No check has a number of its own.

use chrono::TimeDelta;

/// What an account is held to. Limits are exact durations: a key 90 days and a second old is older than 90 days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How old an access key may get.
    pub access_key_max_age: TimeDelta,
    /// How long a key or a password may go unused.
    pub credential_unused: TimeDelta,
    /// How long a use of the root user stays a finding.
    pub root_used_within: TimeDelta,
    /// Grace period for new users and keys before checks apply.
    pub new_credential_grace: TimeDelta,
    /// The ids of the checks that are not applied.
    pub disabled_checks: Vec<&'static str>,
}

/// A limit of the policy.
pub type Limit = fn(&Policy) -> TimeDelta;

impl Policy {
    /// The limits, by the name that the template's parameters give them and the checks' texts use.
    pub const LIMITS: [(&str, Limit); 4] = [
        ("AccessKeyMaxAgeDays", |policy| policy.access_key_max_age),
        ("CredentialUnusedDays", |policy| policy.credential_unused),
        ("RootUsedWithinDays", |policy| policy.root_used_within),
        ("NewCredentialGraceDays", |policy| policy.new_credential_grace),
    ];

    /// The limits of CIS: keys 90 days, unused credentials 45; root use is reported for 30 days, the grace period for new credentials is 7 days.
    pub fn cis() -> Self {
        Self {
            access_key_max_age: TimeDelta::days(90),
            credential_unused: TimeDelta::days(45),
            root_used_within: TimeDelta::days(30),
            new_credential_grace: TimeDelta::days(7),
            disabled_checks: Vec::new(),
        }
    }

    /// Whether the check of that id is not applied.
    pub fn disables(&self, check: &str) -> bool {
        self.disabled_checks.contains(&check)
    }
}
