use crate::account::User;
use crate::check::{Check, Context, Kind, Rule, evidence};
use crate::remediation::{Remediation, Step};
use crate::report::{Cell, CellError, Column};
use crate::source::{Source, SourceId};
use crate::text::{age, age_beyond, escape, moment};
use crate::time::Time;
use crate::verdict::{Severity, Verdict};
use crate::{commands, requirements};

pub(super) static CHECK: Check = Check {
    id: "console-password-unused",
    title: "A console password is no longer used",
    severity: Severity::Medium,
    kind: Kind::Disuse,
    sources: &[SourceId::CredentialReport],
    listed_by: Some(SourceId::CredentialReport),
    columns: &[
        Column::UserCreationTime,
        Column::PasswordEnabled,
        Column::PasswordLastUsed,
        Column::PasswordLastChanged,
    ],
    fails_when: "A password is enabled and: its last use is longer than `CredentialUnusedDays` ago, and it was not \
        set (`password_last_changed`) within `NewCredentialGraceDays`; or it has no recorded use, and \
        `password_last_changed` (without one, `user_creation_time`) is longer than `CredentialUnusedDays` ago. A \
        reset by an administrator is no use.",
    rationale: "The account of someone who has left, or never came: nobody would notice someone else signing in.",
    recommendation: "Take the password away; the user and the access keys stay. Delete the user if the person has \
        left.",
    remediation: |target| Remediation::Shell(vec![Step::Run(commands::delete_password(target))]),
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_admin-change-user.html",
    requirements: requirements::UNUSED_CREDENTIAL,
    mappings: requirements::UNUSED_CREDENTIAL_ELSEWHERE,
    rule: Rule::User(rule),
};

fn rule(user: &User<'_>, context: &Context<'_>) -> Source<Verdict> {
    let row = user.row()?;
    if !row.password_enabled.clone()? {
        return Ok(Verdict::not_applicable("The report shows no enabled password of the user."));
    }
    let (limit, grace) = (context.policy.credential_unused, context.policy.new_credential_grace);
    let within = |cell: &Cell<Option<Time>>, limit| matches!(cell, Ok(Some(time)) if context.age(*time) <= limit);
    if let Ok(Some(used)) = row.password_last_used
        && context.age(used) <= limit
    {
        let message = format!("The report records a use of the password on {}, within the limit.", moment(used));
        return Ok(Verdict::Passed(message.into()));
    }
    // Within both, it passes with or without an earlier use, so the use does not have to be readable.
    if within(&row.password_last_changed, grace.min(limit)) {
        return Ok(Verdict::passed("The password was set within the grace period."));
    }
    let used = row.password_last_used.clone()?;
    let changed = row.password_last_changed.clone()?;
    let name = escape(&user.name);
    let ago = |time| format!("{}, {} ago", moment(time), age_beyond(limit, context.age(time)));
    let what = match (used, changed) {
        (Some(_), Some(changed)) if context.age(changed) <= grace => {
            return Ok(Verdict::passed("The password was set within the grace period."));
        }
        (None, Some(changed)) if context.age(changed) <= limit => {
            return Ok(Verdict::passed("The password has no recorded use, and was set within the limit."));
        }
        (Some(used), _) => format!("The console password of {name} was last used on {}", ago(used)),
        (None, Some(changed)) => {
            format!("The console password of {name} was set on {}, and has no recorded use", ago(changed))
        }
        (None, None) => {
            let Some(created) = row.user_creation_time.clone()? else {
                return Err(CellError::NoDate { column: Column::UserCreationTime }.into());
            };
            if context.age(created) <= limit {
                let message = "The password has no recorded use, and the user was created within the limit.";
                return Ok(Verdict::passed(message));
            }
            format!("The console password of {name} has no recorded use; the user was created on {}", ago(created))
        }
    };
    let reset = match (used, changed) {
        (Some(used), Some(changed)) if used < changed => {
            format!(" It was set again on {}, and has no recorded use since.", moment(changed))
        }
        (Some(_) | None, Some(_) | None) => String::new(),
    };
    let message = format!("{what}; the limit is {}.{reset}", age(limit));
    let columns =
        [Column::PasswordEnabled, Column::PasswordLastUsed, Column::PasswordLastChanged, Column::UserCreationTime];
    Ok(Verdict::failed(message, evidence(row, &columns)))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::CHECK;
    use crate::evaluate::{Scope, evaluate};
    use crate::policy::Policy;
    use crate::testing::{NOW, account, observe, time};

    #[test]
    fn a_used_password_fails_after_the_limit_to_the_second() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | password_enabled | password_last_used   | password_last_changed | user_creation_time
alice | true             | 2026-10-06T06:00:00Z | 2019-01-02T03:04:05Z  | 2019-01-02T03:04:05Z
bob   | true             | 2026-10-06T05:59:59Z | 2019-01-02T03:04:05Z  | 2019-01-02T03:04:05Z
carol | true             | 2020-01-02T03:04:05Z | N/A                   | 2019-01-02T03:04:05Z
dave  | false            | 2020-01-02T03:04:05Z | 2019-01-02T03:04:05Z  | 2019-01-02T03:04:05Z
"), @"
        PASSED user/alice: The report records a use of the password on 2026-10-06 06:00 UTC, within the limit.
        FAILED user/bob: The console password of bob was last used on 2026-10-06 05:59 UTC, 45 days and 1 second ago; the limit is 45 days.
        FAILED user/carol: The console password of carol was last used on 2020-01-02 03:04 UTC, 2,514 days ago; the limit is 45 days.
        NOT_APPLICABLE user/dave: The report shows no enabled password of the user.
        ");
    }

    #[test]
    fn a_password_reset_passes_only_within_the_grace_period_to_the_second() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | password_enabled | password_last_used   | password_last_changed
alice | true             | 2020-01-02T03:04:05Z | 2026-11-13T06:00:00Z
bob   | true             | 2020-01-02T03:04:05Z | 2026-11-13T05:59:59Z
carol | true             | 2020-01-02T03:04:05Z | 2026-11-01T03:04:05Z
dave  | true             | 2020-01-02T03:04:05Z | 2020-01-02T03:04:05Z
erin  | true             | 2026-10-06T05:59:59Z | 2026-11-20T05:00:00Z
"), @"
        PASSED user/alice: The password was set within the grace period.
        FAILED user/bob: The console password of bob was last used on 2020-01-02 03:04 UTC, 2,514 days ago; the limit is 45 days. It was set again on 2026-11-13 05:59 UTC, and has no recorded use since.
        FAILED user/carol: The console password of carol was last used on 2020-01-02 03:04 UTC, 2,514 days ago; the limit is 45 days. It was set again on 2026-11-01 03:04 UTC, and has no recorded use since.
        FAILED user/dave: The console password of dave was last used on 2020-01-02 03:04 UTC, 2,514 days ago; the limit is 45 days.
        PASSED user/erin: The password was set within the grace period.
        ");
    }

    #[test]
    fn a_password_without_a_use_fails_after_the_limit_since_it_was_set_to_the_second() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | password_enabled | password_last_used | password_last_changed | user_creation_time
alice | true             | no_information     | 2026-10-06T06:00:00Z  | 2019-01-02T03:04:05Z
bob   | true             | no_information     | 2026-10-06T05:59:59Z  | 2019-01-02T03:04:05Z
carol | true             | N/A                | N/A                   | 2026-10-06T06:00:00Z
dave  | true             | N/A                | N/A                   | 2026-10-06T05:59:59Z
erin  | true             | N/A                | N/A                   | N/A
"), @"
        PASSED user/alice: The password has no recorded use, and was set within the limit.
        FAILED user/bob: The console password of bob was set on 2026-10-06 05:59 UTC, 45 days and 1 second ago, and has no recorded use; the limit is 45 days.
        PASSED user/carol: The password has no recorded use, and the user was created within the limit.
        FAILED user/dave: The console password of dave has no recorded use; the user was created on 2026-10-06 05:59 UTC, 45 days and 1 second ago; the limit is 45 days.
        UNKNOWN user/erin: user_creation_time is N/A in the credential report.
        ");
    }

    #[test]
    fn an_unreadable_date_is_unknown_only_if_it_could_change_the_verdict() {
        insta::assert_snapshot!(observe(&CHECK, "
user  | password_enabled | password_last_used   | password_last_changed | user_creation_time
alice | true             | 2026-11-19T06:00:00Z | ?                     | ?
bob   | true             | 2020-01-02T03:04:05Z | ?                     | 2019-01-02T03:04:05Z
carol | true             | N/A                  | N/A                   | ?
dave  | false            | ?                    | ?                     | ?
erin  | true             | ?                    | 2026-11-13T06:00:00Z  | ?
frank | true             | ?                    | 2026-11-13T05:59:59Z  | ?
grace | true             | no_information       | ?                     | 2026-11-19T06:00:00Z
"), @"
        PASSED user/alice: The report records a use of the password on 2026-11-19 06:00 UTC, within the limit.
        UNKNOWN user/bob: password_last_changed is `?` in the credential report, not a date.
        UNKNOWN user/carol: user_creation_time is `?` in the credential report, not a date.
        NOT_APPLICABLE user/dave: The report shows no enabled password of the user.
        PASSED user/erin: The password was set within the grace period.
        UNKNOWN user/frank: password_last_used is `?` in the credential report, not a date.
        UNKNOWN user/grace: password_last_changed is `?` in the credential report, not a date.
        ");
    }

    #[test]
    fn an_unreadable_use_is_unknown_if_the_grace_period_is_longer_than_the_limit() {
        let table = "
user  | password_enabled | password_last_used | password_last_changed
alice | true             | ?                  | 2026-09-20T06:00:00Z
";
        let policy = Policy { new_credential_grace: TimeDelta::days(90), ..Policy::cis() };
        let evaluation = evaluate(&account(table), &policy, &Scope::All, time(NOW));
        let finding = evaluation.findings.iter().find(|finding| finding.check == &CHECK).unwrap();
        assert_eq!(finding.message(), "password_last_used is `?` in the credential report, not a date.");
    }
}
