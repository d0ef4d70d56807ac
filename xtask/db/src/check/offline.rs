//! The checks that need nothing but the files.

use super::finding::Finding;
use super::scope::{Scope, Subject};
use super::table::{GROUPS, Look};
use crate::ui::parallel;

/// All findings in the files, including suppressed ones.
pub(crate) fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for group in GROUPS {
        match group.look {
            Look::Settings(look) => findings.extend(look(scope)),
            Look::Workspace(look) if scope.whole => findings.extend(look(scope)),
            Look::Stateless(look) if scope.whole => {
                for service in &scope.app.workspace.stateless {
                    let of = |finding: Finding| finding.of(&service.name);
                    findings.extend(look(scope, service).into_iter().map(of));
                }
            }
            _ => {}
        }
    }
    let each = parallel::each(scope.app.jobs, &scope.services, |subject| {
        let of = |finding: Finding| finding.of(&subject.service.name);
        service(scope, subject)
            .into_iter()
            .map(of)
            .collect::<Vec<_>>()
    });
    findings.extend(each.into_iter().flatten());
    findings
}

fn service(scope: &Scope<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for group in GROUPS {
        match group.look {
            Look::Service(look) => findings.extend(look(scope, subject)),
            Look::Folder(look) => {
                for folder in &subject.folders {
                    findings.extend(look(scope, subject, folder));
                }
            }
            Look::Sql(look) => {
                for file in subject.folders.iter().flat_map(|folder| scope.sql(folder)) {
                    findings.extend(look(scope, &file));
                }
            }
            _ => {}
        }
    }
    findings
}
