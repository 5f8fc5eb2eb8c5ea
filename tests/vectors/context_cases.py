"""The conditions on the bound context: which open, which fail, which the builder refuses."""

from __future__ import annotations

from collections.abc import Iterator

from qre1 import MAX_U16, encode_context, seal, uint
from vector import AN, ATTRIBUTES, BASIC, FULL, FULL_CONTEXT, PROFILES, TAGS, Vector, case, ctx

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"
LONGEST_ATTRIBUTE = MAX_U16 - 4 - len("big")
PLACES = ("environment", "tenant", "queue", "session_id")
OPTIONAL = tuple(name for name in TAGS if name not in ("queue", "message_id"))


def slug(name: str) -> str:
    return name.replace("_", "-")


# stem, context, comment
OPENING_CONTEXTS = (
    ("minimal", ctx({"queue": "orders", "message_id": "msg-0001"}), "Only the two mandatory fields are bound."),
    ("all-fields", FULL_CONTEXT, "Every field and two attributes are bound."),
    ("one-attribute", ctx(BASIC, [("a", "b")]), "One attribute is bound."),
    ("empty-attribute-value", ctx(BASIC, [("a", "")]), "An attribute's empty value is allowed."),
    ("collision-ab-c", ctx(BASIC, [("ab", "c")]), 'Attribute ("ab", "c"), the left half of a TLV collision pair.'),
    ("collision-a-bc", ctx(BASIC, [("a", "bc")]), 'Attribute ("a", "bc"), the right half of a TLV collision pair.'),
    ("nfc", ctx(BASIC, queue=COMPOSED), "A composed character is bound as the bytes given."),
    ("nfd", ctx(BASIC, queue=DECOMPOSED), "A decomposed character is bound as the bytes given."),
    ("embedded-nul", ctx(BASIC, [("a", "b\0c")], queue="orders\0eu"),
     "U+0000 inside values neither ends nor cuts them."),
    ("value-spells-next-field", ctx(BASIC, queue="orders\x04\0\x01x"),
     "A value that holds the bytes of a further TLV stays one value."),
    ("many-attributes", ctx(BASIC, [(f"attribute-{i:03}", f"value {i}") for i in range(100)]),
     "A hundred attributes are bound."),
    ("attributes-by-bytes", ctx(BASIC, [(n, n) for n in ("Z", "a", "a-", "aa", "é", "\uff61", "\U00010000")]),
     "Attribute names are ordered by UTF-8 bytes: upper case first, a prefix first, U+FF61 before U+10000."),
    ("unicode", ctx(FULL, [("größe", "très 大"), ("ключ", "значение")], queue="注文", tenant="Δέλτα", reply_to="📬"),
     "Text of several scripts is bound as its UTF-8 bytes."),
    ("longest-value", ctx(BASIC, queue="q" * MAX_U16), "A value of exactly 65,535 bytes is the longest allowed."),
    ("longest-attribute", ctx(BASIC, [("big", "v" * LONGEST_ATTRIBUTE)]),
     "An attribute whose TLV value is exactly 65,535 bytes."),
)


def opening_contexts() -> Iterator[Vector]:
    for stem, context, comment in OPENING_CONTEXTS:
        large = len(encode_context(context)) > MAX_U16
        for profile in (AN,) if large else PROFILES:
            yield case(f"context-{stem}", "open", comment, profile, context=context)
    stops = "an absent field and an empty one are different contexts, so neither can be passed off as the other."
    for name in OPTIONAL:
        stem, absent, empty = slug(name), ctx(FULL, **{name: None}), ctx(FULL, **{name: ""})
        yield case(f"context-absent-{stem}", "open", f"Field {name} is absent.", context=absent)
        yield case(f"context-empty-{stem}", "open", f"Field {name} is present and empty.", context=empty)
        yield case(f"context-absent-{stem}-expected-empty", "AuthenticationFailed",
                   f"Sealed without {name}: {stops}", context=absent, expected=empty)
        yield case(f"context-empty-{stem}-expected-absent", "AuthenticationFailed",
                   f"Sealed with an empty {name}: {stops}", context=empty, expected=absent)


MOVED = "stops a frame from being moved to where it was not sent"
EDITED = "stops an edit of the cleartext broker metadata"
ALIKE = "stops two look-alike contexts from being taken for one another"
# stem, sealed context, the receiver's context, what was changed, attack stopped
WRONG_CONTEXTS = (
    *((f"other-{slug(name)}", FULL_CONTEXT, ctx(FULL, ATTRIBUTES, **{name: FULL[name] + "-2"}),
       f"Another {name}", MOVED if name in PLACES else EDITED) for name in TAGS),
    *((f"dropped-{slug(name)}", FULL_CONTEXT, ctx(FULL, ATTRIBUTES, **{name: None}),
       f"The receiver has no {name}", MOVED if name in PLACES else EDITED) for name in OPTIONAL),
    ("bit-in-queue", FULL_CONTEXT, ctx(FULL, ATTRIBUTES, queue="orderr"), "One bit of the queue name", MOVED),
    ("queue-case", FULL_CONTEXT, ctx(FULL, ATTRIBUTES, queue="Orders"), "A queue name in another letter case",
     ALIKE),
    ("queue-trailing-space", FULL_CONTEXT, ctx(FULL, ATTRIBUTES, queue="orders "),
     "A trailing space after the queue name", ALIKE),
    ("queue-dead-letter", FULL_CONTEXT, ctx(FULL, ATTRIBUTES, queue="orders-dlq"),
     "The dead-letter queue's own name instead of the logical one", MOVED),
    ("queue-and-tenant-swapped", FULL_CONTEXT, ctx(FULL, ATTRIBUTES, queue="tenant-a", tenant="orders"),
     "Tenant and queue swapped", MOVED),
    ("boundary-tenant-queue", ctx(BASIC, tenant="ab", queue="c"), ctx(BASIC, tenant="a", queue="bc"),
     "A byte moved from tenant to queue", ALIKE),
    ("correlation-as-reply-to", ctx(BASIC, correlation_id="x"), ctx(BASIC, reply_to="x"),
     "The same value under another tag", EDITED),
    ("correlation-and-session-swapped", FULL_CONTEXT,
     ctx(FULL, ATTRIBUTES, session_id="corr-0001", correlation_id="customer-42"),
     "Session and correlation id swapped", EDITED),
    ("nfc-as-nfd", ctx(BASIC, queue=COMPOSED), ctx(BASIC, queue=DECOMPOSED),
     "The queue name in normalisation form D", ALIKE),
    ("nfd-as-nfc", ctx(BASIC, queue=DECOMPOSED), ctx(BASIC, queue=COMPOSED),
     "The queue name in normalisation form C", ALIKE),
    ("cut-at-nul", ctx(BASIC, queue="orders\0eu"), ctx(BASIC, queue="orders"), "The queue name cut at U+0000",
     ALIKE),
    ("spelled-type", ctx(BASIC, queue="orders\x04\0\x01x"), ctx(BASIC, message_type="x"),
     "A value read as a further field", ALIKE),
    ("attribute-value", FULL_CONTEXT, ctx(FULL, (("priority", "low"), ("region", "eu-1"))),
     "Another attribute value", EDITED),
    ("attribute-emptied", FULL_CONTEXT, ctx(FULL, (("priority", ""), ("region", "eu-1"))), "An attribute emptied",
     EDITED),
    ("attribute-name", FULL_CONTEXT, ctx(FULL, (("prioritY", "high"), ("region", "eu-1"))), "An attribute renamed",
     EDITED),
    ("attribute-values-swapped", FULL_CONTEXT, ctx(FULL, (("priority", "eu-1"), ("region", "high"))),
     "The values of two attributes swapped", EDITED),
    ("attribute-dropped", FULL_CONTEXT, ctx(FULL, ATTRIBUTES[:1]), "An attribute dropped", EDITED),
    ("attributes-dropped", FULL_CONTEXT, ctx(FULL), "All attributes dropped", EDITED),
    ("attribute-added", FULL_CONTEXT, ctx(FULL, (*ATTRIBUTES, ("zone", "b"))), "An attribute added", EDITED),
    ("collision-ab-c-as-a-bc", ctx(BASIC, [("ab", "c")]), ctx(BASIC, [("a", "bc")]),
     "A byte moved from an attribute's name to its value", ALIKE),
    ("collision-a-bc-as-ab-c", ctx(BASIC, [("a", "bc")]), ctx(BASIC, [("ab", "c")]),
     "A byte moved from an attribute's value to its name", ALIKE),
    ("collision-two-as-one", ctx(BASIC, [("a", "b"), ("c", "d")]), ctx(BASIC, [("a", "b\x40\0\x06\0\x01c\0\x01d")]),
     "Two attributes read as one", ALIKE),
)


def wrong_contexts() -> Iterator[Vector]:
    for stem, sealed, expected, changed, attack in WRONG_CONTEXTS:
        for profile in PROFILES if attack is MOVED else (AN,):
            yield case(f"wrong-context-{stem}", "AuthenticationFailed",
                       f"{changed}: the bound context {attack}.", profile, context=sealed, expected=expected)


TOO_LONG = "over-long values are refused, because a cut or wrapped length would let two contexts collide."
MANDATORY = "is mandatory; without it a frame would open anywhere."
LISTED = "the bound names travel as one comma-separated list, which a name must not be able to extend or break."
# stem, context, context bytes a careless sealer binds (None: as given), comment
INVALID_CONTEXTS = (
    ("no-queue", ctx(FULL, ATTRIBUTES, queue=None), None, f"The logical queue {MANDATORY}"),
    ("no-message-id", ctx(FULL, ATTRIBUTES, message_id=None), None, f"The message id {MANDATORY}"),
    ("empty-queue", ctx(FULL, ATTRIBUTES, queue=""), None,
     f"The logical queue is empty, which names no queue: it {MANDATORY}"),
    ("empty-message-id", ctx(FULL, ATTRIBUTES, message_id=""), None,
     f"The message id is empty, which names no message: it {MANDATORY}"),
    ("attribute-name-comma", ctx(BASIC, [("a,b", "c")]), None, f"An attribute name with a comma: {LISTED}"),
    *((f"attribute-name-control-{c:02x}", ctx(BASIC, [(f"a{chr(c)}b", "c")]), None,
       f"U+{c:04X} in an attribute name: {LISTED}") for c in (0x00, 0x0A, 0x0D, 0x1F, 0x7F, 0x80, 0x9F)),
    ("empty", (), None, "An empty context binds the frame to nothing and is refused."),
    ("duplicate-attribute", ctx(BASIC, [("a", "b"), ("a", "c")]), None,
     "An attribute given twice would let first-wins and last-wins readers disagree."),
    ("duplicate-equal-attribute", ctx(BASIC, [("a", "b"), ("a", "b")]), None,
     "An attribute given twice is refused, even with equal values."),
    ("empty-attribute-name", ctx(BASIC, [("", "b")]), None,
     "An empty attribute name cannot be listed by the marker attribute and is refused."),
    ("value-too-long", ctx(BASIC, queue="q" * (MAX_U16 + 1)), encode_context(ctx(BASIC, queue="q" * MAX_U16)),
     f"A queue name of 65,536 bytes, sealed as if cut by one byte: {TOO_LONG}"),
    ("attribute-too-long", ctx(BASIC, [("big", "v" * (LONGEST_ATTRIBUTE + 1))]),
     encode_context(ctx(BASIC)) + b"\x40\0\0" + b"\0\3big" + uint(LONGEST_ATTRIBUTE + 1, 2)
     + b"v" * (LONGEST_ATTRIBUTE + 1),
     f"An attribute whose TLV value is 65,536 bytes, sealed as if the length wrapped to 0: {TOO_LONG}"),
)


def invalid_contexts() -> Iterator[Vector]:
    for stem, context, bound, comment in INVALID_CONTEXTS:
        for profile in PROFILES if bound is None else (AN,):
            yield case(f"invalid-context-{stem}", "InvalidContext", comment, profile, context=context,
                       sealer=lambda m: seal(m, context=bound))


def families() -> Iterator[Vector]:
    for family in (opening_contexts, wrong_contexts, invalid_contexts):
        yield from family()
