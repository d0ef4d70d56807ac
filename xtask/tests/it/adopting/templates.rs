//! A server whose `template1` has objects: what it puts into a new database is nobody's.

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use local_postgres::Server;

use crate::support::{Workspace, value};

/// A function, a table and an extension.
const OBJECTS: &str = "
CREATE OR REPLACE FUNCTION from_template() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE IF NOT EXISTS table_of_template (x int);
CREATE EXTENSION IF NOT EXISTS citext";

/// A server of its own: all tests of the shared one would get these objects. `None` where somebody else's server is used.
fn server() -> Option<Server> {
    if std::env::var_os("LOCAL_POSTGRES_URL").is_some() {
        eprintln!("not tested: the template1 of LOCAL_POSTGRES_URL is left alone");
        return None;
    }
    Some(Server::for_tests("xtask-template1").unwrap())
}

fn session(server: &Server, database: &str) -> PgConnection {
    PgConnection::establish(&server.url(database)).unwrap()
}

#[test]
fn what_template1_has_is_not_in_the_way() {
    let Some(server) = server() else { return };
    session(&server, "template1")
        .batch_execute(OBJECTS)
        .unwrap();
    let mut workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.set("ARC_DATABASE_URL", &server.url(&arc));
    workspace.set("LOCAL_POSTGRES_URL", &server.url("postgres"));
    workspace.db("create").exits(0).says("created");
    workspace
        .db("migrate")
        .exits(0)
        .says("applied 2 migrations");
    let mut database = session(&server, &arc);
    let objects = value(
        &mut database,
        "SELECT concat_ws(' ', to_regproc('from_template'), to_regclass('table_of_template'), to_regtype('citext'))",
    );
    assert_eq!(objects, "");
    drop(database);

    // One that an administrator made has them: they are named as what they are, and the way in marks nothing.
    let mut admin = session(&server, "postgres");
    let remake = format!("DROP DATABASE {arc} WITH (FORCE)");
    admin.batch_execute(&remake).unwrap();
    admin
        .batch_execute(&format!("CREATE DATABASE {arc}"))
        .unwrap();
    workspace
        .db("migrate")
        .exits(6)
        .says("has objects, but no history")
        .says("`from_template`")
        .says("`table_of_template`")
        .does_not_say("citext");
    workspace
        .db("baseline arc")
        .exits(6)
        .says("function public.from_template(): only in the database")
        .says("cargo xtask db baseline arc --claim-only");
    workspace.db("baseline arc --claim-only").exits(0);
    workspace
        .db("migrate")
        .exits(0)
        .says("applied 2 migrations");
    admin.batch_execute(&remake).unwrap();
}

#[test]
fn a_template1_of_another_encoding_decides_the_encoding() {
    let Some(server) = server() else { return };
    let mut workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.set("ARC_DATABASE_URL", &server.url(&arc));
    let mut admin = session(&server, "postgres");
    let facts = "SELECT concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datctype) FROM pg_database WHERE datname = ";
    let usual = value(&mut admin, &format!("{facts}'template0'"));
    // A server of its own once more: this template1 is like none that others expect.
    let other = Server::for_tests("xtask-template1-latin").unwrap();
    let mut other_admin = session(&other, "postgres");
    other_admin
        .batch_execute("UPDATE pg_database SET datistemplate = false WHERE datname = 'template1'")
        .unwrap();
    for statement in [
        "DROP DATABASE template1",
        "CREATE DATABASE template1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' IS_TEMPLATE true",
    ] {
        other_admin.batch_execute(statement).unwrap();
    }
    for (server, admin, expected) in [
        (&server, &mut admin, usual.as_str()),
        (&other, &mut other_admin, "LATIN1 C C"),
    ] {
        workspace.set("ARC_DATABASE_URL", &server.url(&arc));
        workspace.db("create").exits(0).says("created");
        assert_eq!(value(admin, &format!("{facts}'{arc}'")), expected);
        admin
            .batch_execute(&format!("DROP DATABASE {arc} WITH (FORCE)"))
            .unwrap();
    }
}
