//! A frame has one key: a ciphertext that plain AES-GCM accepts under two keys opens under one here.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext as Iv, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use super::gf128::{Element, ghash};
use super::support::{NOW_MS, assert_unauthentic, context, key, key_id, opened};
use crate::aead::AeadBackend;
use crate::format::Frame;
use crate::kdf::MessageSecrets;
use crate::message_key::MessageKey;
use crate::suite::Suite;

const BLOCK: usize = 16;
/// The last of the four blocks is the one that is solved for.
const BODY_LEN: usize = 4 * BLOCK;

#[test]
fn a_two_key_collision_of_aes_gcm_is_refused_under_the_key_that_was_not_committed_to() {
    let (first, second) = (message_key(1), message_key(2));
    let invoice = *b"pay 10 EUR to the honest seller.................";
    let frame = sealed(&first, &invoice);
    let parsed = Frame::parse(&frame).unwrap();
    let (fixed, body_at) = (parsed.fixed(), parsed.header_len());
    let (of_first, of_second) =
        (first.derive(&fixed, &context()), second.derive(&fixed, &context()));
    let aad = [&fixed[..], of_first.commitment()].concat();

    let collision = collide(&of_first, &of_second, &aad, &frame[body_at..body_at + 3 * BLOCK]);

    // The control: plain AES-256-GCM takes it under both keys, for two different texts.
    let texts = [&of_first, &of_second].map(|secrets| plain_open(secrets, &aad, &collision));
    let [Some(text_1), Some(text_2)] = texts else {
        panic!("the collision does not collide");
    };
    assert_eq!(text_1[..invoice.len()], invoice);
    assert_ne!(text_1, text_2);

    // Ours: the first key, which the commitment names, opens it, and the second does not.
    for &backend in AeadBackend::AVAILABLE {
        let forged = [&frame[..body_at], &collision].concat();
        let opened =
            first.open_in_place(backend, &mut forged.clone(), &context()).map(|b| b.to_vec());
        assert_eq!(opened.unwrap(), text_1, "{backend:?}");
        let mut buffer = forged.clone();
        let refused = second.open_in_place(backend, &mut buffer, &context());
        assert_unauthentic(refused, "opened under the second key");
    }
}

#[test]
fn a_collision_under_the_second_keys_commitment_is_refused_under_the_first() {
    let (first, second) = (message_key(1), message_key(2));
    let frame = sealed(&first, &[0; 48]);
    let parsed = Frame::parse(&frame).unwrap();
    let (fixed, body_at) = (parsed.fixed(), parsed.header_len());
    let of_second = second.derive(&fixed, &context());
    let mut swapped = frame.clone();
    swapped[body_at - 32..body_at].copy_from_slice(of_second.commitment());
    for opener in [&first, &second] {
        let refused = opened(opener, &swapped, &context());
        assert_unauthentic(refused, "a swapped commitment");
    }
}

fn message_key(fill: u8) -> MessageKey {
    MessageKey::named(&key_id("k"), &key(fill)).unwrap()
}

fn sealed(key: &MessageKey, start: &[u8; 48]) -> Vec<u8> {
    let body = [&start[..], &[0; BLOCK]].concat();
    let (suite, backend) = (Suite::Aes256Gcm, AeadBackend::default());
    key.seal_with_nonce(suite, backend, &body, &context(), NOW_MS, &[5; 24]).unwrap()
}

/// A body that begins with `start` and has one tag under both keys: in
/// `ghash(H1) + S1 = ghash(H2) + S2` all is known but the last block, whose weight is H^2.
fn collide(one: &MessageSecrets, two: &MessageSecrets, aad: &[u8], start: &[u8]) -> Vec<u8> {
    let [(h1, s1), (h2, s2)] = [one, two].map(|secrets| {
        let first_counter = [[0; 15].as_slice(), &[1]].concat();
        (aes_block(secrets, &[0; BLOCK]), aes_block(secrets, &first_counter))
    });
    let without_last = [start, &[0; BLOCK]].concat();
    let gap = ghash(h1, aad, &without_last).plus(s1).plus(ghash(h2, aad, &without_last)).plus(s2);
    let weight = h1.times(h1).plus(h2.times(h2));
    let last = gap.times(weight.inverse());
    let ciphertext = [start, &last.bytes()].concat();
    assert_eq!(ciphertext.len(), BODY_LEN);
    let tag = ghash(h1, aad, &ciphertext).plus(s1);
    [&ciphertext[..], &tag.bytes()].concat()
}

/// AES of one block: the first block of the key stream of CTR that begins there.
fn aes_block(secrets: &MessageSecrets, block: &[u8]) -> Element {
    let key = UnboundCipherKey::new(&AES_256, secrets.aead_key()).unwrap();
    let mut out = [0; BLOCK];
    let iv = Iv::Iv128(FixedLength::from(<[u8; BLOCK]>::try_from(block).unwrap()));
    let ctr = EncryptingKey::ctr(key).unwrap();
    ctr.less_safe_encrypt(&mut out, iv).unwrap();
    Element::of(&out)
}

fn plain_open(secrets: &MessageSecrets, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secrets.aead_key()).unwrap());
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let mut buffer = sealed.to_vec();
    let text = key.open_in_place(nonce, Aad::from(aad), &mut buffer).ok()?;
    Some(text.to_vec())
}
