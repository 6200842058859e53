//! Uses of a key that CloudTrail's event history does not show: it has no data events, and no SMTP.

/// The services whose calls are mostly data events, by IAM's namespace, and API Gateway, whose calls are in no event. Those of which
/// only a small part is a data event, such as EC2 and ECS, are not here.
///
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html>. It has types of resources;
/// which spelling IAM's last use has of CloudWatch and SES is not documented, so both are here.
const WITH_DATA_EVENTS: [&str; 79] = [
    "aoss",
    "appconfig",
    "appsync",
    "aws-external-anthropic",
    "b2bi",
    "bedrock",
    "bedrock-agentcore",
    "bedrock-mantle",
    "cassandra",
    "cloudfront-keyvaluestore",
    "cloudtrail-data",
    "cloudwatch",
    "codeguru-profiler",
    "codewhisperer",
    "cognito-identity",
    "dataexchange",
    "deadline",
    "dsql",
    "dynamodb",
    "ebs",
    "ec2messages",
    "email",
    "events",
    "execute-api",
    "finspace",
    "finspace-api",
    "firehose",
    "gameliftstreams",
    "geo",
    "geo-maps",
    "geo-places",
    "geo-routes",
    "greengrass",
    "healthlake",
    "iot",
    "iotsitewise",
    "iottwinmaker",
    "kendra-ranking",
    "kinesis",
    "kinesisvideo",
    "lambda",
    "lex",
    "logs",
    "machinelearning",
    "managedblockchain",
    "managedblockchain-query",
    "medical-imaging",
    "mobiletargeting",
    "monitoring",
    "neptune-graph",
    "payment-cryptography",
    "pca-connector-ad",
    "pca-connector-scep",
    "qapps",
    "qbusiness",
    "rds-data",
    "redshift-data",
    "rum",
    "s3",
    "s3-object-lambda",
    "s3-outposts",
    "s3express",
    "s3tables",
    "s3vectors",
    "sagemaker",
    "sdb",
    "servicediscovery",
    "ses",
    "signer",
    "sms-voice",
    "sns",
    "social-messaging",
    "sqs",
    "ssmmessages",
    "swf",
    "thinclient",
    "timestream",
    "verifiedpermissions",
    "xray",
];

/// Whether the event history may not show a call of the service.
pub(super) fn has_data_events(service: &str) -> bool {
    WITH_DATA_EVENTS.iter().any(|known| known.eq_ignore_ascii_case(service))
}

/// Whether SES's console made the user, for SMTP: its password is derived from an access key.
///
/// <https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html>
pub(super) fn is_smtp_user(name: &str) -> bool {
    name.starts_with("ses-smtp-user.")
}
