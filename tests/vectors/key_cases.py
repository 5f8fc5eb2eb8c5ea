"""The conditions on the key reference and on the key derivation."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import replace

from qre1 import AES, CHACHA, FIXED_END, LABELS, MAX_HEADER, NAMED, WRAPPED, Message, derive, encode_context, seal, uint
from vector import AN, CW, KEY_REFS, PROFILES, Edit, Vector, case, named, put, wrapped

HINT = ("the key reference is a look-up hint and excluded from the derivation, so that DEKs can be re-wrapped; "
        "the same key still opens the frame.")
GOOD = KEY_REFS[WRAPPED]
# stem, mode, the edited key reference, what was edited
REWRITES = (
    ("key-id-bit", NAMED, named("orders-2026`"), "One bit of the key id"),
    ("key-id-renamed", NAMED, named("ORDERS-2027b"), "A key id of the same length"),
    ("key-id-shorter", NAMED, named("k"), "A shorter key id"),
    ("key-id-longer", NAMED, named("k" * 64), "A longer key id"),
    ("wrapped-dek-bit", WRAPPED, GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "One bit of the last wrapped DEK"),
    ("rewrapped", WRAPPED, wrapped(("kek-2027", 512)), "One new wrapping instead of two"),
    ("alias-renamed", WRAPPED, GOOD.replace(b"kek-primary", b"kek-PRIMARY"), "A KEK alias"),
    ("entries-reordered", WRAPPED, wrapped(("kek-standby", 40), ("kek-primary", 60)), "The order of the wrappings"),
    ("entry-added", WRAPPED, wrapped(("kek-primary", 60), ("kek-standby", 40), ("kek-third", 60)),
     "A third wrapping"),
    ("entry-dropped", WRAPPED, wrapped(("kek-standby", 40)), "One wrapping dropped"),
)


def replace_reference(m: Message, frame: bytes, key_ref: bytes) -> bytes:
    """Cuts the new reference into the finished frame and corrects header_len."""
    header_len = uint(FIXED_END + len(key_ref) + 32, 2)
    return frame[:8] + header_len + frame[10:FIXED_END] + key_ref + frame[m.commitment_at:]


def shift(length_at: Callable[[Message], int], delta: int) -> Edit:
    """Changes one length byte and header_len alike."""
    def edit(m: Message, frame: bytes) -> bytes:
        frame = put(8, uint(m.header_len + delta, 2))(m, frame)
        return put(length_at, bytes([frame[length_at(m)] + delta]))(m, frame)
    return edit


def rewrites() -> Iterator[Vector]:
    """These open, so `key_ref` is that of the frame as received."""
    for stem, mode, key_ref, what in REWRITES:
        for suite in (AES, CHACHA):
            made = case(f"rewritten-{stem}", "open", f"{what} was edited after sealing: {HINT}", (suite, mode))
            frame = replace_reference(made.message, made.frame, key_ref)
            yield replace(made, message=replace(made.message, key_ref=key_ref), frame=frame)
    for (suite, mode), other_mode in ((AN, WRAPPED), (CW, NAMED)):
        flags, key_ref = put(6, bytes([other_mode])), KEY_REFS[other_mode]
        yield case("rewritten-other-mode", "AuthenticationFailed",
                   "A reference of the other mode with its flags: the mode is in the authenticated fixed part.",
                   (suite, mode), edit=lambda m, frame: flags(m, replace_reference(m, frame, key_ref)))
    moved = "it and header_len were changed alike: the commitment is then read from the wrong place and cannot match."
    yield case("shifted-key-id-minus-1", "AuthenticationFailed", f"A key id one byte shorter, where {moved}",
               edit=shift(lambda _: FIXED_END, -1))
    for delta, stem in ((-1, "minus-1"), (1, "plus-1")):
        yield case(f"shifted-wrapped-dek-{stem}", "AuthenticationFailed",
                   f"The last wrapped DEK's length off by one, where {moved}", CW,
                   edit=shift(lambda m: m.commitment_at - 40 - 1, delta))


TEXT = "control characters would forge log lines and terminal output"
UTF8 = "text that is not UTF-8 would be read differently by different receivers"
ZERO = "an empty name or blob has no meaning"
BOUND = "every length has an upper bound, checked before anything is allocated or called"
TWICE = "a repeated alias would make readers choose differently"
CONTROLS = (0x00, 0x01, 0x09, 0x0A, 0x0D, 0x1B, 0x1F, 0x7F, 0x80, 0x85, 0x9F)
BAD_UTF8 = (b"\xff", b"\x80", b"\xc3", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
            b"\xf8\x88\x80\x80\x80")
MANY = tuple((f"kek-{i}", 32) for i in range(1, 6))
LONGEST_SECOND = MAX_HEADER - FIXED_END - 32 - 1 - 4096 - 2 * (1 + 5 + 2)
# stem, mode, expected outcome, raw key reference, comment
REFERENCES = (
    ("key-id-1", NAMED, "open", named("k"), "The shortest key id, one byte."),
    ("key-id-64", NAMED, "open", named("k" * 64), "The longest key id, 64 bytes."),
    ("key-id-64-multibyte", NAMED, "open", named("é" * 32),
     "64 bytes of two-byte characters: lengths count bytes."),
    ("key-id-printable", NAMED, "open", named(" ~\u00a0\u00ad\ufffd📬"),
     "The characters next to the control ranges are allowed."),
    ("key-id-0", NAMED, "Malformed", named(""), f"A key id of no bytes: {ZERO}."),
    ("key-id-65", NAMED, "Malformed", named("k" * 65), f"A key id of 65 bytes: {BOUND}."),
    ("key-id-65-multibyte", NAMED, "Malformed", named("é" * 32 + "k"),
     f"A key id of 33 characters in 65 bytes: {BOUND}."),
    ("key-id-255", NAMED, "Malformed", named("k" * 255), f"A key id of 255 bytes: {BOUND}."),
    *((f"key-id-control-{c:02x}", NAMED, "Malformed", named(f"orders{chr(c)}a"),
       f"U+{c:04X} in the key id: {TEXT}.") for c in CONTROLS),
    *((f"key-id-utf8-{b.hex()}", NAMED, "Malformed", named(b"orders" + b),
       f"Bytes {b.hex()} in the key id: {UTF8}.") for b in BAD_UTF8),
    ("key-id-trailing-byte", NAMED, "Malformed", named("orders") + b"\0",
     "An unread byte after the key id: header_len equals the parsed length, so nothing hides."),
    ("count-1", WRAPPED, "open", wrapped(*MANY[:1]), "One wrapping."),
    ("count-4", WRAPPED, "open", wrapped(*MANY[:4]), "Four wrappings, the most allowed."),
    ("count-0", WRAPPED, "Malformed", wrapped(), f"No wrapping: {ZERO}."),
    ("count-0-with-entry", WRAPPED, "Malformed", wrapped(MANY[0], count=0),
     f"A count of 0 before an entry: {ZERO}."),
    ("count-5", WRAPPED, "Malformed", wrapped(*MANY),
     f"Five wrappings: {BOUND}, which stops one frame from fanning out into many key-service calls."),
    ("count-255", WRAPPED, "Malformed", wrapped(MANY[0], count=255), f"A count of 255: {BOUND}."),
    ("count-too-low", WRAPPED, "Malformed", wrapped(*MANY[:2], count=1),
     "An entry more than the count says: header_len equals the parsed length, so nothing hides."),
    ("count-too-high", WRAPPED, "Malformed", wrapped(*MANY[:2], count=3),
     "An entry less than the count says: the commitment is never read as an entry."),
    ("alias-1", WRAPPED, "open", wrapped(("k", 60)), "The shortest alias, one byte."),
    ("alias-64", WRAPPED, "open", wrapped(("k" * 64, 60)), "The longest alias, 64 bytes."),
    ("alias-0", WRAPPED, "Malformed", wrapped(("", 60)), f"An alias of no bytes: {ZERO}."),
    ("alias-65", WRAPPED, "Malformed", wrapped(("k" * 65, 60)), f"An alias of 65 bytes: {BOUND}."),
    ("alias-url", WRAPPED, "open", wrapped(("https://kms.example/keys/1", 60)),
     "An alias that looks like an address parses; it is only ever looked up, never dialled."),
    *((f"alias-control-{c:02x}", WRAPPED, "Malformed", wrapped((f"kek{chr(c)}a", 60)),
       f"U+{c:04X} in an alias: {TEXT}.") for c in (0x00, 0x0A, 0x7F, 0x9F)),
    *((f"alias-utf8-{b.hex()}", WRAPPED, "Malformed", wrapped((b"kek" + b, 60)),
       f"Bytes {b.hex()} in an alias: {UTF8}.") for b in BAD_UTF8[:3]),
    ("second-alias-control", WRAPPED, "Malformed", wrapped(MANY[0], ("kek\n", 32)),
     f"A line break in the second alias: {TEXT}."),
    ("alias-twice", WRAPPED, "Malformed", wrapped(MANY[0], MANY[0]), f"The same entry twice: {TWICE}."),
    ("alias-twice-apart", WRAPPED, "Malformed", wrapped(MANY[0], MANY[1], ("kek-1", 48)),
     f"The same alias in the first and third entry: {TWICE}."),
    ("alias-case-differs", WRAPPED, "open", wrapped(("kek", 32), ("KEK", 32)),
     "Aliases in two letter cases are different: bytes are compared exactly."),
    ("alias-normalisation-differs", WRAPPED, "open", wrapped(("caf\u00e9", 32), ("cafe\u0301", 32)),
     "Aliases in two normalisation forms are different: bytes are compared exactly."),
    ("same-wrapped-dek", WRAPPED, "open", wrapped(("kek-1", bytes(32)), ("kek-2", bytes(32))),
     "Equal wrapped DEKs under two aliases are allowed."),
    ("wrapped-1", WRAPPED, "open", wrapped(("kek", 1)), "The shortest wrapped DEK, one byte."),
    ("wrapped-4096", WRAPPED, "open", wrapped(("kek", 4096)), "The longest wrapped DEK, 4,096 bytes."),
    ("wrapped-0", WRAPPED, "Malformed", wrapped(("kek", 0)), f"A wrapped DEK of no bytes: {ZERO}."),
    ("second-wrapped-0", WRAPPED, "Malformed", wrapped(MANY[0], ("kek", 0)),
     f"A second wrapped DEK of no bytes: {ZERO}."),
    ("wrapped-4097", WRAPPED, "Malformed", wrapped(("kek", 4097)), f"A wrapped DEK of 4,097 bytes: {BOUND}."),
    ("header-8192", WRAPPED, "open", wrapped(("kek-a", 4096), ("kek-b", LONGEST_SECOND)),
     "A header of exactly 8,192 bytes is the longest allowed."),
    ("header-8193", WRAPPED, "Malformed", wrapped(("kek-a", 4096), ("kek-b", LONGEST_SECOND + 1)),
     f"A header of 8,193 bytes: {BOUND}."),
    ("key-id-over-the-end", NAMED, "Malformed", named("k" * 12, 64),
     "A key id longer than the rest of the frame: no read passes the end."),
    ("alias-over-the-end", WRAPPED, "Malformed", b"\1\x40kek",
     "An alias longer than the rest of the frame: no read passes the end."),
    ("wrapped-over-the-end", WRAPPED, "Malformed", b"\1\3kek\x10\0" + bytes(60),
     "A wrapped DEK longer than the rest of the frame: no read passes the end."),
    ("key-id-into-commitment", NAMED, "Malformed", named("k" * 12, 13),
     "A key id that would take the commitment's first byte: header_len equals the parsed length."),
    ("key-id-short-of-commitment", NAMED, "Malformed", named("k" * 12, 11),
     "A key id that leaves a byte unread: header_len equals the parsed length."),
)


def references() -> Iterator[Vector]:
    for stem, mode, expect, raw, comment in REFERENCES:
        for suite in (AES, CHACHA) if expect == "open" and len(raw) < 4096 else (AES,):
            yield case(f"reference-{stem}", expect, comment, (suite, mode), key_ref=raw, size=0)


def other_key(m: Message) -> Message:
    return replace(m, key=hashlib.sha256(m.key).digest())


def derived(m: Message) -> tuple[bytes, bytes]:
    return derive(m.key, m.fixed, encode_context(m.context), LABELS)


def with_bit_flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


# stem, the flawed sealer, the flaw, what the rule stops
FLAWS: tuple[tuple[str, Callable[[Message], bytes], str, str], ...] = (
    ("forged-commitment", lambda m: seal(m, commitment=hashlib.sha256(m.nonce).digest()),
     "The tag is good but the commitment is not the key's",
     "the commitment is compared, so no frame opens under two keys"),
    ("commitment-first-bit", lambda m: seal(m, commitment=with_bit_flipped(derived(m)[1], 0)),
     "The tag is good but the commitment's first byte is not", "the commitment is compared whole"),
    ("commitment-last-bit", lambda m: seal(m, commitment=with_bit_flipped(derived(m)[1], 31)),
     "The tag is good but the commitment's last byte is not", "the commitment is compared whole"),
    ("body-of-another-key", lambda m: seal(m, message_key=derived(other_key(m))[0]),
     "The commitment is good but the body is under another key",
     "a matching commitment never replaces the tag"),
    ("commitment-of-another-key", lambda m: seal(m, commitment=derived(other_key(m))[1]),
     "The commitment is that of another key and is in the associated data",
     "a frame made for two keys opens under neither"),
    ("halves-exchanged", lambda m: seal(m, message_key=derived(m)[1], commitment=derived(m)[0]),
     "The two halves of the derived bytes are exchanged",
     "the message key is never published as a commitment"),
    ("other-cipher", lambda m: seal(m, aead=m.suite ^ 3), "The body is sealed by the other suite's cipher",
     "the suite decides the cipher, with no trial decryption"),
    ("nonce-in-cipher", lambda m: seal(m, aead_nonce=m.nonce[:12]),
     "The cipher got the first 12 bytes of the nonce instead of zeros",
     "the nonce enters through the derivation only"),
    ("no-associated-data", lambda m: seal(m, aad=b""), "The cipher got no associated data",
     "the header is authenticated by the cipher too"),
    ("commitment-not-associated", lambda m: seal(m, aad=m.fixed), "The associated data lacks the commitment",
     "the commitment is authenticated by the cipher too"),
    ("context-not-bound", lambda m: seal(m, context=b""), "The context was not bound",
     "a frame that is bound to no place opens nowhere"),
    ("fixed-not-bound", lambda m: seal(m, bound=b""), "The fixed part was not bound",
     "each message has its own key"),
    ("header-len-bound", lambda m: seal(m, bound=m.prefix + uint(m.header_len, 2) + m.fixed[8:]),
     "header_len was bound as well", "header_len stays outside, so that DEKs can be re-wrapped"),
    ("key-reference-bound", lambda m: seal(m, bound=m.fixed + m.key_ref), "The key reference was bound as well",
     "it stays outside, so that DEKs can be re-wrapped"),
    ("no-context-label", lambda m: seal(m, labels=(b"", LABELS[1])), "The hash lacks its label",
     "labels keep the uses of a key apart"),
    ("no-message-label", lambda m: seal(m, labels=(LABELS[0], b"")), "The expansion lacks its label",
     "labels keep the uses of a key apart"),
    ("extracted-key", lambda m: seal(replace(m, key=hmac.digest(bytes(32), m.key, "sha256"))),
     "The key went through HKDF-Extract first", "the key is used as the PRK as it is"),
)


def flaws() -> Iterator[Vector]:
    for stem, sealer, flaw, stops in FLAWS:
        for profile in PROFILES:
            yield case(f"flawed-{stem}", "AuthenticationFailed", f"{flaw}: {stops}.", profile, sealer=sealer)


def families() -> Iterator[Vector]:
    for family in (rewrites, references, flaws):
        yield from family()
