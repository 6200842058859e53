//! What the function's role has to be allowed. The template grants exactly this, the README shows it, and a test takes one
//! away at a time.

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

const HUB: Option<&str> = Some("`SecurityHub` is `true`");
const KMS: Option<&str> = Some("`KmsKeyArn` is set");

/// Every permission. `sts:GetCallerIdentity` needs none.
pub const PERMISSIONS: &[Permission] = &[
    Permission {
        action: "iam:GenerateCredentialReport",
        resource: "`*` (it has no resource type)",
        purpose: "has IAM make the credential report",
        condition: None,
    },
    Permission {
        action: "iam:GetCredentialReport",
        resource: "`*` (it has no resource type)",
        purpose: "reads it",
        condition: None,
    },
    Permission {
        action: "iam:GetAccountSummary",
        resource: "`*` (it has no resource type)",
        purpose: "has the fresh facts about root",
        condition: None,
    },
    Permission {
        action: "iam:ListVirtualMFADevices",
        resource: "`*` (it has no resource type)",
        purpose: "tells a virtual MFA device of root from a hardware one",
        condition: None,
    },
    Permission {
        action: "iam:ListServiceSpecificCredentials",
        resource: "`*` (all users at once)",
        purpose: "has the API keys and passwords for single services, which are not in the report",
        condition: None,
    },
    Permission {
        action: "iam:ListAccessKeys",
        resource: "the account's users",
        purpose: "names the keys that have a finding",
        condition: None,
    },
    Permission {
        action: "securityhub:GetFindings",
        resource: "the region's hub",
        purpose: "recalls credwarden's own findings",
        condition: HUB,
    },
    Permission {
        action: "securityhub:BatchImportFindings",
        resource: "the account's default product",
        purpose: "writes and closes findings",
        condition: HUB,
    },
    Permission {
        action: "securityhub:BatchUpdateFindings",
        resource: "the region's hub",
        purpose: "sets the workflow status to NEW or NOTIFIED; other statuses and fields are denied",
        condition: HUB,
    },
    Permission { action: "sns:Publish", resource: "the topic", purpose: "sends the alert", condition: None },
    Permission {
        action: "kms:Decrypt",
        resource: "the topic's key",
        purpose: "publishes to an encrypted topic",
        condition: KMS,
    },
    Permission {
        action: "kms:GenerateDataKey*",
        resource: "the topic's key",
        purpose: "publishes to an encrypted topic",
        condition: KMS,
    },
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
