//! The limits, and the disabled checks. No check has a limit of its own.

use chrono::TimeDelta;

/// The policy for an account. Limits are exact durations: a key that is 90 days and one second old is older than 90
/// days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The maximum age of an access key.
    pub access_key_max_age: TimeDelta,
    /// The maximum time without a use of a key or a password.
    pub credential_unused: TimeDelta,
    /// How long a use of the root user is reported.
    pub root_used_within: TimeDelta,
    /// Grace period for new users and keys before checks apply.
    pub new_credential_grace: TimeDelta,
    /// The ids of disabled checks.
    pub disabled_checks: Vec<&'static str>,
}

/// A limit of the policy.
pub type Limit = fn(&Policy) -> TimeDelta;

impl Policy {
    /// The limits, with their names in the template's parameters and the checks' texts.
    pub const LIMITS: [(&str, Limit); 4] = [
        ("AccessKeyMaxAgeDays", |policy| policy.access_key_max_age),
        ("CredentialUnusedDays", |policy| policy.credential_unused),
        ("RootUsedWithinDays", |policy| policy.root_used_within),
        ("NewCredentialGraceDays", |policy| policy.new_credential_grace),
    ];

    /// The limits of CIS: keys 90 days, unused credentials 45; root use is reported for 30 days, the grace period for
    /// new credentials is 7 days.
    pub fn cis() -> Self {
        Self {
            access_key_max_age: TimeDelta::days(90),
            credential_unused: TimeDelta::days(45),
            root_used_within: TimeDelta::days(30),
            new_credential_grace: TimeDelta::days(7),
            disabled_checks: Vec::new(),
        }
    }

    /// Whether the check with the id is disabled.
    pub fn disables(&self, check: &str) -> bool {
        self.disabled_checks.contains(&check)
    }
}
