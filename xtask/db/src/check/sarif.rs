//! Findings in SARIF 2.1.0, which code scanning of GitHub and others reads.
//!
//! Structures of our own: the crate that has all of the format, `serde-sarif`, brings 33 others, and everybody waits for
//! them. The names are those of the standard, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", section 3.

use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use super::finding::Finding;
use super::rules::RULES;
use super::shown::Sources;
use super::table;
use crate::sql::statements::place_of;

/// What may stand unencoded in the path of a URI reference.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_column: Option<usize>,
}

impl Region {
    /// Where a finding is: the first line of its file, if nothing more is known.
    fn of(finding: &Finding, sources: &Sources) -> Self {
        let Some((text, words)) = sources.words(finding) else {
            return Self {
                start_line: finding.line.unwrap_or(1),
                start_column: None,
                end_line: None,
                end_column: None,
            };
        };
        let end = words.start + text[words.clone()].trim_end().len();
        let (start, end) = (place_of(text, words.start), place_of(text, end));
        Self {
            start_line: start.line,
            start_column: Some(start.column),
            end_line: Some(end.line),
            end_column: Some(end.column),
        }
    }
}

/// The log of one run; `complete`: nothing kept a check from looking.
pub(crate) fn log(root: &Path, findings: &[Finding], sources: &Sources, complete: bool) -> Value {
    let mut names: Vec<_> = findings.iter().map(|finding| finding.check).collect();
    names.sort_unstable();
    names.dedup();
    let rules: Vec<_> = names.iter().map(|name| rule(name)).collect();
    let results: Vec<_> = findings
        .iter()
        .map(|finding| result(root, finding, sources, &names))
        .collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "cargo xtask db check",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "invocations": [{ "executionSuccessful": complete }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(name: &str) -> Value {
    let finds = table::check(name).map_or_else(|| name.to_owned(), |check| check.finds);
    let mut rule = json!({
        "id": name,
        "shortDescription": { "text": finds },
        "defaultConfiguration": { "level": "error" },
    });
    if let Some(squawk) = RULES.iter().find(|rule| rule.name == name) {
        rule["helpUri"] = squawk.page().into();
    }
    rule
}

fn result(root: &Path, finding: &Finding, sources: &Sources, names: &[&str]) -> Value {
    let file = finding.file.as_deref().unwrap_or("Cargo.toml");
    let uri = utf8_percent_encode(file, PATH).to_string();
    // What is no file has no lines.
    let has_lines = !root.join(file).is_dir();
    let mut place = json!({ "artifactLocation": { "uri": uri, "uriBaseId": "%SRCROOT%" } });
    if has_lines {
        place["region"] = json!(Region::of(finding, sources));
    }
    let text = match finding.help.trim_end() {
        "" => finding.message.clone(),
        help => format!("{}\n{help}", finding.message),
    };
    json!({
        "ruleId": finding.check,
        "ruleIndex": names.iter().position(|name| *name == finding.check),
        "level": "error",
        "message": { "text": text },
        "locations": [{ "physicalLocation": place }],
    })
}
