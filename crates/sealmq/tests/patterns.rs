//! The four ways to hand out keys: the examples run, and what they show holds.

// The examples are whole programs; their `main` is a function like any other here.
#[path = "../examples/key_per_receiver.rs"]
mod key_per_receiver;
#[path = "../examples/key_per_service.rs"]
mod key_per_service;
#[path = "../examples/sealed_and_plaintext.rs"]
mod sealed_and_plaintext;
#[path = "../examples/unknown_senders.rs"]
mod unknown_senders;

#[test]
fn one_sender_has_a_key_for_each_receiver_and_no_receiver_opens_anothers() {
    key_per_receiver::main().unwrap();
}

#[test]
fn sealed_and_plaintext_queues_stand_side_by_side() {
    sealed_and_plaintext::main().unwrap();
}

#[test]
fn a_receiver_needs_no_configuration_about_its_senders() {
    unknown_senders::main().unwrap();
}

#[test]
fn each_service_has_a_key_of_its_own_from_its_own_store() {
    key_per_service::main().unwrap();
}
