//! A piece of work that can be repeated, with what must be made ready for it apart from it.

use std::hint::black_box;

/// Bytes that copies may take together, so that they stay in the processor's own cache.
const COPIES_BYTES: usize = 256 * 1024;

/// Work on one body.
pub trait Work {
    /// Makes ready for this many repetitions. Not measured.
    fn prepare(&mut self, _count: usize) {}

    /// Does the work this many times.
    fn execute(&mut self, count: usize);

    /// How many repetitions can be prepared at once.
    fn at_once(&self) -> usize {
        usize::MAX
    }
}

/// Sealing: a plaintext that stays as it is becomes a message of its own.
pub struct Sealing<F>(pub F);

impl<T, F: FnMut() -> T> Work for Sealing<F> {
    fn execute(&mut self, count: usize) {
        for _ in 0..count {
            black_box((self.0)());
        }
    }
}

/// Opening in place: the message is gone afterwards, so each repetition has a copy.
pub struct OpeningInPlace<F> {
    sealed: Vec<u8>,
    copies: Vec<Vec<u8>>,
    open: F,
}

impl<F> OpeningInPlace<F> {
    /// Opens this message by `open`.
    pub fn new(sealed: Vec<u8>, open: F) -> Self {
        let copies = vec![sealed.clone(); copies_of(sealed.len())];
        Self { sealed, copies, open }
    }
}

impl<F: FnMut(&mut [u8])> Work for OpeningInPlace<F> {
    fn prepare(&mut self, count: usize) {
        for copy in self.copies.iter_mut().take(count) {
            copy.copy_from_slice(&self.sealed);
        }
    }

    fn execute(&mut self, count: usize) {
        for copy in self.copies.iter_mut().take(count) {
            (self.open)(black_box(copy));
        }
    }

    fn at_once(&self) -> usize {
        self.copies.len()
    }
}

/// Opening by value: each repetition consumes a message that was received.
pub struct OpeningByValue<M, F> {
    receive: Box<dyn FnMut() -> M>,
    received: Vec<M>,
    at_once: usize,
    open: F,
}

impl<M, F> OpeningByValue<M, F> {
    /// Opens messages of this length, which `receive` gives, by `open`.
    pub fn new(sealed_len: usize, receive: Box<dyn FnMut() -> M>, open: F) -> Self {
        Self { receive, received: Vec::new(), at_once: copies_of(sealed_len), open }
    }
}

impl<M, T, F: FnMut(M) -> T> Work for OpeningByValue<M, F> {
    fn prepare(&mut self, count: usize) {
        self.received.extend((0..count).map(|_| (self.receive)()));
    }

    fn execute(&mut self, count: usize) {
        let first = self.received.len().saturating_sub(count);
        for message in self.received.drain(first..) {
            black_box((self.open)(message));
        }
    }

    fn at_once(&self) -> usize {
        self.at_once
    }
}

/// The same work on each of several bodies; one repetition does all of them.
pub struct Each(pub Vec<Box<dyn Work>>);

impl Work for Each {
    fn prepare(&mut self, count: usize) {
        self.0.iter_mut().for_each(|work| work.prepare(count));
    }

    fn execute(&mut self, count: usize) {
        self.0.iter_mut().for_each(|work| work.execute(count));
    }

    fn at_once(&self) -> usize {
        self.0.iter().map(|work| work.at_once()).min().unwrap_or(usize::MAX)
    }
}

fn copies_of(len: usize) -> usize {
    (COPIES_BYTES / len.max(1)).clamp(1, 1024)
}
