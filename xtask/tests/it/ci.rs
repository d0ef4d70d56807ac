//! `matrix`, `test`, `ci`, `mutants` and `faults`: in repositories generated for each case, computed is held against expected.

mod affected;
mod faults;
mod matrix;
mod mutants;
mod repository;
mod steps;
mod tested;
mod workflow;
