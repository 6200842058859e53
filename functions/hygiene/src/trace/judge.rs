//! What the events of a key say about it: the plan, the verdict, and what they rest on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::event::Event;
use crate::source::Source;
use crate::subject::Subject;
use crate::text::{age, capitalized, counted, moment};
use crate::trace::agent::Agent;
use crate::trace::network::is_private;
use crate::trace::place::{Evidence, OUTSIDE, Origin, address, service, shown};
use crate::trace::unseen::{has_data_events, is_smtp_user};
use crate::trace::{
    Accessed, Advice, Because, Conditions, DAYS, Gap, Key, Kind, LastUsed, State, Tally, TracedKey, UsedFrom,
};

/// The calls that only start sessions, and the one that changes nothing.
const SESSIONS: [&str; 4] = ["AssumeRole", "AssumeRoot", "GetSessionToken", "GetFederationToken"];
const NEUTRAL: &str = "GetCallerIdentity";

impl State {
    pub(super) fn new(key: Key, conditions: &Conditions<'_>) -> Self {
        let mut gaps = BTreeSet::new();
        if let Err(reason) = &key.id {
            gaps.insert(Gap::of("access key id", reason));
        }
        match &key.last_used {
            Err(reason) => {
                gaps.insert(Gap::of("last use", reason));
            }
            Ok(Some(used)) if used.may_be_in_no_event() => {
                let called =
                    used.service.as_deref().map_or_else(|| "a service that IAM does not name".to_owned(), shown);
                let reason = format!(
                    "The last use, on {}, was of {called}, whose calls CloudTrail's event history may not show.",
                    moment(used.date)
                );
                let (region, service) = (used.region.clone(), used.service.clone());
                gaps.insert(Gap { region, service, ..Gap::new("data events", reason) });
            }
            Ok(Some(_) | None) => {}
        }
        if is_smtp_user(&key.subject.user.name) {
            let reason = "SES's console made the user for SMTP, and mail sent with its password is in no event.";
            gaps.insert(Gap { service: Some("ses".to_owned()), ..Gap::new("SMTP", reason.to_owned()) });
        }
        if conditions.days < DAYS {
            let days = counted(conditions.days.unsigned_abs(), "day");
            gaps.insert(Gap::new("earlier events", format!("Only those of the last {days} were asked for.")));
        }
        Self { key, places: BTreeMap::new(), leak: None, days: BTreeMap::new(), events: 0, sampled: false, gaps }
    }

    pub(super) fn add(&mut self, region: &str, event: &Event, conditions: &Conditions<'_>) {
        let agent = Agent::new(event.agent.as_deref().unwrap_or_default());
        let place = conditions.place(event, agent);
        let evidence = Evidence {
            time: event.time,
            id: event.id.clone(),
            name: event.name.clone(),
            service: service(event),
            region: event.region.clone().unwrap_or_else(|| region.to_owned()),
            address: event.address.clone(),
            client: agent.client().map(str::to_owned),
            proof: place.proof,
        };
        if event.time.is_none() || event.address.is_none() {
            let reason = "An event of the key lacks its time or its address.".to_owned();
            let (region, service) = (Some(evidence.region.clone()), Some(evidence.service.clone()));
            self.gaps.insert(Gap { region, service, ..Gap::new("events", reason) });
        }
        self.events += 1;
        if let Some(time) = event.time {
            *self.days.entry(time.date_naive()).or_default() += 1;
        }
        if let Some(tool) = agent.leak_tool() {
            let leak = Some((evidence.clone(), tool));
            self.leak = self.leak.take().max(leak);
        }
        let is_public = event.address.as_deref().and_then(address).is_some_and(|address| !is_private(address));
        let is_cloud_shell = agent.is_cloud_shell();
        let origin = Origin {
            is_person: place.kind == Kind::Outside && (is_cloud_shell || (agent.is_person() && is_public)),
            kind: place.kind,
            what: place.what,
            account: place.account,
            region: place.region,
            address: event.address.clone(),
            program: agent.program().map(str::to_owned),
            stored_in: agent.stored_in(),
        };
        self.places.entry(origin).or_default().add(evidence, event);
    }

    pub(super) fn add_accessed(&mut self, accessed: &Source<Vec<Accessed>>) {
        match accessed {
            Ok(accessed) => {
                let used = self.key.last_used.clone().ok().flatten();
                // The last use of the key says as much.
                let is_known = |one: &&Accessed| {
                    used.as_ref()
                        .is_some_and(|used| used.service.as_ref() == Some(&one.service) && one.date <= used.date)
                };
                for one in accessed.iter().filter(|one| has_data_events(&one.service) && !is_known(one)) {
                    let region =
                        one.region.as_deref().map_or_else(String::new, |region| format!(" in {}", shown(region)));
                    let reason = format!(
                        "The user, with one of its credentials, last called {} on {}{region}; CloudTrail's event history may \
                         not show it.",
                        shown(&one.service),
                        moment(one.date)
                    );
                    let (region, service) = (one.region.clone(), Some(one.service.clone()));
                    self.gaps.insert(Gap { region, service, ..Gap::new("data events", reason) });
                }
            }
            Err(reason) => {
                self.gaps.insert(Gap::of("services last accessed", reason));
            }
        }
    }
}

impl Tally {
    fn add(&mut self, evidence: Evidence, event: &Event) {
        self.events += 1;
        self.services.insert(evidence.service.clone());
        if let Some(time) = event.time {
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
        }
        if event.source == "sts.amazonaws.com" && SESSIONS.contains(&event.name.as_str()) {
            self.sessions += 1;
            self.roles.extend(event.role.clone());
        } else if event.name != NEUTRAL {
            self.others += 1;
        }
        if self.latest.as_ref().is_none_or(|latest| *latest < evidence) {
            self.latest = Some(evidence);
        }
    }
}

/// A place with what is kept of its events.
struct Seen {
    origin: Origin,
    tally: Tally,
    latest: Evidence,
}

impl Seen {
    fn new(origin: Origin, tally: Tally) -> Option<Self> {
        let latest = tally.latest.clone()?;
        let mut seen = Self { origin, tally, latest };
        let is_dated = seen.latest.time.is_some() && seen.latest.address.is_some();
        if matches!(seen.origin.kind, Kind::Outside | Kind::Unknown) && is_dated && seen.only_starts_sessions() {
            seen.origin.kind = Kind::RoleSession;
            seen.origin.is_person = false;
            seen.origin.what = seen.sessions();
        }
        Some(seen)
    }

    fn only_starts_sessions(&self) -> bool {
        self.tally.sessions > 0 && self.tally.others == 0
    }

    /// What it starts sessions of.
    fn sessions(&self) -> String {
        let mut roles = self.tally.roles.iter();
        match (roles.next(), roles.len()) {
            (Some(role), 0) => format!("sessions of {}", shown(role)),
            (Some(role), more) => format!("sessions of {} and {}", shown(role), counted(more as u64, "other role")),
            (None, _) => "sessions of its user".to_owned(),
        }
    }

    /// Who it is, with a verb, at the beginning of a sentence.
    fn uses(&self) -> String {
        let what = &self.origin.what;
        match self.origin.kind {
            Kind::OwnInstance => format!("EC2 instance {what} uses it"),
            Kind::OwnNetwork | Kind::OrganizationNetwork => format!("Something behind {what} uses it"),
            Kind::AwsCompute | Kind::Ci => format!("{what} uses it"),
            Kind::ServiceOnBehalf => format!("{what} calls with it on somebody's behalf"),
            Kind::RoleSession => format!("It only starts {what}"),
            Kind::Outside if self.origin.is_person => match what.as_str() {
                OUTSIDE => "A person uses it at a command line outside the account".to_owned(),
                _ => format!("A person uses it in {what}"),
            },
            Kind::Outside => match what.as_str() {
                OUTSIDE => "Something outside the account uses it".to_owned(),
                _ => format!("Something behind {what} uses it"),
            },
            Kind::Unknown => "It is used from a place that is not known".to_owned(),
        }
    }

    /// The sentence with the event, the address and both times.
    fn verdict(&self) -> String {
        let first = self.tally.first.filter(|first| Some(*first) != self.latest.time);
        let first = first.map_or_else(String::new, |first| format!(", first seen there on {}", moment(first)));
        format!("{}: {}{first}.", self.uses(), self.latest.sentence())
    }

    fn because(&self) -> Because {
        self.latest.because(&format!("{}.", self.uses()))
    }

    fn used_from(self) -> UsedFrom {
        let Self { origin, tally, latest } = self;
        UsedFrom {
            kind: origin.kind,
            what: origin.what,
            account: origin.account,
            region: origin.region,
            address: origin.address,
            client: latest.client,
            key_stored_in: origin.stored_in,
            services: tally.services,
            first: tally.first,
            last: latest.time,
            events: tally.events,
        }
    }
}

impl Evidence {
    /// `ec2:DescribeInstances`
    fn call(&self) -> String {
        format!("{}:{}", shown(&self.service), shown(&self.name))
    }

    /// The event and the address: `ec2:RunInstances on 2026-11-20 06:00 UTC (event e-1) came from 192.0.2.1, an address of eni-1`.
    fn sentence(&self) -> String {
        let when = self.time.map_or_else(|| "at an unknown time".to_owned(), |time| format!("on {}", moment(time)));
        let id = self.id.as_deref().map_or_else(String::new, |id| format!(" (event {})", shown(id)));
        let from = self.address.as_deref().map_or_else(|| "an unknown address".to_owned(), shown);
        format!("{} {when}{id} came from {from}, {}", self.call(), self.proof)
    }

    fn because(&self, conclusion: &str) -> Because {
        Because {
            what: self.id.as_deref().map_or_else(|| self.call(), |id| format!("event {}", shown(id))),
            region: Some(self.region.clone()),
            service: Some(self.service.clone()),
            reason: format!("{conclusion} {}.", self.sentence()),
        }
    }
}

impl State {
    pub(super) fn judged(mut self, conditions: &Conditions<'_>) -> TracedKey {
        if self.events > 0 {
            self.gaps.extend(conditions.unread_networks.iter().cloned());
        }
        let places = std::mem::take(&mut self.places);
        let mut seen: Vec<Seen> = places.into_iter().filter_map(|(origin, tally)| Seen::new(origin, tally)).collect();
        let leak = self.leak.take();
        let decides = |seen: &Seen| match &leak {
            Some((evidence, _)) if seen.latest.address == evidence.address => 0,
            _ if seen.origin.kind.can_have_role() => 1,
            _ if seen.origin.is_person => 2,
            _ => 3,
        };
        seen.sort_by_key(|seen| (decides(seen), Reverse(seen.latest.clone())));
        let mut because: Vec<Because> = seen.iter().map(Seen::because).collect();
        let (plan, verdict) = if let Some((evidence, tool)) = &leak {
            let verdict = format!("{tool}: {}.", evidence.sentence());
            because.insert(0, evidence.because(&format!("{tool}.")));
            (Advice::Incident, verdict)
        } else if is_smtp_user(&self.key.subject.user.name) {
            (
                Advice::AskOwner,
                "It may be the password with which something sends mail by SMTP, which no event shows.".to_owned(),
            )
        } else if let Some(first) = seen.first() {
            let plan = match first {
                first if first.origin.kind.can_have_role() => Advice::ReplaceByRole,
                first if first.origin.is_person => Advice::SignIn,
                _ => Advice::AskOwner,
            };
            (plan, first.verdict())
        } else {
            self.without_event(conditions)
        };
        because.extend(self.of_report());
        let subject = &self.key.subject;
        TracedKey {
            user: subject.user.name.clone(),
            access_key_id: self.key.id.ok(),
            created: subject.created,
            last_used: self.key.last_used.ok().flatten(),
            verdict,
            plan,
            because,
            used_from: seen.into_iter().map(Seen::used_from).collect(),
            events: self.events,
            sampled: self.sampled,
            not_looked_at: self.gaps.into_iter().collect(),
            days: self.days,
            subject: Subject::AccessKey(self.key.subject),
        }
    }

    /// The plan and the verdict for a key without an event.
    fn without_event(&self, conditions: &Conditions<'_>) -> (Advice, String) {
        let ask = |verdict: String| (Advice::AskOwner, verdict);
        if self.key.id.is_err() {
            return ask("Its id is not known, so no event can be matched with it.".to_owned());
        }
        let now = conditions.now;
        let ago = |time| format!("{}, {} ago", moment(time), age(now - time));
        let looked_at = format!("no event of the last {} shows a use", counted(conditions.days.unsigned_abs(), "day"));
        let used = match &self.key.last_used {
            Ok(used) => used.as_ref(),
            Err(_) => return ask(format!("When it was last used is not known; {looked_at}.")),
        };
        let is_recent = |used: &&LastUsed| now - used.date <= conditions.policy.credential_unused;
        if let Some(used) = used.filter(is_recent) {
            let service =
                used.service.as_deref().map_or_else(String::new, |service| format!(" for {}", shown(service)));
            return ask(format!("It was last used{service} on {}, and {looked_at}.", ago(used.date)));
        }
        match self.key.subject.active {
            Some(false) => return (Advice::Remove, format!("It is inactive, and {looked_at}.")),
            None => return ask(format!("Whether it is active is not known; {looked_at}.")),
            Some(true) => {}
        }
        if let Some(gap) = self.gaps.first() {
            let region = gap.region.as_deref().map_or_else(String::new, |region| format!(" in {}", shown(region)));
            let others = self.gaps.len() - 1;
            let others =
                if others == 0 { String::new() } else { format!(" and {} more", counted(others as u64, "gap")) };
            return ask(format!(
                "{}, but not everything was looked at: {}{region}{others}.",
                capitalized(&looked_at),
                gap.what
            ));
        }
        match (used, self.key.subject.created) {
            (Some(used), _) => (Advice::Remove, format!("It was last used on {}, and {looked_at}.", ago(used.date))),
            (None, Some(created)) if now - created > conditions.policy.new_credential_grace => {
                (Advice::Remove, format!("It was created on {} and was never used.", ago(created)))
            }
            (None, Some(created)) => ask(format!("It was created on {}, and is not used yet.", ago(created))),
            (None, None) => ask("It was never used, and when it was created is not known.".to_owned()),
        }
    }

    /// What the report says about the key's use.
    fn of_report(&self) -> Option<Because> {
        let reason = match (&self.key.last_used, self.key.subject.created) {
            (Ok(Some(used)), _) => {
                let service =
                    used.service.as_deref().map_or_else(String::new, |service| format!(" for {}", shown(service)));
                format!("The key was last used on {}{service}.", moment(used.date))
            }
            (Ok(None), Some(created)) => format!("The key was created on {} and was never used.", moment(created)),
            (Ok(None), None) => "The key was never used.".to_owned(),
            (Err(_), _) => return None,
        };
        let (region, service) = match &self.key.last_used {
            Ok(Some(used)) => (used.region.clone(), used.service.clone()),
            _ => (None, None),
        };
        Some(Because { what: "credential report".to_owned(), region, service, reason })
    }
}
