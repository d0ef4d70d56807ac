//! What two snapshots differ in, and how it is shown.

use std::collections::{BTreeMap, BTreeSet};

use super::{Key, Object};

/// An object that is not the same in two snapshots: only in the one, only in the other, or of another definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) key: Key,
    /// The definition in the first snapshot, where it is there.
    pub(crate) first: Option<String>,
    /// The definition in the second.
    pub(crate) second: Option<String>,
}

/// The objects that are not the same at two moments, as they were and as they are.
#[derive(Debug, Default)]
pub(crate) struct Changes(BTreeMap<Key, Sides>);

type Sides = (Option<Object>, Option<Object>);

impl Changes {
    pub(super) fn between(first: &BTreeMap<Key, Object>, second: &BTreeMap<Key, Object>) -> Self {
        let gone = first.keys().filter(|key| !second.contains_key(key));
        let sides = |key: &Key| (first.get(key).cloned(), second.get(key).cloned());
        let keys = second.keys().chain(gone);
        Self(keys.map(|key| (key.clone(), sides(key))).collect()).compact()
    }

    /// The changes of `keys`, from what they were to what they are.
    pub(super) fn new(sides: impl IntoIterator<Item = (Key, Sides)>) -> Self {
        Self(sides.into_iter().collect()).compact()
    }

    /// These changes and later ones as one.
    pub(crate) fn then(&self, later: &Self) -> Self {
        let mut sides = self.0.clone();
        for (key, (before, after)) in &later.0 {
            let before = || (before.clone(), None);
            sides
                .entry(key.clone())
                .or_insert_with(before)
                .1
                .clone_from(after);
        }
        Self(sides).compact()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These changes and others of other objects.
    pub(super) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    fn compact(mut self) -> Self {
        let definition = |object: &Option<Object>| object.as_ref().map(|o| o.definition.clone());
        self.0
            .retain(|_, (before, after)| definition(before) != definition(after));
        self
    }

    /// The objects that were not there before.
    pub(crate) fn made(&self) -> impl Iterator<Item = &Key> {
        let made = self.0.iter().filter(|(_, (before, _))| before.is_none());
        made.map(|(key, _)| key)
    }

    /// The objects as they are now, where they are there.
    pub(super) fn after(&self) -> impl Iterator<Item = (&Key, Option<&Object>)> {
        self.0.iter().map(|(key, (_, after))| (key, after.as_ref()))
    }

    /// What to tell, in the order of kind and name. Of a table that is only there before or after, the columns, indexes and
    /// so on are not listed.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        let definition = |object: &Object| object.definition.clone();
        let told = self
            .0
            .iter()
            .filter(|(_, sides)| !self.goes_with_parent(sides));
        let differences = told.map(|(key, (first, second))| Difference {
            key: key.clone(),
            first: first.as_ref().map(definition),
            second: second.as_ref().map(definition),
        });
        differences
            .filter(|difference| !is_implied(difference))
            .collect()
    }

    /// Whether the object came or went with the one that it hangs on.
    fn goes_with_parent(&self, (first, second): &Sides) -> bool {
        let ((Some(object), None) | (None, Some(object))) = (first, second) else {
            return false;
        };
        let parent = object.parent.as_ref().and_then(|parent| self.0.get(parent));
        parent.is_some_and(|(before, after)| {
            (before.is_some(), after.is_some()) == (first.is_some(), second.is_some())
        })
    }
}

/// The order of columns says nothing where the columns themselves, or the table, are not the same.
fn is_implied(difference: &Difference) -> bool {
    let columns = |list: &Option<String>| -> BTreeSet<String> {
        let list = list.as_deref().unwrap_or_default();
        list.split(", ").map(str::to_owned).collect()
    };
    difference.is_order() && columns(&difference.first) != columns(&difference.second)
}

impl Difference {
    /// Whether it is a right on an object.
    pub(crate) fn is_privilege(&self) -> bool {
        ["grants", "default privileges"].contains(&self.key.kind.as_str())
    }

    /// Whether it is the order of a table's columns: what can't be undone, as a column that is added again comes last.
    pub(crate) fn is_order(&self) -> bool {
        self.key.kind == "column order"
    }

    /// Whether it is of large objects, which `pg_dump` takes for data: it shows none of them in a schema.
    pub(crate) fn is_large(&self) -> bool {
        self.key.kind == "large objects"
    }
}

/// The differences for a person, given what to call the two snapshots; one object after the other.
pub(crate) fn render(differences: &[Difference], first: &str, second: &str) -> String {
    let mut out = String::new();
    for difference in differences {
        let Key { kind, name } = &difference.key;
        match (&difference.first, &difference.second) {
            (Some(definition), None) => {
                out.push_str(&format!(
                    "{kind} {name}: only {first}\n{}",
                    block("", definition)
                ));
            }
            (None, Some(definition)) => {
                out.push_str(&format!(
                    "{kind} {name}: only {second}\n{}",
                    block("", definition)
                ));
            }
            (a, b) => {
                let (a, b) = (
                    a.as_deref().unwrap_or_default(),
                    b.as_deref().unwrap_or_default(),
                );
                let (a, b) = differing_lines(a, b);
                out.push_str(&format!("{kind} {name}: not the same\n"));
                out.push_str(&block(&format!("{first}:"), &a));
                out.push_str(&block(&format!("{second}:"), &b));
            }
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// An indented text under a label; nothing for no text without a label.
fn block(label: &str, text: &str) -> String {
    match (label, text.trim_end()) {
        ("", "") => String::new(),
        ("", text) => format!("    {}\n", text.replace('\n', "\n    ")),
        (_, "") => format!("    {label} nothing\n"),
        (_, text) if text.contains('\n') => {
            format!(
                "    {label}\n        {}\n",
                text.replace('\n', "\n        ")
            )
        }
        (_, text) => format!("    {label} {}\n", text.trim_start()),
    }
}

/// Two texts without the lines at their beginning and end that are the same: a function is long, its edit is short.
fn differing_lines(a: &str, b: &str) -> (String, String) {
    let (a, b): (Vec<_>, Vec<_>) = (a.lines().collect(), b.lines().collect());
    let same = |(x, y): &(&&str, &&str)| x == y;
    let start = a.iter().zip(&b).take_while(same).count();
    let longest = a.len().min(b.len()) - start;
    let end = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take(longest)
        .take_while(same)
        .count();
    let part = |lines: &[&str]| lines[start..lines.len() - end].join("\n");
    (part(&a), part(&b))
}

#[cfg(test)]
mod tests {
    use super::super::Snapshot;
    use super::*;

    /// Kind, name, definition; kind and name of the parent.
    type Entry = (
        &'static str,
        &'static str,
        &'static str,
        Option<(&'static str, &'static str)>,
    );

    fn snapshot(objects: &[Entry]) -> Snapshot {
        let key = |kind: &str, name: &str| Key {
            kind: kind.to_owned(),
            name: name.to_owned(),
        };
        let object = |(kind, name, definition, parent): &Entry| {
            let object = Object {
                definition: (*definition).to_owned(),
                parent: parent.map(|(kind, name)| key(kind, name)),
            };
            (key(kind, name), object)
        };
        Snapshot(objects.iter().map(object).collect())
    }

    #[test]
    fn what_hangs_on_a_missing_table_is_not_listed() {
        let table = ("table", "public.t", "TABLE", None);
        let column = (
            "column",
            "public.t.a",
            "integer",
            Some(("table", "public.t")),
        );
        let order = ("column order", "public.t", "a", None);
        let with = snapshot(&[table, column, order]);
        let without = snapshot(&[]);
        assert_eq!(
            render(&with.diff(&without), "before", "after"),
            "table public.t: only before\n    TABLE"
        );
        assert_eq!(
            render(&without.diff(&with), "before", "after"),
            "table public.t: only after\n    TABLE"
        );
        let bare = snapshot(&[table]);
        assert_eq!(
            render(&with.diff(&bare), "before", "after"),
            "column public.t.a: only before\n    integer"
        );
        assert!(with.diff(&with).is_empty());
    }

    #[test]
    fn only_the_lines_that_differ_are_shown() {
        let one = snapshot(&[("function", "public.f()", "CREATE\nAS\n 1\nEND", None)]);
        let two = snapshot(&[("function", "public.f()", "CREATE\nAS\n 2\n 3\nEND", None)]);
        assert_eq!(
            render(&one.diff(&two), "before", "after"),
            "function public.f(): not the same\n    before: 1\n    after:\n         2\n         3"
        );
        let none = snapshot(&[("function", "public.f()", "CREATE\nAS\nEND", None)]);
        assert_eq!(
            render(&one.diff(&none), "before", "after"),
            "function public.f(): not the same\n    before: 1\n    after: nothing"
        );
    }

    #[test]
    fn the_order_of_columns_is_told_where_they_are_the_same() {
        let one = snapshot(&[("column order", "public.t", "a, b", None)]);
        let two = snapshot(&[("column order", "public.t", "b, a", None)]);
        let more = snapshot(&[("column order", "public.t", "b, a, c", None)]);
        assert!(one.diff(&two)[0].is_order());
        assert_eq!(one.diff(&more), []);
    }
}
