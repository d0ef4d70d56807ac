//! `SERVICE…`: the argument that most verbs have.

/// Which services a verb is for.
#[derive(clap::Args, Default)]
pub(crate) struct Services {
    /// Services to act on [default: all with a database]
    #[arg(value_name = "SERVICE")]
    pub(crate) names: Vec<String>,
}
