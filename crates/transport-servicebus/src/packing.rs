//! Packing messages into transfers: as many as fit, in order, of one session each.

use fe2o3_amqp::Sendable;
use sealmq_queue_core::{SendReceipt, TransportError, TransportErrorKind as Kind};

use crate::sending_link::{AmqpMessage, Outgoing};
use crate::wire;

/// What a message costs in a batch beside its own bytes: the head of its data section.
const DATA_SECTION_BYTES: usize = 8;
/// What the envelope of a batch costs: an id and a session of 128 bytes each, and their heads.
const ENVELOPE_BYTES: usize = 512;
/// The most messages in a transfer: the broker stores or refuses them together.
const MAX_MESSAGES: usize = 1_000;

/// A transfer, and the places of its messages.
#[derive(Debug)]
pub(crate) struct Pack {
    pub(crate) places: Vec<usize>,
    pub(crate) message: Outgoing,
}

/// Outcomes of messages that go nowhere.
type Refused = Vec<(usize, Result<SendReceipt, TransportError>)>;

/// Packs messages, and refuses those that do not fit by themselves.
pub(crate) fn pack(
    messages: Vec<(usize, AmqpMessage)>,
    limit_bytes: usize,
    context: &str,
) -> (Vec<Pack>, Refused) {
    let (mut packs, mut refused) = (Vec::new(), Vec::new());
    let mut open = Open::default();
    for (at, message) in messages {
        let size_bytes = match wire::encoded_size(&message) {
            Ok(size) if size <= limit_bytes => size,
            Ok(size_bytes) => {
                let kind = Kind::TooLarge { size_bytes, limit_bytes };
                refused.push((at, Err(TransportError::new(kind, context))));
                continue;
            }
            Err(error) => {
                refused.push((at, Err(error)));
                continue;
            }
        };
        if !open.takes(&message, size_bytes, limit_bytes) {
            open.close_into(&mut packs, &mut refused);
        }
        open.add(at, message, size_bytes);
    }
    open.close_into(&mut packs, &mut refused);
    (packs, refused)
}

/// The transfer that is being filled.
#[derive(Default)]
struct Open {
    places: Vec<usize>,
    messages: Vec<AmqpMessage>,
    size_bytes: usize,
}

impl Open {
    fn takes(&self, message: &AmqpMessage, size_bytes: usize, limit_bytes: usize) -> bool {
        let Some(first) = self.messages.first() else {
            return true;
        };
        let total = ENVELOPE_BYTES + self.size_bytes + size_bytes + DATA_SECTION_BYTES;
        let together = session(first) == session(message);
        together && total <= limit_bytes && self.messages.len() < MAX_MESSAGES
    }

    fn add(&mut self, at: usize, message: AmqpMessage, size_bytes: usize) {
        self.places.push(at);
        self.messages.push(message);
        self.size_bytes += size_bytes + DATA_SECTION_BYTES;
    }

    fn close_into(&mut self, packs: &mut Vec<Pack>, refused: &mut Refused) {
        let Self { places, mut messages, .. } = std::mem::take(self);
        let message = match messages.len() {
            0 => return,
            1 => Ok(Sendable::from(messages.remove(0))),
            _ => wire::batch(&messages),
        };
        match message {
            Ok(message) => packs.push(Pack { places, message }),
            Err(error) => refused.extend(places.iter().map(|at| (*at, Err(error.clone())))),
        }
    }
}

fn session(message: &AmqpMessage) -> Option<&str> {
    message.properties.as_ref()?.group_id.as_deref()
}

#[cfg(test)]
mod tests {
    use sealmq_queue_core::Message;

    use super::*;

    fn packed(messages: &[Message], limit_bytes: usize) -> (Vec<Vec<usize>>, Vec<usize>) {
        let messages = messages.iter().map(wire::encode).enumerate().collect();
        let (packs, refused) = pack(messages, limit_bytes, "test");
        for pack in &packs {
            let size = wire::encoded_size(&pack.message.message).unwrap();
            assert!(size <= limit_bytes, "{size} bytes in a transfer of {limit_bytes}");
        }
        let places = packs.into_iter().map(|pack| pack.places).collect();
        (places, refused.into_iter().map(|(at, _)| at).collect())
    }

    #[test]
    fn a_transfer_holds_what_fits() {
        let message = || Message::new(vec![7; 1_000]);
        let messages: Vec<_> = (0..5).map(|_| message()).collect();
        let (places, refused) = packed(&messages, 4_096);
        assert_eq!(places, [vec![0, 1, 2], vec![3, 4]]);
        assert!(refused.is_empty());
    }

    #[test]
    fn a_transfer_holds_one_session() {
        let of = |session: &str| Message::new("m").with_session_id(session);
        let messages = [of("a"), of("a"), of("b"), Message::new("m"), of("a")];
        let (places, _) = packed(&messages, 4_096);
        assert_eq!(places, [vec![0, 1], vec![2], vec![3], vec![4]]);
    }

    #[test]
    fn what_never_fits_is_refused_alone() {
        let messages = [Message::new("m"), Message::new(vec![0; 9_000]), Message::new("m")];
        let (places, refused) = packed(&messages, 4_096);
        assert_eq!(places, [vec![0, 2]]);
        assert_eq!(refused, [1]);
    }
}
