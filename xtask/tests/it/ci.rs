//! `matrix`, `test`, `ci` and `mutants`: in repositories generated for each case, computed is held against expected.

mod affected;
mod matrix;
mod mutants;
mod repository;
mod steps;
mod tested;
mod workflow;
