//! What is in a generated database, and the next step to take from there.

use std::collections::BTreeSet;

use crate::support::Random;

use super::recipes::{By, PROPERTIES, Property, RECIPES, RENAMES, Recipe, Rename};

/// A statement, and the one that undoes it.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) up: String,
    pub(super) down: String,
}

#[derive(Clone)]
struct Object {
    kind: &'static str,
    name: String,
    number: usize,
    /// What made it; the database itself was there before.
    recipe: Option<usize>,
    parents: Vec<usize>,
    /// The properties that are set.
    set: BTreeSet<usize>,
    /// It is not, or was not always, as it was made: then it is not dropped, since to make it again gives another.
    is_altered: bool,
    is_there: bool,
}

/// The objects so far.
#[derive(Clone)]
pub(super) struct World {
    by: By,
    objects: Vec<Object>,
}

impl World {
    pub(super) fn new(by: By) -> Self {
        let database = Object {
            kind: "database",
            name: String::new(),
            number: 0,
            recipe: None,
            parents: Vec::new(),
            set: BTreeSet::new(),
            is_altered: true,
            is_there: true,
        };
        Self {
            by,
            objects: vec![database],
        }
    }

    /// Takes a step, if what was drawn is possible here.
    pub(super) fn step(&mut self, random: &mut Random) -> Option<Step> {
        match random.below(20) {
            0..11 => self.make(random.below(RECIPES.len()), random),
            11..16 => self.switch(random.below(PROPERTIES.len()), random),
            16..18 => self.rename(random.below(RENAMES.len()), random),
            _ => self.drop(random),
        }
    }

    fn may(&self, by: By) -> bool {
        by == By::Owner || self.by == By::Superuser
    }

    /// An object of one of the kinds, which are separated by `|`.
    fn any(&self, kinds: &str, random: &mut Random) -> Option<usize> {
        let fits = |object: &Object| object.is_there && kinds.split('|').any(|k| k == object.kind);
        let all: Vec<_> = (0..self.objects.len())
            .filter(|&index| fits(&self.objects[index]))
            .collect();
        random.choose(&all)
    }

    fn make(&mut self, index: usize, random: &mut Random) -> Option<Step> {
        let Recipe(by, kind, of, ..) = RECIPES[index];
        if !self.may(by) {
            return None;
        }
        let parents = of.iter().map(|kinds| self.any(kinds, random));
        let parents = parents.collect::<Option<Vec<_>>>()?;
        let number = self.objects.len();
        self.objects.push(Object {
            kind,
            name: format!("{}_{number}", kind.replace(' ', "_")),
            number,
            recipe: Some(index),
            parents,
            set: BTreeSet::new(),
            is_altered: false,
            is_there: true,
        });
        Some(self.made(number, index))
    }

    /// The statements that make an object and drop it.
    fn made(&self, object: usize, recipe: usize) -> Step {
        let Recipe(_, _, _, make, drop) = RECIPES[recipe];
        let text = |template| self.filled(template, object, &self.objects[object].parents);
        Step {
            up: text(make),
            down: text(drop),
        }
    }

    fn drop(&mut self, random: &mut Random) -> Option<Step> {
        let is_needed = |index: usize| {
            let mut there = self.objects.iter().filter(|object| object.is_there);
            there.any(|object| object.parents.contains(&index))
        };
        let all = (0..self.objects.len()).filter(|&index| {
            let object = &self.objects[index];
            object.is_there && !object.is_altered && !is_needed(index)
        });
        let object = random.choose(&all.collect::<Vec<_>>())?;
        let made = self.made(object, self.objects[object].recipe?);
        self.objects[object].is_there = false;
        Some(Step {
            up: made.down,
            down: made.up,
        })
    }

    /// Sets a property, or unsets it where it is set.
    fn switch(&mut self, index: usize, random: &mut Random) -> Option<Step> {
        let Property(by, kinds, set, unset) = PROPERTIES[index];
        let object = self.any(kinds, random).filter(|_| self.may(by))?;
        let text = |template| self.filled(template, object, &[object]);
        let (set, unset) = (text(set), text(unset));
        let object = &mut self.objects[object];
        object.is_altered = true;
        let (up, down) = match object.set.insert(index) {
            true => (set, unset),
            false => {
                object.set.remove(&index);
                (unset, set)
            }
        };
        Some(Step { up, down })
    }

    fn rename(&mut self, index: usize, random: &mut Random) -> Option<Step> {
        let Rename(kinds, there, back) = RENAMES[index];
        let object = self.any(kinds, random)?;
        let number = random.below(1_000_000);
        let name = match random.below(4) {
            0 => format!("\"A \"\"name\"\" {number}\""),
            _ => format!("renamed_{number}"),
        };
        let text = |template: &str| self.filled(&template.replace("{n}", &name), object, &[object]);
        let (up, down) = (text(there), text(back));
        let object = &mut self.objects[object];
        object.is_altered = true;
        object.name = name;
        Some(Step { up, down })
    }

    /// A statement about an object, given what `{0}` and `{1}` are.
    fn filled(&self, template: &str, object: usize, arguments: &[usize]) -> String {
        let its = &self.objects[object];
        let mut text = template
            .replace("{n}", &its.name)
            .replace("{i}", &its.number.to_string());
        for (index, argument) in arguments.iter().enumerate() {
            text = text.replace(&format!("{{{index}}}"), &self.objects[*argument].name);
        }
        let parent = arguments
            .first()
            .and_then(|&first| self.objects[first].parents.first());
        match parent {
            Some(&parent) => text.replace("{p}", &self.objects[parent].name),
            None => text,
        }
    }
}
