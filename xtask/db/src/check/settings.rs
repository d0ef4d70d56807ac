//! The settings in the manifests, and a `.env` that can't be read.

use super::finding::Finding;
use super::scope::Scope;

pub(super) fn check(scope: &Scope<'_>) -> Vec<Finding> {
    let faults = scope.app.faults.iter();
    faults
        .map(|fault| {
            Finding::new("settings", &fault.message)
                .at(&fault.file, fault.line)
                .help(&fault.remedy)
        })
        .collect()
}
