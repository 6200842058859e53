//! The settings: the function's environment, the template's parameters and, for the limits, options of the command
//! line. Tests compare these with the list in this module.

/// A setting.
#[derive(Debug)]
pub struct Variable {
    /// The environment variable; the template's parameter has the same name in `PascalCase` without the prefix.
    pub name: &'static str,
    /// The default, for an unset or empty variable.
    pub default: &'static str,
    /// The description.
    pub meaning: &'static str,
}

macro_rules! names {
    ($($name:ident)+) => { $(
        #[doc = concat!("The variable `CREDWARDEN_", stringify!($name), "`.")]
        pub const $name: &str = concat!("CREDWARDEN_", stringify!($name));
    )+ };
}

names! {
    TOPIC_ARN
    SECURITY_HUB
    ALERT_ON
    ALERT_MIN_SEVERITY
    ACCESS_KEY_MAX_AGE_DAYS
    CREDENTIAL_UNUSED_DAYS
    ROOT_USED_WITHIN_DAYS
    NEW_CREDENTIAL_GRACE_DAYS
    ACCOUNT_NAME
    DISABLED_CHECKS
}

/// The maximum length of the account's name, in characters: it has to fit into subjects and headings.
pub const MAX_ACCOUNT_NAME_CHARS: usize = 64;

/// Every setting.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: TOPIC_ARN,
        default: "",
        meaning: "SNS topic for alerts. Unset: no alerts. (Template parameter empty: the stack makes a topic.)",
    },
    Variable {
        name: SECURITY_HUB,
        default: "true",
        meaning: "Publish to Security Hub. `false`: stateless, and every failing finding is in every alert.",
    },
    Variable {
        name: ALERT_ON,
        default: "changes",
        meaning: "`changes`, `failures` (whenever anything fails) or `always`. A run that could not read a source alerts in any case.",
    },
    Variable { name: ALERT_MIN_SEVERITY, default: "LOW", meaning: "Findings below it are published, not alerted." },
    Variable {
        name: ACCESS_KEY_MAX_AGE_DAYS,
        default: "90",
        meaning: "Maximum age of an access key or service-specific credential.",
    },
    Variable {
        name: CREDENTIAL_UNUSED_DAYS,
        default: "45",
        meaning: "Maximum time that an access key or a password may be unused.",
    },
    Variable { name: ROOT_USED_WITHIN_DAYS, default: "30", meaning: "How long a use of the root user is reported." },
    Variable {
        name: NEW_CREDENTIAL_GRACE_DAYS,
        default: "7",
        meaning: "Grace period for new users, keys and pairs of keys, before checks apply.",
    },
    Variable {
        name: ACCOUNT_NAME,
        default: "",
        meaning: "A name for the account, at most 64 characters. It stands beside the account's number, and is `account_name` in JSON.",
    },
    Variable { name: DISABLED_CHECKS, default: "", meaning: "Comma-separated ids of checks that are switched off." },
];

/// The setting of that name.
pub fn variable(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}
