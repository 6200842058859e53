use crate::account::User;
use crate::check::{Check, Context, Kind, Rule, evidence};
use crate::report::{Cell, Column};
use crate::source::{Source, SourceId};
use crate::text::{age, age_beyond, inert, moment};
use crate::time::Time;
use crate::verdict::{Severity, Verdict};
use crate::{commands, requirements};

pub(super) static CHECK: Check = Check {
    id: "console-password-unused",
    title: "A console password is no longer used",
    severity: Severity::Medium,
    kind: Kind::State,
    sources: &[SourceId::CredentialReport],
    listed_by: Some(SourceId::CredentialReport),
    fails_when: "A password is enabled and the later of `password_last_used` and `password_last_changed` (with \
        neither, `user_creation_time`) is longer than `CredentialUnusedDays` ago.",
    rationale: "The account of someone who has left, or never came: nobody would notice someone else signing in.",
    recommendation: "Take the password away; the user and the access keys stay. Delete the user if the person has \
        left.",
    remediation: commands::delete_password,
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_admin-change-user.html",
    requirements: requirements::UNUSED_CREDENTIAL,
    mappings: requirements::UNUSED_CREDENTIAL_ELSEWHERE,
    rule: Rule::User(rule),
};

fn rule(user: &User<'_>, context: &Context<'_>) -> Source<Verdict> {
    let row = user.row()?;
    if !row.password_enabled.clone()? {
        return Ok(Verdict::not_applicable("The user has no password."));
    }
    let limit = context.policy.credential_unused;
    let recent = |cell: &Cell<Option<Time>>| matches!(cell, Ok(Some(time)) if context.age(*time) <= limit);
    if recent(&row.password_last_used) || recent(&row.password_last_changed) {
        return Ok(Verdict::passed("The password is in use, or new."));
    }
    let used = row.password_last_used.clone()?;
    let changed = row.password_last_changed.clone()?;
    let (since, event) = match (used, changed) {
        (Some(used), changed) if changed <= Some(used) => (used, "last used"),
        (_, Some(changed)) => {
            (changed, if used.is_some() { "last changed, and not used since," } else { "set, and never used," })
        }
        (_, None) => {
            let Some(created) = row.user_creation_time.clone()? else {
                return Ok(Verdict::unknown("user_creation_time is N/A in the credential report."));
            };
            (created, "never used; the user was created")
        }
    };
    if context.age(since) <= limit {
        return Ok(Verdict::passed("The user is new."));
    }
    let message = format!(
        "The console password of {} was {event} on {}, {} ago; the limit is {}.",
        inert(&user.name),
        moment(since),
        age_beyond(limit, context.age(since)),
        age(limit)
    );
    let columns =
        [Column::PasswordEnabled, Column::PasswordLastUsed, Column::PasswordLastChanged, Column::UserCreationTime];
    Ok(Verdict::failed(message, evidence(row, &columns)))
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::observe;

    #[test]
    fn the_later_of_use_and_change_counts_to_the_second() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | password_enabled | password_last_used   | password_last_changed | user_creation_time
alice | true             | 2026-10-06T06:00:00Z | 2019-01-02T03:04:05Z  | 2019-01-02T03:04:05Z
bob   | true             | 2026-10-06T05:59:59Z | 2019-01-02T03:04:05Z  | 2019-01-02T03:04:05Z
carol | true             | 2020-01-02T03:04:05Z | 2026-11-01T03:04:05Z  | 2019-01-02T03:04:05Z
dave  | true             | 2020-01-02T03:04:05Z | 2021-01-02T03:04:05Z  | 2019-01-02T03:04:05Z
erin  | true             | no_information       | 2021-01-02T03:04:05Z  | 2019-01-02T03:04:05Z
frank | true             | no_information       | N/A                   | 2019-01-02T03:04:05Z
grace | true             | no_information       | N/A                   | 2026-11-01T03:04:05Z
"), @"
        PASSED user/alice: The password is in use, or new.
        FAILED user/bob: The console password of bob was last used on 2026-10-06 05:59 UTC, 45 days and less than a minute ago; the limit is 45 days.
        PASSED user/carol: The password is in use, or new.
        FAILED user/dave: The console password of dave was last changed, and not used since, on 2021-01-02 03:04 UTC, 2,148 days ago; the limit is 45 days.
        FAILED user/erin: The console password of erin was set, and never used, on 2021-01-02 03:04 UTC, 2,148 days ago; the limit is 45 days.
        FAILED user/frank: The console password of frank was never used; the user was created on 2019-01-02 03:04 UTC, 2,879 days ago; the limit is 45 days.
        PASSED user/grace: The user is new.
        ");
    }

    #[test]
    fn an_unreadable_date_matters_only_where_it_could_change_the_verdict() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | password_enabled | password_last_used   | password_last_changed | user_creation_time
alice | true             | 2026-11-19T06:00:00Z | ?                     | ?
bob   | true             | 2020-01-02T03:04:05Z | ?                     | 2019-01-02T03:04:05Z
carol | true             | N/A                  | N/A                   | ?
dave  | false            | ?                    | ?                     | ?
"), @"
        PASSED user/alice: The password is in use, or new.
        UNKNOWN user/bob: password_last_changed is `?` in the credential report, not a date.
        UNKNOWN user/carol: user_creation_time is `?` in the credential report, not a date.
        NOT_APPLICABLE user/dave: The user has no password.
        ");
    }
}
