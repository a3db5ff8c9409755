"""Columns of texts of one length, made from random bytes without a Python object per text."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_UUID = b"????????-????-????-????-????????????"
_PLACEHOLDER = ord("?")


def random_uuids(rng: np.random.Generator, count: int) -> pl.Series:
    """``count`` random UUIDs of version 4, in lower case."""
    raw = rng.integers(0, 256, (count, 16), dtype=np.uint8)
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40  # the version
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80  # the variant of RFC 9562
    return _filled(_UUID, raw)


def random_hex(rng: np.random.Generator, count: int, prefix: str, digits: int) -> pl.Series:
    """``count`` texts of ``prefix`` and an even number of random hexadecimal ``digits``."""
    raw = rng.integers(0, 256, (count, digits // 2), dtype=np.uint8)
    return _filled(prefix.encode() + b"?" * digits, raw)


def _filled(pattern: bytes, raw: np.ndarray) -> pl.Series:
    """``pattern`` once per row of ``raw``, each ``?`` a hexadecimal digit of the row's bytes."""
    shape = np.frombuffer(pattern, dtype=np.uint8)
    digits = np.empty((len(raw), 2 * raw.shape[1]), dtype=np.uint8)
    digits[:, 0::2], digits[:, 1::2] = raw >> 4, raw & 0x0F
    texts = np.tile(shape, (len(raw), 1))
    texts[:, shape == _PLACEHOLDER] = _DIGITS[digits]
    ends = np.arange(len(raw) + 1, dtype=np.int32) * len(pattern)
    array = pa.StringArray.from_buffers(len(raw), pa.py_buffer(ends), pa.py_buffer(texts))
    return pl.Series(values=pl.from_arrow(array))
