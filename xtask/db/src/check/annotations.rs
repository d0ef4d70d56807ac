//! Findings as the CI system shows them beside the lines of a change.

use super::finding::Finding;

/// Whether GitHub's runner reads what is printed.
pub(crate) fn are_read() -> bool {
    std::env::var("GITHUB_ACTIONS").as_deref() == Ok("true")
}

/// The lines that make GitHub's runner annotate the files.
pub(crate) fn github(findings: &[Finding]) -> String {
    findings.iter().map(line).collect()
}

fn line(finding: &Finding) -> String {
    let mut properties = Vec::new();
    if let Some(file) = &finding.file {
        properties.push(format!("file={}", property(file)));
    }
    if let Some(line) = finding.line {
        properties.push(format!("line={line}"));
    }
    properties.push(format!("title={}", property(finding.check)));
    let text = match finding.help.as_str() {
        "" => finding.message.clone(),
        help => format!("{}\nhelp: {help}", finding.message),
    };
    format!("::error {}::{}\n", properties.join(","), data(&text))
}

/// The runner reads one line: what would end it is escaped as it expects.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_property_or_the_line_is_escaped() {
        let finding = Finding::new("c", "100%\nno").at("a:b,c", 3).help("x: y");
        assert_eq!(
            line(&finding),
            "::error file=a%3Ab%2Cc,line=3,title=c::100%25%0Ano%0Ahelp: x: y\n"
        );
    }
}
