//! The template and the code agree on permissions and settings.

use std::collections::BTreeSet;

use checker::permissions::permissions;
use hygiene::settings::VARIABLES;

fn template() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).unwrap()
}

/// Returns all text in the template that looks like an IAM action of a service that the function calls. `ASFFSyntaxPath` is a
/// condition key.
fn actions(template: &str) -> BTreeSet<&str> {
    let word = |character: char| character.is_alphanumeric() || ":*".contains(character);
    let words =
        template.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| line.split(|c| !word(c)));
    let services = ["iam", "securityhub", "logs", "sns", "sqs", "kms"];
    let is_action = |text: &&str| {
        text.split_once(':').is_some_and(|(service, name)| {
            services.contains(&service) && name.starts_with(char::is_uppercase) && name != "ASFFSyntaxPath"
        })
    };
    words.filter(is_action).collect()
}

#[test]
fn the_role_has_the_permissions_listed_in_the_code() {
    let template = template();
    let role = template.find("  CheckerRole:").expect("the function's role");
    let end = template[role..].find("\n\n").map_or(template.len(), |end| role + end);
    let granted = actions(&template[role..end]);
    let needed: BTreeSet<_> = permissions().map(|permission| permission.action).collect();
    assert_eq!(granted, needed);
}

#[test]
fn every_setting_is_a_parameter_with_the_same_default() {
    let template = template();
    for variable in VARIABLES {
        let parameter = parameter(variable.name);
        assert!(template.contains(&format!("{}:", variable.name)), "{} is not set", variable.name);
        let start = template.find(&format!("\n  {parameter}:\n")).unwrap_or_else(|| panic!("no parameter {parameter}"));
        let default = template[start..].lines().find_map(|line| line.trim().strip_prefix("Default: ")).unwrap();
        assert_eq!(default.trim_matches('"'), variable.default, "{parameter}");
    }
}

/// `CREDWARDEN_ALERT_ON` is `AlertOn`.
pub(crate) fn parameter(variable: &str) -> String {
    let words = variable.trim_start_matches("CREDWARDEN_").split('_');
    let capitalized = |word: &str| word[..1].to_owned() + &word[1..].to_lowercase();
    words.map(capitalized).collect()
}
