//! What holds in a block of nginx: its own directives, and what it inherits.

use super::syntax::Directive;

/// The directives of a block, before those of the blocks around it.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    levels: Vec<&'a [Directive]>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(directives: &'a [Directive]) -> Self {
        Self { levels: vec![directives] }
    }

    /// The scope of a block in this one.
    pub(super) fn inner(&self, directives: &'a [Directive]) -> Self {
        let mut levels = vec![directives];
        levels.extend(&self.levels);
        Self { levels }
    }

    /// The directives of the block itself.
    pub(super) fn own(&self) -> &'a [Directive] {
        self.levels.first().copied().unwrap_or_default()
    }

    /// Those of the block itself with this name.
    pub(super) fn named<'n>(
        &self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a Directive> + use<'a, 'n> {
        self.own().iter().filter(move |one| one.name == name)
    }

    /// The block's own directive of this name.
    pub(super) fn mine(&self, name: &str) -> Option<&'a Directive> {
        self.named(name).last()
    }

    /// The one that holds, of the innermost block that has one.
    pub(super) fn one(&self, name: &str) -> Option<&'a Directive> {
        self.levels.iter().find_map(|level| {
            let mut all = level.iter().rev();
            all.find(|one| one.name == name)
        })
    }

    /// Those that hold: a block that has any has none of those around it.
    pub(super) fn all(&self, name: &str) -> Vec<&'a Directive> {
        let levels = self.levels.iter().map(|level| {
            let all: Vec<_> = level.iter().filter(|one| one.name == name).collect();
            all
        });
        levels.into_iter().find(|all| !all.is_empty()).unwrap_or_default()
    }

    /// Those with these names that hold, in their order: a block that has any of them has none of
    /// those around it.
    pub(super) fn together(&self, names: &[&str]) -> Vec<&'a Directive> {
        let fits = |one: &&Directive| names.contains(&&*one.name);
        let mut levels = self.levels.iter().map(|level| level.iter().filter(fits));
        let found = levels.find(|level| level.clone().next().is_some());
        found.map(Iterator::collect).unwrap_or_default()
    }

    /// Of each name that fits, the one that holds.
    pub(super) fn each(&self, fits: fn(&Directive) -> bool) -> Vec<&'a Directive> {
        let mut found: Vec<&Directive> = Vec::new();
        for level in &self.levels {
            for one in level.iter().filter(|one| fits(one)) {
                if !found.iter().any(|other| other.name == one.name) {
                    found.push(one);
                }
            }
        }
        found
    }

    /// The directives of the block and the locations around it.
    pub(super) fn of_locations(&self) -> impl Iterator<Item = &'a Directive> + use<'a, '_> {
        let count = self.levels.len().saturating_sub(2);
        self.levels[..count].iter().flat_map(|level| level.iter())
    }

    /// The first word of the one that holds.
    pub(super) fn word(&self, name: &str) -> &'a str {
        self.one(name).map_or("", |one| one.arg(0))
    }

    /// Whether a switch is on.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.word(name) == "on"
    }

    /// The blocks around this one.
    pub(super) fn outer(&self) -> Self {
        Self { levels: self.levels.iter().skip(1).copied().collect() }
    }

    /// The directives of the outermost block.
    pub(super) fn http(&self) -> &'a [Directive] {
        self.levels.last().copied().unwrap_or_default()
    }
}
