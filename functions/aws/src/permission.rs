//! What a role has to be allowed. Each module that calls AWS states its own; a role is a list of modules.

/// An action, and what it is for.
#[derive(Debug)]
pub struct Permission {
    /// The IAM action.
    pub action: &'static str,
    /// On what, in words.
    pub resource: &'static str,
    /// What for.
    pub purpose: &'static str,
    /// When the template grants it, if not always.
    pub condition: Option<&'static str>,
}
