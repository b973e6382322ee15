import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.reading.fetch import PIECE_BYTES, inflated


@given(st.binary(max_size=300), st.integers(1, 40))
def test_gzip_is_read_however_it_is_cut(content: bytes, size: int) -> None:
    packed = gzip.compress(content) + gzip.compress(b"more")
    pieces = (packed[at : at + size] for at in range(0, len(packed), size))
    assert b"".join(inflated(pieces)) == content + b"more"


def test_what_was_flushed_is_given_before_the_next_bytes_come() -> None:
    deflater = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    sent: list[bytes] = []

    def pieces() -> object:
        for length in (1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES):
            sent.append(b"a" * length)
            yield deflater.compress(sent[-1]) + deflater.flush(zlib.Z_SYNC_FLUSH)
            assert len(b"".join(got)) == len(b"".join(sent))

    got: list[bytes] = []
    for piece in inflated(pieces()):  # type: ignore[arg-type]
        assert 0 < len(piece) <= PIECE_BYTES
        got.append(piece)
    assert b"".join(got) == b"".join(sent)


def test_what_is_no_gzip_is_an_error() -> None:
    with pytest.raises(zlib.error):
        list(inflated([b"no gzip"]))
