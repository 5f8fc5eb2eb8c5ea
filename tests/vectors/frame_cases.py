"""The conditions on the frame's bytes: sizes, header, flips, truncations, splices and the marker."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from qre1 import FIXED_END, MAX_HEADER, MAX_U16, WRAPPED, Message, seal, uint
from vector import ALL_PROFILES, AN, CW, PROFILES, Vector, case, flip, named, other, put, swap, whole

SIZES = (0, 1, 15, 16, 17, 31, 32, 33, 55, 56, 63, 64, 65, 255, 256, 1023, 1024)
# Large bodies are rationed to keep the folder small.
LARGE_SIZES = ((65_535, AN), (65_536, CW), (262_144, AN), (262_144, CW))


def sizes() -> Iterator[Vector]:
    for size, profile in (*((size, profile) for size in SIZES for profile in ALL_PROFILES), *LARGE_SIZES):
        yield case(f"size-{size}", "open", f"The body's length in bytes is {size}.", profile, size=size)
    for at in (0, 1, 2**32 - 1, 2**32, 2**53 + 1, 2**63, 2**64 - 1):
        for profile in PROFILES:
            yield case(f"encrypted-at-{at}", "open",
                       f"encrypted_at is {at}: any unsigned 64-bit value opens; freshness is judged later.",
                       profile, encrypted_at=at)
    yield case("plaintext-starts-with-marker", "open",
               "A plaintext that starts with the marker is sealed like any other.",
               plaintext=b"QRE1 is only text here")
    inner = case("inner", "open", "")
    yield case("plaintext-is-a-frame", "open",
               "A frame sealed inside a frame is opened once, never twice.", plaintext=inner.frame)


AUTHENTICATED = "every such byte is authenticated, so an edit in transit is noticed."
# stem, offset, bits, expected outcome, comment
FLIPS = (
    ("magic-first", 0, (0, 7), "NotAFrame",
     "without the marker it is not a frame, and the plaintext policy decides."),
    ("magic-last", 3, (0, 7), "NotAFrame",
     "without the marker it is not a frame, and the plaintext policy decides."),
    ("version", 4, (0, 1, 7), "UnsupportedVersion",
     "an unknown version is refused, which stops a downgrade to other rules."),
    ("suite", 5, (0, 1, 2, 4, 7), "UnsupportedSuite", "an unknown suite fails closed, which stops a downgrade."),
    ("flags", 6, range(8), "Malformed",
     "modes 00 and 11 and unknown flags are refused, which keeps them free and stops hidden variants."),
    ("reserved", 7, (0, 7), "Malformed", "the reserved byte is 0, which leaves no room for unread data."),
    ("header-len-high", 8, (0, 7), "Malformed",
     "header_len equals the parsed length, so readers cannot disagree on where the body starts."),
    ("header-len-low", 9, (0, 7), "Malformed",
     "header_len equals the parsed length, so readers cannot disagree on where the body starts."),
    ("encrypted-at-first", 10, (7,), "AuthenticationFailed", AUTHENTICATED),
    ("encrypted-at-last", 17, (0,), "AuthenticationFailed", AUTHENTICATED),
    ("nonce-first", 18, (7,), "AuthenticationFailed", AUTHENTICATED),
    ("nonce-middle", 30, (3,), "AuthenticationFailed", AUTHENTICATED),
    ("nonce-last", FIXED_END - 1, (0,), "AuthenticationFailed", AUTHENTICATED),
    ("commitment-first", lambda m: m.commitment_at, (7,), "AuthenticationFailed", AUTHENTICATED),
    ("commitment-middle", lambda m: m.commitment_at + 16, (3,), "AuthenticationFailed", AUTHENTICATED),
    ("commitment-last", lambda m: m.header_len - 1, (0,), "AuthenticationFailed", AUTHENTICATED),
    ("ciphertext-first", lambda m: m.header_len, (0, 7), "AuthenticationFailed", AUTHENTICATED),
    ("ciphertext-last", lambda m: m.tag_at - 1, (0, 7), "AuthenticationFailed", AUTHENTICATED),
    ("tag-first", lambda m: m.tag_at, (0, 7), "AuthenticationFailed", AUTHENTICATED),
    ("tag-last", -1, (0, 7), "AuthenticationFailed", AUTHENTICATED),
)


def flips() -> Iterator[Vector]:
    for stem, at, bits, expect, comment in FLIPS:
        for profile in PROFILES:
            for bit in bits:
                yield case(f"flip-{stem}-bit-{bit}", expect,
                           f"Bit {bit} of {stem} flipped after sealing: {comment}", profile, edit=flip(at, bit))
    for profile in PROFILES:
        yield case("flip-tag-of-empty-body", "AuthenticationFailed",
                   f"The tag of an empty body: {AUTHENTICATED}", profile, size=0, edit=flip(-1, 0))
        yield case("suite-swapped", "AuthenticationFailed",
                   "The other known suite written over this one: the suite is bound, which stops a downgrade.",
                   profile, edit=put(5, bytes([profile[0] ^ 3])))
        yield case("wrong-key", "AuthenticationFailed",
                   "The receiver has another key: one frame has one key.", profile, wrong_key=True)


UNKNOWN_SUITES = (0x00, 0x03, 0x04, 0x0F, 0x10, 0x11, 0x12, 0x20, 0x21, 0x41, 0x7F, 0x80, 0x81, 0x82, 0xFF)
# stem, forged bytes by offset, expected outcome, why the check is there
FORGERIES = (
    *((f"mode-{mode:02b}", {6: mode}, "Malformed", "a frame has one kind of key reference") for mode in (0b00, 0b11)),
    *((f"reserved-{byte}", {7: byte}, "Malformed", "it leaves no room for unread data") for byte in (1, 128, 255)),
    *((f"version-{byte}", {4: byte}, "UnsupportedVersion", "it is never read by these rules") for byte in (0, 2, 255)),
    *((f"suite-{suite:#04x}", {5: suite}, "UnsupportedSuite", "it fails closed") for suite in UNKNOWN_SUITES),
    ("version-before-suite", {4: 2, 5: 0xFF}, "UnsupportedVersion", "a later version may have other suites"),
    ("version-before-flags", {4: 2, 6: 0xFF}, "UnsupportedVersion", "a later version may have other flags"),
    ("flags-before-suite", {5: 0xFF, 6: 0xFF}, "Malformed", "flags are the version's, not the suite's"),
    ("reserved-before-suite", {5: 0xFF, 7: 1}, "Malformed", "the reserved byte is the version's, not the suite's"),
    ("marker-lower-case", {0: ord("q"), 1: ord("r"), 2: ord("e")}, "NotAFrame", "the marker is compared exactly"),
    ("marker-qre2", {3: ord("2")}, "NotAFrame", "another format's marker is not ours"),
)


def forged_headers() -> Iterator[Vector]:
    """Frames sealed over an illegal prefix: everything else is right, so only the one check can refuse them."""
    for suite, mode in PROFILES:
        flags = ((f"flag-bit-{bit}", {6: mode | 1 << bit}, "Malformed", "unknown flags are refused, not skipped")
                 for bit in range(2, 8))
        for stem, forged, expect, why in (*FORGERIES, *flags):
            yield case(f"forged-{stem}", expect, f"Sealed with {stem}, so that only this check can refuse it: {why}.",
                       (suite, mode), forged=forged)
    for length in (0, FIXED_END, MAX_HEADER + 1, MAX_U16):
        yield case(f"header-len-{length}", "Malformed",
                   f"header_len says {length}: it equals the parsed length, so no reader is led elsewhere.",
                   edit=put(8, uint(length, 2)))
    for profile in PROFILES:
        for delta, stem in ((-1, "minus-1"), (1, "plus-1")):
            yield case(f"header-len-{stem}", "Malformed",
                       "header_len is off by one: readers cannot disagree on where the body starts.", profile,
                       edit=lambda m, frame: put(8, uint(m.header_len + delta, 2))(m, frame))
    yield case("suite-before-header-len", "UnsupportedSuite",
               "Suite is judged before header_len, whose meaning a suite may change.",
               forged={5: 0xFF}, edit=put(8, b"\xff\xff"))
    yield case("suite-before-key-reference", "UnsupportedSuite",
               "Suite is judged before the key reference, which is not parsed for nothing.",
               forged={5: 0xFF}, key_ref=named("", 0))


def boundaries(m: Message) -> dict[int, str]:
    """Where each field of the frame ends."""
    ends = {0: "nothing", 3: "three bytes of the marker", 4: "magic", 5: "version", 6: "suite", 7: "flags",
            8: "reserved", 10: "header_len", 18: "encrypted_at", FIXED_END: "nonce",
            FIXED_END + 1: "the first byte of the key reference"}
    if m.prefix[6] == WRAPPED:
        at = FIXED_END + 1
        for entry in range(m.key_ref[0]):
            for part, width in (("alias", 1), ("wrapped DEK", 2)):
                length = int.from_bytes(m.key_ref[at - FIXED_END:at - FIXED_END + width], "big")
                ends |= {at + width: f"the length of {part} {entry + 1}", at + width + length: f"{part} {entry + 1}"}
                at += width + length
    return ends | {m.commitment_at: "the key reference", m.header_len: "commitment",
                   m.header_len + 16: "16 bytes of body", m.tag_at: "ciphertext", m.tag_at + 16: "tag"}


def truncations() -> Iterator[Vector]:
    why = "lengths are checked before use and the body is authenticated, so no part of a message passes for the whole."
    for profile in PROFILES:
        m = case("truncated", "open", "", profile).message
        ends = boundaries(m)
        for length in sorted({end + delta for end in ends for delta in (-1, 0, 1)} & set(range(m.tag_at + 16))):
            near = next(end for end in (length, length + 1, length - 1) if end in ends)
            place = {0: "after", -1: "one byte short of", 1: "one byte past"}[length - near]
            has_tag = length >= m.header_len + 16
            expect = "NotAFrame" if length < 4 else "AuthenticationFailed" if has_tag else "Malformed"
            yield case(f"truncated-{length:03}", expect, f"Cut {place} {ends[near]}: {why}", profile,
                       edit=whole(lambda frame: frame[:length]))
        yield case("truncated-empty-body", "Malformed",
                   f"An empty body without the last byte of its tag: {why}", profile, size=0,
                   edit=whole(lambda frame: frame[:-1]))
        for stem, tail in (("1-zero", bytes(1)), ("16-zeros", bytes(16)), ("32-zeros", bytes(32)), ("newline", b"\n")):
            yield case(f"appended-{stem}", "AuthenticationFailed",
                       f"Appended after the tag ({stem}): the whole body is authenticated, so nothing rides along.",
                       profile, edit=whole(lambda frame: frame + tail))
        yield case("appended-tag", "AuthenticationFailed", "The tag once more: nothing rides along.", profile,
                   edit=lambda m, frame: frame + frame[m.tag_at:])
        yield case("appended-frame", "AuthenticationFailed",
                   "A second good frame appended: one body is one frame.", profile,
                   edit=lambda m, frame: frame + seal(other(m)))


def nowhere(_: Message) -> int:
    return 0


# stem, start, end, what comes from another good frame of the same key and context
SPLICES = (
    ("header", nowhere, lambda m: m.header_len, "The whole header"),
    ("body", lambda m: m.header_len, lambda m: m.tag_at + 16, "The ciphertext and its tag"),
    ("ciphertext", lambda m: m.header_len, lambda m: m.tag_at, "The ciphertext"),
    ("tag", lambda m: m.tag_at, lambda m: m.tag_at + 16, "The tag"),
    ("encrypted-at", lambda _: 10, lambda _: 18, "encrypted_at"),
    ("nonce", lambda _: 18, lambda _: FIXED_END, "The nonce"),
    ("fixed", nowhere, lambda _: FIXED_END, "The fixed part"),
    ("commitment", lambda m: m.commitment_at, lambda m: m.header_len, "The commitment"),
    ("commitment-and-body", lambda m: m.commitment_at, lambda m: m.tag_at + 16, "All but the fixed part"),
)


def splices() -> Iterator[Vector]:
    for stem, start, end, what in SPLICES:
        for profile in PROFILES:
            yield case(f"spliced-{stem}", "AuthenticationFailed",
                       f"{what} of another good frame: the parts of two messages never make a third.",
                       profile, edit=swap(start, end))
    for profile in PROFILES:
        yield case("nonce-zeroed", "AuthenticationFailed",
                   "The nonce overwritten with zeros: it is authenticated, and is the replay id.", profile,
                   edit=put(18, bytes(24)))
        yield case("commitment-zeroed", "AuthenticationFailed",
                   "The commitment overwritten with zeros: there is no value that switches the check off.", profile,
                   edit=put(lambda m: m.commitment_at, bytes(32)))
        yield case("encrypted-at-zeroed", "AuthenticationFailed",
                   "encrypted_at set to 0: a stale frame cannot be made fresh, nor a fresh one stale.",
                   profile, edit=put(10, bytes(8)))


# stem, edit of a good frame, comment
NOT_FRAMES = (
    ("empty-input", lambda f: b"", "Nothing at all"),
    ("one-byte", lambda f: f[:1], "The marker's first byte alone"),
    ("three-byte-prefix", lambda f: b"QRE", "Three bytes of the marker alone"),
    ("lower-case", lambda f: b"qre1" + f[4:], "The marker in lower case"),
    ("mixed-case", lambda f: b"Qre1" + f[4:], "The marker in mixed case"),
    ("marker-stripped", lambda f: f[4:], "The marker stripped"),
    ("byte-order-mark", lambda f: b"\xef\xbb\xbf" + f, "A byte order mark before the marker"),
    ("space-before", lambda f: b" " + f, "A space before the marker"),
    ("newline-before", lambda f: b"\r\n" + f, "A line break before the marker"),
    ("tab-before", lambda f: b"\t" + f, "A tab before the marker"),
    ("nul-before", lambda f: b"\0" + f, "A zero byte before the marker"),
    ("utf-16-marker", lambda f: "QRE1".encode("utf-16-le") + f[4:], "The marker in UTF-16"),
    ("armoured", base64.b64encode, "The base64 armour, handed to the reader of raw frames"),
    ("json", lambda f: b'{"order": 1}', "A plain JSON body"),
    ("doubled-first-letter", lambda f: b"Q" + f, "A doubled first letter"),
)


def markers() -> Iterator[Vector]:
    for stem, edit, what in NOT_FRAMES:
        yield case(f"marker-{stem}", "NotAFrame",
                   f"{what} is not a frame: the marker is compared exactly and the plaintext policy decides.",
                   edit=whole(edit))
    never = "what starts with the marker is never treated as plaintext."
    yield case("marker-alone", "Malformed", f"The marker and nothing else: {never}",
               edit=whole(lambda frame: frame[:4]))
    yield case("marker-then-text", "UnsupportedVersion", f"Text that starts with the marker: {never}",
               edit=whole(lambda _: b"QRE1 is only text here"))
    yield case("marker-doubled", "UnsupportedVersion", f"A frame behind a second marker: {never}",
               edit=whole(lambda frame: b"QRE1" + frame))
    yield case("marker-then-zeros", "UnsupportedVersion", f"The marker and 200 zero bytes: {never}",
               edit=whole(lambda _: b"QRE1" + bytes(200)))
    yield case("marker-future-version-short", "UnsupportedVersion",
               "Five bytes of a later version: version is judged before this version's lengths.",
               edit=whole(lambda _: b"QRE1\x02"))
    yield case("marker-good-version-short", "Malformed",
               "Five bytes of this version: lengths are checked before use.", edit=whole(lambda frame: frame[:5]))


def families() -> Iterator[Vector]:
    for family in (sizes, flips, forged_headers, truncations, splices, markers):
        yield from family()
