//! The workflow, held against the tool.
