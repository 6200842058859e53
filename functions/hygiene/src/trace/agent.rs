//! What a user agent says of the caller. It is a hint: a caller can send any text.
//!
//! AWS's SDKs and the AWS CLI write `name/version` words, and prefix others with `os/`, `lang/`, `md/`, `exec-env/`, `app/` and `m/`.
//! See <https://github.com/smithy-lang/smithy-rs/blob/main/aws/rust-runtime/aws-runtime/src/user_agent.rs>.

use crate::trace::StoredIn;

/// A user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agent<'a>(&'a str);

/// Linux distributions for attacks, which SDKs name in the version of the kernel and in `md/distrib#kali.2025`.
///
/// <https://expel.com/blog/incident-report-stolen-aws-access-keys/>,
/// <https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-types-iam.html>
const DISTRIBUTIONS: [(&str, &str); 3] =
    [("kali", "Kali Linux"), ("parrot", "Parrot Linux"), ("pentoo", "Pentoo Linux")];

/// Services that run pipelines: words, or the beginnings of words, in a user agent, and names.
///
/// GitHub's step calls by itself, and the steps after it say nothing:
/// <https://github.com/aws-actions/configure-aws-credentials/blob/main/src/helpers.ts>. Azure's tasks:
/// <https://github.com/aws/aws-toolkit-azure-devops/blob/master/src/lib/sdkutils.ts>. Hosted Terraform appends `TFC/…` or `TFE/…`. The
/// others do not name themselves: such words are what their users append.
const PIPELINES: [(&str, &str); 11] = [
    ("configure-aws-credentials-for-github-actions", "GitHub Actions"),
    ("exec-env/GitHubActions", "GitHub Actions"),
    ("AWS-VSTS/", "Azure Pipelines"),
    ("exec-env/VSTS-", "Azure Pipelines"),
    ("TFC/", "HCP Terraform"),
    ("TFE/", "Terraform Enterprise"),
    ("Jenkins", "Jenkins"),
    ("GitLab", "GitLab CI"),
    ("CircleCI", "CircleCI"),
    ("Buildkite", "Buildkite"),
    ("Bitbucket", "Bitbucket Pipelines"),
];

/// Programs that a person runs in a terminal.
const COMMAND_LINES: [&str; 4] = ["aws-cli", "AWSPowerShell", "AWSPowerShell.NetCore", "AWSPowerShell.Common"];

impl<'a> Agent<'a> {
    /// The user agent; AWS's console writes brackets around one.
    pub(super) fn new(text: &'a str) -> Self {
        let text = text.trim();
        Self(text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text))
    }

    /// The words, without comments' parentheses.
    fn words(self) -> impl Iterator<Item = &'a str> {
        self.0.split([' ', '(', ')', ';', ',']).filter(|word| !word.is_empty())
    }

    /// The metrics of the SDK, `m/E,g,N`: the ids of features that were used. Case matters.
    fn metrics(self) -> impl Iterator<Item = &'a str> {
        let words = self.0.split(' ').filter_map(|word| word.strip_prefix("m/"));
        words.flat_map(|word| word.split(','))
    }

    /// What says that the key has leaked, as the beginning of a sentence: a tool that looks for leaked keys. Auditors that name themselves, such as Prowler, are none.
    ///
    /// <https://github.com/SigmaHQ/sigma/pull/5688>, <https://github.com/elastic/detection-rules/pull/5902>,
    /// <https://github.com/RhinoSecurityLabs/pacu>
    pub(super) fn leak_tool(self) -> Option<&'static str> {
        let first = self.0.split([' ', '/']).next().unwrap_or_default();
        if first.eq_ignore_ascii_case("TruffleHog") {
            return Some("TruffleHog used it, a tool that looks for leaked keys");
        }
        if self.words().any(|word| word.starts_with("Pacu-Session-")) {
            return Some("Pacu used it, a tool for attacks");
        }
        let systems =
            self.words().filter(|word| ["Linux/", "os/", "md/distrib#"].iter().any(|start| word.starts_with(start)));
        let mut systems = systems.map(str::to_ascii_lowercase);
        systems.find_map(|system| DISTRIBUTIONS.iter().find(|(part, _)| system.contains(part)).map(|(_, name)| *name))
    }

    /// The service that runs pipelines, if it is one.
    pub(super) fn pipeline(self) -> Option<&'static str> {
        self.words().find_map(|word| PIPELINES.iter().find(|(start, _)| word.starts_with(start)).map(|(_, name)| *name))
    }

    /// The execution environment on AWS, if it is one: `AWS_Lambda_python3.12`, `AWS_ECS_FARGATE`, `EC2`, `CloudShell`.
    pub(super) fn compute(self) -> Option<&'a str> {
        let is_compute =
            |name: &&str| name.starts_with("AWS_Lambda_") || name.starts_with("AWS_ECS_") || *name == "EC2";
        self.environment().filter(is_compute)
    }

    /// Whether it is the shell of AWS's console.
    pub(super) fn is_cloud_shell(self) -> bool {
        self.environment() == Some("CloudShell")
    }

    /// The execution environment, which is whatever `AWS_EXECUTION_ENV` has.
    fn environment(self) -> Option<&'a str> {
        self.words().find_map(|word| word.strip_prefix("exec-env/")).filter(|name| !name.is_empty())
    }

    /// The program: `aws-cli/2.32.10`. Terraform and Pulumi name themselves behind their SDK, or behind their maker; other programs
    /// come first.
    pub(super) fn client(self) -> Option<&'a str> {
        let is_tool = |word: &&str| ["Terraform/", "terraform/", "Pulumi/"].iter().any(|start| word.starts_with(start));
        let is_other =
            |word: &&str| ["m/", "APN/", "HashiCorp/", "aws-internal/"].iter().any(|start| word.starts_with(start));
        self.words().find(is_tool).or_else(|| self.words().find(|word| !is_other(word))).or_else(|| self.words().next())
    }

    /// The program without its version.
    pub(super) fn program(self) -> Option<&'a str> {
        self.client().map(|client| client.split('/').next().unwrap_or(client))
    }

    /// Whether it is a command line that a person may have typed: without a mark of a service or of a pipeline.
    pub(super) fn is_person(self) -> bool {
        let is_command_line = self.program().is_some_and(|program| COMMAND_LINES.contains(&program));
        // `cwlogs` is an agent that sends logs.
        let is_mark = |word: &str| word.starts_with("app/") || word.contains("cwlogs/");
        let is_marked = self.pipeline().is_some() || self.environment().is_some() || self.words().any(is_mark);
        is_command_line && !is_marked
    }

    /// Where the SDK got the key from. Older SDKs do not say it.
    ///
    /// The ids are in <https://github.com/smithy-lang/smithy-rs/blob/main/aws/rust-runtime/aws-runtime/src/user_agent/test_data/feature_id_to_metric_value.json>.
    pub(super) fn stored_in(self) -> StoredIn {
        let has = |ids: &[&str]| self.metrics().any(|id| ids.contains(&id));
        if has(&["v", "w"]) {
            StoredIn::CredentialProcess
        } else if has(&["e"]) || self.0.contains("cfg/auth-source#stat") {
            StoredIn::Code
        } else if has(&["g"]) {
            StoredIn::Environment
        } else if has(&["n", "o", "x"]) {
            StoredIn::CredentialsFile
        } else {
            StoredIn::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_say_where_the_key_is_stored() {
        let stored = |text: &str| Agent::new(text).stored_in();
        assert_eq!(stored("Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 m/E,Z,b,g,N"), StoredIn::Environment);
        assert_eq!(
            stored("aws-cli/2.32.10 md/awscrt#0.29.1 m/Z,b,n,E md/distrib#ubuntu.24"),
            StoredIn::CredentialsFile
        );
        assert_eq!(stored("Boto3/1.44.5 m/e,Z"), StoredIn::Code);
        assert_eq!(stored("Boto3/1.44.5 m/n,v,b,w"), StoredIn::CredentialProcess);
        assert_eq!(stored("Boto3/1.44.5 m/G,V,E,N"), StoredIn::Unknown, "case matters");
        assert_eq!(stored("aws-sdk-java/2.28.1 cfg/auth-source#stat"), StoredIn::Code);
        assert_eq!(stored("Boto3/1.20"), StoredIn::Unknown);
    }

    #[test]
    fn the_program_is_the_first_word_except_behind_its_maker() {
        let client = |text: &'static str| Agent::new(text).client().unwrap_or_default();
        assert_eq!(client("aws-cli/1.20.0 Python/3.9.6 Linux/4.14"), "aws-cli/1.20.0");
        assert_eq!(client("APN/1.0 HashiCorp/1.0 Terraform/0.15.5 (+https://www.terraform.io)"), "Terraform/0.15.5");
        assert_eq!(client("[S3Console/0.4, aws-internal/3]"), "S3Console/0.4");
        assert_eq!(client("cloudformation.amazonaws.com"), "cloudformation.amazonaws.com");
        assert_eq!(client(""), "");
    }

    #[derive(serde::Deserialize)]
    struct Published {
        user_agent: String,
        source: String,
        client: String,
        execution_environment: Option<String>,
        key_stored_in: String,
        kind: String,
    }

    /// User agents as they are in public logs, documentation and detection rules.
    #[test]
    fn published_user_agents_are_understood() {
        let published: Vec<Published> = serde_json::from_str(include_str!("user_agents.json")).unwrap();
        assert!(published.len() > 100);
        let mut wrong = Vec::new();
        for one in &published {
            let agent = Agent::new(&one.user_agent);
            let shown = format!("{} ({}, {})", one.user_agent, one.kind, one.source);
            let is_any = |kinds: &[&str]| kinds.contains(&one.kind.as_str());
            let is_right = [
                agent.client() == Some(one.client.as_str()),
                agent.environment() == one.execution_environment.as_deref(),
                agent.stored_in().name() == one.key_stored_in,
                agent.leak_tool().is_some() == is_any(&["leak-scanner"]),
                agent.pipeline().is_some() == is_any(&["github", "terraform-cloud", "other-ci"]),
                agent.compute().is_some() == is_any(&["lambda", "ecs", "fargate", "codebuild", "ec2"]),
                agent.is_cloud_shell() == is_any(&["cloudshell"]),
                !agent.is_person() || is_any(&["person-cli", "agentic", "leak-scanner"]),
            ];
            if is_right.contains(&false) {
                wrong.push(format!("{is_right:?} {:?} {shown}", agent.client()));
            }
            assert!(one.source.contains('/'), "{shown}");
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_marked_command_line_is_no_person() {
        let is_person = |text: &str| Agent::new(text).is_person();
        assert!(is_person("aws-cli/2.32.10 md/command#ec2.describe-instances"));
        assert!(is_person("AWSPowerShell/4.1.0 .NET/6"));
        assert!(!is_person("aws-cli/2.32.10 exec-env/GitHubActions"));
        assert!(!is_person("aws-cli/2.32.10 exec-env/AWS_ECS_EC2"));
        assert!(!is_person("aws-cli/2.32.10 app/nightly-backup"));
        assert!(!is_person("aws-cli/2.32.10 Jenkins"));
        assert!(!is_person("Boto3/1.44.5"));
    }
}
