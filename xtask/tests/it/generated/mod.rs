//! Migrations that a generator makes, of all kinds of objects: `db check` says of each what `pg_dump` says.
//!
//! `down.sql` is the exact reverse of `up.sql`, or one statement of it is left out. `GENERATED_SEED`, `GENERATED_ROUNDS`
//! and `GENERATED_ONE_IN` choose others; `cargo bench -p xtask --bench generated` runs thousands of new ones.

mod judge;
mod recipes;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use serde_json::Value;

use crate::support::{PgPrograms, Random, Workspace, superuser, variable};
use judge::{Generated, Judge, run};
use recipes::By;
use world::{Step, World};

/// How many migrations a service has.
const MIGRATIONS: usize = 20;

/// The check that finds a migration, by service and name of the migration.
type Found = BTreeMap<(String, String), String>;

/// What one run of `db check` covers.
struct Batch {
    /// Of how many down.sql one lacks a statement.
    one_in: usize,
    workspace: Workspace,
    programs: PgPrograms,
    services: BTreeMap<String, Vec<Generated>>,
    /// How many down.sql lack a statement, and how many of them make a difference.
    left_out: usize,
    expected: Found,
}

impl Batch {
    /// Migrations from a seed, so many of them.
    fn new(seed: u64, rounds: usize, one_in: usize) -> Self {
        let mut workspace = Workspace::empty();
        workspace.set("LOCAL_POSTGRES_URL", &workspace.admin_url());
        workspace.execute("postgres", recipes::ROLE);
        let programs = PgPrograms::new(&workspace);
        let names: Vec<_> = (0..rounds.div_ceil(MIGRATIONS))
            .map(|number| format!("s{number}"))
            .collect();
        for (index, service) in names.iter().enumerate() {
            workspace.add(service, &workspace.database(service));
            workspace.unset(&variable(service));
            if power(index) == By::Superuser {
                superuser(&workspace, service);
            }
        }
        let mut batch = Self {
            one_in,
            workspace,
            programs,
            services: BTreeMap::new(),
            left_out: 0,
            expected: Found::new(),
        };
        batch.generate(seed, &names, rounds);
        batch
    }

    fn generate(&mut self, seed: u64, names: &[String], rounds: usize) {
        let all = names.iter().enumerate().map(|(index, service)| {
            let number = MIGRATIONS.min(rounds - index * MIGRATIONS);
            (index, service, self.judge(service), number)
        });
        let generated = each(all.collect(), |(index, service, judge, number)| {
            let random = Random(seed ^ (index as u64) << 32);
            let migrations = migrations(&judge, power(index), random, number, self.one_in);
            let expected = (0..migrations.len()).filter_map(|at| {
                migrations[at].left_out.as_ref()?;
                let check = judge.verdict(&migrations[..at], &migrations[at])?;
                Some(((service.clone(), name(at)), check.to_owned()))
            });
            let expected: Vec<_> = expected.collect();
            (service.clone(), migrations, expected)
        });
        for (service, migrations, expected) in generated {
            for (at, migration) in migrations.iter().enumerate() {
                let (up, down) = (&migration.up, &migration.down);
                self.workspace.migration(&service, &name(at), up, down);
                self.left_out += usize::from(migration.left_out.is_some());
            }
            self.expected.extend(expected);
            self.services.insert(service, migrations);
        }
    }

    fn judge(&self, service: &str) -> Judge<'_> {
        let name = format!("{}_judge", self.workspace.database(service));
        Judge {
            programs: &self.programs,
            admin: self.workspace.admin_url(),
            url: self.workspace.url(&name),
            name,
        }
    }

    /// What `db check` finds, with its messages.
    fn check(&self) -> BTreeMap<(String, String), Vec<(String, String)>> {
        let run = self.workspace.db("check --json");
        assert!(run.code < 2, "{}", run.stderr);
        let json: Value = serde_json::from_str(&run.stdout).unwrap();
        let mut found = BTreeMap::<_, Vec<_>>::new();
        for finding in json["findings"].as_array().unwrap() {
            let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
            let check = text("check");
            let file = text("file");
            let of_server = [
                "migration-fails",
                "down-fails",
                "not-undone",
                "not-repeatable",
            ];
            if of_server.contains(&check.as_str()) {
                let migration = file.rsplit('/').nth(1).unwrap_or_default();
                let key = (text("service"), migration.to_owned());
                found.entry(key).or_default().push((check, text("message")));
            }
        }
        found
    }

    /// Where `db check` and `pg_dump` do not say the same.
    fn wrong(&mut self) -> String {
        let found = self.check();
        let mut wrong = String::new();
        for (service, migrations) in &self.services {
            for (at, migration) in migrations.iter().enumerate() {
                let key = (service.clone(), name(at));
                let said = found.get(&key).map_or(&[][..], Vec::as_slice);
                if !said.is_empty() && migration.left_out.is_none() {
                    // A reverse that is not exact.
                    let verdict = self.judge(service).verdict(&migrations[..at], migration);
                    let verdict = verdict.map(|check| (key.clone(), check.to_owned()));
                    self.expected.extend(verdict);
                }
                let expected = self.expected.get(&key);
                let checks: Vec<_> = said.iter().map(|(check, _)| check).collect();
                if checks != expected.into_iter().collect::<Vec<_>>() {
                    let before: Vec<_> = migrations[..at].iter().map(|m| m.up.as_str()).collect();
                    writeln!(
                        wrong,
                        "{} of {service} ({:?}): expected {expected:?}, found {said:#?}\nbefore:\n{};\nup.sql:\n{};\ndown.sql:\n{};\nleft out: {:?}\n",
                        key.1,
                        power(service[1..].parse().unwrap()),
                        before.join(";\n"),
                        migration.up,
                        migration.down,
                        migration.left_out,
                    )
                    .unwrap();
                }
            }
        }
        wrong
    }
}

/// Every second service is a superuser's.
fn power(index: usize) -> By {
    match index % 2 {
        0 => By::Owner,
        _ => By::Superuser,
    }
}

fn name(at: usize) -> String {
    format!("2026-01-01-0000{at:02}_generated")
}

/// Migrations that go up, down and up again, then one in so many of them with a statement of down.sql left out.
fn migrations(
    judge: &Judge<'_>,
    by: By,
    mut random: Random,
    number: usize,
    one_in: usize,
) -> Vec<Generated> {
    let mut session = judge.empty();
    let mut world = World::new(by);
    let mut migrations = Vec::new();
    while migrations.len() < number {
        let before = world.clone();
        // The first ones fill the database.
        let most = if migrations.len() < 2 { 8 } else { 4 };
        let steps = random.below(most) + 1;
        let mut taken = Vec::new();
        while taken.len() < steps {
            taken.extend(world.step(&mut random));
        }
        let migration = migration(&taken);
        let up = run(&mut session, &migration.up);
        let goes = up.is_ok()
            && run(&mut session, &migration.down).is_ok()
            && run(&mut session, &migration.up).is_ok();
        if goes {
            migrations.push(match random.below(one_in) {
                0 => without_one(&taken, &mut random),
                _ => migration,
            });
        } else {
            // What was drawn does not go together: two extensions of one name, for instance.
            world = before;
            if up.is_ok() {
                session = judge.empty();
                for migration in &migrations {
                    run(&mut session, &migration.up).unwrap();
                }
            }
        }
    }
    migrations
}

fn migration(steps: &[Step]) -> Generated {
    let up: Vec<_> = steps.iter().map(|step| step.up.as_str()).collect();
    let down: Vec<_> = steps.iter().rev().map(|step| step.down.as_str()).collect();
    Generated {
        up: up.join(";\n"),
        down: down.join(";\n"),
        left_out: None,
    }
}

/// The migration, one of whose steps is not undone.
fn without_one(steps: &[Step], random: &mut Random) -> Generated {
    let mut undone = steps.to_vec();
    let left_out = undone.remove(random.below(steps.len())).down;
    let down = match undone.is_empty() {
        true => "SELECT 1".to_owned(),
        false => migration(&undone).down,
    };
    Generated {
        down,
        left_out: Some(left_out),
        ..migration(steps)
    }
}

/// Does something with each, on every core.
fn each<T: Send, R: Send>(all: Vec<T>, does: impl Fn(T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (rest, done) = (Mutex::new(all.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let next = rest.lock().unwrap().next();
                    let Some(next) = next else { break };
                    let result = does(next);
                    done.lock().unwrap().push(result);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

/// Generates so many migrations from a seed, of which one in so many lacks a statement in its down.sql, and compares what
/// `db check` says with what `pg_dump` says; gives how many lack a statement, and how many of them make a difference.
///
/// # Panics
/// They do not say the same: shows the migrations.
pub(crate) fn compare(seed: u64, rounds: usize, one_in: usize) -> (usize, usize) {
    let mut batch = Batch::new(seed, rounds, one_in);
    let counted = (batch.left_out, batch.expected.len());
    let wrong = batch.wrong();
    assert!(
        wrong.is_empty(),
        "GENERATED_SEED={seed} GENERATED_ROUNDS={rounds} GENERATED_ONE_IN={one_in}\n{wrong}"
    );
    counted
}

#[test]
fn pg_dump_agrees_on_every_generated_migration() {
    let number =
        |name: &str, usual: usize| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let seed = number("GENERATED_SEED", 2026) as u64;
    let rounds = number("GENERATED_ROUNDS", 200);
    let (left_out, told) = compare(seed, rounds, number("GENERATED_ONE_IN", 16));
    eprintln!("{rounds} migrations of seed {seed}: {left_out} lack a statement, {told} are found");
    assert!(told > 0 && told <= left_out, "{told} of {left_out}");
}
