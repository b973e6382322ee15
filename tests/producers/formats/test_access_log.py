import locale
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.schemas.codec import RejectCode, Rejection, seal
from headrace.schemas.records.web_access import WebAccess
from producers.formats.access_log import parse

REAL_LOG = Path(__file__).parents[3] / "examples" / "access.log"
COMMON = b'203.0.113.9 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif?x=1 HTTP/1.0" 200 2326'
COMBINED = COMMON + b' "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"'
UP_TO_TIME = b"h - - [10/Oct/2000:13:55:36 +0000]"
TIME = datetime(2000, 10, 10, 20, 55, 36, tzinfo=UTC)


def record(line: bytes) -> WebAccess:
    parsed = parse(line)
    assert not isinstance(parsed, Rejection), parsed.errors
    return parsed[1]


def with_request(request: bytes) -> bytes:
    return b'h - - [10/Oct/2000:13:55:36 +0000] "' + request + b'" 200 1'


def with_agent(agent: bytes) -> bytes:
    return with_request(b"GET / HTTP/1.1") + b' "-" "' + agent + b'"'


def test_a_common_line_is_read() -> None:
    assert parse(COMMON) == (
        TIME,
        WebAccess(
            client_address="203.0.113.9",
            user="frank",
            method="GET",
            path="/apache_pb.gif",
            query="x=1",
            protocol="HTTP/1.0",
            status=200,
            bytes=2326,
        ),
    )


def test_a_combined_line_adds_referer_and_user_agent() -> None:
    read = record(COMBINED)

    assert read.referer == "http://www.example.com/start.html"
    assert read.user_agent == "Mozilla/4.08 [en] (Win98; I ;Nav)"


def test_both_formats_may_stand_in_one_log_with_either_line_end() -> None:
    assert record(COMMON + b"\r") == record(COMMON)
    assert record(COMBINED + b"\r") == record(COMBINED)


def test_a_dash_is_null_everywhere() -> None:
    nothing = WebAccess(client_address=None, method=None, path=None, status=None)

    assert record(b'- - - [10/Oct/2000:13:55:36 +0000] "-" - -') == nothing
    assert record(b'- - - [10/Oct/2000:13:55:36 +0000] "-" - - "-" "-"') == nothing
    assert record(b'- - - [10/Oct/2000:13:55:36 +0000] "- - HTTP/1.0" - -').method is None


def test_no_bytes_is_null_and_zero_bytes_is_zero() -> None:
    assert record(COMMON.replace(b"2326", b"-")).bytes is None
    assert record(COMMON.replace(b"2326", b"0")).bytes == 0


def test_a_request_that_was_never_read_is_a_record() -> None:
    for request in (b"-", b""):
        read = record(with_request(request))
        assert (read.method, read.path, read.query, read.protocol) == (None, None, None, None)


@pytest.mark.parametrize(
    "client",
    [
        b"127.0.0.1",
        b"::1",
        b"::",
        b"2001:db8::7",
        b"::ffff:203.0.113.9",
        b"fe80::1%eth0",
        b"localhost",
        b"crawl-66-249.googlebot.com",
        b"1.2.3.4.dyn.example.org",
        b"under_score.example",
    ],
)
def test_an_address_of_either_family_and_a_host_name_are_client_addresses(client: bytes) -> None:
    assert record(COMMON.replace(b"203.0.113.9", client)).client_address == client.decode()


@pytest.mark.parametrize(
    ("request_", "method", "path", "query", "protocol"),
    [
        (b"GET / HTTP/1.1", "GET", "/", None, "HTTP/1.1"),
        (b"GET /", "GET", "/", None, None),
        (b"GET /a?b?c=d HTTP/2", "GET", "/a", "b?c=d", "HTTP/2"),
        (b"GET /a? HTTP/2.0", "GET", "/a", "", "HTTP/2.0"),
        (b"GET ?a HTTP/1.1", "GET", "", "a", "HTTP/1.1"),
        (b"OPTIONS * HTTP/1.0", "OPTIONS", "*", None, "HTTP/1.0"),
        (b"M-SEARCH * HTTP/1.1", "M-SEARCH", "*", None, "HTTP/1.1"),
        (b"CONNECT example.com:443 HTTP/1.1", "CONNECT", "example.com:443", None, "HTTP/1.1"),
        (b"GET /a b c HTTP/1.1", "GET", "/a b c", None, "HTTP/1.1"),
        (b"GET /a b", "GET", "/a b", None, None),
        (rb"GET /\"q\"?\\ HTTP/1.1", "GET", '/"q"', "\\", "HTTP/1.1"),
        (rb"GET /\xc3\xa4 HTTP/1.1", "GET", "/ä", None, "HTTP/1.1"),
        ("GET /ä HTTP/1.1".encode(), "GET", "/ä", None, "HTTP/1.1"),
        (b"GET /\xff HTTP/1.1", "GET", "/\ufffd", None, "HTTP/1.1"),
        (b"DESCRIBE rtsp://x RTSP/1.0", "DESCRIBE", "rtsp://x", None, "RTSP/1.0"),
    ],
)
def test_a_request_is_split(
    request_: bytes, method: str, path: str, query: str | None, protocol: str | None
) -> None:
    read = record(with_request(request_))

    assert (read.method, read.path, read.query, read.protocol) == (method, path, query, protocol)


@pytest.mark.parametrize(
    ("agent", "text"),
    [
        (rb"a \"b\" c", 'a "b" c'),
        (rb"back\\slash", "back\\slash"),
        (rb"\x41\x4a\x4A", "AJJ"),
        (rb"\xe4\xe5", "\ufffd\ufffd"),
        (rb"\xe2\x82\xac", "€"),
        (b"\xe2\\x82\\xac", "€"),
        (rb"tab\tline\nend\r\v\b", "tab\tline\nend\r\v\b"),
        (rb"\z\x4", r"\z\x4"),
        ("ä €".encode(), "ä €"),
        (b"\xc3(", "\ufffd("),
        (b"", ""),
        (rb"\-", r"\-"),
        (b"[x] - 17/May/2015", "[x] - 17/May/2015"),
    ],
)
def test_a_quoted_field_is_unescaped_and_read_as_utf_8(agent: bytes, text: str) -> None:
    assert record(with_agent(agent)).user_agent == text


@given(st.text().filter(lambda text: text != "-" and "\n" not in text))
def test_any_text_that_a_server_escapes_comes_back(text: str) -> None:
    escaped = "".join(
        f"\\{character}"
        if character in '"\\'
        else f"\\x{ord(character):02x}"
        if character < " "
        else character
        for character in text
    )

    assert record(with_agent(escaped.encode())).user_agent == text


@pytest.mark.parametrize(
    ("fits", "rest", "expected"),
    [
        (b"", b"", "a client address"),
        (b"", b"x", "a client address"),
        (b"", b"\x00" + COMMON, "a client address"),
        (b"", b"example.com:80 " + COMMON, "a client address"),
        (b"host 1.2.3.4 -", b' - frank [10/Oct/2000:13:55:36 +0000] "-" 200 1', "a time in brackets"),
        (b"h - -", b' [10/oct/2000:13:55:36 +0000] "-" 200 1', "a time in brackets"),
        (b"h - -", b' [10/Oct/2000:13:55:36 +0060] "-" 200 1', "a time in brackets"),
        (b"h - -", b' [10/Oct/2000:13:55:36] "-" 200 1', "a time in brackets"),
        (b"h - - [", b'31/Feb/2000:13:55:36 +0000] "-" 200 1', "a date and time that exist"),
        (b"h - - [", b'31/Okt/2000:13:55:36 +0000] "-" 200 1', "a date and time that exist"),
        (b"h - - [", b'30/Jun/2015:23:59:60 +0000] "-" 200 1', "a date and time that exist"),
        (b"h - - [", b'30/Jun/2015:24:00:00 +0000] "-" 200 1', "a date and time that exist"),
        (b"h - - [", b'30/Jun/2015:23:59:59 -2400] "-" 200 1', "a date and time that exist"),
        (b"h - - [", b'30/Jun/0000:23:59:59 +0000] "-" 200 1', "a date and time that exist"),
        (b"h - - [", b'01/Jan/0001:00:00:00 +0100] "-" 200 1', "a date and time that exist"),
        (UP_TO_TIME, rb' "\x16\x03\x01" 400 1', "a request in quotes"),
        (UP_TO_TIME, b' "GET" 200 1', "a request in quotes"),
        (UP_TO_TIME, b' "G\xc3\xa4T / HTTP/1.1" 200 1', "a request in quotes"),
        (UP_TO_TIME, b' " GET / HTTP/1.1" 200 1', "a request in quotes"),
        (UP_TO_TIME, b' "GET / HTTP/1.1 200 1', "a request in quotes"),
        (UP_TO_TIME + b' "GET /\xc3\xa4"', b" 20 1", "a status"),
        (UP_TO_TIME + b' "-"', b" 200", "a status"),
        (UP_TO_TIME + b' "-" 200', b" x", "a size in bytes"),
        (UP_TO_TIME + b' "-" 200 2', b"e6", "a referer in quotes, or the end of the line"),
        (UP_TO_TIME + b' "-" 200', b" 1" + b"0" * 19, "a size in bytes"),
        (COMMON, b" ", "a referer in quotes, or the end of the line"),
        (COMMON, b' "-"', "a referer in quotes, or the end of the line"),
        (COMMON, b"\n" + COMMON, "a referer in quotes, or the end of the line"),
        (COMMON + b' "\xff\xc3\xa4"', b' "Mozilla', "a user agent in quotes"),
        (COMBINED, b' "x"', "the end of the line"),
        (COMBINED, b"\r\r", "the end of the line"),
    ],
)
def test_a_line_that_does_not_fit_is_rejected_with_the_place_where_it_stopped(
    fits: bytes, rest: bytes, expected: str
) -> None:
    verdict = parse(fits + rest)

    assert isinstance(verdict, Rejection)
    assert (verdict.code, verdict.raw) == (RejectCode.UNPARSABLE_LINE, fits + rest)
    [error] = verdict.errors
    assert (error.path, error.message) == (f"byte {len(fits)}", f"expected {expected}")


@given(st.binary(max_size=80), st.integers(0, 200))
def test_any_bytes_anywhere_give_a_record_or_a_rejection(noise: bytes, at: int) -> None:
    line = COMBINED[:at] + noise + COMBINED[at:]
    verdict = parse(line)

    if isinstance(verdict, Rejection):
        assert verdict.raw == line
    else:
        sealed = seal("web-7", 1, *verdict, raw=line)
        assert isinstance(sealed, bytes) or sealed.raw == line


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (with_agent(rb"\x00"), RejectCode.NUL_CHARACTER),
        (with_agent(b"\x00"), RejectCode.NUL_CHARACTER),
        (with_agent(b"a" * 32_769), RejectCode.TOO_LONG),
        (COMMON.replace(b"2326", b"9" * 19), RejectCode.OUT_OF_RANGE),
        (COMMON.replace(b"2000", b"1969"), RejectCode.BAD_TIME),
        (COMMON.replace(b"2000", b"2200"), RejectCode.BAD_TIME),
    ],
)
def test_what_fits_the_grammar_but_not_the_record_type_is_the_codecs_to_reject(
    line: bytes, code: RejectCode
) -> None:
    parsed = parse(line)
    assert not isinstance(parsed, Rejection)
    verdict = seal("web-7", 1, *parsed, raw=line)

    assert isinstance(verdict, Rejection)
    assert (verdict.code, verdict.raw) == (code, line)


@pytest.mark.parametrize(
    "line",
    [
        COMMON.replace(b"/apache_pb.gif", b"/" + b"p" * 8_000),
        COMMON.replace(b"/apache_pb.gif", b"/" + b"\xff" * 8_000),
        COMMON.replace(b"2326", str(2**53 - 1).encode()),
        COMMON.replace(b"10/Oct/2000:13:55:36 -0700", b"01/Jan/1970:00:00:00 +0000"),
        COMMON.replace(b"10/Oct/2000:13:55:36 -0700", b"31/Dec/2199:23:59:59 +0000"),
        COMMON.replace(b" 200 ", b" 000 "),
        COMMON.replace(b" 200 ", b" 999 "),
    ],
)
def test_the_extremes_of_the_record_type_are_accepted(line: bytes) -> None:
    parsed = parse(line)
    assert not isinstance(parsed, Rejection)

    assert isinstance(seal("web-7", 1, *parsed), bytes)


@pytest.mark.parametrize(
    "quoted", [b'\\"' * 1_000_000, b"\\" * 2_000_000, b'" "' * 700_000, b"x" * 5_000_000]
)
def test_a_hostile_line_takes_time_in_proportion_to_its_length(quoted: bytes) -> None:
    started = time.process_time()
    parse(with_agent(quoted))
    parse(with_request(b"GET " + quoted))
    parse(quoted)

    assert time.process_time() - started < 10  # a quadratic grammar would need hours


def test_months_are_english_whatever_the_locale() -> None:
    before = locale.setlocale(locale.LC_TIME)
    try:
        for name in ("de_DE.UTF-8", "C"):
            try:
                locale.setlocale(locale.LC_TIME, name)
            except locale.Error:
                continue
            assert isinstance(parse(COMMON.replace(b"Oct", b"May")), tuple)
    finally:
        locale.setlocale(locale.LC_TIME, before)


def test_the_real_log_parses_but_for_its_one_line_that_is_cut_off() -> None:
    lines = REAL_LOG.read_bytes().splitlines()
    rejected = [number for number, line in enumerate(lines, start=1) if isinstance(parse(line), Rejection)]

    assert len(lines) == 10_000
    assert rejected == [8899]
