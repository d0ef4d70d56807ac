//! Tells cargo that the migrations are compiled in: it would not notice a new one by itself.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
