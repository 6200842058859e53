//! The metric of successful runs, which the alarm on missing runs uses.

use chrono::{DateTime, Utc};
use serde_json::json;

/// The metric's namespace; its name and its only dimension follow.
pub const NAMESPACE: &str = "credwarden";
/// See [`NAMESPACE`].
pub const SUCCESSFUL_RUNS: &str = "SuccessfulRuns";
/// See [`NAMESPACE`].
pub const FUNCTION_NAME: &str = "FunctionName";

/// One successful run, as a log line in CloudWatch's embedded metric format. CloudWatch extracts the metric from it, so that the
/// function needs neither a call nor a permission.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
pub fn successful_run(now: DateTime<Utc>, function_name: &str, request_id: &str) -> String {
    let metrics = json!([{ "Name": SUCCESSFUL_RUNS, "Unit": "Count" }]);
    let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [[FUNCTION_NAME]], "Metrics": metrics });
    json!({
        "_aws": { "Timestamp": now.timestamp_millis(), "CloudWatchMetrics": [directive] },
        FUNCTION_NAME: function_name,
        SUCCESSFUL_RUNS: 1,
        "requestId": request_id,
    })
    .to_string()
}
