//! What became of the tests: a table of packages and versions.

/// The tests of one version.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    pub(crate) version: String,
    /// By package, one for each of its test binaries.
    pub(crate) binaries: Vec<Binary>,
    pub(crate) failures: Vec<Failure>,
    /// The last lines of the runner's.
    pub(crate) closing: String,
    /// Whether the runner says that all is well.
    pub(crate) success: bool,
    /// What it said, shown where it failed for another reason than a test.
    pub(crate) output: String,
}

#[derive(Debug)]
pub(crate) struct Binary {
    pub(crate) package: String,
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) seconds: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) version: String,
    /// The package, and the test.
    pub(crate) name: String,
    pub(crate) output: String,
}

impl Failure {
    pub(crate) fn title(&self) -> String {
        match self.version.parse::<u32>() {
            Ok(version) => format!("{} on PostgreSQL {version}", self.name),
            Err(_) => self.name.clone(),
        }
    }
}

pub(crate) struct Results {
    /// Versions that were asked for, those that were skipped too.
    pub(crate) columns: Vec<String>,
    /// Packages.
    pub(crate) rows: Vec<String>,
    pub(crate) ran: Vec<Ran>,
}

impl Ran {
    fn of(&self, package: &str) -> Option<Binary> {
        let mut own = self
            .binaries
            .iter()
            .filter(|it| it.package == package)
            .peekable();
        own.peek()?;
        let mut sum = Binary {
            package: package.to_owned(),
            passed: 0,
            failed: 0,
            seconds: 0.0,
        };
        for binary in own {
            sum.passed += binary.passed;
            sum.failed += binary.failed;
            sum.seconds += binary.seconds;
        }
        Some(sum)
    }

    fn broke(&self) -> bool {
        !self.success && self.failures.is_empty()
    }
}

impl Results {
    pub(crate) fn failures(&self) -> Vec<Failure> {
        let of_tests = self.ran.iter().flat_map(|ran| ran.failures.clone());
        // A runner that fails with no test to blame: all that it said.
        let broken = self
            .ran
            .iter()
            .filter(|ran| ran.broke())
            .map(|ran| Failure {
                version: ran.version.clone(),
                name: "the tests".to_owned(),
                output: ran.output.clone(),
            });
        of_tests.chain(broken).collect()
    }

    pub(crate) fn all_passed(&self) -> bool {
        self.ran
            .iter()
            .all(|ran| ran.success && ran.failures.is_empty())
    }

    pub(crate) fn failed_packages(&self) -> Vec<String> {
        let failed = |name: &&String| {
            let sums = self.ran.iter().filter_map(|ran| ran.of(name));
            self.ran.iter().any(Ran::broke) || sums.into_iter().any(|sum| sum.failed > 0)
        };
        self.rows.iter().filter(failed).cloned().collect()
    }

    pub(crate) fn table(&self) -> Vec<Vec<String>> {
        let mut head = vec!["SERVICE".to_owned()];
        head.extend(self.columns.iter().cloned());
        let mut table = vec![head];
        for row in &self.rows {
            let mut cells = vec![row.clone()];
            cells.extend(self.columns.iter().map(|column| self.cell(row, column)));
            table.push(cells);
        }
        table
    }

    fn cell(&self, package: &str, version: &str) -> String {
        let Some(ran) = self.ran.iter().find(|ran| ran.version == version) else {
            return "skipped".to_owned();
        };
        match ran.of(package) {
            None if ran.broke() => "failed".to_owned(),
            None => "-".to_owned(),
            Some(Binary {
                failed: 0,
                passed,
                seconds,
                ..
            }) => format!("{passed} passed, {seconds:.1} s"),
            Some(it) => format!(
                "{} FAILED, {} passed, {:.1} s",
                it.failed, it.passed, it.seconds
            ),
        }
    }

    pub(crate) fn summary(&self) -> String {
        let sum = |count: fn(&Binary) -> usize| -> usize {
            self.ran
                .iter()
                .flat_map(|ran| &ran.binaries)
                .map(count)
                .sum()
        };
        let mut text = format!("{} tests passed", sum(|it| it.passed));
        let failed = self.failures().len().max(sum(|it| it.failed));
        if failed > 0 {
            text += &format!(", {failed} failed");
        }
        let skipped: Vec<_> = self
            .columns
            .iter()
            .filter(|it| !self.ran.iter().any(|ran| ran.version == **it))
            .collect();
        for version in skipped {
            text += &format!(", PostgreSQL {version} was skipped");
        }
        text
    }
}
