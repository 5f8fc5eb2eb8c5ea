//! What becomes of a receiver whose link was lost: it gets another, or waits for its end.

use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::pump::{Pump, refuse};
use crate::receiving_link::{self, ReceivingLink};

impl Pump {
    /// Another link, as soon as somebody needs one; `None` when the receiver is closed first.
    pub(crate) async fn reattach(&mut self) -> Option<ReceivingLink> {
        let mut backoff = Backoff::default();
        loop {
            while self.prefetch == 0 && self.inbox.demand().waiting == 0 {
                if !self.idle_until_demanded().await {
                    return None;
                }
            }
            if self.inbox.is_closed() || *self.closing.borrow() {
                return None;
            }
            let address = self.entity.address();
            let attaching = self
                .hub
                .attach(&self.entity, |session| receiving_link::attach(session, address.clone()));
            let context = format!("attach to {address}");
            match self.hub.in_time(&context, attaching).await {
                Ok(link) => return Some(link),
                Err(error) => self.inbox.set_trouble(error),
            }
            tokio::select! {
                biased;
                _ = self.closing.changed() => return None,
                () = sleep(backoff.next_delay()) => {}
            }
        }
    }

    /// Waits for demand. `false` when the receiver is closed instead.
    async fn idle_until_demanded(&mut self) -> bool {
        if self.inbox.is_closed() || *self.closing.borrow() {
            return false;
        }
        tokio::select! {
            biased;
            _ = self.closing.changed() => {}
            Some(command) = self.commands.recv() => refuse(command),
            () = self.inbox.demanded() => {}
        }
        true
    }

    pub(crate) async fn wait_for_close(&mut self) {
        while self.idle_until_demanded().await {}
    }
}
