//! Others are at work at the same time: a long transaction in front of a run, or twenty runs.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;

use super::Round;
use super::kill::Killer;
use super::world::{ALL, SERVICES, With, World, ended, version};
use crate::support::{Random, quoted};

/// The server ends a statement of a run, after a time or behind a transaction that is not ended.
pub(super) fn timeout() -> Result<Round, String> {
    let world = World::new();
    Ok(Box::new(move |random| {
        world.begin(With::Nothing);
        let applied = random.below(ALL);
        if applied > 0 {
            world
                .workspace
                .db(&format!("migrate --to {}", version(applied)))
                .exits(0);
        }
        let service = SERVICES[random.below(SERVICES.len())];
        let database = quoted(&world.workspace.database(service));
        let mut other = world.session(service);
        let setting = match random.below(2) {
            0 => format!("statement_timeout = {}", 1 + random.below(15)),
            _ => {
                other
                    .batch_execute(&in_front(service, applied, random))
                    .unwrap();
                format!("lock_timeout = {}", 1 + random.below(40))
            }
        };
        let mut admin = world.admin();
        admin
            .batch_execute(&format!("ALTER DATABASE {database} SET {setting}"))
            .unwrap();
        let run = ended(&mut world.start("migrate"), || world.said());
        assert!([0, 3, 4].contains(&run.code), "{setting}: {}", run.stderr);
        admin
            .batch_execute(&format!("ALTER DATABASE {database} RESET ALL"))
            .unwrap();
        drop(other);
        world.is_consistent();
        world.go_on("migrate");
        world.holds();
        run.code != 0
    }))
}

/// The beginning of a transaction that what comes next has to wait for.
fn in_front(service: &str, applied: usize, random: &mut Random) -> String {
    let lock = match (applied, random.below(3)) {
        (0, _) | (_, 0) => "LOCK TABLE ran".to_owned(),
        (_, 1) => format!("LOCK TABLE {service}_items"),
        _ => format!("UPDATE {service}_items SET body = body"),
    };
    format!("BEGIN; {lock}")
}

const RUNS: usize = 20;

pub(super) fn crowd() -> Result<Round, String> {
    let world = World::new();
    let killer = Killer::new(world.time * 5);
    Ok(Box::new(move |random| {
        world.begin(With::Nothing);
        let mut runs: Vec<_> = (0..RUNS)
            .map(|_| world.start("migrate --lock-timeout 100"))
            .collect();
        let mut moments: Vec<_> = (0..RUNS / 2).map(|_| killer.moment(random)).collect();
        moments.sort();
        let mut before = Duration::ZERO;
        let mut killed = 0;
        for moment in moments {
            std::thread::sleep(moment - before);
            before = moment;
            let mut run = runs.swap_remove(random.below(runs.len()));
            killed += usize::from(run.try_wait().unwrap().is_none());
            run.kill().unwrap();
            run.wait().unwrap();
        }
        for mut run in runs {
            // Behind a killed one, a file without a transaction may fail: that it is done already is for a person to say.
            let code = ended(&mut run, || world.said()).code;
            assert!([0, 4].contains(&code), "{code}: {}", world.said());
        }
        // One that was killed may be at work on the server yet.
        world.go_on("migrate");
        world.holds();
        killed > 0
    }))
}
