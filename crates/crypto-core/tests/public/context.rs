//! A frame opens only in the context that it was sealed for.

use std::sync::Arc;

use sealmq_crypto_core::{ContextScope, EncryptionContext, EncryptionContextBuilder, Suite};

use crate::naive;
use crate::support::{
    assert_invalid, assert_unauthentic, context, full_context, named_key, opened, scope, scope_of,
    sealed,
};

fn assert_refused_in(other: &EncryptionContext, what: &str) {
    let (key, own) = (named_key(), context());
    let frame = sealed(&key, Suite::default(), b"body", &own);
    opened(&key, &frame, &own).expect("in its own context it opens");
    assert_unauthentic(opened(&key, &frame, other), what);
}

/// Two contexts that must never be taken for one another, in either direction.
fn assert_apart(one: &EncryptionContext, two: &EncryptionContext, what: &str) {
    let key = named_key();
    for (own, other) in [(one, two), (two, one)] {
        let frame = sealed(&key, Suite::default(), b"body", own);
        opened(&key, &frame, own).expect(what);
        assert_unauthentic(opened(&key, &frame, other), what);
    }
}

fn builder<'a>(scope: &Arc<ContextScope>) -> EncryptionContextBuilder<'a> {
    EncryptionContext::builder(scope, "msg-0001")
}

fn attributes(pairs: &[(&str, &str)]) -> EncryptionContext {
    let mut builder = builder(&scope());
    for (name, value) in pairs {
        builder = builder.attribute(name, value);
    }
    builder.build().unwrap()
}

fn queue(name: &str) -> EncryptionContext {
    builder(&scope_of(None, None, name)).build().unwrap()
}

#[test]
fn a_message_sealed_without_a_context_opens_in_any_queue() {
    let in_refunds = naive::gcm_seal(&[7; 32], b"", b"pay 10 EUR");
    assert_eq!(naive::gcm_open(&[7; 32], b"", &in_refunds).unwrap(), b"pay 10 EUR");
}

#[test]
fn a_frame_moved_to_another_queue_is_refused() {
    let other = scope_of(Some("production"), Some("tenant-a"), "refunds");
    assert_refused_in(&full_context(&other, "customer-42"), "another queue");
}

#[test]
fn a_frame_read_from_its_dead_letter_queue_under_that_queues_name_is_refused() {
    let other = scope_of(Some("production"), Some("tenant-a"), "orders-dlq");
    assert_refused_in(&full_context(&other, "customer-42"), "the dead-letter queue's name");
}

#[test]
fn a_frame_moved_to_another_tenant_is_refused() {
    let other = scope_of(Some("production"), Some("tenant-b"), "orders");
    assert_refused_in(&full_context(&other, "customer-42"), "another tenant");
}

#[test]
fn a_frame_moved_to_another_environment_is_refused() {
    let other = scope_of(Some("staging"), Some("tenant-a"), "orders");
    assert_refused_in(&full_context(&other, "customer-42"), "another environment");
}

#[test]
fn a_frame_moved_to_another_session_is_refused() {
    assert_refused_in(&full_context(&scope(), "customer-43"), "another session");
}

#[test]
fn a_frame_given_another_message_type_is_refused() {
    let of_type = |name| builder(&scope()).message_type(Some(name)).build().unwrap();
    assert_apart(&of_type("order.created"), &of_type("order.refunded"), "message type");
}

#[test]
fn a_frame_given_another_message_id_is_refused() {
    let of_id = |id| EncryptionContext::builder(&scope(), id).build().unwrap();
    assert_apart(&of_id("msg-0001"), &of_id("msg-0002"), "message id");
}

#[test]
fn a_byte_moved_between_name_and_value_makes_another_context() {
    // The control: names and values one after the other, as naive associated data has them.
    let joined = |name: &str, value: &str| format!("{name}{value}").into_bytes();
    let sealed = naive::gcm_seal(&[7; 32], &joined("ab", "c"), b"body");
    naive::gcm_open(&[7; 32], &joined("a", "bc"), &sealed).expect("taken for one another");

    assert_apart(&attributes(&[("ab", "c")]), &attributes(&[("a", "bc")]), "(ab, c) and (a, bc)");
}

#[test]
fn a_byte_moved_between_two_fields_makes_another_context() {
    let of = |tenant, queue| builder(&scope_of(None, Some(tenant), queue)).build().unwrap();
    assert_apart(&of("ab", "c"), &of("a", "bc"), "tenant and queue");
}

#[test]
fn one_value_under_another_field_makes_another_context() {
    let one = builder(&scope()).correlation_id(Some("x")).build().unwrap();
    let two = builder(&scope()).reply_to(Some("x")).build().unwrap();
    assert_apart(&one, &two, "correlation id and reply-to");
}

#[test]
fn a_value_that_spells_the_next_field_stays_one_value() {
    let spelled = queue("orders\u{4}\0\u{1}x");
    let typed = builder(&scope_of(None, None, "orders")).message_type(Some("x")).build().unwrap();
    assert_apart(&spelled, &typed, "a spelled message type");
}

#[test]
fn two_attributes_are_not_one_that_spells_both() {
    let two = attributes(&[("a", "b"), ("c", "d")]);
    let one = attributes(&[("a", "b\u{40}\0\u{6}\0\u{1}c\0\u{1}d")]);
    assert_apart(&two, &one, "two attributes");
}

#[test]
fn absent_and_empty_are_two_contexts_for_every_optional_field() {
    let own = scope();
    let scopes = [
        (scope_of(None, None, "q"), scope_of(Some(""), None, "q"), "environment"),
        (scope_of(None, None, "q"), scope_of(None, Some(""), "q"), "tenant"),
    ];
    for (absent, empty, field) in scopes {
        assert_apart(&builder(&absent).build().unwrap(), &builder(&empty).build().unwrap(), field);
    }
    let absent = builder(&own).build().unwrap();
    let empty = [
        (builder(&own).message_type(Some("")), "message type"),
        (builder(&own).content_type(Some("")), "content type"),
        (builder(&own).session_id(Some("")), "session id"),
        (builder(&own).correlation_id(Some("")), "correlation id"),
        (builder(&own).reply_to(Some("")), "reply-to"),
        (builder(&own).attribute("a", ""), "attribute"),
    ];
    for (empty, field) in empty {
        assert_apart(&absent, &empty.build().unwrap(), field);
    }
}

#[test]
fn an_empty_queue_or_message_id_is_no_context() {
    assert_invalid(ContextScope::new(Some("e"), Some("t"), ""), "logical_queue");
    assert_invalid(EncryptionContext::builder(&scope(), "").build(), "message_id");
}

#[test]
fn an_attribute_that_stands_twice_is_refused_with_equal_and_with_other_values() {
    for second in ["b", "c"] {
        let twice = builder(&scope()).attribute("a", "b").attribute("z", "").attribute("a", second);
        assert_invalid(twice.build(), "attributes");
    }
}

#[test]
fn the_order_in_which_attributes_are_given_does_not_matter() {
    let forward = attributes(&[("Z", "1"), ("a", "2"), ("aa", "3"), ("\u{e9}", "4")]);
    let backward = attributes(&[("\u{e9}", "4"), ("aa", "3"), ("a", "2"), ("Z", "1")]);
    let (key, suite) = (named_key(), Suite::default());
    opened(&key, &sealed(&key, suite, b"body", &forward), &backward).expect("one context");
}

#[test]
fn an_attribute_name_that_is_empty_or_would_break_the_list_of_names_is_refused() {
    for name in ["", "a,b", ",", "a\nb", "a\0", "\u{7f}", "\u{85}"] {
        assert_invalid(builder(&scope()).attribute(name, "v").build(), "attributes");
    }
    builder(&scope()).attribute("a;b c\u{e9}", "v, w\n").build().expect("the control");
}

#[test]
fn a_value_of_65_536_bytes_is_refused_and_never_cut() {
    let (longest, long) = ("v".repeat(65_535), "v".repeat(65_536));
    let own = scope();
    assert_invalid(ContextScope::new(Some(&long), None, "q"), "environment");
    assert_invalid(ContextScope::new(None, Some(&long), "q"), "tenant");
    assert_invalid(ContextScope::new(None, None, &long), "logical_queue");
    assert_invalid(EncryptionContext::builder(&own, &long).build(), "message_id");
    let fields = [
        (builder(&own).message_type(Some(&long)), "message_type"),
        (builder(&own).content_type(Some(&long)), "content_type"),
        (builder(&own).session_id(Some(&long)), "session_id"),
        (builder(&own).correlation_id(Some(&long)), "correlation_id"),
        (builder(&own).reply_to(Some(&long)), "reply_to"),
        (builder(&own).attribute("a", &long[..65_531]), "attributes"),
    ];
    for (field, name) in fields {
        assert_invalid(field.build(), name);
    }
    builder(&own).session_id(Some(&longest)).build().expect("65,535 bytes");
    builder(&own).attribute("a", &long[..65_530]).build().expect("65,535 bytes with its name");
}

#[test]
fn composed_and_decomposed_characters_are_two_queues() {
    assert_apart(&queue("caf\u{e9}"), &queue("cafe\u{301}"), "NFC and NFD");
}

#[test]
fn a_nul_neither_ends_nor_cuts_a_value() {
    // The control: what a reader of C strings makes of both.
    let cut = |name: &'static str| name.split('\0').next();
    assert_eq!(cut("orders\0eu"), cut("orders\0us"));

    assert_apart(&queue("orders\0eu"), &queue("orders\0us"), "after the NUL");
    assert_apart(&queue("orders\0eu"), &queue("orders"), "before the NUL");
}
