//! The measured accounts: a small one, and the largest possible one.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use hygiene::account::{Account, AccountSummary, Report};
use hygiene::report::CredentialReport;

pub(crate) const USERS: [usize; 2] = [100, 5_000];

const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
    password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
    access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
    access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
    cert_1_last_rotated,cert_2_active,cert_2_last_rotated";

pub(crate) fn csv(users: usize) -> String {
    let mut text = format!(
        "{HEADER}\n<root_account>,arn:aws:iam::123456789012:root,2019-01-02T03:04:05Z,true,no_information,\
         2020-01-01T00:00:00Z,not_supported,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"
    );
    for number in 0..users {
        // Every tenth user has an old, unused key; every fifth has a password.
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

pub(crate) fn account(users: usize) -> Account {
    Account {
        id: Some("123456789012".to_owned()),
        partition: Some("aws".to_owned()),
        report: Ok(Report {
            generated_time: Some(now()),
            credentials: CredentialReport::parse(csv(users).as_bytes()).unwrap(),
        }),
        summary: Ok(AccountSummary::of(|_| Some(0)).unwrap()),
        virtual_mfa_users: Ok(Vec::new()),
        service_credentials: Ok(Vec::new()),
    }
}

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_154_400, 0).unwrap()
}
