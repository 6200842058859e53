//! The function's role. The template grants exactly these permissions, the documentation lists them, and tests remove one at a
//! time.

use aws::hub::{publish, recall};
use aws::permission::Permission;
use aws::{access_keys, collect};

use crate::notify;

/// The role: the permissions of each module that a run uses.
const ROLE: &[&[Permission]] = &[
    collect::PERMISSIONS,
    access_keys::PERMISSIONS,
    recall::PERMISSIONS,
    publish::PERMISSIONS,
    notify::PERMISSIONS,
    LAMBDA,
];

/// Permissions that Lambda uses on behalf of the function.
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
