//! A real standby: read, never written to.

use crate::support::{Pair, Workspace};

#[test]
fn a_standby_is_refused_by_name_and_the_help_leads_to_its_primary() {
    let mut workspace = Workspace::with(&["arc"]);
    let mut pair = Pair::primary(&workspace);
    let [primary, standby] = pair.places();
    let database = workspace.database("arc");
    workspace.set(
        "ARC_DATABASE_URL",
        &format!("postgres://postgres@{primary}/{database}"),
    );
    workspace.db("create").exits(0);
    workspace.db("migrate --to 2026-01-01-000000").exits(0);
    pair.follow();
    workspace.set(
        "ARC_DATABASE_URL",
        &format!("postgres://postgres@{standby}/{database}"),
    );
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
        "postgres://postgres@{standby},{primary}/{database}?target_session_attrs=read-write"
    );
    workspace.set("ARC_DATABASE_URL", &both);
    workspace.db("migrate").exits(0).says("applied 1 migration");
}
