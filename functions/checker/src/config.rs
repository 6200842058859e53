//! The function's environment, read once. An invalid value is an error at start-up, so the first deployment reports it.

use chrono::TimeDelta;
use hygiene::checks::{CHECKS, find};
use hygiene::decision::{AlertOn, AlertRules};
use hygiene::policy::Policy;
use hygiene::settings::{
    ACCESS_KEY_MAX_AGE_DAYS, ACCOUNT_NAME, ALERT_MIN_SEVERITY, ALERT_ON, CREDENTIAL_UNUSED_DAYS, DISABLED_CHECKS,
    MAX_ACCOUNT_NAME_CHARS, NEW_CREDENTIAL_GRACE_DAYS, ROOT_USED_WITHIN_DAYS, SECURITY_HUB, TOPIC_ARN, variable,
};
use hygiene::text;
use hygiene::verdict::Severity;

use aws::environment::is_endpoint;

/// The settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The topic for alerts. Without one no alert is sent.
    pub topic_arn: Option<TopicArn>,
    /// Whether findings are published to Security Hub.
    pub security_hub: bool,
    /// When alerts are sent.
    pub alert: AlertRules,
    /// The limits and the disabled checks.
    pub policy: Policy,
    /// The account's display name.
    pub account_name: Option<String>,
}

/// An SNS topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicArn {
    /// The whole ARN.
    pub arn: String,
    /// Its region, which need not be the function's.
    pub region: String,
}

/// The variables that set the endpoints of AWS calls.
const ENDPOINTS: [&str; 5] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_SECURITYHUB",
    "AWS_ENDPOINT_URL_SNS",
    "AWS_ENDPOINT_URL_STS",
];

/// All settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads the settings through `variable`. An empty value counts as unset.
    ///
    /// # Errors
    ///
    /// Every invalid value, with the allowed values.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader { variable, errors: Vec::new() };
        let config = Self {
            topic_arn: reader.topic_arn(),
            security_hub: reader.one_of(SECURITY_HUB, &[("true", true), ("false", false)]),
            alert: AlertRules {
                on: reader.one_of(ALERT_ON, &AlertOn::ALL.map(|on| (on.name(), on))),
                min_severity: reader
                    .one_of(ALERT_MIN_SEVERITY, &Severity::ALL.map(|severity| (severity.label(), severity))),
            },
            policy: Policy {
                access_key_max_age: reader.days(ACCESS_KEY_MAX_AGE_DAYS),
                credential_unused: reader.days(CREDENTIAL_UNUSED_DAYS),
                root_used_within: reader.days(ROOT_USED_WITHIN_DAYS),
                new_credential_grace: reader.days(NEW_CREDENTIAL_GRACE_DAYS),
                disabled_checks: reader.disabled_checks(),
            },
            account_name: reader.account_name(),
        };
        reader.check_endpoints();
        if reader.errors.is_empty() { Ok(config) } else { Err(ConfigError(reader.errors)) }
    }
}

struct Reader<V> {
    variable: V,
    errors: Vec<String>,
}

impl<V: Fn(&str) -> Option<String>> Reader<V> {
    fn value(&self, name: &str) -> String {
        let set = (self.variable)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let default = variable(name).map(|variable| variable.default);
        set.unwrap_or_else(|| default.unwrap_or_default().to_owned())
    }

    fn refuse(&mut self, name: &str, value: &str, allowed: &str) {
        let value = text::escape(value);
        self.errors.push(format!("{name} is `{}`: {allowed}", text::cut(&value, 200)));
    }

    fn one_of<T: Copy>(&mut self, name: &str, values: &[(&str, T)]) -> T {
        let value = self.value(name);
        if let Some((_, known)) = values.iter().find(|(known, _)| known.eq_ignore_ascii_case(&value)) {
            return *known;
        }
        let allowed = values.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
        self.refuse(name, &value, &format!("allowed are {allowed}"));
        values[0].1
    }

    fn days(&mut self, name: &str) -> TimeDelta {
        let value = self.value(name);
        match value.parse::<u16>() {
            Ok(days) if days > 0 => TimeDelta::days(days.into()),
            Ok(_) | Err(_) => {
                self.refuse(name, &value, "allowed is a whole number of days from 1 to 65535");
                TimeDelta::zero()
            }
        }
    }

    fn topic_arn(&mut self) -> Option<TopicArn> {
        let value = self.value(TOPIC_ARN);
        if value.is_empty() {
            return None;
        }
        let parts: Vec<&str> = value.split(':').collect();
        match parts[..] {
            ["arn", _, "sns", region, account, name]
                if !region.is_empty() && account.len() == 12 && !name.is_empty() && !name.contains('.') =>
            {
                Some(TopicArn { region: region.to_owned(), arn: value })
            }
            _ => {
                let allowed = "allowed is the ARN of a standard SNS topic (a FIFO topic cannot send mail)";
                self.refuse(TOPIC_ARN, &value, allowed);
                None
            }
        }
    }

    /// The SDK's variables for endpoints, which are only set for tests or VPC endpoints.
    fn check_endpoints(&mut self) {
        for name in ENDPOINTS {
            let value = self.value(name);
            if !value.is_empty() && !is_endpoint(&value) {
                self.refuse(name, &value, "allowed is a URL such as https://iam.example.com");
            }
        }
    }

    fn account_name(&mut self) -> Option<String> {
        let value = self.value(ACCOUNT_NAME);
        let length = value.chars().count();
        if MAX_ACCOUNT_NAME_CHARS < length {
            let allowed = format!("allowed are at most {MAX_ACCOUNT_NAME_CHARS} characters, and these are {length}");
            self.refuse(ACCOUNT_NAME, &value, &allowed);
        }
        Some(value).filter(|value| !value.is_empty())
    }

    fn disabled_checks(&mut self) -> Vec<&'static str> {
        let value = self.value(DISABLED_CHECKS);
        let mut checks = Vec::new();
        for id in value.split(',').map(str::trim).filter(|id| !id.is_empty()) {
            if let Some(check) = find(id) {
                checks.push(check.id);
            } else {
                let ids = CHECKS.iter().map(|check| check.id).collect::<Vec<_>>().join(", ");
                self.refuse(DISABLED_CHECKS, id, &format!("allowed are the ids of checks: {ids}"));
            }
        }
        checks
    }
}

#[cfg(test)]
mod tests {
    use hygiene::settings::VARIABLES;

    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| settings.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_defaults_are_those_of_the_benchmark() {
        let config = read(&[]).unwrap();
        assert_eq!(config.policy, Policy::cis());
        assert_eq!(config.topic_arn, None);
        assert!(config.security_hub);
        assert_eq!(config.alert, AlertRules { on: AlertOn::Changes, min_severity: Severity::Low });
        assert!(config.policy.disabled_checks.is_empty());
        assert_eq!(config.account_name, None);
    }

    #[test]
    fn an_empty_value_is_an_unset_one() {
        let empty: Vec<_> = VARIABLES.iter().map(|variable| (variable.name, " ")).collect();
        assert_eq!(read(&empty), read(&[]));
    }

    #[test]
    fn settings_are_read() {
        let config = read(&[
            (TOPIC_ARN, "arn:aws-cn:sns:cn-north-1:123456789012:alerts"),
            (SECURITY_HUB, "FALSE"),
            (ALERT_ON, "always"),
            (ALERT_MIN_SEVERITY, "high"),
            (ACCESS_KEY_MAX_AGE_DAYS, "180"),
            (ACCOUNT_NAME, " Zahlungen K\u{f6}ln "),
            (DISABLED_CHECKS, "access-key-inactive, user-without-credentials,"),
        ])
        .unwrap();
        assert_eq!(config.topic_arn.unwrap().region, "cn-north-1");
        assert!(!config.security_hub);
        assert_eq!(config.alert, AlertRules { on: AlertOn::Always, min_severity: Severity::High });
        assert_eq!(config.policy.access_key_max_age, TimeDelta::days(180));
        assert_eq!(config.account_name.as_deref(), Some("Zahlungen K\u{f6}ln"));
        assert_eq!(config.policy.disabled_checks, ["access-key-inactive", "user-without-credentials"]);
    }

    #[test]
    fn an_endpoint_without_a_scheme_stops_the_function() {
        let error =
            read(&[("AWS_ENDPOINT_URL", "https://localhost"), ("AWS_ENDPOINT_URL_IAM", "localhost:4566")]).unwrap_err();
        insta::assert_snapshot!(error, @"AWS_ENDPOINT_URL_IAM is `localhost:4566`: allowed is a URL such as https://iam.example.com");
    }

    #[test]
    fn an_account_name_is_counted_in_characters() {
        let longest = "\u{f6}".repeat(64);
        assert_eq!(read(&[(ACCOUNT_NAME, &longest)]).unwrap().account_name, Some(longest));
    }

    #[test]
    fn every_bad_value_is_named_with_what_is_allowed() {
        let error = read(&[
            (TOPIC_ARN, "arn:aws:sns:eu-central-1:123456789012:alerts.fifo"),
            (SECURITY_HUB, "yes"),
            (ALERT_ON, "never"),
            (ALERT_MIN_SEVERITY, "SEVERE"),
            (ACCESS_KEY_MAX_AGE_DAYS, "0"),
            (CREDENTIAL_UNUSED_DAYS, "-1"),
            (ROOT_USED_WITHIN_DAYS, "a month"),
            (NEW_CREDENTIAL_GRACE_DAYS, "7.5"),
            (ACCOUNT_NAME, &"\u{f6}".repeat(65)),
            (DISABLED_CHECKS, "root-access-key-active,root-acces-key"),
        ])
        .unwrap_err();
        insta::assert_snapshot!(error, @"
        CREDWARDEN_TOPIC_ARN is `arn:aws:sns:eu-central-1:123456789012:alerts.fifo`: allowed is the ARN of a standard SNS topic (a FIFO topic cannot send mail)
        CREDWARDEN_SECURITY_HUB is `yes`: allowed are true, false
        CREDWARDEN_ALERT_ON is `never`: allowed are changes, failures, always
        CREDWARDEN_ALERT_MIN_SEVERITY is `SEVERE`: allowed are INFORMATIONAL, LOW, MEDIUM, HIGH, CRITICAL
        CREDWARDEN_ACCESS_KEY_MAX_AGE_DAYS is `0`: allowed is a whole number of days from 1 to 65535
        CREDWARDEN_CREDENTIAL_UNUSED_DAYS is `-1`: allowed is a whole number of days from 1 to 65535
        CREDWARDEN_ROOT_USED_WITHIN_DAYS is `a month`: allowed is a whole number of days from 1 to 65535
        CREDWARDEN_NEW_CREDENTIAL_GRACE_DAYS is `7.5`: allowed is a whole number of days from 1 to 65535
        CREDWARDEN_DISABLED_CHECKS is `root-acces-key`: allowed are the ids of checks: root-access-key-active, root-access-key-present, root-access-key-not-rotated, root-user-recently-used, root-mfa-disabled, root-hardware-mfa-missing, root-signing-certificate-present, access-key-not-rotated, access-key-unused, access-key-never-used, access-key-inactive, user-multiple-active-access-keys, console-user-mfa-disabled, console-password-unused, console-user-with-access-keys, console-user-not-federated, user-without-credentials, user-signing-certificate-active, service-credential-without-expiry, service-credential-not-rotated, service-credential-inactive, credential-report-incomplete, credential-report-unreadable
        CREDWARDEN_ACCOUNT_NAME is `ööööööööööööööööööööööööööööööööööööööööööööööööööööööööööööööööö`: allowed are at most 64 characters, and these are 65
        ");
    }
}
