//! The worker of this service: scores CVs from the queue until SIGTERM.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc::worker::{Worker, score};
use chrono::TimeDelta;
use clap::Parser;
use diesel::r2d2::{ConnectionManager, Pool};
use service_database::Service;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Score CVs from the queue until SIGTERM, which ends what is begun; a second one ends at once.
#[derive(Parser)]
struct Args {
    /// First apply the migrations that the database lacks
    #[arg(long)]
    migrate: bool,
    /// How many tasks to work on at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// After how long without a sign of life a task goes back to the queue
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    lease: u32,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(help) = error.help() {
                eprintln!("  help: {help}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(args: &Args) -> Result<(), service_database::Error> {
    let service = Service {
        name: env!("CARGO_PKG_NAME"),
        variable: "ARC_DATABASE_URL",
        migrations: arc::MIGRATIONS,
    };
    let url = service.url()?;
    if let Some(warning) = url.warning() {
        eprintln!("{warning}");
    }
    if args.migrate {
        for migration in service.migrate(&url, Duration::from_secs(60))? {
            eprintln!("arc: applied {migration}");
        }
    }
    service.connect(&url)?;

    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // In this order: the first one finds the flag unset.
        let second = flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop));
        let first = second.and_then(|_| flag::register(signal, Arc::clone(&stop)));
        first.expect("signals that may be handled");
    }
    let lease = Duration::from_secs(args.lease.into());
    let worker = Worker {
        // No connection yet: each is made when it is needed, also after the server was away.
        pool: Pool::builder()
            .max_size(u32::from(args.threads) + 1)
            .min_idle(Some(0))
            .connection_timeout(Duration::from_secs(5))
            .build_unchecked(ConnectionManager::new(&url.text)),
        name: format!("{}:{}", host(), std::process::id()),
        threads: args.threads,
        lease: TimeDelta::seconds(args.lease.into()),
        heartbeat: lease / 4,
        idle: Duration::from_millis(500),
    };
    eprintln!("arc: working as {} ({})", worker.name, url.origin);
    worker.run(&score, &stop);
    eprintln!("arc: stopped");
    Ok(())
}

/// The machine's name, for people who look at the queue.
fn host() -> String {
    std::env::var("HOSTNAME")
        .or_else(|_| std::fs::read_to_string("/proc/sys/kernel/hostname"))
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}
