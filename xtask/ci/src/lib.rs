//! What CI does, as commands that a laptop runs too: which services a change can affect ([`Matrix`]), their tests on every
//! PostgreSQL that they may meet ([`Test`]), all steps in order ([`Ci`]), whether the tool's own tests notice a fault
//! ([`Mutants`]), and whether the tool gets over one ([`Faults`]).

#![warn(clippy::too_many_lines)]

mod child;
mod ci;
mod faults;
mod github;
mod matrix;
mod mutants;
mod test;

use std::process::ExitCode;

pub use ci::Args as Ci;
pub use faults::Args as Faults;
pub use matrix::Args as Matrix;
pub use mutants::Args as Mutants;
pub use test::Args as Test;

/// What a command found, for its exit code.
enum Outcome {
    Done,
    /// A test or a step failed.
    Findings,
}

impl Matrix {
    /// Prints the matrix.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        exit(matrix::run(self))
    }
}

impl Test {
    /// Runs the tests.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        exit(test::run(self))
    }
}

impl Ci {
    /// Runs the steps.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        exit(ci::run(self))
    }
}

impl Mutants {
    /// Plants the faults.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        exit(mutants::run(self))
    }
}

impl Faults {
    /// Runs the rounds.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        exit(faults::run(self))
    }
}

/// 0 done, 1 findings, 2 usage or settings, as `db` has them.
fn exit(result: anyhow::Result<Outcome>) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Err(error) => {
            let bad = anstyle::AnsiColor::Red.on_default().bold();
            anstream::eprintln!("{bad}error{bad:#}: {error:#}");
            ExitCode::from(2)
        }
    }
}
