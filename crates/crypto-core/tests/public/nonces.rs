//! A million seals on eight threads repeat neither a nonce nor a derived key.

use std::collections::BTreeMap;
use std::thread;

use sealmq_crypto_core::Suite;
use sealmq_crypto_core::format::Frame;

use crate::support::{context, named_key, sealed};

const THREADS: usize = 8;
const SEALS_PER_THREAD: usize = 125_000;

/// How many values occur more than once.
fn repeated<T: Ord + Copy>(mut values: Vec<T>) -> usize {
    values.sort_unstable();
    values.windows(2).filter(|pair| pair[0] == pair[1]).count()
}

/// The first 128 bits: if these are never the same, the whole never is.
fn head(bytes: &[u8]) -> u128 {
    u128::from_be_bytes(bytes[..16].try_into().unwrap())
}

#[test]
fn a_million_seals_on_eight_threads_repeat_no_nonce_and_no_commitment() {
    let (key, context) = (named_key(), context());
    let (mut nonces, mut commitments) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let seal_many = || {
            let seal_one = |_| {
                let frame = sealed(&key, Suite::default(), b"", &context);
                let frame = Frame::parse(&frame).unwrap();
                (head(&frame.nonce()), head(&frame.commitment()))
            };
            (0..SEALS_PER_THREAD).map(seal_one).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(seal_many)).collect();
        for thread in threads {
            let (of_nonces, of_commitments): (Vec<_>, Vec<_>) =
                thread.join().unwrap().into_iter().unzip();
            nonces.extend(of_nonces);
            commitments.extend(of_commitments);
        }
    });
    assert_eq!(nonces.len(), 1_000_000);
    // The control: 32 random bits, as a short random nonce would have, repeat many times over.
    let short: Vec<u32> = nonces.iter().map(|nonce| *nonce as u32).collect();
    assert!(repeated(short) > 20);
    assert_eq!(repeated(nonces), 0, "nonces");
    // The commitment stands for the key: both are halves of one output of HKDF.
    assert_eq!(repeated(commitments), 0, "commitments");
}

#[test]
fn every_bit_of_the_nonce_is_used() {
    let (key, context) = (named_key(), context());
    let mut ones = BTreeMap::new();
    for _ in 0..256 {
        let frame = sealed(&key, Suite::default(), b"", &context);
        let nonce = Frame::parse(&frame).unwrap().nonce();
        for bit in 0..192 {
            *ones.entry(bit).or_insert(0) += u32::from(nonce[bit / 8] >> (bit % 8) & 1);
        }
    }
    // Each is one in about half of 256 seals; a stuck bit would be 0 or 256.
    assert!(ones.values().all(|ones| (64..=192).contains(ones)));
}
