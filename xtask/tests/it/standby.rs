//! A real standby: read, never written to.

use crate::support::{OwnServer, Workspace};

#[test]
fn a_standby_is_refused_by_name_and_the_help_leads_to_its_primary() {
    let mut workspace = Workspace::with(&["arc"]);
    let primary = OwnServer::start(&workspace, None).unwrap();
    let database = workspace.database("arc");
    workspace.set("ARC_DATABASE_URL", &primary.url(&database));
    workspace.db("create").exits(0);
    workspace.db("migrate --to 2026-01-01-000000").exits(0);
    // Goes before its primary does.
    let standby = primary.standby(&workspace);
    workspace.set("ARC_DATABASE_URL", &standby.url(&database));
    workspace.db("status").exits(0).says("1 pending");
    for line in ["migrate", "protect arc"] {
        workspace
            .db(line)
            .exits(3)
            .says("takes no writes: it is a standby")
            .says("target_session_attrs=read-write")
            .does_not_say(".sql:")
            .does_not_say("SQLSTATE");
    }
    // As the help has it.
    let both = format!(
        "postgres://postgres@{},{}/{database}?target_session_attrs=read-write",
        standby.place(),
        primary.place()
    );
    workspace.set("ARC_DATABASE_URL", &both);
    workspace.db("migrate").exits(0).says("applied 1 migration");
}
