//! `SERVICE…`: the argument that most verbs have.

/// Which services a verb is for.
#[derive(clap::Args, Default)]
pub(crate) struct Services {
    /// The services; all that have a database if none is named
    #[arg(value_name = "SERVICE")]
    pub(crate) names: Vec<String>,
}
