//! Properties: opening undoes sealing, any change is refused, no input makes the parser panic.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sealmq_crypto_core::format::{Frame, KeyReference, Marker, armour, dearmour, find_marker};
use sealmq_crypto_core::{EncryptedMessage, EncryptionContext, MessageKey, Suite};

use crate::support::{named_key, opened, scope_of, sealed, wrapped_key};

fn any_suite() -> impl Strategy<Value = Suite> {
    prop_oneof![Just(Suite::Aes256Gcm), Just(Suite::ChaCha20Poly1305)]
}

fn any_key() -> impl Strategy<Value = MessageKey> {
    prop_oneof![Just(()).prop_map(|()| named_key()), Just(()).prop_map(|()| wrapped_key())]
}

type Text = Option<String>;

prop_compose! {
    fn any_context()(
        (environment, tenant, queue, id) in (any::<Text>(), any::<Text>(), ".{1,20}", ".{1,20}"),
        (kind, session, reply_to) in (any::<Text>(), any::<Text>(), any::<Text>()),
        attribute in option::of(("[a-z]{1,8}", ".{0,8}")),
    ) -> EncryptionContext {
        let scope = scope_of(environment.as_deref(), tenant.as_deref(), &queue);
        let mut builder = EncryptionContext::builder(&scope, &id)
            .message_type(kind.as_deref())
            .session_id(session.as_deref())
            .reply_to(reply_to.as_deref());
        if let Some((name, value)) = &attribute {
            builder = builder.attribute(name, value);
        }
        builder.build().unwrap()
    }
}

/// Any bytes, most of them not far from a frame.
fn frame_like() -> impl Strategy<Value = Vec<u8>> {
    let key_reference = (vec(any::<u8>(), 0..200), 1..3u8, 0..300u16);
    prop_oneof![
        vec(any::<u8>(), 0..300),
        vec(any::<u8>(), 0..300).prop_map(|tail| [b"QRE1".to_vec(), tail].concat()),
        key_reference.prop_map(|(tail, mode, header_len)| {
            let header = [b"QRE1", &[1, 1, mode, 0][..], &header_len.to_be_bytes()].concat();
            [header, vec![0; 32], tail].concat()
        }),
    ]
}

proptest! {
    #[test]
    fn opening_gives_back_what_was_sealed(
        body in vec(any::<u8>(), 0..2_000),
        context in any_context(),
        suite in any_suite(),
        key in any_key(),
    ) {
        let frame = sealed(&key, suite, &body, &context);
        prop_assert_eq!(opened(&key, &frame, &context).unwrap(), body);
    }

    #[test]
    fn a_frame_with_any_one_byte_changed_is_refused_or_gives_the_same_body(
        body in vec(any::<u8>(), 0..200),
        suite in any_suite(),
        key in any_key(),
        place in any::<prop::sample::Index>(),
        change in 1..=u8::MAX,
    ) {
        let context = crate::support::context();
        let mut frame = sealed(&key, suite, &body, &context);
        let header_len = Frame::parse(&frame).unwrap().header_len();
        let place = place.index(frame.len());
        frame[place] ^= change;
        let in_reference = (42..header_len - 32).contains(&place);
        // The key reference only says where to look for the key, which this test holds already.
        match opened(&key, &frame, &context) {
            Ok(opened) => prop_assert!(in_reference && opened == body),
            Err(_) => prop_assert!(true),
        }
    }

    #[test]
    fn two_different_contexts_never_open_each_others_frames(
        one in any_context(),
        two in any_context(),
    ) {
        let key = named_key();
        let frame = sealed(&key, Suite::default(), b"body", &one);
        prop_assert_eq!(opened(&key, &frame, &two).is_ok(), one == two);
    }

    #[test]
    fn no_bytes_make_the_parser_panic_and_what_it_accepts_it_describes_exactly(
        bytes in frame_like(),
    ) {
        if let Ok(frame) = Frame::parse(&bytes) {
            prop_assert_eq!(find_marker(&bytes), Marker::Binary);
            prop_assert_eq!(&bytes[frame.header_len()..], frame.sealed());
            prop_assert_eq!(&bytes[frame.header_len() - 32..frame.header_len()], frame.commitment());
            prop_assert_eq!(&bytes[bytes.len() - 16..], frame.tag());
            let label = frame.key_reference().label();
            prop_assert!((1..=64).contains(&label.len()) && !label.contains(char::is_control));
            if let KeyReference::Wrapped(deks) = frame.key_reference() {
                prop_assert!((1..=4).contains(&deks.len()));
            }
            EncryptedMessage::parse(bytes.clone()).unwrap();
        }
    }

    #[test]
    fn no_text_makes_the_armour_panic_and_what_it_accepts_it_writes_exactly_so(
        text in "[A-Za-z0-9+/=_ -]{0,40}",
    ) {
        if let Ok(bytes) = dearmour(text.as_bytes()) {
            prop_assert_eq!(armour(&bytes), text);
        }
    }

    #[test]
    fn armour_is_undone_by_dearmour(bytes in vec(any::<u8>(), 0..200)) {
        let text = armour(&bytes);
        prop_assert_eq!(dearmour(text.as_bytes()).unwrap(), bytes);
    }
}
