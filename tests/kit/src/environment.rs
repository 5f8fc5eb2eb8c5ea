//! What a test finds around it.

use std::net::TcpListener;

/// The value of an environment variable that names a server or a program.
///
/// # Panics
/// When it is not set: a server that is missing is a failure and no skip.
pub fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: `cargo xtask test` starts the servers and sets it")
    })
}

/// A port of the loopback address that nobody listens to.
///
/// # Panics
/// When there is none left.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
