//! What a user agent says of the caller. It is a hint: a caller can send any text.
//!
//! AWS's SDKs and the AWS CLI write `name/version` words, and prefix others with `os/`, `lang/`, `md/`, `exec-env/`, `app/` and `m/`.
//! See <https://github.com/smithy-lang/smithy-rs/blob/main/aws/rust-runtime/aws-runtime/src/user_agent.rs>.

use crate::trace::StoredIn;

/// A user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agent<'a>(&'a str);

/// Tools that find leaked keys, or that attackers use: texts in a user agent in lower case, and names.
///
/// `TruffleHog` names itself; Kali and Parrot are Linux distributions for attacks, as which AWS's SDKs name them, and Pacu puts
/// Kali's in its requests.
/// <https://github.com/SigmaHQ/sigma/issues/5688>, <https://github.com/elastic/detection-rules/issues/5902>.
const LEAK_TOOLS: [(&str, &str); 7] = [
    ("trufflehog", "TruffleHog"),
    ("distrib#kali", "Kali Linux"),
    ("kali-amd64", "Kali Linux"),
    ("kali-arm64", "Kali Linux"),
    ("distrib#parrot", "Parrot Linux"),
    ("pacu/", "Pacu"),
    ("gitguardian", "GitGuardian"),
];

/// Services that run pipelines: texts in a user agent in lower case, and names.
const PIPELINES: [(&str, &str); 14] = [
    ("configure-aws-credentials-for-github-actions", "GitHub Actions"),
    ("github-actions", "GitHub Actions"),
    ("githubactions", "GitHub Actions"),
    ("terraformcloud", "HCP Terraform"),
    ("terraform-cloud", "HCP Terraform"),
    ("hcp-terraform", "HCP Terraform"),
    ("tfc/", "HCP Terraform"),
    ("gitlab", "GitLab CI"),
    ("circleci", "CircleCI"),
    ("jenkins", "Jenkins"),
    ("buildkite", "Buildkite"),
    ("bitbucket", "Bitbucket Pipelines"),
    ("vsts-task", "Azure Pipelines"),
    ("teamcity", "TeamCity"),
];

/// Programs that a person runs in a terminal.
const COMMAND_LINES: [&str; 3] = ["aws-cli", "awspowershell", "aws-shell"];

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

    fn contains_any(self, table: &'static [(&'static str, &'static str)]) -> Option<&'static str> {
        let text = self.0.to_ascii_lowercase();
        table.iter().find(|(part, _)| text.contains(part)).map(|(_, name)| *name)
    }

    /// The tool that looks for leaked keys, if it is one.
    pub(super) fn leak_tool(self) -> Option<&'static str> {
        self.contains_any(&LEAK_TOOLS)
    }

    /// The service that runs pipelines, if it is one.
    pub(super) fn pipeline(self) -> Option<&'static str> {
        self.contains_any(&PIPELINES)
    }

    /// The execution environment, `AWS_EXECUTION_ENV`: `AWS_Lambda_python3.12`, `AWS_ECS_FARGATE`, `CloudShell`.
    pub(super) fn environment(self) -> Option<&'a str> {
        self.words().find_map(|word| word.strip_prefix("exec-env/")).filter(|name| !name.is_empty())
    }

    /// The program: `aws-cli/2.32.10`. Terraform's provider names itself behind its maker.
    pub(super) fn client(self) -> Option<&'a str> {
        let first = self.words().next()?;
        let is_maker = |word: &str| word.starts_with("APN/") || word.starts_with("HashiCorp/");
        if is_maker(first) { self.words().find(|word| !is_maker(word)).or(Some(first)) } else { Some(first) }
    }

    /// The program without its version.
    pub(super) fn program(self) -> Option<&'a str> {
        self.client().map(|client| client.split('/').next().unwrap_or(client))
    }

    /// Whether it is a command line that a person may have typed: without a mark of a service or of a pipeline.
    pub(super) fn is_person(self) -> bool {
        let is_command_line =
            self.program().is_some_and(|program| COMMAND_LINES.contains(&program.to_ascii_lowercase().as_str()));
        let is_marked = self.pipeline().is_some()
            || self.environment().is_some()
            || self.words().any(|word| word.starts_with("app/"));
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

    #[test]
    fn a_marked_command_line_is_no_person() {
        let is_person = |text: &str| Agent::new(text).is_person();
        assert!(is_person("aws-cli/2.32.10 md/command#ec2.describe-instances"));
        assert!(is_person("AWSPowerShell/4.1.0 .NET/6"));
        assert!(!is_person("aws-cli/2.32.10 exec-env/AWS_ECS_EC2"));
        assert!(!is_person("aws-cli/2.32.10 app/nightly-backup"));
        assert!(!is_person("aws-cli/2.32.10 Jenkins"));
        assert!(!is_person("Boto3/1.44.5"));
    }
}
