//! `db up` and `db down`: from nothing to migrated databases on a server of the workspace's own.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::Workspace;

/// Removes the server even when the test fails.
pub(crate) struct Up(pub(crate) Workspace);

impl Drop for Up {
    fn drop(&mut self) {
        let name = self
            .0
            .path("")
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        self.0.db(&format!("down --wipe --yes {name}"));
    }
}

fn workspace() -> Up {
    let mut workspace = Workspace::with(&["my-team", "order"]);
    workspace.unset("MY_TEAM_DATABASE_URL");
    workspace.unset("ORDER_DATABASE_URL");
    Up(workspace)
}

#[test]
fn it_ends_with_migrated_databases_and_data_survives() {
    let mut up = workspace();
    up.0.write(
        ".env.template",
        "# ours\nORDER_DATABASE_URL=postgres://u:p@localhost/x\nOTHER=kept\n",
    );
    let run = up.0.db("up").exits(0);
    assert_eq!(run.stdout.matches("created").count(), 2, "{run:?}");
    assert_eq!(
        run.stdout.matches("applied 2 migrations").count(),
        2,
        "{run:?}"
    );
    let env = std::fs::read_to_string(up.0.path(".env")).unwrap();
    assert!(
        env.starts_with("# ours\nORDER_DATABASE_URL=postgres://"),
        "{env}"
    );
    assert!(
        env.contains("\nOTHER=kept\nMY_TEAM_DATABASE_URL=postgres://"),
        "{env}"
    );
    assert_eq!(
        std::fs::metadata(up.0.path(".env"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    let password = env
        .split_once(':')
        .unwrap()
        .1
        .split(':')
        .nth(1)
        .unwrap()
        .split('@')
        .next()
        .unwrap();
    assert!(
        password.len() >= 16 && !run.stdout.contains(password) && !run.stderr.contains(password)
    );

    let again =
        up.0.db("up")
            .exits(0)
            .says("is running")
            .does_not_say("created");
    assert_eq!(
        again.stdout.matches("up to date at 20260102000000").count(),
        2
    );
    assert_eq!(std::fs::read_to_string(up.0.path(".env")).unwrap(), env);
    up.0.db("status --exit-code").exits(0);
    up.0.write(
        "services/order/seeds/1.sql",
        "INSERT INTO order_items VALUES (5) ON CONFLICT DO NOTHING;",
    );
    up.0.db("up")
        .exits(0)
        .says("there are seeds for order")
        .does_not_say("seeded");
    up.0.db("up --seed")
        .exits(0)
        .says("seeded from 1 file")
        .does_not_say("there are seeds");
    up.0.remove("services/order/seeds");
    up.0.db("protect order").exits(0);

    let url = env
        .lines()
        .find_map(|line| line.strip_prefix("ORDER_DATABASE_URL="))
        .unwrap()
        .to_owned();
    let insert = |url: &str| {
        use diesel::Connection as _;
        diesel::PgConnection::establish(url).unwrap()
    };
    diesel::connection::SimpleConnection::batch_execute(
        &mut insert(&url),
        "DELETE FROM order_items; INSERT INTO order_items VALUES (7)",
    )
    .unwrap();
    up.0.db("down").exits(0).says("is stopped; its data stays");
    up.0.db("down").exits(0).says("was not running");
    up.0.db("migrate").exits(3).says("failed to connect");
    up.0.db("up").exits(0);
    assert_eq!(
        crate::support::value(&mut insert(&url), "SELECT id FROM order_items"),
        "7"
    );

    let name =
        up.0.path("")
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
    let wipe = format!("down --wipe --yes {name}");
    up.0.db(&wipe).exits(7).says("which is protected");
    up.0.db("protect order --off").exits(0);
    up.0.db("down --wipe")
        .exits(7)
        .says("not confirmed")
        .says("of service `order`")
        .says("order_items (about 1 row)");
    up.0.db("down --wipe --yes order").exits(7);
    up.0.db_given("down --wipe", &format!("{name}\n")).exits(7);
    up.0.db_at_terminal("down --wipe", "order\n").exits(7);
    up.0.db("status --exit-code").exits(0);
    // A new service's line is added, and nothing else changes.
    up.0.add("late", "late_db");
    up.0.unset("LATE_DATABASE_URL");
    up.0.migration("late", "1_a", "CREATE TABLE a ();", "DROP TABLE a;");
    up.0.db("up").exits(0).says("wrote LATE_DATABASE_URL");
    let longer = std::fs::read_to_string(up.0.path(".env")).unwrap();
    assert!(
        longer.starts_with(&env) && longer.contains("LATE_DATABASE_URL="),
        "{longer}"
    );
    // What is wiped is not looked for afterwards, and the lines keep their places.
    up.0.db(&format!("down --wipe --yes {name}"))
        .exits(0)
        .says("emptied in .env: ORDER_DATABASE_URL, MY_TEAM_DATABASE_URL, LATE_DATABASE_URL");
    let emptied = std::fs::read_to_string(up.0.path(".env")).unwrap();
    assert_eq!(
        emptied,
        "# ours\nORDER_DATABASE_URL=\nOTHER=kept\nMY_TEAM_DATABASE_URL=\nLATE_DATABASE_URL=\n"
    );
    up.0.db("up").exits(0).says("created");
}

#[test]
fn variables_that_point_elsewhere_stop_it() {
    let mut up = workspace();
    up.0.set(
        "ORDER_DATABASE_URL",
        "postgres://me:hush@db.example.com/orders",
    );
    up.0.db("up")
        .exits(2)
        .says("ORDER_DATABASE_URL in the environment points service `order` away")
        .says("only ever touches the local server")
        .does_not_say("hush");
    assert!(!up.0.path(".env").exists());
    // A local server, but another one.
    up.0.set(
        "ORDER_DATABASE_URL",
        "postgres://me:hush@localhost:1/orders",
    );
    up.0.db("up")
        .exits(2)
        .says("points service `order` away")
        .does_not_say("hush");
    assert!(!up.0.path(".env").exists());
}
