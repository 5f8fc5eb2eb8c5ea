"""AMQP values: from bytes to Python and back, and the extent of one without decoding it."""

from collections.abc import Iterable
from typing import Any

from proton import UNDESCRIBED, Array, Data, Described

_DESCRIBED = 0x00
# Bytes of a value behind its constructor, by the constructor's upper half.
_FIXED_WIDTHS = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
_SMALL_SIZED = (0xA, 0xC, 0xE)
_LARGE_SIZED = (0xB, 0xD, 0xF)


def encode(value: Any) -> bytes:
    """Encodes one value; plain `int` becomes a long."""
    data = Data()
    data.put_object(value)
    return bytes(data.encode())


def array(kind: int, values: Iterable[Any]) -> Array:
    """An array of values of one kind, to be encoded."""
    undescribed: Any = UNDESCRIBED
    return Array(undescribed, kind, *values)


def decode(raw: bytes) -> Any:
    """Decodes one value and forgets nothing but array types."""
    data = Data()
    data.decode(raw)
    data.rewind()
    data.next()
    return owned(data.get_object())


def owned(value: Any) -> Any:
    """A copy without views: the engine frees the memory behind those together with `Data`."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, dict):
        return {owned(key): owned(item) for key, item in value.items()}
    if isinstance(value, Array):
        return [owned(item) for item in value.elements]
    if isinstance(value, (list, tuple)):
        return [owned(item) for item in value]
    if isinstance(value, Described):
        return Described(value.descriptor, owned(value.value))
    return value


def value_end(raw: bytes, at: int) -> int:
    """Where the value that starts at `at` ends."""
    if raw[at] == _DESCRIBED:
        return value_end(raw, value_end(raw, at + 1))
    kind = raw[at] >> 4
    if kind in _FIXED_WIDTHS:
        end = at + 1 + _FIXED_WIDTHS[kind]
    elif kind in _SMALL_SIZED:
        end = at + 2 + raw[at + 1]
    elif kind in _LARGE_SIZED:
        end = at + 5 + int.from_bytes(raw[at + 1 : at + 5], "big")
    else:
        raise ValueError(f"0x{raw[at]:02x} begins no AMQP value")
    if end > len(raw):
        raise ValueError("an AMQP value is cut short")
    return end


def items(raw: bytes) -> list[bytes]:
    """The items of an encoded list, or the keys and values of an encoded map in turn."""
    code = raw[0]
    if code == 0x45:
        return []
    if code in (0xC0, 0xC1):
        at, count = 3, raw[2]
    elif code in (0xD0, 0xD1):
        at, count = 9, int.from_bytes(raw[5:9], "big")
    else:
        raise ValueError(f"0x{code:02x} begins no AMQP list or map")
    found = []
    for _ in range(count):
        end = value_end(raw, at)
        found.append(raw[at:end])
        at = end
    return found


def list_of(parts: list[bytes]) -> bytes:
    """A list of values that are encoded already."""
    return _compound(0xD0, parts)


def map_of(parts: list[bytes]) -> bytes:
    """A map of keys and values in turn that are encoded already."""
    return _compound(0xD1, parts)


def _compound(code: int, parts: list[bytes]) -> bytes:
    body = len(parts).to_bytes(4, "big") + b"".join(parts)
    return bytes([code]) + len(body).to_bytes(4, "big") + body
