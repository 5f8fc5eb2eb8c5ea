//! Reading the header of a sealed message: both forms, both key references, and what is none.

use std::sync::Arc;

use sealmq::format::armour;
use sealmq::local::{MemoryKeyring, MemoryKms};
use sealmq::memory::{MemoryTransport, QueueSettings};
use sealmq::{
    CryptoConfig, EncryptionKeyId, ManualClock, Message, QueueClient, QueueClientBuilder, Suite,
};
use serde_json::json;

use crate::support::{Scratch, program, run, sealmq};

const BODY: &str = "one teapot";
/// 2009-02-13T23:31:30.123Z
const SEALED_AT_MS: u64 = 1_234_567_890_123;

/// A frame as the broker stores it.
fn frame(with_keys: impl FnOnce(QueueClientBuilder) -> QueueClientBuilder) -> Vec<u8> {
    let broker = MemoryTransport::new();
    broker.create_queue("orders", QueueSettings::default()).unwrap();
    let client = QueueClient::builder("orders")
        .with_transport(Arc::new(broker.clone()))
        .with_crypto(CryptoConfig::strict())
        .with_clock(Arc::new(ManualClock::at_unix_ms(SEALED_AT_MS)));
    let client = with_keys(client).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(client.send(Message::new(BODY))).unwrap();
    broker.tap("orders").unwrap()[0].message.body.to_vec()
}

fn named_key_frame() -> Vec<u8> {
    let keys = MemoryKeyring::generate(EncryptionKeyId::new("orders-1").unwrap()).unwrap();
    frame(|client| client.with_key_provider(Arc::new(keys)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_binary_frame_is_read() {
    let frame = named_key_frame();
    let scratch = Scratch::new();
    let run = sealmq(["inspect", "--json", &scratch.file("frame", &frame)]);
    run.assert_ok();
    let header_bytes = frame.len() - BODY.len() - 16;
    let expected = json!({
        "form": "binary",
        "version": 1,
        "suite": { "id": 1, "name": "AES-256-GCM" },
        "encrypted_at": "2009-02-13T23:31:30.123Z",
        "encrypted_at_ms": SEALED_AT_MS,
        "key_reference": { "mode": "named_key", "key_id": "orders-1" },
        "nonce": hex(&frame[18..42]),
        "commitment": hex(&frame[header_bytes - 32..header_bytes]),
        "tag": hex(&frame[frame.len() - 16..]),
        "frame_bytes": frame.len(),
        "header_bytes": header_bytes,
        "body_bytes": BODY.len(),
        "authenticated": false,
    });
    assert_eq!(run.json(), expected);
}

#[test]
fn the_base64_form_is_read_from_standard_input_with_its_line_end() {
    let text = armour(&named_key_frame());
    for line_end in ["", "\n", "\r\n"] {
        let input = format!("{text}{line_end}");
        let run = run(program().args(["inspect", "-", "--json"]), input.as_bytes());
        run.assert_ok();
        assert_eq!(run.json()["form"], "base64");
        assert_eq!(run.json()["key_reference"]["key_id"], "orders-1");
    }
}

#[test]
fn the_keks_of_a_wrapped_dek_are_named() {
    let frame = frame(|client| {
        let second = Arc::new(MemoryKms::new());
        let client = client.with_key_management("kek-1", Arc::new(MemoryKms::new()));
        let policy = CryptoConfig::strict().with_suite(Suite::ChaCha20Poly1305);
        client.with_key_management("kek-2", second).with_crypto(policy)
    });
    let scratch = Scratch::new();
    let run = sealmq(["inspect", "--json", &scratch.file("frame", frame)]);
    run.assert_ok();
    let keks = json!([
        { "alias": "kek-1", "wrapped_bytes": 64 },
        { "alias": "kek-2", "wrapped_bytes": 64 },
    ]);
    assert_eq!(run.json()["key_reference"], json!({ "mode": "wrapped_dek", "keks": keks }));
    assert_eq!(run.json()["suite"]["name"], "ChaCha20-Poly1305");
}

#[test]
fn the_page_says_what_matters() {
    let scratch = Scratch::new();
    let run = sealmq(["inspect", &scratch.file("frame", named_key_frame())]);
    let page = run.assert_ok();
    for piece in
        ["QRE1, version 1, binary", "AES-256-GCM", "2009-02-13", "\"orders-1\"", "10 bytes"]
    {
        assert!(page.contains(piece), "{piece} is not in {page}");
    }
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
}

#[test]
fn what_is_no_frame_is_refused() {
    let mut cut_off = named_key_frame();
    cut_off.truncate(60);
    let refused: [(&[u8], &str); 5] = [
        (b"", "does not begin with QRE1"),
        (b"{\"event\":\"push\"}", "does not begin with QRE1"),
        (b"QRE1\x02", "cannot read: unsupported version 0x02"),
        (b"UVJFMQE=\n\n", "not canonical base64"),
        (&cut_off, "malformed frame"),
    ];
    for (bytes, says) in refused {
        run(program().args(["inspect", "-"]), bytes).assert_refused(1, says);
    }
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    sealmq(["inspect", "no-such-frame"]).assert_refused(2, "cannot read no-such-frame");
}
