//! Who seals and opens one kind of body, and which ratios are taken between them.

use sealmq_crypto_core::CryptoError;

use crate::bare;
use crate::bodies::Bodies;
use crate::ours::{BATCH, Service};
use crate::report::{Ratio, Subject};
use crate::work::{Each, Work};

/// Names of the subjects that take part in ratios.
pub mod names {
    /// Ours, with the key at hand.
    pub const KEY: &str = "sealmq MessageKey";
    /// Ours, through the provider that finds the key.
    pub const PROVIDER: &str = "sealmq CryptoProvider";
    /// Ours, ten at once.
    pub const BATCH: &str = "sealmq CryptoProvider, ten at once";
    /// The reference for opening.
    pub const BARE: &str = "aws-lc-rs";
    /// The reference for sealing.
    pub const BARE_WITH_NONCE: &str = "aws-lc-rs + kernel nonce";
}

const fn ratio(
    ours: &'static str,
    operation: &'static str,
    name: &'static str,
    (theirs, reference): (&'static str, &'static str),
) -> Ratio {
    Ratio { ours, theirs, of: (operation, name), to: (operation, reference) }
}

const WITH_NONCE: (&str, &str) = ("raw_with_nonce", names::BARE_WITH_NONCE);
const WITHOUT: (&str, &str) = ("raw", names::BARE);

/// The ratios taken with each kind of body of [`RATIO_BODIES`].
pub const RATIOS: &[Ratio] = &[
    ratio("seal", "seal", names::KEY, WITH_NONCE),
    ratio("encrypt", "seal", names::PROVIDER, WITH_NONCE),
    ratio("seal_batch10", "seal", names::BATCH, WITH_NONCE),
    ratio("open", "open", names::KEY, WITHOUT),
    ratio("decrypt", "open", names::PROVIDER, WITHOUT),
];

/// The keys of the bodies that ratios are taken with.
pub const RATIO_BODIES: &[&str] = &["1024", "10240", "262144", "webhooks"];

/// Everyone who is measured with the same bodies, with the work.
pub type LineUp = Vec<(Subject, Box<dyn Work>)>;

/// Everyone, each with the work on these bodies.
///
/// # Errors
/// `KeyUnavailable` when the kernel gives no randomness.
pub fn all(bodies: &Bodies) -> Result<LineUp, CryptoError> {
    let service = Service::new()?;
    let added = service.bytes_added();
    let (nonce, tag) = (bare::NONCE_LEN, bare::TAG_LEN);
    let mut line_up = Vec::new();
    let mut add = |operation, name, bytes_added, batch: usize, work: &WorkOn| {
        let each = bodies.bodies.iter().map(|body| work(body)).collect();
        let messages = bodies.bodies.len() * batch;
        line_up.push((
            Subject { operation, name, bytes_added: Some(bytes_added), messages },
            Box::new(Each(each)) as Box<dyn Work>,
        ));
    };
    add("seal", names::KEY, added, 1, &|body| service.seal(body.to_vec()));
    add("seal", names::PROVIDER, added, 1, &|body| service.encrypt(body.to_vec()));
    add("seal", names::BATCH, added, BATCH, &|body| service.encrypt_batch(body.to_vec()));
    add("seal", names::BARE_WITH_NONCE, nonce + tag, 1, &|body| {
        bare::aws_lc_rs_kernel_nonce_seal(body.to_vec())
    });
    add("seal", names::BARE, tag, 1, &|body| bare::aws_lc_rs_seal(body.to_vec()));
    add("seal", "aws-lc-rs, in place", tag, 1, &|body| {
        bare::aws_lc_rs_in_place_seal(body.to_vec())
    });
    add("seal", "ring", tag, 1, &|body| bare::ring_seal(body.to_vec()));
    add("seal", "aes-gcm", tag, 1, &|body| bare::aes_gcm_seal(body.to_vec()));
    add("open", names::KEY, added, 1, &|body| service.open(body));
    add("open", names::PROVIDER, added, 1, &|body| service.decrypt(body));
    add("open", names::BARE, tag, 1, &bare::aws_lc_rs_open);
    add("open", "ring", tag, 1, &bare::ring_open);
    add("open", "aes-gcm", tag, 1, &bare::aes_gcm_open);
    Ok(line_up)
}

type WorkOn<'a> = dyn Fn(&[u8]) -> Box<dyn Work> + 'a;
