//! Files below a site's root, for templates. All functions block.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::http::paths::{self, is_git, leads_into_git};
use crate::limits::{TEMPLATE_FILE, TEMPLATE_LIST};
use crate::own_files::{Cache, Foreign, State, open_file};
use crate::site::{Scripts, SiteBuilder};
use crate::text_template::Set;

/// How many bytes a byte of a template takes once it is parsed, at most.
const PARSED: usize = 64;

/// The root of a site. Names in it never lead out of it; hidden files and scripts are not read, and
/// what clients may have written is no template. Nothing in a folder `.git` is there.
pub struct Root {
    path: PathBuf,
    hidden: Vec<PathBuf>,
    scripts: Arc<Scripts>,
    foreign: Arc<Foreign>,
    templates: Cache<Template>,
}

/// A file as a template, parsed once for as long as it stays as it is.
pub struct Template {
    pub set: Set,
    /// Its name in the set.
    pub name: String,
    delimiters: [String; 2],
    /// Bytes of its text.
    pub length: usize,
}

impl Root {
    pub fn of(site: &SiteBuilder) -> Arc<Self> {
        Arc::new(Self {
            path: site.root.clone(),
            hidden: site.hidden.clone(),
            scripts: site.scripts.clone(),
            foreign: site.foreign.clone(),
            templates: Cache::default(),
        })
    }

    /// The file or folder of a name.
    pub fn place(&self, name: &str) -> PathBuf {
        let mut place = self.path.clone();
        place.extend(paths::resolve(name.split('/')));
        place
    }

    /// The text of a file by its name below the root.
    pub fn read(&self, name: &str) -> Result<String, String> {
        self.read_at(&self.place(name)).map_err(|error| format!("{name}: {error}"))
    }

    /// The text of a file.
    pub fn read_at(&self, path: &Path) -> Result<String, String> {
        let content = self.open(path).and_then(OpenFile::read);
        content.map_err(|error| error.to_string())
    }

    /// A file as a template, by a name for errors; none if clients may have written the file.
    pub fn template(
        &self,
        path: &Path,
        name: &str,
        delimiters: [&str; 2],
    ) -> Result<Option<Arc<Template>>, String> {
        let wrong = |error: io::Error| format!("{name}: {error}");
        let file = self.open(path).map_err(wrong)?;
        if self.foreign.holds(&file.file) {
            return Ok(None);
        }
        let state = file.state;
        let known = self.templates.get(path, &state);
        if let Some(known) = known.filter(|k| k.name == name && k.delimiters == delimiters) {
            return Ok(Some(known));
        }
        let text = file.read().map_err(wrong)?;
        let mut set = Set::default();
        set.add_between(name, &text, delimiters).map_err(|error| error.to_string())?;
        let delimiters = delimiters.map(str::to_owned);
        let made = Template { set, name: name.to_owned(), delimiters, length: text.len() };
        let made = Arc::new(made);
        self.templates.put(path, &state, text.len() * PARSED, &made);
        Ok(Some(made))
    }

    /// Whether clients may write a file.
    pub fn is_foreign(&self, path: &Path) -> bool {
        self.foreign.holds_path(path)
    }

    /// Opens a file.
    pub fn open(&self, path: &Path) -> io::Result<OpenFile> {
        let below = path.strip_prefix(&self.path).unwrap_or(path);
        let is_inside_git = below.iter().any(|name| is_git(name.as_encoded_bytes()));
        if is_inside_git || path.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no such file"));
        }
        self.scripts.refuse(path)?;
        let (file, about) = open_file(path, &self.hidden)?;
        Ok(OpenFile { file, state: State::of(&about) })
    }

    /// The names in a folder, sorted.
    pub(super) fn list(&self, name: &str) -> Result<Vec<String>, String> {
        let shown = |error: io::Error| format!("{name}: {error}");
        let mut names = Vec::new();
        if leads_into_git(name) {
            return Err(shown(io::ErrorKind::NotFound.into()));
        }
        for entry in fs::read_dir(self.place(name)).map_err(shown)? {
            let entry = entry.map_err(shown)?.file_name();
            if is_git(entry.as_encoded_bytes()) {
                continue;
            }
            names.push(entry.to_string_lossy().into_owned());
            if names.len() > TEMPLATE_LIST {
                return Err(format!("{name} has more than {TEMPLATE_LIST} entries"));
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// A file of the site.
pub struct OpenFile {
    file: File,
    pub state: State,
}

impl OpenFile {
    /// Its text. What is no UTF-8 becomes U+FFFD.
    pub fn read(self) -> io::Result<String> {
        let too_large = || io::Error::other(format!("larger than {} KB", TEMPLATE_FILE >> 10));
        if self.state.size > TEMPLATE_FILE {
            return Err(too_large());
        }
        let mut content = Vec::new();
        self.file.take(TEMPLATE_FILE + 1).read_to_end(&mut content)?;
        if content.len() as u64 > TEMPLATE_FILE {
            return Err(too_large());
        }
        Ok(match String::from_utf8(content) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }
}
