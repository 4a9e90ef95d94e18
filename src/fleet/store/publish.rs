//! What machines tell each other as they go: sealed messages that the engine passes on and does not
//! keep. What is lost is lost; nothing is heard twice, nor what this process has told itself.

use std::time::Instant;

use super::super::engine::{Link, Trouble};
use super::thread::Life;
use crate::limits::{FLEET_PAGES, FLEET_TELL};

impl Life {
    /// On a new connection.
    pub(super) async fn begin_telling(&mut self, link: &mut Link) -> Result<(), Trouble> {
        self.messages.listens = false;
        self.messages.listeners = 0;
        self.messages.due = Instant::now();
        self.inner.common.tellers().iter().for_each(|known| known.teller.begin());
        self.messages.pages = Instant::now() + FLEET_PAGES;
        self.turn_pages(link, true).await
    }

    /// When [`Self::tell`] is to be called.
    pub(super) fn next_telling(&self) -> Instant {
        let told = self.inner.common.has_tellers().then_some(self.messages.due);
        told.map_or(self.messages.pages, |due| due.min(self.messages.pages))
    }

    /// Tells what there is to tell, if it is time.
    pub(super) async fn tell(&mut self, link: &mut Link) -> Result<(), Trouble> {
        if Instant::now() >= self.messages.pages {
            self.messages.pages = Instant::now() + FLEET_PAGES;
            self.turn_pages(link, false).await?;
        }
        if Instant::now() < self.messages.due {
            return Ok(());
        }
        self.messages.due = Instant::now() + FLEET_TELL;
        for known in self.inner.common.tellers() {
            if !self.messages.listens {
                link.listen().await?;
                self.messages.listens = true;
            }
            let Some(said) = known.teller.tell(self.messages.listeners) else { continue };
            self.messages.count += 1;
            let content = [&self.messages.sender.to_be_bytes(), said.as_slice()].concat();
            let sealed = self.inner.seal.close(known.name, Some(&content), self.messages.count);
            let Some(sealed) = sealed else { continue };
            let message = [&self.messages.count.to_be_bytes(), sealed.as_slice()].concat();
            self.messages.listeners = link.tell(&message).await?;
        }
        Ok(())
    }

    /// Takes a message. What cannot be opened is of another version, or of nobody here.
    pub(super) fn hear(&mut self, message: &[u8]) {
        let Some((number, sealed)) = message.split_first_chunk::<8>() else { return };
        let number = u64::from_be_bytes(*number);
        let seal = &self.inner.seal;
        let found = self.inner.common.tellers().into_iter().find_map(|known| {
            let opened = seal.open(seal.id(known.name), number, sealed)?;
            Some((known.teller, opened.content?))
        });
        let Some((teller, content)) = found else { return };
        let Some((sender, said)) = content.split_first_chunk::<8>() else { return };
        if self.messages.is_new(u64::from_be_bytes(*sender), number) {
            teller.hear(said);
        }
    }
}
