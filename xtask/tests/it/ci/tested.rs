//! `test`, on real services.

use super::repository::Repository;

#[test]
fn names_and_versions_that_are_not_there() {
    let repository = Repository::new();
    repository
        .run("test crv")
        .exits(2)
        .says("unknown service `crv`")
        .says("ai, arc, cv, user");
    repository
        .run("test --postgres 17")
        .exits(2)
        .says("this workspace is not for PostgreSQL 17")
        .says("names 15, 18");
    repository.edit(
        "services/cv/Cargo.toml",
        "name = \"cv_db\"",
        "name = \"cv_db\"\npostgres = [\"18\"]",
    );
    repository
        .run("test cv --postgres 15")
        .exits(2)
        .says("service `cv` is not for PostgreSQL 15")
        .says("[package.metadata.db] of its Cargo.toml names 18");
    repository.commit();
    repository.git(&["branch", "--force", "main"]);
    let run = repository
        .run("test --changed main")
        .exits(0)
        .says("nothing to test");
    run.does_not_say("passed");
}
