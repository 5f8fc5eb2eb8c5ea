//! What the tests of several adapters need: failing proxies, certificates, servers of their own.
//!
//! Everything here panics where a test would: there is nobody to hand an error to.

// These are tests, if of another kind: what must not happen should stop them.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod admin_side;
pub mod aws_identities;
mod certificates;
mod child;
mod environment;
mod freezing;
mod http_proxy;
mod key_vault;
mod nats_server;
mod postgres_admin;
mod postgres_server;
mod postgres_tls_proxy;
mod softhsm;
mod tcp_proxy;
mod timestamp;
mod tls_doors;
mod tls_proxy;
mod vault;
mod vault_cluster;
mod vault_node;

pub use admin_side::AdminSide;
pub use certificates::Authority;
pub use child::{child_of, said_by};
pub use environment::{free_port, required};
pub use http_proxy::{Answer, HttpProxy, Request};
pub use key_vault::KeyVault;
pub use nats_server::NatsServer;
pub use postgres_admin::PostgresAdmin;
pub use postgres_server::PostgresServer;
pub use postgres_tls_proxy::PostgresTlsProxy;
pub use softhsm::SoftHsm;
pub use tcp_proxy::TcpProxy;
pub use tls_doors::{TlsDoor, TlsDoors};
pub use tls_proxy::TlsProxy;
pub use vault::{VaultAdmin, VaultServer, text_of};
pub use vault_cluster::VaultCluster;
pub use vault_node::PersistentVault;
