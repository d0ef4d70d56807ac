//! What a `Cargo.toml` depends on.

use super::toml_file::{Node, NodeValue, TomlFile};

/// A dependency on a package, wherever it is declared.
pub(crate) struct Dependency {
    /// The package's own name, however it is called here.
    pub(crate) package: String,
    /// The header it stands under.
    pub(crate) section: String,
    /// From 1.
    pub(crate) line: usize,
}

/// Every dependency but those of tests. `workspace = true` is looked up in `root`.
pub(crate) fn dependencies(manifest: &TomlFile, root: Option<&TomlFile>) -> Vec<Dependency> {
    let mut found = Vec::new();
    collect(manifest.get(&[]), "", root, &mut found);
    for (target, node) in manifest
        .get(&["target"])
        .into_iter()
        .flat_map(Node::entries)
    {
        collect(Some(node), &format!("target.'{target}'."), root, &mut found);
    }
    found.sort_by_key(|dependency| dependency.line);
    found
}

fn collect(
    table: Option<&Node>,
    prefix: &str,
    root: Option<&TomlFile>,
    found: &mut Vec<Dependency>,
) {
    for section in ["dependencies", "build-dependencies"] {
        let entries = table.and_then(|table| table.get(section));
        for (name, node) in entries.into_iter().flat_map(Node::entries) {
            let inherited = matches!(
                node.get("workspace").map(|node| &node.value),
                Some(NodeValue::Boolean(true))
            );
            let package = match inherited {
                true => root.and_then(|r| r.get(&["workspace", "dependencies", name, "package"])),
                false => node.get("package"),
            };
            found.push(Dependency {
                package: package.and_then(Node::as_str).unwrap_or(name).to_owned(),
                section: format!("[{prefix}{section}]"),
                line: node.line,
            });
        }
    }
}
