//! The commands for a key, by its plan. They grant nothing: which permissions a role needs is for a person to decide.

use crate::check::Target;
use crate::commands::{self, aws};
use crate::remediation::{Argument, Remediation, Step};
use crate::trace::{Advice, Kind, TracedKey};

impl TracedKey {
    /// The commands that carry out the plan, in the order to run them.
    pub fn remedy(&self) -> Remediation {
        let target = Target { subject: &self.subject, access_key_id: self.access_key_id.as_deref() };
        let user = || commands::user(&target);
        let mut steps = Vec::new();
        match self.plan {
            Advice::Incident => {
                steps.push(Step::Comment(
                    "It has leaked. Deactivate it first. Sessions that it started last up to 36 hours longer:",
                ));
                steps.push(Step::Comment("only a policy of the user stops them."));
                steps.extend(commands::deactivate(&target));
                let policy = format!("arn:{}:iam::aws:policy/AWSDenyAll", self.partition());
                steps.push(Step::Offer(aws(
                    "iam attach-user-policy",
                    [user(), Argument::Value("--policy-arn", policy.into())],
                )));
                steps.push(Step::Comment("What was done with it:"));
                steps.extend(self.look_up());
                steps.push(Step::Comment("When nothing needs it any more:"));
                steps.extend(commands::delete_inactive_key(&target));
                return Remediation::Shell(steps);
            }
            Advice::Remove => {}
            Advice::ReplaceByRole => {
                steps.push(Step::Comment("What the user may do: the role needs what is used of it."));
                for list in ["iam list-attached-user-policies", "iam list-user-policies", "iam list-groups-for-user"] {
                    steps.push(Step::Run(aws(list, [user()])));
                }
                steps.extend(self.places());
                steps.push(Step::Comment("When what uses it has the role:"));
            }
            Advice::SignIn => steps.push(Step::Comment(
                "First sign in without a key: `aws login`, or `aws configure sso` with IAM Identity Center. Then:",
            )),
            Advice::Rotate | Advice::AskOwner => {
                steps.push(Step::Comment("Who owns it: its description is the tag with the name of the key's id."));
                steps.push(Step::Run(aws("iam list-user-tags", [user()])));
                steps.push(Step::Comment("If nothing needs it:"));
            }
        }
        if self.subject.access_key().and_then(|key| key.active) == Some(false) {
            steps.extend(commands::delete_inactive_key(&target));
        } else {
            steps.extend(commands::retire_key(&target));
        }
        Remediation::Shell(steps)
    }

    /// The partition of the user's ARN.
    fn partition(&self) -> &str {
        self.subject.arn().and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws")
    }

    /// Looks up the events of the leak's Region.
    fn look_up(&self) -> Option<Step> {
        let id = self.access_key_id.as_deref()?;
        let region = self.because.first().and_then(|because| because.region.clone())?;
        Some(Step::Run(aws(
            "cloudtrail lookup-events",
            [
                Argument::Value("--region", region.into()),
                Argument::Value("--lookup-attributes", format!("AttributeKey=AccessKeyId,AttributeValue={id}").into()),
            ],
        )))
    }

    /// How the places get a role.
    fn places(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for from in &self.used_from {
            match from.kind {
                Kind::OwnInstance => {
                    steps.push(Step::Comment("The instance profile that the instance has, if any:"));
                    let filter = format!("Name=instance-id,Values={}", from.what);
                    let region = from.region.clone().map(|region| Argument::Value("--region", region.into()));
                    let arguments: Vec<_> =
                        region.into_iter().chain([Argument::Value("--filters", filter.into())]).collect();
                    steps.push(Step::Run(aws("ec2 describe-iam-instance-profile-associations", arguments)));
                }
                Kind::Ci => {
                    let provider = PROVIDERS.iter().find(|(name, ..)| *name == from.what);
                    if let Some((_, url, audience)) = provider {
                        steps.push(Step::Comment(
                            "The pipeline can assume a role by its own identity, with this provider:",
                        ));
                        let url = Argument::Value("--url", (*url).into());
                        let audience = Argument::Value("--client-id-list", (*audience).into());
                        steps.push(Step::Offer(aws("iam create-open-id-connect-provider", [url, audience])));
                    }
                }
                Kind::OwnNetwork
                | Kind::OrganizationNetwork
                | Kind::AwsCompute
                | Kind::ServiceOnBehalf
                | Kind::RoleSession
                | Kind::Outside
                | Kind::Unknown => {}
            }
        }
        let mut seen = Vec::new();
        // A pipeline is used from many addresses.
        steps.retain(|step| {
            let is_new = matches!(step, Step::Comment(_)) || !seen.contains(step);
            seen.push(step.clone());
            is_new
        });
        steps.dedup();
        steps
    }
}

/// The identity providers of pipelines, with the audience of their tokens.
///
/// <https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws>,
/// <https://developer.hashicorp.com/terraform/cloud-docs/workspaces/dynamic-provider-credentials/aws-configuration>
const PROVIDERS: [(&str, &str, &str); 2] = [
    ("GitHub Actions", "https://token.actions.githubusercontent.com", "sts.amazonaws.com"),
    ("HCP Terraform", "https://app.terraform.io", "aws.workload.identity"),
];
