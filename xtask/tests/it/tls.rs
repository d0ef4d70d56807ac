//! `sslrootcert=system`, in front of a server whose certificate is of the test's own authority.

use crate::support::{TlsFront, Workspace};

fn trust(workspace: &mut Workspace, name: &str) {
    let path = workspace.path(&format!("{name}.pem"));
    workspace.set("SSL_CERT_FILE", path.to_str().unwrap());
}

#[test]
fn the_system_is_asked_whether_it_trusts_the_server() {
    let mut workspace = Workspace::with(&["arc"]);
    let front = TlsFront::start(&workspace.get("ARC_DATABASE_URL"), workspace.root());
    let url = &front.url;
    let untrusted = "certificate verify failed";

    let full = format!("{url}?sslmode=verify-full&sslrootcert=system");
    workspace.set("ARC_DATABASE_URL", &full);
    trust(&mut workspace, "wrong");
    workspace.db("create").exits(3).says(untrusted);
    trust(&mut workspace, "right");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    // Also by a pg_dump whose libpq knows no `system`.
    let backup = workspace.db("backup arc");
    // Some builds of PostgreSQL have no TLS at all; and that of a server in a container may be nowhere else.
    let without = ["SSL support is not compiled in", "is older than PostgreSQL"];
    assert!(
        backup.code == 0 || without.iter().any(|text| backup.stderr.contains(text)),
        "{backup:?}"
    );
    // As `system` has it for libpq, nothing less than everything is verified.
    workspace.set("ARC_DATABASE_URL", &format!("{url}?sslrootcert=system"));
    workspace.db("status --exit-code").exits(0);
    trust(&mut workspace, "wrong");
    workspace.db("status").exits(3).says(untrusted);
    let weak = format!("{url}?sslrootcert=system&sslmode=require");
    workspace.set("ARC_DATABASE_URL", &weak);
    workspace.db("status").exits(3).says("weak sslmode");
    // The environment may say it, too.
    workspace.set("ARC_DATABASE_URL", url);
    workspace.set("PGSSLROOTCERT", "system");
    workspace.db("status").exits(3).says(untrusted);
    trust(&mut workspace, "right");
    workspace.db("status --exit-code").exits(0);
}

#[test]
fn an_authority_that_this_machine_does_not_know_is_not_trusted() {
    let mut workspace = Workspace::with(&["arc"]);
    let front = TlsFront::start(&workspace.get("ARC_DATABASE_URL"), workspace.root());
    let full = format!("{}?sslmode=verify-full&sslrootcert=system", front.url);
    workspace.set("ARC_DATABASE_URL", &full);
    let run = workspace.db("create");
    // Where this machine has no authorities at all, that is said.
    match run.code {
        3 => run.says("certificate verify failed"),
        _ => run.exits(2).says("no store of certificates was found"),
    };
}
