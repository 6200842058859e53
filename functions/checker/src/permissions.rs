//! The function's role. The template grants exactly this, the README shows it, and a test takes one permission away at a time.

use aws::hub::{publish, recall};
use aws::permission::Permission;
use aws::{access_keys, collect};

use crate::notify;

/// The role, as the list of what the modules need that a run is made of.
const ROLE: &[&[Permission]] = &[
    collect::PERMISSIONS,
    access_keys::PERMISSIONS,
    recall::PERMISSIONS,
    publish::PERMISSIONS,
    notify::PERMISSIONS,
    LAMBDA,
];

/// What Lambda does in the function's name.
const LAMBDA: &[Permission] = &[
    Permission {
        action: "sqs:SendMessage",
        resource: "the queue of failed runs",
        purpose: "Lambda keeps a failed run there",
        condition: None,
    },
    Permission {
        action: "logs:CreateLogStream",
        resource: "the function's log group",
        purpose: "writes the log",
        condition: None,
    },
    Permission {
        action: "logs:PutLogEvents",
        resource: "the function's log group",
        purpose: "writes the log",
        condition: None,
    },
];

/// Every permission of the role.
pub fn permissions() -> impl Iterator<Item = &'static Permission> {
    ROLE.iter().copied().flatten()
}
