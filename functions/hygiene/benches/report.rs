//! How long a report takes to be read, judged and compared with what is known: a small account's, and the largest there can be.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark that cannot go on stops; criterion's macros have no docs"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;

use chrono::{DateTime, Utc};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hygiene::evaluate::evaluate;
use hygiene::finding::{Novelties, Status};
use hygiene::policy::Policy;
use hygiene::reconcile::{Stored, Workflow, reconcile};
use hygiene::report::CredentialReport;
use hygiene::snapshot::{AccountSummary, Report, Snapshot};

const USERS: [usize; 2] = [100, 5_000];

const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
    password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
    access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
    access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
    cert_1_last_rotated,cert_2_active,cert_2_last_rotated";

fn csv(users: usize) -> String {
    let mut text = format!(
        "{HEADER}\n<root_account>,arn:aws:iam::123456789012:root,2019-01-02T03:04:05Z,true,no_information,\
         2020-01-01T00:00:00Z,not_supported,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"
    );
    for number in 0..users {
        // Every tenth has an old key that nobody uses; every fifth a password.
        let (created, used) = if number % 10 == 0 { ("2021-06", "2026-01") } else { ("2026-09", "2026-11") };
        let password = if number % 5 == 0 { "true,2026-11-18T06:00:00Z,2026-10-01T00:00:00Z" } else { "false,N/A,N/A" };
        let _ = write!(
            text,
            "\nuser-{number:04},arn:aws:iam::123456789012:user/teams/user-{number:04},2020-01-01T00:00:00Z,{password},N/A,\
             true,true,{created}-20T05:16:50Z,{used}-19T06:00:00Z,eu-central-1,s3,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"
        );
    }
    text
}

fn snapshot(users: usize) -> Snapshot {
    Snapshot {
        account_id: Some("123456789012".to_owned()),
        partition: Some("aws".to_owned()),
        report: Ok(Report {
            generated_time: Some(now()),
            credentials: CredentialReport::parse(csv(users).as_bytes()).unwrap(),
        }),
        summary: Ok(AccountSummary::of(|_| Some(0))),
        virtual_mfa_users: Ok(Vec::new()),
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_154_400, 0).unwrap()
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for users in USERS {
        let text = csv(users);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(users), &text, |bencher, text| {
            bencher.iter(|| CredentialReport::parse(black_box(text.as_bytes())));
        });
    }
}

fn judge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("evaluate");
    let policy = Policy::cis();
    for users in USERS {
        let snapshot = snapshot(users);
        group.throughput(Throughput::Elements(users as u64));
        group.bench_with_input(BenchmarkId::from_parameter(users), &snapshot, |bencher, snapshot| {
            bencher.iter(|| evaluate(black_box(snapshot), &policy, &[], now()));
        });
    }
}

/// Every failing finding is known, and was told.
fn compare(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reconcile");
    for users in USERS {
        let evaluation = evaluate(&snapshot(users), &Policy::cis(), &[], now());
        let failing = evaluation.findings.iter().filter(|finding| finding.status == Status::Failed);
        let stored = failing.map(|finding| {
            let id = finding.id(Some("123456789012"));
            let stored = Stored {
                id: id.clone(),
                check: finding.check.id.to_owned(),
                title: finding.check.title.to_owned(),
                active: true,
                workflow: Workflow::Notified,
                severity: finding.severity,
                created_at: now(),
                first_observed_at: Some(now()),
                updated_at: now(),
                arn: finding.subject.arn.clone(),
                access_key_id: None,
                novelties: Novelties::default(),
            };
            (id, stored)
        });
        let stored: BTreeMap<String, Stored> = stored.collect();
        group.throughput(Throughput::Elements(users as u64));
        group.bench_with_input(BenchmarkId::from_parameter(users), &stored, |bencher, stored| {
            bencher.iter(|| black_box(reconcile(black_box(&evaluation), stored, &[])).open());
        });
    }
}

criterion_group!(benches, parse, judge, compare);
criterion_main!(benches);
