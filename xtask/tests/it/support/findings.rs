//! What `db check` finds on a throw-away server.

use local_postgres::Server;
use serde_json::Value;

use super::{Workspace, variable};

/// The checks that need a server; the others are tested by themselves.
const CHECKS: [&str; 14] = [
    "migration-fails",
    "needs-other-service",
    "shared-table",
    "down-fails",
    "not-undone",
    "not-repeatable",
    "live-url",
    "live-missing",
    "live-owner",
    "live-pending",
    "live-unknown",
    "live-edited",
    "live-invalid-index",
    "live-drift",
];

/// Services whose variables are not set: `db check` needs none.
pub(crate) fn on_throwaway(services: &[&str]) -> Workspace {
    let mut workspace = Workspace::with(services);
    for service in services {
        workspace.unset(&variable(service));
    }
    // The tests' own server; else cargo would build what finds one.
    let server = Server::for_tests("xtask").unwrap();
    workspace.set("LOCAL_POSTGRES_URL", &server.url("postgres"));
    workspace
}

/// Services with a variable each, and a throw-away server to compare their databases on.
pub(crate) fn adopting(services: &[&str]) -> Workspace {
    let mut workspace = Workspace::with(services);
    let server = Server::for_tests("xtask").unwrap();
    workspace.set("LOCAL_POSTGRES_URL", &server.url("postgres"));
    workspace
}

/// Says that a service's migrations need a superuser.
pub(crate) fn superuser(workspace: &Workspace, service: &str) {
    workspace.append(
        &format!("services/{service}/Cargo.toml"),
        "superuser = true\nsuperuser-reason = \"a test\"\n",
    );
}

/// A finding without its help: check, service, file and line, message.
pub(crate) type Seen = (String, String, String, String);

pub(crate) fn findings(workspace: &Workspace, line: &str) -> Vec<Seen> {
    let run = workspace.db(&format!("{line} --json"));
    assert!(run.code < 2, "{}{}", run.stdout, run.stderr);
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let seen = json["findings"].as_array().unwrap().iter().map(|finding| {
        let file = text(&finding["file"]);
        let place = match finding["line"].as_u64() {
            Some(line) => format!("{file}:{line}"),
            None => file,
        };
        (
            text(&finding["check"]),
            text(&finding["service"]),
            place,
            text(&finding["message"]),
        )
    });
    seen.filter(|(check, ..)| CHECKS.contains(&check.as_str()))
        .collect()
}

/// The one finding.
#[track_caller]
pub(crate) fn only(workspace: &Workspace, line: &str) -> Seen {
    let mut found = findings(workspace, line);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}
