//! `infra/rules/terraform.rego`, evaluated on plans of Terraform. The plans are made by hand, after the
//! [documentation](https://developer.hashicorp.com/terraform/internals/json-format) of `terraform show -json`: Terraform is not
//! part of the tests.

use std::sync::LazyLock;

use regorus::Engine;
use serde_json::{Value, json};

const RULES: &str = include_str!("../../infra/rules/terraform.rego");

/// A plan that creates no credential: a role, a key that is deleted, one that stays, one that is deactivated, and a data source.
fn plan() -> Value {
    serde_json::from_str(include_str!("../rules/plan.json")).unwrap()
}

/// OPA takes an error of a built-in function for undefined; here it fails the test.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(true);
    engine.add_policy("terraform.rego".to_owned(), RULES.to_owned()).unwrap();
    engine
});

/// The addresses that the rules deny, sorted, with the reasons of `exempt.json`.
fn denied_except(plan: &Value, exempt: &Value) -> Vec<String> {
    let mut engine = ENGINE.clone();
    engine.add_data_json(&json!({ "exempt": exempt }).to_string()).unwrap();
    engine.set_input_json(&plan.to_string()).unwrap();
    let denied = engine.eval_rule("data.credwarden.terraform.deny".to_owned()).unwrap();
    let messages = denied.as_set().unwrap().iter().map(|message| message.as_string().unwrap().to_string());
    messages.map(|message| message.split(' ').next().unwrap().to_owned()).collect()
}

fn denied(plan: &Value) -> Vec<String> {
    denied_except(plan, &json!({}))
}

/// The plan with one more change.
fn with(address: &str, kind: &str, change: &Value) -> Value {
    let mut plan = plan();
    let change = json!({ "address": address, "mode": "managed", "type": kind, "change": change });
    plan["resource_changes"].as_array_mut().unwrap().push(change);
    plan
}

fn creating(address: &str, kind: &str) -> Value {
    with(address, kind, &json!({ "actions": ["create"], "before": null, "after": {}, "after_unknown": {} }))
}

/// The plan with one more output of the root module, or of the module in the module `vendor`.
fn with_output(is_root: bool, expression: &Value) -> Value {
    let mut plan = plan();
    let root = &mut plan["configuration"]["root_module"];
    let module =
        if is_root { root } else { &mut root["module_calls"]["vendor"]["module"]["module_calls"]["audit"]["module"] };
    module["outputs"]["shown"] = json!({ "sensitive": true, "expression": expression });
    plan
}

const CREDENTIALS: [&str; 7] = [
    "aws_iam_access_key",
    "aws_iam_service_specific_credential",
    "aws_iam_signing_certificate",
    "aws_iam_user",
    "aws_iam_user_login_profile",
    "aws_iam_user_ssh_key",
    "awscc_iam_user",
];

#[test]
fn a_plan_without_new_credentials_passes() {
    assert_eq!(denied(&plan()), [""; 0]);
    let mut nothing = plan();
    nothing.as_object_mut().unwrap().remove("resource_changes");
    assert_eq!(denied(&nothing), [""; 0]);
}

#[test]
fn every_type_of_credential_is_denied() {
    let (_, rest) = RULES.split_once("credentials := {").unwrap();
    let (list, _) = rest.split_once('}').unwrap();
    let listed: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert_eq!(listed, CREDENTIALS);
    for kind in CREDENTIALS {
        let address = format!("{kind}.ci");
        assert_eq!(denied(&creating(&address, kind)), [address]);
    }
    assert_eq!(denied(&creating("aws_iam_group.ci", "aws_iam_group")), [""; 0]);
}

#[test]
fn every_way_to_create_is_denied_and_no_other_change() {
    for (actions, is_denied) in [
        (json!(["create"]), true),
        (json!(["delete", "create"]), true),
        (json!(["create", "delete"]), true),
        (json!(["create", "forget"]), true),
        (json!(["update"]), false),
        (json!(["delete"]), false),
        (json!(["forget"]), false),
        (json!(["no-op"]), false),
        (json!(["read"]), false),
    ] {
        let change = json!({ "actions": actions, "before": { "status": "Active" }, "after": { "status": "Active" } });
        let denied = denied(&with("aws_iam_access_key.ci", "aws_iam_access_key", &change));
        assert_eq!(!denied.is_empty(), is_denied, "{actions}");
    }
}

#[test]
fn a_credential_in_a_module_a_count_or_a_loop_is_denied() {
    for address in [
        "aws_iam_access_key.ci[0]",
        r#"aws_iam_access_key.ci["alice"]"#,
        "module.vendor.aws_iam_access_key.ci",
        r#"module.vendor["one"].module.keys[1].aws_iam_access_key.ci[2]"#,
    ] {
        assert_eq!(denied(&creating(address, "aws_iam_access_key")), [address]);
    }
}

#[test]
fn a_deferred_credential_is_denied() {
    let mut plan = plan();
    let change = json!({
        "address": "aws_iam_access_key.later", "mode": "managed", "type": "aws_iam_access_key", "change": { "actions": ["create"] },
    });
    plan["deferred_changes"] = json!([{ "reason": "instance_count_unknown", "resource_change": change }]);
    assert_eq!(denied(&plan), ["aws_iam_access_key.later"]);
}

#[test]
fn activating_again_is_denied() {
    for (before, after, unknown, is_denied) in [
        ("Inactive", json!("Active"), false, true),
        ("Inactive", json!(null), true, true),
        ("Inactive", json!("Inactive"), false, false),
        ("Active", json!("Inactive"), false, false),
        ("Active", json!(null), true, false),
    ] {
        let change = json!({
            "actions": ["update"], "before": { "status": before }, "after": { "status": after }, "after_unknown": { "status": unknown },
        });
        let denied = denied(&with("aws_iam_access_key.ci", "aws_iam_access_key", &change));
        assert_eq!(!denied.is_empty(), is_denied, "{before} to {after}");
    }
    let change = json!({ "actions": ["update"], "before": { "status": "Inactive" }, "after": { "status": "Active" } });
    assert_eq!(denied(&with("aws_guardduty_member.ci", "aws_guardduty_member", &change)), [""; 0]);
}

#[test]
fn an_output_with_a_secret_is_denied() {
    let key = "aws_iam_access_key.ci";
    for (references, is_denied) in [
        (json!(["aws_iam_access_key.ci.secret", key]), true),
        (json!(["aws_iam_access_key.ci.encrypted_secret", key]), true),
        (json!(["aws_iam_access_key.ci.ses_smtp_password_v4", key]), true),
        (json!(["aws_iam_access_key.ci.encrypted_ses_smtp_password_v4", key]), true),
        (json!(["aws_iam_access_key.ci[0].secret", "aws_iam_access_key.ci[0]", key]), true),
        (json!([r#"aws_iam_access_key.ci["a"].secret"#, r#"aws_iam_access_key.ci["a"]"#, key]), true),
        (json!([r#"aws_iam_access_key.ci["a.b]"].secret"#, r#"aws_iam_access_key.ci["a.b]"]"#, key]), true),
        (json!(["aws_iam_user_login_profile.ci.password", "aws_iam_user_login_profile.ci"]), true),
        (json!(["aws_iam_user_login_profile.ci.encrypted_password", "aws_iam_user_login_profile.ci"]), true),
        (
            json!([
                "aws_iam_service_specific_credential.ci.service_password",
                "aws_iam_service_specific_credential.ci"
            ]),
            true,
        ),
        (
            json!([
                "aws_iam_service_specific_credential.ci.service_credential_secret",
                "aws_iam_service_specific_credential.ci"
            ]),
            true,
        ),
        // The whole resource, one of its instances, or a splat.
        (json!([key]), true),
        (json!([r#"aws_iam_access_key.ci["a"]"#, key]), true),
        (json!(["aws_iam_access_key.other.id", "aws_iam_access_key.other", key]), true),
        (
            json!([
                "aws_iam_access_key.ci_too[0].id",
                "aws_iam_access_key.ci_too[0]",
                "aws_iam_access_key.ci_too",
                key
            ]),
            true,
        ),
        (json!(["aws_iam_access_key.ci.id", key]), false),
        (json!(["aws_iam_access_key.ci[0].id", "aws_iam_access_key.ci[0]", key]), false),
        (json!(["aws_iam_access_key.ci.user", key, "var.secret"]), false),
        (json!(["aws_iam_user.ci.arn", "aws_iam_user.ci"]), false),
        (json!(["module.vendor.secret", "module.vendor"]), false),
        (json!(["aws_secretsmanager_secret.ci.arn", "aws_secretsmanager_secret.ci"]), false),
    ] {
        for (is_root, address) in [(true, "output.shown"), (false, "module.vendor.module.audit.output.shown")] {
            let expected = if is_denied { vec![address] } else { vec![] };
            assert_eq!(denied(&with_output(is_root, &json!({ "references": references }))), expected, "{references}");
        }
    }
    assert_eq!(denied(&with_output(true, &json!({ "constant_value": "secret" }))), [""; 0]);
}

#[test]
fn an_exemption_has_the_exact_address_and_a_reason() {
    let (address, kind) = (r#"module.vendor.aws_iam_access_key.ci["a"]"#, "aws_iam_access_key");
    let change = json!({ "actions": ["update"], "before": { "status": "Inactive" }, "after": { "status": "Active" } });
    let output = with_output(true, &json!({ "references": ["aws_iam_access_key.ci.secret", "aws_iam_access_key.ci"] }));
    for (plan, address) in
        [(creating(address, kind), address), (with(address, kind, &change), address), (output, "output.shown")]
    {
        for (reason, is_exempt) in [
            (json!("The vendor supports no roles"), true),
            (json!("Anbieter: nötig"), true),
            (json!(""), false),
            (json!("  \t\n"), false),
            (json!("\u{a0}\u{a0}"), false),
            (json!("\u{200b} \u{200b}"), false),
            (json!("- -"), false),
            (json!("true"), false),
            (json!("legacy"), false),
            (json!(true), false),
            (json!(null), false),
            (json!(["The vendor supports no roles"]), false),
            (json!({ "reason": "The vendor supports no roles" }), false),
        ] {
            let expected = if is_exempt { vec![] } else { vec![address] };
            assert_eq!(denied_except(&plan, &json!({ address: reason })), expected, "{reason}");
        }
        for other in ["*", "module.vendor", "module.vendor.aws_iam_access_key.ci", "MODULE.VENDOR", "shown", "output.*"]
        {
            assert_eq!(denied_except(&plan, &json!({ other: "The vendor supports no roles" })), [address], "{other}");
        }
    }
}

/// What has nothing to deny because it is no plan is denied.
#[test]
fn a_document_that_is_no_plan_is_denied() {
    let state = json!({ "format_version": "1.0", "values": { "root_module": { "resources": [] } } });
    let without = |member: &str| {
        let mut plan = plan();
        plan.as_object_mut().unwrap().remove(member).unwrap();
        plan
    };
    for document in [state, without("configuration"), without("planned_values"), json!({}), json!([]), json!([plan()])]
    {
        assert_eq!(denied(&document), ["the"], "{document}");
    }
}
