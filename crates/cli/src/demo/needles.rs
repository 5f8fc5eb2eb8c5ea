//! Looks for pieces of the bodies where none may be.

use std::collections::HashSet;

/// How many bytes of a body make a piece.
pub(super) const WINDOW_BYTES: usize = 8;

/// Pieces beyond this are not looked for: a very large input must not fill the memory.
const MAX_WINDOWS: usize = 8 << 20;

/// Every piece of every body. That random bytes match one by chance is a matter of 2^-64 for each
/// pair.
#[derive(Debug, Default)]
pub(super) struct Needles {
    windows: HashSet<[u8; WINDOW_BYTES]>,
}

impl Needles {
    /// Looks for the pieces of this body from now on.
    pub(super) fn add(&mut self, body: &[u8]) {
        for window in windows(body) {
            if self.windows.len() >= MAX_WINDOWS {
                return;
            }
            self.windows.insert(window);
        }
    }

    /// How many different pieces are looked for.
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }

    /// How many pieces stand in these bytes.
    pub(super) fn count_in(&self, bytes: &[u8]) -> usize {
        windows(bytes).filter(|window| self.windows.contains(window)).count()
    }
}

fn windows(bytes: &[u8]) -> impl Iterator<Item = [u8; WINDOW_BYTES]> {
    bytes.windows(WINDOW_BYTES).filter_map(|window| window.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found_wherever_they_stand() {
        let mut needles = Needles::default();
        needles.add(b"one teapot");
        assert_eq!(needles.len(), 3);
        assert_eq!(needles.count_in(b"xx e teapot yy"), 1);
        assert_eq!(needles.count_in(b"one teapot"), 3);
        assert_eq!(needles.count_in(b"one  teapot"), 0);
    }

    #[test]
    fn bodies_shorter_than_a_piece_have_none() {
        let mut needles = Needles::default();
        needles.add(b"teapot");
        assert_eq!((needles.len(), needles.count_in(b"teapot")), (0, 0));
    }
}
