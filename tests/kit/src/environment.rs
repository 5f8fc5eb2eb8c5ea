//! What a test finds around it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::TcpListener;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Below those that systems give to who asks for any port: nobody is given one of these while a
/// server is not up yet, or is down for a while.
const PORTS: std::ops::Range<usize> = 10_000..30_000;

/// The value of an environment variable that names a server or a program.
///
/// # Panics
/// When it is not set: a server that is missing is a failure and no skip.
pub fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: `cargo xtask test` starts the servers and sets it")
    })
}

/// A port of the loopback address that nobody listens to, and that is given to nobody else: each
/// call in a process gives another one, and processes begin anywhere.
///
/// # Panics
/// When there is none left.
pub fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicUsize> = LazyLock::new(|| {
        let random = RandomState::new().build_hasher().finish() as usize;
        AtomicUsize::new(random % PORTS.len())
    });
    let mut ports = (0..PORTS.len()).map(|_| {
        let place = NEXT.fetch_add(1, Ordering::Relaxed) % PORTS.len();
        u16::try_from(PORTS.start + place).unwrap()
    });
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(is_free).expect("a port is free")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_given_twice_nor_while_somebody_listens() {
        let ports: BTreeSet<_> = (0..100).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 100);
        let next = free_port() + 1; // the one that comes next, unless it is the first again
        let _listening = TcpListener::bind(("127.0.0.1", next));
        assert!((0..100).all(|_| free_port() != next));
    }
}
