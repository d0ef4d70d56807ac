use ai::score;

const ADVERTISEMENT: &str = "\
    We are looking for a backend engineer. You will build services in Rust on PostgreSQL: Rust is \
    what we write, PostgreSQL is where our data lives. Kubernetes and C++ are a plus.";

#[test]
fn a_cv_that_says_it_all_scores_one() {
    let found = score(ADVERTISEMENT, ADVERTISEMENT);
    assert!((found.score - 1.0).abs() < 1e-9, "{found:?}");
    assert!(found.missing.is_empty(), "{found:?}");
}

#[test]
fn a_cv_about_something_else_scores_nothing() {
    let found = score("Pastry chef. I bake bread, and I like it.", ADVERTISEMENT);
    assert_eq!(found.score, 0.0);
    assert!(found.matched.is_empty(), "{found:?}");
}

#[test]
fn what_is_asked_for_most_is_named_first() {
    let found = score("Engineer. Kubernetes, C#.", ADVERTISEMENT);
    assert_eq!(found.matched, ["engineer", "Kubernetes"]);
    assert_eq!(found.missing[..3], ["Rust", "PostgreSQL", "backend"]);
    assert!(found.missing.contains(&"C++".to_owned()), "{found:?}");
}

#[test]
fn what_is_asked_for_twice_weighs_more() {
    let rust = score("Rust", ADVERTISEMENT).score;
    let backend = score("backend", ADVERTISEMENT).score;
    assert!(rust > backend && rust < 2.0 * backend, "{rust} {backend}");
}

#[test]
fn repeating_a_word_gains_nothing() {
    let once = score("I write Rust services.", ADVERTISEMENT);
    let often = score("I write Rust services: Rust, Rust, Rust.", ADVERTISEMENT);
    assert_eq!(once, often);
}

#[test]
fn nothing_asked_for_is_nothing_scored() {
    for (cv, advertisement) in [
        ("", ""),
        ("Rust", ""),
        ("Rust", "We are the team."),
        ("", "Rust"),
    ] {
        assert_eq!(
            score(cv, advertisement).score,
            0.0,
            "{cv:?} {advertisement:?}"
        );
    }
}
