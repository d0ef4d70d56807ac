//! The clocks of the server and of the tool are set back between two runs.
//!
//! No clock is set: what is written down moves into the future instead, so that now is before it. Nothing else tells the
//! tool of the time that has passed.

use diesel::connection::SimpleConnection as _;

use super::Round;
use super::kill::backups;
use super::world::{ALL, SERVICES, With, World, version};

pub(super) fn set_back() -> Result<Round, String> {
    let world = World::new();
    Ok(Box::new(move |random| {
        world.begin(With::Everything);
        let later = format!("+ interval '{} hours'", 1 + random.below(10_000));
        for service in SERVICES {
            let books = format!(
                "UPDATE db_ledger.run SET started_at = started_at {later}, finished_at = finished_at {later}, run_on = run_on {later};
                 UPDATE __diesel_schema_migrations SET run_on = run_on {later}"
            );
            world.session(service).batch_execute(&books).unwrap();
        }
        world.is_consistent();
        let service = SERVICES[random.below(SERVICES.len())];
        let database = world.workspace.database(service);
        match random.below(3) {
            0 => {
                let number = 1 + random.below(ALL);
                world.go_on(&format!("redo {service} -n {number} --yes {database}"));
            }
            1 => {
                let stays = version(1 + random.below(ALL - 1));
                world.go_on(&format!("revert {service} --to {stays}"));
                world.is_consistent();
                world.go_on("migrate");
            }
            _ => back_up(&world, service),
        }
        world.holds();
        true
    }))
}

/// The backup that was just made is the newest, whatever the names of the others say.
fn back_up(world: &World, service: &str) {
    let ahead = "2099-01-01-000000";
    for name in backups(world, service) {
        let path = |name| world.workspace.path(&format!("backups/{service}/{name}"));
        std::fs::rename(path(name.as_str()), path(ahead)).unwrap();
    }
    world.go_on(&format!("backup {service} --keep 1"));
    let all = backups(world, service);
    assert!(all.len() == 1 && all[0] != ahead, "{all:?}");
}
