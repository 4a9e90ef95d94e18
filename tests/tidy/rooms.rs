//! The rooms of `ARCHITECTURE.md`: the rows of its code map, and what each may import.

use std::fs;
use std::path::{Path, PathBuf};

use super::source::root;

/// A row of the code map.
pub(super) struct Room {
    pub(super) place: PathBuf,
    may_import: Vec<PathBuf>,
}

pub(super) struct Rooms(Vec<Room>);

impl Rooms {
    /// The rows whose place is in `src`.
    pub(super) fn read() -> Self {
        let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap_or_default();
        Self::parse(&page)
    }

    fn parse(page: &str) -> Self {
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `src/"));
        Self(rows.filter_map(Room::parse).collect())
    }

    /// The innermost room that a file is in.
    pub(super) fn of(&self, file: &Path) -> Option<&Room> {
        let file = file.with_extension("");
        let holding = self.0.iter().filter(|room| file.starts_with(&room.place));
        holding.max_by_key(|room| room.place.components().count())
    }

    /// Whether files of one room may import files of another: what its own row names, and what
    /// the row of a room around it names. A name stands for the rooms inside it too, but not for
    /// its neighbours there where the importer is inside it as well; nor does a room's row let
    /// the rooms inside it import one another.
    pub(super) fn allow(&self, from: &Room, to: &Room) -> bool {
        let around = self.0.iter().filter(|room| from.place.starts_with(&room.place));
        let named = around.flat_map(|room| {
            // What a room names of its own inside is for the files that lie directly in it.
            let is_for_all =
                |named: &&PathBuf| room.place == from.place || !named.starts_with(&room.place);
            room.may_import.iter().filter(is_for_all)
        });
        named.into_iter().any(|named| {
            to.place == *named || (to.place.starts_with(named) && !from.place.starts_with(named))
        })
    }

    /// Places of the map that are not there, and imports that name no row.
    pub(super) fn missing(&self) -> Vec<String> {
        let gone = self.0.iter().filter(|room| {
            let file = root().join(&room.place).with_extension("rs");
            !file.exists() && !root().join(&room.place).is_dir()
        });
        let named = self.0.iter().flat_map(|room| &room.may_import);
        let unknown = named.filter(|named| !self.0.iter().any(|room| room.place == **named));
        gone.map(|room| &room.place).chain(unknown).map(|p| p.display().to_string()).collect()
    }
}

impl Room {
    /// ``place/` | what it does | `one` `two` |``, the opening of the row cut off.
    fn parse(row: &str) -> Option<Self> {
        let (place, rest) = row.split_once('`')?;
        let place = place.trim_end_matches('/').trim_end_matches(".rs");
        let may_import = rest.trim().trim_end_matches('|').rsplit('|').next()?;
        let names = may_import.split('`').skip(1).step_by(2);
        Some(Self {
            place: Path::new("src").join(place),
            may_import: names.map(|name| Path::new("src").join(name)).collect(),
        })
    }
}

#[test]
fn rooms_inside_rooms_import_what_their_rows_name() {
    let rooms = Rooms::parse(
        "| `src/low/` | lowest | nothing of ours |\n\
         | `src/high/` | above | `low` |\n\
         | `src/high/a/` | inside | nothing of ours |\n\
         | `src/high/b/` | inside | `high/a` `high` |\n\
         | `src/tall/` | with floors | `tall/a` `tall/b` `low` |\n\
         | `src/tall/a/` | lower | nothing of ours |\n\
         | `src/tall/b/` | upper | `tall/a` |\n\
         | `src/top.rs` | top | `high` |\n",
    );
    for (from, to, expected) in [
        ("high/x", "low/y", true),
        ("low/y", "high/x", false),
        ("high/b/x", "high/a/y", true),
        ("high/a/x", "high/b/y", false),
        ("high/a/x", "high/z", false),
        ("high/b/x", "high/z", true),
        ("high/z", "high/a/x", false),
        ("high/a/x", "low/y", true),
        ("tall/x", "tall/b/y", true),
        ("tall/b/x", "tall/a/y", true),
        ("tall/a/x", "tall/b/y", false),
        ("tall/a/x", "tall/z", false),
        ("tall/a/x", "low/y", true),
        ("top", "high/a/x", true),
        ("top", "low/y", false),
    ] {
        let room = |file: &str| rooms.of(&Path::new("src").join(format!("{file}.rs")));
        let (Some(a), Some(b)) = (room(from), room(to)) else { panic!("{from} {to}") };
        assert_eq!(rooms.allow(a, b), expected, "{from} imports {to}");
    }
}
