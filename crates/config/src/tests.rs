//! Tests of the file and of what it leads to.

mod bad_files;
#[cfg(all(
    feature = "aws-kms",
    feature = "aws-secrets",
    feature = "azure-keyvault",
    feature = "local",
    feature = "memory",
    feature = "nats",
    feature = "nats-replay",
    feature = "pkcs11",
    feature = "postgres",
    feature = "servicebus",
    feature = "sqs",
    feature = "vault"
))]
mod complete;
mod connect;
mod names;
mod paths;
mod samples;
mod secrets;
