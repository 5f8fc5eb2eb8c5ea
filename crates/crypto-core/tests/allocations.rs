//! Sealing allocates its frame and nothing else; opening in place allocates nothing.
//!
//! Counted is what goes through Rust's allocator; AWS-LC keeps a key of its own on C's heap.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows helpers of tests only inside of a crate's own test modules"
)]

mod support;

use std::hint::black_box;
use std::time::Duration;

use allocation_counter::measure;
use futures_util::FutureExt;
use sealmq_crypto_core::format::{Frame, find_marker};
use sealmq_crypto_core::{
    AeadBackend, CryptoConfig, CryptoProvider, DeliveryIdentity, EncryptedMessage,
    MemoryReplayGuard, MessageKey, ReplayGuard, Reservation, Suite,
};

use support::{NOW_MS, context, named_key, named_provider, sealed, wrapped_key};

const SIZES: [usize; 4] = [0, 33, 1_024, 256 * 1_024];

fn keys() -> [MessageKey; 2] {
    [named_key(), wrapped_key()]
}

#[test]
fn an_allocation_is_counted() {
    let counted = measure(|| drop(black_box(vec![0u8; 100])));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn sealing_allocates_the_frame_alone_and_in_its_final_size() {
    let context = context();
    for &backend in AeadBackend::AVAILABLE {
        for (key, suite) in keys().iter().zip(Suite::ALL) {
            for size in SIZES {
                let body = vec![0x5a; size];
                // What a library sets up on first use is not counted.
                let frame = key.seal(suite, backend, &body, &context, NOW_MS).unwrap();
                let counted = measure(|| {
                    black_box(key.seal(suite, backend, &body, &context, NOW_MS).unwrap());
                });
                let expected = (1, frame.len() as u64);
                assert_eq!((counted.count_total, counted.bytes_total), expected, "{backend:?}");
            }
        }
    }
}

#[test]
fn opening_in_place_allocates_nothing() {
    let context = context();
    for &backend in AeadBackend::AVAILABLE {
        for (key, suite) in keys().iter().zip(Suite::ALL) {
            for size in SIZES {
                let mut frames = [(); 2].map(|()| sealed(key, suite, &vec![0x5a; size], &context));
                let [warm, frame] = &mut frames;
                key.open_in_place(backend, warm, &context).unwrap();
                let counted = measure(|| {
                    black_box(key.open_in_place(backend, frame, &context).unwrap());
                });
                assert_eq!(counted.count_total, 0, "{backend:?}");
            }
        }
    }
}

#[test]
fn looking_at_a_body_and_parsing_a_frame_allocates_nothing() {
    let frame = sealed(&wrapped_key(), Suite::default(), b"body", &context());
    let counted = measure(|| {
        black_box(find_marker(&frame));
        black_box(Frame::parse(&frame).unwrap());
    });
    assert_eq!(counted.count_total, 0);
}

/// However large the lengths are that the frame claims, nothing is allocated for them.
#[test]
fn a_malformed_frame_is_refused_without_an_allocation() {
    let mut frame = sealed(&wrapped_key(), Suite::default(), b"body", &context());
    for offset in [8, 9, 42, 43, 55, 56] {
        frame[offset] = 0xff;
        let counted = measure(|| {
            black_box(Frame::parse(&frame).unwrap_err());
        });
        assert_eq!(counted.count_total, 0, "offset {offset}");
    }
}

/// The future that the object-safe trait returns, the frame or body, and one for good measure.
#[test]
fn a_provider_allocates_at_most_three_times_for_a_message_once_its_key_is_there() {
    let (provider, context) = (named_provider(&CryptoConfig::default()), context());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let message = runtime.block_on(async {
        let message = provider.encrypt(b"body", &context).await.unwrap();
        provider.decrypt(message.clone(), &context).await.unwrap();
        message
    });
    let sealing = measure(|| {
        let sealed = provider.encrypt(b"body", &context).now_or_never();
        black_box(sealed.unwrap().unwrap());
    });
    let opening = measure(|| {
        let opened = provider.decrypt(message, &context).now_or_never();
        black_box(opened.unwrap().unwrap());
    });
    assert!(sealing.count_total <= 3 && opening.count_total <= 3, "{sealing:?}, {opening:?}");
}

/// What a guard costs for every message within the maximum age, in the table as in the list.
#[test]
fn a_completed_message_is_remembered_in_less_than_fifty_bytes() {
    const FULL_TABLE: u32 = (7 << 14) - 100;
    let frame = sealed(&named_key(), Suite::default(), b"", &context());
    let nonce = *EncryptedMessage::parse(frame.clone()).unwrap().nonce().as_bytes();
    let at = frame.windows(nonce.len()).position(|bytes| bytes == nonce).unwrap();
    let nonces: Vec<_> = (0..FULL_TABLE)
        .map(|n| {
            let mut frame = frame.to_vec();
            frame[at..at + 4].copy_from_slice(&n.to_be_bytes());
            EncryptedMessage::parse(frame).unwrap().nonce()
        })
        .collect();
    let guard = MemoryReplayGuard::new();
    let counted = measure(|| {
        for (n, nonce) in nonces.iter().enumerate() {
            let identity = DeliveryIdentity::new(&format!("a name as brokers give it, {n}"));
            let (lease, retention) = (Duration::from_secs(30), Duration::from_secs(600));
            let reserved = guard.reserve(nonce, &identity, lease, retention).now_or_never();
            assert_eq!(reserved.unwrap().unwrap(), Reservation::Granted);
            guard.commit(nonce, &identity).now_or_never().unwrap().unwrap();
        }
    });
    let each = counted.bytes_current / i64::from(FULL_TABLE);
    assert!((30..50).contains(&each), "{each} bytes");
}
