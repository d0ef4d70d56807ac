//! A run is killed, alone or with the programs that it started.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;

use super::Round;
use super::world::{ALL, SERVICES, With, World, version};
use crate::support::{Random, value};

/// How long a run takes, as far as is known by now.
pub(super) struct Killer(Duration);

impl Killer {
    pub(super) fn new(time: Duration) -> Self {
        Self(time)
    }

    /// A moment within the time that a run takes.
    pub(super) fn moment(&self, random: &mut Random) -> Duration {
        self.0.mul_f64(random.below(1000) as f64 / 1000.0)
    }

    /// Waits for that moment and kills the run; whether it was still at work. One that had ended has done so well.
    #[track_caller]
    pub(super) fn kill(
        &mut self,
        mut child: Child,
        random: &mut Random,
        said: impl FnOnce() -> String,
    ) -> bool {
        let (begin, moment) = (Instant::now(), self.moment(random));
        let with_programs = random.below(2) == 0;
        while begin.elapsed() < moment {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{}", said());
                self.0 = begin.elapsed();
                return false;
            }
            std::thread::sleep(
                (moment - begin.elapsed().min(moment)).min(Duration::from_millis(1)),
            );
        }
        let was_at_work = child.try_wait().unwrap().is_none();
        if was_at_work && with_programs {
            let group = format!("-{}", child.id());
            // It may end at this very moment.
            let _ = Command::new("kill").args(["-KILL", "--", &group]).output();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // Or else the end of a run that takes longer than it did would never be seen.
        self.0 += self.0 / 50;
        was_at_work
    }
}

/// Rounds that begin with the same databases: a command is killed, and what `then` does goes on.
fn rounds(
    with: With,
    line: impl Fn(&World, &mut Random) -> String + 'static,
    then: impl Fn(&World, &str) + 'static,
) -> Result<Round, String> {
    let world = World::new();
    let mut killer = Killer::new(world.time);
    Ok(Box::new(move |random| {
        world.begin(with);
        let line = line(&world, random);
        let was_at_work = killer.kill(world.start(&line), random, || world.said());
        world.is_consistent();
        then(&world, &line);
        was_at_work
    }))
}

pub(super) fn migrate() -> Result<Round, String> {
    rounds(
        With::Nothing,
        |_, _| "migrate".to_owned(),
        |world, line| {
            world.go_on(line);
            world.holds();
        },
    )
}

/// Of one service, down to any version; `migrate` brings it back.
pub(super) fn revert() -> Result<Round, String> {
    rounds(
        With::Everything,
        |world, random| {
            let service = SERVICES[random.below(SERVICES.len())];
            let database = world.workspace.database(service);
            match random.below(ALL) {
                0 => format!("revert {service} --all --yes {database}"),
                stays => format!("revert {service} --to {}", version(stays)),
            }
        },
        |world, line| {
            world.go_on(line);
            world.is_consistent();
            world.go_on("migrate");
            world.holds();
        },
    )
}

pub(super) fn redo() -> Result<Round, String> {
    rounds(
        With::Everything,
        |world, random| {
            let service = SERVICES[random.below(SERVICES.len())];
            let database = world.workspace.database(service);
            let number = 1 + random.below(ALL);
            format!("redo {service} -n {number} --yes {database}")
        },
        |world, line| {
            world.go_on(line);
            world.holds();
        },
    )
}

/// The names of the complete backups of a service, oldest first.
pub(super) fn backups(world: &World, service: &str) -> Vec<String> {
    let mut names = world.workspace.list(&format!("backups/{service}"));
    names.retain(|name| !name.starts_with('.'));
    names
}

/// Restores a backup, and drops the former database and what interrupted restores left. A killed run may have its new
/// database made a moment after the next run has looked: then only the one after that names it.
pub(super) fn restore_and_clear(world: &World, line: &str) {
    let mut run = world.workspace.db(line);
    // The same second's, which the server is still making for the killed run: this one has changed nothing.
    if run.code == 4 && run.stderr.contains("already exists") {
        run = world.workspace.db(line);
    }
    run.exits(0);
    let mut admin = world.admin();
    let left = format!(
        "SELECT string_agg(quote_ident(datname), ' ') FROM pg_database WHERE datname ~ '^{}_.*_(restoring|replaced)_'",
        world.workspace.database("").trim_end_matches('_')
    );
    for database in value(&mut admin, &left).split(' ') {
        admin
            .batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)"))
            .unwrap();
    }
}

/// Whatever was killed, what is there under a final name can be restored, and the next run leaves nothing else.
pub(super) fn backup() -> Result<Round, String> {
    let world = World::new();
    let mut killer = Killer::new(world.time * 2);
    Ok(Box::new(move |random| {
        world.begin(With::Everything);
        let line = "backup --keep 1";
        let was_at_work = killer.kill(world.start(line), random, || world.said());
        world.go_on(line);
        for service in SERVICES {
            let all = backups(&world, service);
            assert_eq!(all.len(), 1, "{all:?}");
        }
        // That takes several times as long as all the rest.
        if random.below(8) == 0 {
            let service = SERVICES[random.below(SERVICES.len())];
            let [backup] = backups(&world, service).try_into().unwrap();
            let database = world.workspace.database(service);
            restore_and_clear(
                &world,
                &format!("restore {service} {backup} --yes {database}"),
            );
        }
        world.holds();
        was_at_work
    }))
}

pub(super) fn restore() -> Result<Round, String> {
    let world = World::new();
    world.workspace.db("backup").exits(0);
    let mut killer = Killer::new(world.time * 4);
    Ok(Box::new(move |random| {
        world.begin(With::Everything);
        let service = SERVICES[random.below(SERVICES.len())];
        let [backup] = backups(&world, service).try_into().unwrap();
        let database = world.workspace.database(service);
        let line = format!("restore {service} {backup} --yes {database}");
        let was_at_work = killer.kill(world.start(&line), random, || world.said());
        world.is_consistent();
        restore_and_clear(&world, &line);
        world.holds();
        was_at_work
    }))
}
