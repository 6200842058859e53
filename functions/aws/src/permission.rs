//! IAM permissions. Each module that calls AWS states those that it needs; a role is a list of modules.

/// An IAM action and its purpose.
#[derive(Debug)]
pub struct Permission {
    /// The IAM action.
    pub action: &'static str,
    /// The resource, in words.
    pub resource: &'static str,
    /// Its purpose.
    pub purpose: &'static str,
    /// The condition under which the template grants it; `None`: always.
    pub condition: Option<&'static str>,
}
