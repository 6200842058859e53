use proptest::prelude::*;

use super::*;
use crate::event::Caller;
use crate::testing::{NOW, account, evaluated, time, unavailable};

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const OURS: &str = "123456789012";
const OTHER: &str = "210987654321";
const BOTO3: &str = "Boto3/1.39.7 md/Botocore#1.39.17 ua/2.1 os/linux#5.10 m/Z,b,g";
const AWS_CLI: &str = "aws-cli/2.32.10 md/awscrt#0.29.1 ua/2.1 os/linux#6.6.87.2-microsoft-standard-WSL2 m/Z,b,n,E";

/// Everything that a verdict rests on.
#[derive(Debug, Clone)]
struct World {
    keys: Vec<Key>,
    events: Vec<Event>,
    interfaces: Vec<Interface>,
    addresses: Vec<Address>,
    unread_networks: Vec<Gap>,
    gaps: Vec<Gap>,
    days: i64,
}

/// An old active key of the user that was never used.
fn key(user: &str, id: &str) -> Key {
    let table = format!(
        "user | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date\n\
         {user} | true | 2021-06-20T05:16:50Z | N/A"
    );
    let account = account(&table);
    let [key] = keys(&account, &evaluated(&account), &Which::All).try_into().unwrap();
    Key { id: Ok(id.to_owned()), ..key }
}

fn used(date: &str, service: &str) -> LastUsed {
    LastUsed { date: time(date), region: None, service: Some(service.to_owned()) }
}

fn event(address: &str, agent: &str) -> Event {
    Event {
        time: Some(time("2026-11-18T06:00:00Z")),
        id: Some("e-1".to_owned()),
        name: "DescribeInstances".to_owned(),
        source: "ec2.amazonaws.com".to_owned(),
        region: Some("eu-central-1".to_owned()),
        account: Some(OURS.to_owned()),
        address: Some(address.to_owned()),
        agent: Some(agent.to_owned()),
        caller: Caller {
            kind: Some("IAMUser".to_owned()),
            user: Some("alice".to_owned()),
            access_key: Some(ID.to_owned()),
            ..Caller::default()
        },
        ..Event::default()
    }
}

fn interface(id: &str, address: &str) -> Interface {
    Interface {
        id: id.to_owned(),
        owner: Some(OURS.to_owned()),
        region: Some("eu-central-1".to_owned()),
        vpc: Some("vpc-1".to_owned()),
        kind: "interface".to_owned(),
        attached: Some(time("2026-01-01T00:00:00Z")),
        public: address.parse().into_iter().collect(),
        ..Interface::default()
    }
}

fn instance(id: &str, address: &str) -> Interface {
    Interface { instance: Some(format!("i-{id}")), ..interface(&format!("eni-{id}"), address) }
}

impl World {
    fn new() -> Self {
        Self {
            keys: vec![key("alice", ID)],
            events: Vec::new(),
            interfaces: Vec::new(),
            addresses: Vec::new(),
            unread_networks: Vec::new(),
            gaps: Vec::new(),
            days: DAYS,
        }
    }

    fn of(events: impl Into<Vec<Event>>) -> Self {
        Self { events: events.into(), ..Self::new() }
    }

    fn trace(&self) -> Trace {
        let mut networks = Networks::default();
        self.interfaces.iter().for_each(|interface| networks.add_interface(interface));
        self.addresses.iter().for_each(|address| networks.add_address(address.clone()));
        let conditions = Conditions {
            account_id: Some(OURS),
            now: time(NOW),
            days: self.days,
            policy: &Policy::cis(),
            networks: &networks,
            unread_networks: self.unread_networks.clone(),
        };
        let mut tracer = Tracer::new(conditions, self.keys.clone());
        self.events.iter().for_each(|event| tracer.add("eu-central-1", event));
        self.gaps.iter().for_each(|gap| tracer.miss(None, gap));
        tracer.finish()
    }

    fn key(&self) -> TracedKey {
        self.trace().keys.swap_remove(0)
    }

    /// The kinds and the plan.
    fn judged(&self) -> (Vec<Kind>, Advice) {
        let key = self.key();
        (key.used_from.iter().map(|from| from.kind).collect(), key.plan)
    }

    fn verdict(&self) -> String {
        let key = self.key();
        let kinds: Vec<&str> = key.used_from.iter().map(|from| from.kind.name()).collect();
        format!("{} [{}] {}", key.plan.name(), kinds.join(" "), key.verdict)
    }
}

#[test]
fn an_instance_is_known_by_the_address_of_its_interface_attached_before() {
    let world = World { interfaces: vec![instance("1", "198.51.100.7")], ..World::of([event("198.51.100.7", BOTO3)]) };
    insta::assert_snapshot!(world.verdict(), @"replace-by-role [own-instance] EC2 instance i-1 uses it: ec2:DescribeInstances on 2026-11-18 06:00 UTC (event e-1) came from 198.51.100.7, an address of eni-1, which was attached on 2026-01-01 00:00 UTC.");
    let from = &world.key().used_from[0];
    assert_eq!((from.account.as_deref(), from.region.as_deref()), (Some(OURS), Some("eu-central-1")));
    assert_eq!((from.client.as_deref(), from.key_stored_in), (Some("Boto3/1.39.7"), StoredIn::Environment));

    // Without any one of what the verdict rests on, it is gone.
    let mut without = world.clone();
    without.events.clear();
    assert_eq!(without.judged(), (vec![], Advice::Remove));
    let mut without = world.clone();
    without.interfaces.clear();
    assert_eq!(without.judged(), (vec![Kind::Outside], Advice::AskOwner));
    let mut without = world.clone();
    without.interfaces[0].attached = None;
    assert_eq!(without.judged(), (vec![Kind::Unknown], Advice::AskOwner));
    let mut without = world.clone();
    without.events[0].time = None;
    assert_eq!(without.judged(), (vec![Kind::Unknown], Advice::AskOwner));
    let mut without = world.clone();
    without.events[0].address = None;
    assert_eq!(without.judged(), (vec![Kind::Unknown], Advice::AskOwner));
    let mut without = world.clone();
    without.interfaces[0].public.clear();
    assert_eq!(without.judged(), (vec![Kind::Outside], Advice::AskOwner));
    let mut later = world;
    later.interfaces[0].attached = Some(time("2026-11-18T06:00:01Z"));
    insta::assert_snapshot!(later.verdict(), @"ask-owner [unknown] It is used from a place that is not known: ec2:DescribeInstances on 2026-11-18 06:00 UTC (event e-1) came from 198.51.100.7, now an address of eni-1, which was attached on 2026-11-18 06:00 UTC, or another one had it before.");
}

#[test]
fn an_address_of_version_6_is_compared_by_value() {
    for (text, written) in [("2001:db8::1", "2001:0db8:0:0:0:0:0:1"), ("198.51.100.7", "::ffff:198.51.100.7")] {
        let world = World { interfaces: vec![instance("1", text)], ..World::of([event(written, BOTO3)]) };
        assert_eq!(world.judged(), (vec![Kind::OwnInstance], Advice::ReplaceByRole), "{written}");
    }
}

#[test]
fn an_address_within_a_prefix_of_an_interface_is_its_own() {
    let node = |prefix: &str| Interface { prefixes: vec![Prefix::parse(prefix).unwrap()], ..instance("1", "") };
    let judged = |prefix: &str, address: &str| {
        World { interfaces: vec![node(prefix)], ..World::of([event(address, BOTO3)]) }.judged().0
    };
    assert_eq!(judged("2001:db8:0:1::/80", "2001:db8:0:1::7"), [Kind::OwnInstance]);
    assert_eq!(judged("2001:db8:0:1::/80", "2001:db8:0:1:1::7"), [Kind::Outside]);
    assert_eq!(judged("2001:db8::7/128", "2001:db8::7"), [Kind::OwnInstance]);
    assert!(
        ["2001:db8::", "2001:db8::/0", "2001:db8::/129", "192.0.2.0/24"]
            .iter()
            .all(|text| Prefix::parse(text).is_none())
    );
}

#[test]
fn of_several_interfaces_with_one_address_over_time_the_last_before_the_event_counts() {
    let attached = |id: &str, at: &str| Interface { attached: Some(time(at)), ..instance(id, "198.51.100.7") };
    let mut interfaces = vec![
        attached("1", "2026-01-01T00:00:00Z"),
        attached("2", "2026-11-10T00:00:00Z"),
        attached("3", "2026-11-19T00:00:00Z"),
    ];
    for _ in 0..3 {
        interfaces.rotate_left(1);
        let world = World { interfaces: interfaces.clone(), ..World::of([event("198.51.100.7", BOTO3)]) };
        assert_eq!(world.key().used_from[0].what, "i-2");
    }
    // Two at once, or one without its time: it cannot be said.
    for attached in [Some(time("2026-11-10T00:00:00Z")), None] {
        interfaces.push(Interface { attached, ..instance("4", "198.51.100.7") });
        let world = World { interfaces: interfaces.clone(), ..World::of([event("198.51.100.7", BOTO3)]) };
        assert_eq!(world.judged(), (vec![Kind::Unknown], Advice::AskOwner));
        interfaces.pop();
    }
}

#[test]
fn a_nat_gateway_is_known_in_both_spellings() {
    for (kind, description) in
        [("natGateway", ""), ("nat_gateway", ""), ("interface", "Interface for NAT Gateway nat-0123456789abcdef0")]
    {
        let nat = Interface {
            kind: kind.to_owned(),
            description: description.to_owned(),
            ..interface("eni-9", "198.51.100.9")
        };
        let world = World { interfaces: vec![nat], ..World::of([event("198.51.100.9", BOTO3)]) };
        assert_eq!(world.judged(), (vec![Kind::OwnNetwork], Advice::ReplaceByRole));
        let what = &world.key().used_from[0].what;
        assert!(
            what.ends_with("in vpc-1") && (what.starts_with("nat-") || what.starts_with("a NAT gateway")),
            "{what}"
        );
    }
}

#[test]
fn a_nat_gateway_needs_no_time_unless_another_interface_has_its_address() {
    let nat = Interface {
        attached: None,
        description: "Interface for NAT Gateway nat-1".to_owned(),
        ..interface("eni-9", "198.51.100.9")
    };
    let mut world = World { interfaces: vec![nat], ..World::of([event("198.51.100.9", BOTO3)]) };
    insta::assert_snapshot!(world.verdict(), @"replace-by-role [own-network] Something behind nat-1 in vpc-1 uses it: ec2:DescribeInstances on 2026-11-18 06:00 UTC (event e-1) came from 198.51.100.9, an address of eni-9, since when is not known.");
    world.interfaces.push(Interface { attached: Some(time("2026-11-19T00:00:00Z")), ..instance("1", "198.51.100.9") });
    assert_eq!(world.judged(), (vec![Kind::Unknown], Advice::AskOwner));
}

#[test]
fn a_private_address_is_ours_only_with_our_endpoint() {
    let through = |endpoint: Option<&str>, owner: Option<&str>| Event {
        endpoint: endpoint.map(str::to_owned),
        endpoint_account: owner.map(str::to_owned),
        ..event("172.31.5.6", BOTO3)
    };
    let its_own = instance("1", "172.31.5.6");
    let endpoint = |owner: &str| Interface {
        description: "VPC Endpoint Interface vpce-1".to_owned(),
        owner: Some(owner.to_owned()),
        ..interface("eni-2", "")
    };
    let judged = |event: Event, interfaces: &[Interface]| {
        World { interfaces: interfaces.to_vec(), ..World::of([event]) }.judged()
    };
    let ask = |kind| (vec![kind], Advice::AskOwner);
    assert_eq!(judged(through(None, None), &[its_own]), ask(Kind::Unknown), "a private address alone is no proof");
    let role = |kind| (vec![kind], Advice::ReplaceByRole);
    assert_eq!(judged(through(Some("vpce-1"), None), &[endpoint(OURS)]), role(Kind::OwnNetwork));
    assert_eq!(judged(through(Some("vpce-1"), None), &[endpoint(OTHER)]), role(Kind::OrganizationNetwork));
    assert_eq!(judged(through(Some("vpce-1"), Some(OURS)), &[]), role(Kind::OwnNetwork));
    assert_eq!(judged(through(Some("vpce-1"), Some(OTHER)), &[]), ask(Kind::Outside));
    assert_eq!(judged(through(Some("vpce-1"), None), &[]), ask(Kind::Unknown));
    assert_eq!(judged(through(Some("vpce-2"), None), &[endpoint(OURS)]), ask(Kind::Unknown), "another endpoint");
    // An endpoint gets further interfaces later, and its id is never used again.
    let later = Interface { attached: Some(time("2026-11-19T00:00:00Z")), ..endpoint(OURS) };
    assert_eq!(judged(through(Some("vpce-1"), None), &[later]), role(Kind::OwnNetwork));
    // AWS's documentation has such an address in a VPC.
    let odd = Event { address: Some("172.01.01.001".to_owned()), ..through(Some("vpce-1"), None) };
    assert_eq!(judged(odd, &[endpoint(OURS)]), role(Kind::OwnNetwork));
    let other = through(Some("vpce-1"), Some(OTHER));
    assert_eq!(judged(other, &[endpoint(OURS)]), ask(Kind::Unknown), "the record and the interface disagree");
    let colon = Interface { description: "VPC Endpoint Interface: vpce-1".to_owned(), ..endpoint(OURS) };
    assert_eq!(judged(through(Some("vpce-1"), None), &[colon]), role(Kind::OwnNetwork));
    let world = World { interfaces: vec![endpoint(OURS)], ..World::of([through(Some("vpce-1"), None)]) };
    insta::assert_snapshot!(world.verdict(), @"replace-by-role [own-network] Something behind vpce-1 in vpc-1 uses it: ec2:DescribeInstances on 2026-11-18 06:00 UTC (event e-1) came from 172.31.5.6, through the VPC endpoint vpce-1 with the interface eni-2.");
}

#[test]
fn an_interface_of_another_account_is_called_by_its_owner() {
    let foreign = Interface { owner: Some(OTHER.to_owned()), ..instance("1", "198.51.100.7") };
    let world = World { interfaces: vec![foreign], ..World::of([event("198.51.100.7", BOTO3)]) };
    assert_eq!(world.judged(), (vec![Kind::OrganizationNetwork], Advice::ReplaceByRole));
    let from = &world.key().used_from[0];
    assert_eq!((from.what.as_str(), from.account.as_deref()), ("i-1 of account 210987654321", Some(OTHER)));
    let address = |owner: Option<&str>| Address {
        address: "198.51.100.8".parse().unwrap(),
        owner: owner.map(str::to_owned),
        region: None,
        id: Some("eipalloc-1".to_owned()),
    };
    let judged =
        |owner| World { addresses: vec![address(owner)], ..World::of([event("198.51.100.8", AWS_CLI)]) }.judged();
    assert_eq!(judged(Some(OTHER)), (vec![Kind::OrganizationNetwork], Advice::ReplaceByRole));
    assert_eq!(judged(Some(OURS)), (vec![Kind::Unknown], Advice::AskOwner), "it is ours, but on which interface?");
    assert_eq!(judged(None), (vec![Kind::Unknown], Advice::AskOwner));
    assert_eq!(judged(Some("amazon-rds")), (vec![Kind::Unknown], Advice::AskOwner), "it is AWS's interface");
}

#[test]
fn the_execution_environment_counts_where_the_address_is_not_ours() {
    let judged = |agent: &str| World::of([event("203.0.113.9", agent)]).verdict();
    insta::assert_snapshot!(judged("Boto3/1.39.7 md/Botocore#1.39.17 exec-env/AWS_Lambda_python3.12 m/b,D,Z"), @"replace-by-role [aws-compute] AWS Lambda (python3.12) uses it: ec2:DescribeInstances on 2026-11-18 06:00 UTC (event e-1) came from 203.0.113.9, with a user agent that names the execution environment AWS_Lambda_python3.12.");
    insta::assert_snapshot!(judged("aws-cli/1.20.0 Python/3.9.6 exec-env/AWS_ECS_FARGATE botocore/1.21.0"), @"replace-by-role [aws-compute] AWS Fargate uses it: ec2:DescribeInstances on 2026-11-18 06:00 UTC (event e-1) came from 203.0.113.9, with a user agent that names the execution environment AWS_ECS_FARGATE.");
    insta::assert_snapshot!(judged("aws-cli/2.32.10 exec-env/CloudShell"), @"sign-in [outside] A person uses it in AWS CloudShell: ec2:DescribeInstances on 2026-11-18 06:00 UTC (event e-1) came from 203.0.113.9, with a user agent that names the execution environment CloudShell.");
    let lambda = "Boto3/1.39.7 exec-env/AWS_Lambda_python3.12";
    let ours = World { interfaces: vec![instance("1", "203.0.113.9")], ..World::of([event("203.0.113.9", lambda)]) };
    assert_eq!(ours.judged().0, [Kind::OwnInstance]);
}

#[test]
fn a_pipeline_a_person_and_a_program_outside_have_their_own_plans() {
    let judged = |agent: &str| World::of([event("203.0.113.9", agent)]).judged();
    let github = "configure-aws-credentials-for-github-actions aws-sdk-js/3.775.0";
    assert_eq!(judged(github), (vec![Kind::Ci], Advice::ReplaceByRole));
    assert_eq!(judged(AWS_CLI), (vec![Kind::Outside], Advice::SignIn));
    assert_eq!(judged(BOTO3), (vec![Kind::Outside], Advice::AskOwner));
    assert_eq!(judged("aws-cli/2.32.10 app/nightly"), (vec![Kind::Outside], Advice::AskOwner));
    insta::assert_snapshot!(World::of([event("203.0.113.9", AWS_CLI)]).verdict(), @"sign-in [outside] A person uses it at a command line outside the account: ec2:DescribeInstances on 2026-11-18 06:00 UTC (event e-1) came from 203.0.113.9, an address of no network interface that was read.");
    // Without the networks it cannot be said that it is outside.
    let unread = Gap::of(place::INTERFACES, &Unavailable::NotAsked("They are in none of the files.".to_owned()));
    let world = World { unread_networks: vec![unread.clone()], ..World::of([event("203.0.113.9", AWS_CLI)]) };
    assert_eq!(world.judged(), (vec![Kind::Unknown], Advice::AskOwner));
    assert_eq!(world.key().not_looked_at, [unread]);
}

#[test]
fn a_service_on_somebodys_behalf_and_sessions_have_their_own_kinds() {
    let mut on_behalf = event("cloudformation.amazonaws.com", "cloudformation.amazonaws.com");
    on_behalf.caller.invoked_by = Some("cloudformation.amazonaws.com".to_owned());
    insta::assert_snapshot!(World::of([on_behalf]).verdict(), @"ask-owner [service-on-behalf] cloudformation.amazonaws.com calls with it on somebody's behalf: ec2:DescribeInstances on 2026-11-18 06:00 UTC (event e-1) came from cloudformation.amazonaws.com, the address of a service, which called on somebody's behalf.");
    let assume = Event {
        name: "AssumeRole".to_owned(),
        source: "sts.amazonaws.com".to_owned(),
        role: Some("arn:aws:iam::123456789012:role/deploy".to_owned()),
        ..event("203.0.113.9", BOTO3)
    };
    let who = Event { id: Some("e-2".to_owned()), name: "GetCallerIdentity".to_owned(), role: None, ..assume.clone() };
    insta::assert_snapshot!(World::of([who.clone(), assume.clone()]).verdict(), @"ask-owner [role-session] It only starts sessions of arn:aws:iam::123456789012:role/deploy: sts:GetCallerIdentity on 2026-11-18 06:00 UTC (event e-2) came from 203.0.113.9, an address of no network interface that was read.");
    let other = Event { id: Some("e-3".to_owned()), ..event("203.0.113.9", BOTO3) };
    assert_eq!(World::of([assume.clone(), other]).judged().0, [Kind::Outside], "not only sessions");
    assert_eq!(World::of([who]).judged().0, [Kind::Outside], "no session at all");
    let ours = World { interfaces: vec![instance("1", "203.0.113.9")], ..World::of([assume]) };
    assert_eq!(ours.judged().0, [Kind::OwnInstance]);
}

#[test]
fn a_tool_that_looks_for_leaked_keys_is_an_incident_whatever_else_uses_the_key() {
    let scanner = Event { id: Some("e-9".to_owned()), ..event("203.0.113.66", "TruffleHog") };
    let world =
        World { interfaces: vec![instance("1", "198.51.100.7")], ..World::of([event("198.51.100.7", BOTO3), scanner]) };
    insta::assert_snapshot!(world.verdict(), @"incident [outside own-instance] TruffleHog used it, a tool that looks for leaked keys: ec2:DescribeInstances on 2026-11-18 06:00 UTC (event e-9) came from 203.0.113.66, an address of no network interface that was read.");
    assert_eq!(world.key().because[0].what, "event e-9");
    assert!(world.trace().has_incident());
    let mut inactive = world;
    inactive.keys[0].subject.active = Some(false);
    assert_eq!(inactive.key().plan, Advice::Incident);
}

#[test]
fn each_key_has_its_own_events() {
    let second = "AKIAI44QH8DHBEXAMPLE";
    let mut world =
        World { interfaces: vec![instance("1", "198.51.100.7")], ..World::of([event("198.51.100.7", BOTO3)]) };
    world.keys.push(key("alice", second));
    let plans: Vec<Advice> = world.trace().keys.iter().map(|key| key.plan).collect();
    assert_eq!(plans, [Advice::ReplaceByRole, Advice::Remove]);
}

#[test]
fn an_id_of_two_keys_is_the_id_of_neither() {
    let mut world = World::of([event("198.51.100.7", BOTO3)]);
    world.keys.push(key("bob", ID));
    for key in world.trace().keys {
        assert_eq!((key.plan, key.access_key_id, key.events), (Advice::AskOwner, None, 0));
    }
}

#[test]
fn only_what_nothing_uses_is_removed() {
    let plan = |change: &dyn Fn(&mut World)| {
        let mut world = World::new();
        change(&mut world);
        world.verdict()
    };
    let set_used =
        |world: &mut World, date: &str, service: &str| world.keys[0].last_used = Ok(Some(used(date, service)));
    insta::assert_snapshot!(plan(&|_| {}), @"remove [] It was created on 2021-06-20 05:16 UTC, 1,979 days ago and was never used.");
    insta::assert_snapshot!(plan(&|world| world.keys[0].subject.created = Some(time("2026-11-19T06:00:00Z"))), @"ask-owner [] It was created on 2026-11-19 06:00 UTC, 1 day ago, and is not used yet.");
    insta::assert_snapshot!(plan(&|world| world.keys[0].subject.created = None), @"ask-owner [] It was never used, and when it was created is not known.");
    insta::assert_snapshot!(plan(&|world| set_used(world, "2026-06-01T06:00:00Z", "ec2")), @"remove [] It was last used on 2026-06-01 06:00 UTC, 172 days ago, and no event of the last 90 days shows a use.");
    insta::assert_snapshot!(plan(&|world| set_used(world, "2026-11-01T06:00:00Z", "ec2")), @"ask-owner [] It was last used for ec2 on 2026-11-01 06:00 UTC, 19 days ago, and no event of the last 90 days shows a use.");
    insta::assert_snapshot!(plan(&|world| set_used(world, "2026-06-01T06:00:00Z", "s3")), @"ask-owner [] No event of the last 90 days shows a use, but not everything was looked at: data events.");
    insta::assert_snapshot!(plan(&|world| world.keys[0].last_used = unavailable("Damaged.")), @"ask-owner [] When it was last used is not known; no event of the last 90 days shows a use.");
    insta::assert_snapshot!(plan(&|world| world.keys[0].subject.active = None), @"ask-owner [] Whether it is active is not known; no event of the last 90 days shows a use.");
    insta::assert_snapshot!(plan(&|world| world.keys[0].id = unavailable("Refused.")), @"ask-owner [] Its id is not known, so no event can be matched with it.");
    insta::assert_snapshot!(plan(&|world| world.days = 30), @"ask-owner [] No event of the last 30 days shows a use, but not everything was looked at: earlier events.");
    insta::assert_snapshot!(plan(&|world| world.keys[0].subject.user.name = "ses-smtp-user.20200101-120000".to_owned()), @"ask-owner [] It may be the password with which something sends mail by SMTP, which no event shows.");
    insta::assert_snapshot!(plan(&|world| world.gaps.push(Gap::events("eu-west-1", &Unavailable::Unreadable("Refused.".to_owned())))), @"ask-owner [] No event of the last 90 days shows a use, but not everything was looked at: events in eu-west-1.");
    let inactive = |world: &mut World| world.keys[0].subject.active = Some(false);
    insta::assert_snapshot!(plan(&|world| {
        inactive(world);
        set_used(world, "2026-06-01T06:00:00Z", "s3");
    }), @"remove [] It is inactive, and no event of the last 90 days shows a use.");
    insta::assert_snapshot!(plan(&|world| {
        inactive(world);
        set_used(world, "2026-11-19T06:00:00Z", "s3");
    }), @"ask-owner [] It was last used for s3 on 2026-11-19 06:00 UTC, 1 day ago, and no event of the last 90 days shows a use.");
    insta::assert_snapshot!(plan(&|world| {
        inactive(world);
        world.keys[0].id = unavailable("Refused.");
    }), @"ask-owner [] Its id is not known, so no event can be matched with it.");
}

#[test]
fn other_services_that_the_user_called_are_named_once() {
    let networks = Networks::default();
    let conditions = Conditions {
        account_id: Some(OURS),
        now: time(NOW),
        days: DAYS,
        policy: &Policy::cis(),
        networks: &networks,
        unread_networks: Vec::new(),
    };
    let key = Key { last_used: Ok(Some(used("2026-11-01T06:00:00Z", "s3"))), ..key("alice", ID) };
    let mut tracer = Tracer::new(conditions, vec![key]);
    let accessed = |service: &str, date: &str| Accessed { service: service.to_owned(), date: time(date), region: None };
    let all = [
        accessed("s3", "2026-11-01T06:00:00Z"),
        accessed("s3", "2026-11-02T06:00:00Z"),
        accessed("dynamodb", "2026-10-01T06:00:00Z"),
        accessed("ec2", "2026-11-02T06:00:00Z"),
    ];
    tracer.add_accessed("alice", &Ok(all.into()));
    tracer.add_accessed("bob", &unavailable("Refused."));
    let trace = tracer.finish();
    let gaps: Vec<_> = trace.keys[0].not_looked_at.iter().map(|gap| (gap.service.as_deref(), &*gap.reason)).collect();
    insta::assert_debug_snapshot!(gaps, @r#"
        [
            (
                Some(
                    "dynamodb",
                ),
                "The user, with one of its credentials, last called dynamodb on 2026-10-01 06:00 UTC; CloudTrail's event history may not show it.",
            ),
            (
                Some(
                    "s3",
                ),
                "The last use, on 2026-11-01 06:00 UTC, was of s3, whose calls CloudTrail's event history may not show.",
            ),
            (
                Some(
                    "s3",
                ),
                "The user, with one of its credentials, last called s3 on 2026-11-02 06:00 UTC; CloudTrail's event history may not show it.",
            ),
        ]
        "#);
    assert!(!trace.has_failure());
}

#[test]
fn an_event_that_may_be_of_the_key_is_not_looked_at() {
    let mut anonymous = event("203.0.113.9", BOTO3);
    anonymous.caller.access_key = None;
    assert_eq!(World::of([anonymous.clone()]).judged(), (vec![], Advice::AskOwner));
    let sign_in =
        Event { source: "signin.amazonaws.com".to_owned(), name: "ConsoleLogin".to_owned(), ..anonymous.clone() };
    assert_eq!(World::of([sign_in]).judged(), (vec![], Advice::Remove));
    let by_arn = |arn: &str| {
        let mut event = anonymous.clone();
        event.caller.user = None;
        event.caller.arn = Some(arn.to_owned());
        World::of([event]).judged()
    };
    assert_eq!(by_arn("arn:aws:iam::123456789012:user/team/alice"), (vec![], Advice::AskOwner));
    assert_eq!(by_arn("arn:aws:iam::123456789012:user/team/malice"), (vec![], Advice::Remove));
    anonymous.caller.user = Some("bob".to_owned());
    assert_eq!(World::of([anonymous]).judged(), (vec![], Advice::Remove));
}

#[test]
fn an_events_id_counts_once_for_each_key() {
    let mut world = World::of([event("203.0.113.9", BOTO3)]);
    world.keys.push(key("bob", "AKIAI44QH8DHBEXAMPLE"));
    let mut other = event("203.0.113.66", "TruffleHog");
    other.caller.access_key = Some("AKIAI44QH8DHBEXAMPLE".to_owned());
    world.events.push(other);
    assert_eq!(world.trace().keys[1].plan, Advice::Incident);
}

#[test]
fn an_event_counts_once_and_only_in_the_period() {
    let early =
        Event { time: Some(time("2026-08-22T05:59:59Z")), id: Some("e-0".to_owned()), ..event("203.0.113.9", BOTO3) };
    assert_eq!(World::of([early.clone()]).judged(), (vec![], Advice::Remove));
    let edge = Event { time: Some(time("2026-08-22T06:00:00Z")), ..early };
    let world = World::of([edge.clone(), event("203.0.113.9", BOTO3), edge]);
    let key = world.key();
    assert_eq!((key.events, key.used_from.len(), key.days.len()), (2, 1, 2));
    assert_eq!(key.used_from[0].first, Some(time("2026-08-22T06:00:00Z")));
    assert_eq!(key.used_from[0].last, Some(time("2026-11-18T06:00:00Z")));
}

#[test]
fn the_keys_with_a_failed_finding_are_chosen_or_those_of_a_user() {
    let account = account(
        "user | access_key_1_active | access_key_1_last_rotated | access_key_1_last_used_date | access_key_2_active | access_key_2_last_rotated\n\
         <root_account> | true | 2020-01-01T00:00:00Z | N/A | false | N/A\n\
         alice | true | 2021-06-20T05:16:50Z | 2026-11-19T06:00:00Z | true | 2026-11-19T06:00:00Z\n\
         bob | true | 2026-11-19T06:00:00Z | N/A | false | N/A",
    );
    let evaluation = evaluated(&account);
    let chosen = |which: &Which| -> Vec<(String, u8)> {
        keys(&account, &evaluation, which).into_iter().map(|key| (key.subject.user.name, key.subject.slot)).collect()
    };
    assert_eq!(chosen(&Which::Failing), [("alice".to_owned(), 1)]);
    assert_eq!(chosen(&Which::OfUser("alice".to_owned())), [("alice".to_owned(), 1), ("alice".to_owned(), 2)]);
    assert_eq!(chosen(&Which::OfUser("bob".to_owned())).len(), 1);
    assert_eq!(chosen(&Which::All).len(), 3);
}

#[test]
fn the_later_of_two_last_uses_counts() {
    let (early, late) = (used("2026-11-01T06:00:00Z", "s3"), used("2026-11-02T06:00:00Z", "ec2"));
    let updated = |known: Source<Option<LastUsed>>, other: Option<&LastUsed>| {
        let mut key = Key { last_used: known, ..key("alice", ID) };
        key.update_last_used(other.cloned());
        key.last_used
    };
    assert_eq!(updated(Ok(Some(early.clone())), Some(&late)), Ok(Some(late.clone())));
    assert_eq!(updated(Ok(Some(late.clone())), Some(&early)), Ok(Some(late.clone())));
    assert_eq!(updated(Ok(Some(early.clone())), None), Ok(Some(early)));
    assert_eq!(updated(Ok(None), Some(&late)), Ok(Some(late)));
    assert_eq!(updated(unavailable("Damaged."), None), Ok(None));
}

/// An event of some kind at some time; `None` takes a part away.
fn some_event() -> impl Strategy<Value = Event> {
    let addresses =
        ["198.51.100.7", "198.51.100.9", "172.31.5.6", "203.0.113.9", "2001:db8::1", "cloudformation.amazonaws.com"];
    let agents =
        [BOTO3, AWS_CLI, "TruffleHog", "configure-aws-credentials-for-github-actions", "", "Boto3/1 exec-env/EC2"];
    let parts = (
        proptest::option::weighted(0.9, proptest::sample::select(addresses.to_vec())),
        proptest::sample::select(agents.to_vec()),
        proptest::option::weighted(0.9, -100_i64..2),
        0_u8..4,
        proptest::option::of(Just("vpce-1")),
    );
    parts.prop_map(|(address, agent, day, id, endpoint)| Event {
        address: address.map(str::to_owned),
        time: day.map(|day| time(NOW) + TimeDelta::days(day)),
        id: Some(format!("e-{id}-{day:?}")),
        endpoint: endpoint.map(str::to_owned),
        ..event("", agent)
    })
}

fn some_world() -> impl Strategy<Value = World> {
    let gaps = proptest::collection::vec(
        Just(Gap::events("eu-west-1", &Unavailable::Unreadable("Refused.".to_owned()))),
        0..2,
    );
    let days = proptest::option::of(-400_i64..0);
    let parts = (proptest::collection::vec(some_event(), 0..6), gaps, days, any::<bool>(), any::<bool>());
    parts.prop_map(|(events, gaps, last_used, active, read)| {
        let mut world = World { gaps, ..World::of(events) };
        world.interfaces = vec![instance("1", "198.51.100.7"), instance("2", "2001:db8::1")];
        world.keys[0].subject.active = Some(active);
        world.keys[0].last_used = Ok(last_used.map(|day| LastUsed {
            date: time(NOW) + TimeDelta::days(day),
            region: None,
            service: Some("ec2".to_owned()),
        }));
        if !read {
            world.unread_networks.push(Gap::of(place::INTERFACES, &Unavailable::NotAsked("Not given.".to_owned())));
        }
        world
    })
}

proptest! {
    #[test]
    fn more_events_never_turn_another_plan_into_remove(world in some_world(), more in some_event()) {
        let before = world.key().plan;
        let mut with = world;
        with.events.push(more);
        prop_assert!(with.key().plan != Advice::Remove || before == Advice::Remove);
    }

    #[test]
    fn what_is_not_looked_at_never_turns_another_plan_of_an_active_key_into_remove(
        world in some_world(),
        region in "[a-z]{2}-west-1",
        which in 0_usize..6,
        days in 1_i64..90,
    ) {
        let mut world = world;
        world.keys[0].subject.active = Some(true);
        let before = world.key().plan;
        // Events that vanish leave a gap: a Region, or the days before.
        let mut without = world.clone();
        without.gaps.push(Gap::events(&region, &Unavailable::NotAsked("Not given.".to_owned())));
        if which < without.events.len() {
            without.events.remove(which);
        }
        prop_assert!(without.key().plan != Advice::Remove);
        let shorter = World { days, ..world.clone() };
        prop_assert!(shorter.key().plan != Advice::Remove);
        let mut nameless = world.clone();
        nameless.keys[0].id = unavailable("Refused.");
        prop_assert!(nameless.key().plan != Advice::Remove);
        let mut networks = world;
        networks.interfaces.clear();
        prop_assert!(networks.key().plan != Advice::Remove || before == Advice::Remove);
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(world in some_world(), turns in 0_usize..6) {
        let mut other = world.clone();
        if !other.events.is_empty() {
            let turns = turns % other.events.len();
            other.events.rotate_left(turns);
        }
        other.events.reverse();
        other.interfaces.reverse();
        // Two different events with one id are not in the history.
        let ids: std::collections::BTreeSet<_> = world.events.iter().map(|event| &event.id).collect();
        prop_assume!(ids.len() == world.events.len());
        prop_assert_eq!(world.trace(), other.trace());
    }
}
