//! `mutants`: faults that are planted one at a time, each of which a test has to notice.

mod generated;
mod patch;
mod tree;

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;
use std::time::Duration;

use anyhow::bail;

use crate::matrix::{self, Base};
use crate::{Outcome, github};
use patch::Patch;
use tree::{Tree, Verdict};

/// Plant faults in the tool, one at a time, and check that the tests notice
///
/// The faults are the patches in `xtask/db/tests/mutants`, and those of cargo-mutants, if it is installed. Exits with 1 if a
/// fault was not noticed.
#[derive(clap::Args)]
pub struct Args {
    /// Patches, or sources in which faults are planted [default: all patches, and the sources where a fault would cost data]
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// Keep only faults in code that changed since the merge base with BASE; a patch counts if its file changed
    #[arg(long, value_name = "BASE")]
    in_diff: Option<String>,
    /// Run only part K of N, counted from 0, such as `0/4`
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,
    /// The time limit of the tests [default: five times their normal duration; for patches, plus one minute]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<NonZero<u32>>,
    /// Only list the patches, with the consequence of each
    #[arg(long)]
    list: bool,
    /// Try only the patches
    #[arg(long)]
    patches: bool,
}

/// One of so many parts of all faults.
#[derive(Clone, Copy)]
struct Shard {
    part: usize,
    of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/');
        let numbers = numbers.and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((part, of)) if part < of => Ok(Self { part, of }),
            _ => Err("expected K/N, with K below N".to_owned()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

/// A patch that was tried.
struct Tried {
    patch: Patch,
    verdict: Verdict,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let root = matrix::settings()?.root;
    let base = match &args.in_diff {
        Some(base) => Some(Base::find(&root, base)?),
        None => None,
    };
    let changed = base.as_ref().map(Base::changed).transpose()?;
    let mut chosen = Patch::all(&root)?;
    chosen.retain(|patch| patch.is_meant(&args.files, changed.as_deref()));
    if let Some(Shard { part, of }) = args.shard {
        chosen = chosen.into_iter().skip(part).step_by(of).collect();
    }
    if args.list {
        for patch in &chosen {
            println!("{}  {}", patch.name, patch.cost);
        }
        return Ok(Outcome::Done);
    }
    let tried = match chosen.is_empty() {
        true => Vec::new(),
        false => try_all(&mut Tree::of(&root)?, chosen, args.timeout)?,
    };
    let mut all_noticed = finish(&tried)?;
    if !args.patches {
        all_noticed &= generated::run(&root, args, base.as_ref())?;
    }
    Ok(match all_noticed {
        true => Outcome::Done,
        false => Outcome::Findings,
    })
}

/// Tries one patch after the other. Their tests run without a fault first: a test that fails anyway notices nothing.
fn try_all(
    tree: &mut Tree,
    patches: Vec<Patch>,
    timeout: Option<NonZero<u32>>,
) -> anyhow::Result<Vec<Tried>> {
    let mut tests: Vec<_> = patches.iter().flat_map(|patch| &patch.tests).collect();
    tests.sort();
    tests.dedup();
    eprintln!("== without a fault: {} tests", tests.len());
    let timeout = timeout.map(|seconds| Duration::from_secs(seconds.get().into()));
    if let Some(timeout) = timeout {
        tree.limit(timeout);
    }
    match tree.test(&tests)? {
        // As cargo-mutants has it, by its default factor; a minute more, since these few tests may have to start a server.
        Verdict::Survived(spent) => {
            tree.limit(timeout.unwrap_or(5 * spent + Duration::from_secs(60)));
        }
        Verdict::TimedOut => bail!("the tests do not end without a fault planted"),
        Verdict::Noticed(output) | Verdict::DoesNotBuild(output) => bail!(
            "the tests fail without a fault planted\n{}",
            output.trim_end()
        ),
    }
    let mut tried = Vec::new();
    for patch in patches {
        eprintln!("== {}: {}", patch.name, patch.cost);
        tree.plant(&patch)?;
        let verdict = tree.test(&patch.tests.iter().collect::<Vec<_>>());
        tree.take_back(&patch)?;
        let verdict = verdict?;
        eprintln!("== {}: {}", patch.name, verdict.shown());
        tried.push(Tried { patch, verdict });
    }
    Ok(tried)
}

/// A line per patch, and whether all were noticed.
fn finish(tried: &[Tried]) -> anyhow::Result<bool> {
    if tried.is_empty() {
        eprintln!("no patch changes these files");
        return Ok(true);
    }
    let mut rows = vec![["FAULT", "RESULT"].map(str::to_owned).to_vec()];
    for Tried { patch, verdict } in tried {
        rows.push(vec![patch.name.clone(), verdict.shown().to_owned()]);
        let title = format!("{} {}", patch.name, verdict.shown());
        match verdict {
            Verdict::Noticed(_) => {}
            Verdict::Survived(_) | Verdict::TimedOut => github::annotate(&title, &patch.cost),
            Verdict::DoesNotBuild(output) => {
                eprintln!("\n---- {title} ----\n{}", output.trim_end());
                github::annotate(&title, output);
            }
        }
    }
    println!("\n{}", github::aligned(&rows).trim_end());
    github::summary(&github::markdown(&rows))?;
    let is_noticed = |it: &&Tried| matches!(it.verdict, Verdict::Noticed(_));
    let noticed = tried.iter().filter(is_noticed).count();
    println!("\n{noticed} of {} faults noticed", tried.len());
    for Tried { patch, .. } in tried.iter().filter(|it| !is_noticed(it)) {
        println!("{}: {}", patch.name, patch.cost);
    }
    Ok(noticed == tried.len())
}
