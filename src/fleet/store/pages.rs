//! Pages that each machine keeps at the engine for the others to read: sealed, each bound to its
//! shelf and its machine.

use super::super::common::{Page, Turn};
use super::super::engine::{Link, Sealed, Trouble};
use super::thread::Life;

impl Life {
    /// Writes and reads what is due; `first`: on a new connection.
    pub(super) async fn turn_pages(&mut self, link: &mut Link, first: bool) -> Result<(), Trouble> {
        for pages in self.inner.common.pages() {
            for turn in pages.turns(first) {
                if let Some(read) = self.turn_page(link, &turn).await? {
                    pages.read(turn.number, read);
                }
                Box::pin(self.tend(link)).await?;
            }
        }
        Ok(())
    }

    /// The pages of the shelf, if they are wanted. A page that is kept is written only where it is
    /// missing.
    async fn turn_page(&self, link: &mut Link, turn: &Turn) -> Result<Option<Vec<Page>>, Trouble> {
        let seal = &self.inner.seal;
        let shelf = seal.id(&turn.shelf);
        let name = name(turn, &turn.machine);
        let id = seal.id(&name);
        if !turn.is_kept {
            self.write(link, turn, &name).await?;
        }
        let needs_look = turn.is_read || (turn.is_kept && turn.page.is_some());
        if !needs_look {
            return Ok(None);
        }
        let found = link.pages(shelf).await?;
        if turn.is_kept && !found.iter().any(|page| page.id == id) {
            self.write(link, turn, &name).await?;
        }
        let read = |sealed: &Sealed| {
            let opened = seal.open(sealed.id, sealed.version, &sealed.sealed)?;
            let machine = opened.name.strip_prefix(&self::name(turn, ""))?.to_owned();
            Some(Page { machine, content: opened.content? })
        };
        Ok(turn.is_read.then(|| found.iter().filter_map(read).collect()))
    }

    async fn write(&self, link: &mut Link, turn: &Turn, name: &str) -> Result<(), Trouble> {
        let Some(page) = &turn.page else { return Ok(()) };
        let (id, version) = (self.inner.seal.id(name), self.engine_now());
        let Some(sealed) = self.inner.seal.close(name, Some(page), version) else { return Ok(()) };
        let page = Sealed { id, version, sealed };
        link.write_page(self.inner.seal.id(&turn.shelf), &page, turn.kept).await
    }
}

fn name(turn: &Turn, machine: &str) -> String {
    format!("{}/{machine}", turn.shelf)
}
