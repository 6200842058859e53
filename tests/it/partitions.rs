//! GovCloud and China: output and calls have nothing of the commercial partition. Regions without Security Hub.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_smithy_mocks::mock;
use checker::run::run;
use cli::table::Screen;
use cli::view::View;
use cli::{page, table};
use hygiene::alert::Alert;
use hygiene::decision::{Decision, Hub};
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::{Evaluation, Scope, evaluate};
use hygiene::mail;
use hygiene::policy::Policy;
use hygiene::report::CredentialReport;
use hygiene::verdict::Status;
use serde_json::Value;

use crate::account::{ACCOUNT, ROOT, csv, decided, invocation, now, outcome, snapshot, user};
use crate::asff::sent;
use crate::world::{Account, Effect, Failure, Fault, World, config};

/// Each with a region and its console's host.
const PARTITIONS: [(&str, &str, &str); 3] = [
    ("aws", "eu-central-1", "console.aws.amazon.com"),
    ("aws-us-gov", "us-gov-west-1", "console.amazonaws-us-gov.com"),
    ("aws-cn", "cn-north-1", "console.amazonaws.cn"),
];

/// The account of the other tests, in a partition.
fn account(partition: &str) -> hygiene::account::Account {
    let text = csv(&[ROOT, &user("alice")]).replace("arn:aws:", &format!("arn:{partition}:"));
    let mut snapshot = snapshot(&[ROOT]);
    snapshot.partition = Some(partition.to_owned());
    snapshot.report.as_mut().unwrap().credentials = CredentialReport::parse(text.as_bytes()).unwrap();
    snapshot
}

fn judged(snapshot: &hygiene::account::Account) -> Evaluation {
    evaluate(snapshot, &Policy::cis(), &Scope::All, now())
}

fn decided_in(region: &str, evaluation: Evaluation) -> Decision {
    Decision { hub: Hub::Read { region: region.to_owned() }, ..decided(evaluation, &BTreeMap::new()) }
}

/// Every ARN in the text has the partition.
fn assert_partition(text: &str, partition: &str) {
    let mut arns = 0;
    for (place, _) in text.match_indices("arn:") {
        let arn: String = text[place..].chars().take(24).collect();
        assert!(arn.starts_with(&format!("arn:{partition}:")), "{arn} in {partition}");
        arns += 1;
    }
    assert!(arns > 0, "there is no ARN in it");
}

#[tokio::test(start_paused = true)]
async fn findings_are_of_the_partition() {
    for (partition, region, _) in PARTITIONS {
        let evaluation = judged(&account(partition));
        let (findings, _) = sent(decided_in(region, evaluation)).await;
        assert!(findings.len() > 5);
        for finding in findings {
            let product = format!("arn:{partition}:securityhub:{region}:{ACCOUNT}:product/{ACCOUNT}/default");
            assert_eq!(finding["ProductArn"], product.as_str());
            let resources = finding["Resources"].as_array().unwrap();
            assert!(resources.iter().all(|resource| resource["Partition"] == partition));
            assert_partition(&finding.to_string(), partition);
        }
    }
}

#[test]
fn mails_link_to_the_partitions_console() {
    for (partition, region, console) in PARTITIONS {
        let evaluation = judged(&account(partition));
        let outcome = outcome(decided_in(region, evaluation));
        let text = mail::text(&[Alert::of(&outcome)], 60_000);
        assert!(text.contains(&format!("https://{region}.{console}/")), "{text}");
        let others = PARTITIONS.iter().filter(|other| other.2 != console);
        for (_, _, other) in others {
            assert!(!text.contains(other), "{other} in {partition}");
        }
    }
}

#[test]
fn table_and_page_name_the_partition() {
    for (partition, ..) in PARTITIONS {
        let (snapshot, policy, enrichment) = (account(partition), Policy::cis(), Enrichment::default());
        let evaluation = judged(&snapshot);
        let view = View::new(&snapshot, &evaluation, &enrichment, &policy, &[Status::Failed]);
        let name = if partition == "aws" { ACCOUNT.to_owned() } else { format!("{ACCOUNT} ({partition})") };
        let (mut shown, mut html) = (Vec::new(), Vec::new());
        table::write(&view, Screen { width: Some(100), colour: false }, &mut shown).unwrap();
        page::write(&view, &mut html).unwrap();
        for text in [shown, html] {
            assert!(String::from_utf8(text).unwrap().contains(&name));
        }
    }
}

/// In GovCloud the root user has no password unless a source shows one; old reports do not have that column.
#[test]
fn a_root_user_without_password_data_has_no_password_in_govcloud() {
    for (partition, expected) in
        [("aws", Status::Failed), ("aws-cn", Status::Failed), ("aws-us-gov", Status::NotApplicable)]
    {
        let root =
            ROOT.replace(",true,no_information,2020-01-01T00:00:00Z,", ",not_supported,no_information,not_supported,");
        let root = root.replace(
            "true,true,2019-01-02T03:04:05Z,2026-11-19T06:00:00Z,us-east-1,iam",
            "false,false,N/A,N/A,N/A,N/A",
        );
        let text = csv(&[&root]).replace("arn:aws:", &format!("arn:{partition}:"));
        let mut snapshot = account(partition);
        snapshot.report.as_mut().unwrap().credentials = CredentialReport::parse(text.as_bytes()).unwrap();
        let summary = snapshot.summary.as_mut().unwrap();
        (summary.account_password_present, summary.account_mfa_enabled) = (None, Some(0));
        summary.account_access_keys_present = Some(0);
        let evaluation = judged(&snapshot);
        let finding = evaluation.findings.iter().find(|finding| finding.check.id == "root-mfa-disabled").unwrap();
        assert_eq!(finding.status(), expected, "{partition}: {}", finding.message());
    }
}

/// In a region without Security Hub its host name does not exist: people are notified, with the error.
#[tokio::test(start_paused = true)]
async fn a_region_without_security_hub_is_reported() {
    let fault = Fault { operation: "GetFindings", failure: Failure::Cut(Effect::None), after: 0, times: u16::MAX };
    let world = World::new(now(), Account { root_mfa: false, ..Account::default() }, 7);
    let process = world.process(vec![fault]);
    let clients = process.clients().await;
    let error = run(&clients, &config(), &invocation(now(), Duration::from_mins(5))).await.unwrap_err();
    assert_eq!(error.step.name(), "Recall");
    assert!(error.to_string().contains("GetFindings failed"), "{error}");
    let mails: Vec<Value> = world.results();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["findings"][0]["check"], "root-mfa-disabled");
    assert!(!process.own().calls.contains_key("BatchImportFindings"));
}

/// Without a report the partition is that of the caller's ARN.
#[tokio::test(start_paused = true)]
async fn without_a_report_the_partition_is_the_callers() {
    let caller = mock!(aws_sdk_sts::Client::get_caller_identity).then_output(|| {
        aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput::builder()
            .account(ACCOUNT)
            .arn(format!("arn:aws-cn:sts::{ACCOUNT}:assumed-role/credwarden/run"))
            .build()
    });
    let world = World::new(now(), Account::default(), 7);
    let denied = Fault { operation: "GetCredentialReport", failure: Failure::Denied, after: 0, times: 1 };
    let mut clients = world.process(vec![denied]).clients().await.account;
    clients.sts = crate::clients::mocked!(aws_sdk_sts, &[&caller]);
    let until = tokio::time::Instant::now() + Duration::from_mins(1);
    let collected = aws::collect::collect(&clients, &aws::collect::Expected::Any, now(), until, until).await;
    assert_eq!(collected.account.partition.as_deref(), Some("aws-cn"));
}
