"""What an answer means, and what may be repeated of it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from compai_client._answers import (
    Answer,
    created_before_error,
    is_not_configured,
    is_own_rate_limit,
    redirect_target,
    retry_after_s,
    said,
)
from compai_client._masking import Masker

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def made(
    body: bytes, media: str | None = "application/json", status: int = 200, **more: str
) -> Answer:
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    if media is not None:
        headers["content-type"] = media
    return Answer(status=status, headers=headers, body=body)


def plain(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("header", "media"),
    [
        ("application/json", "application/json"),
        ("Application/JSON ; charset=utf-8", "application/json"),
        ("", None),
        (None, None),
    ],
)
def test_media_type_is_read_without_parameters(header: str | None, media: str | None) -> None:
    assert made(b"", header).media_type == media


@pytest.mark.parametrize(
    ("body", "status", "created"),
    [
        (b'{"error":"Failed","detail":"Created 0 before error"}', 500, 0),
        (b'{"error":"Failed","detail":"Created 49 before error"}', 500, 49),
        (b'{"error":"Failed","detail":"Created 49 before error"}', 502, None),
        (b'{"error":"Failed","detail":"Created -1 before error"}', 500, None),
        (b'{"error":"Failed","detail":"Created 1 before error and more"}', 500, None),
        (b'{"error":"Failed","detail":3}', 500, None),
        (b'{"error":"Failed"}', 500, None),
        (b"Created 1 before error", 500, None),
    ],
)
def test_how_many_rows_there_were_before_one_failed(
    body: bytes, status: int, created: int | None
) -> None:
    assert created_before_error(made(body, status=status)) == created


@pytest.mark.parametrize(
    ("body", "own"),
    [
        (b'{"error":"Too many requests","retry_after_secs":60}', True),
        (b'{"error":"Too many requests"}', False),
        (b"[]", False),
        (b"<html>", False),
        (b"[" * 100_000, False),
    ],
)
def test_comp_ais_own_429_has_its_keys(body: bytes, own: bool) -> None:
    assert is_own_rate_limit(made(body, status=429)) is own


def test_a_429_with_the_keys_but_as_text_is_not_comp_ais() -> None:
    body = b'{"error":"Too many requests","retry_after_secs":60}'
    assert not is_own_rate_limit(made(body, "text/plain", 429))


@pytest.mark.parametrize(
    ("body", "settled"),
    [
        (b'{"error":"GitHub integration not configured","detail":"x"}', True),
        (b'{"error":"Upload NOT CONFIGURED: set a path"}', True),
        (b'{"error":"AI model unavailable","detail":"not configured"}', False),
        (b'{"error":3}', False),
        (b"not configured", False),
    ],
)
def test_only_the_errors_own_text_says_not_configured(body: bytes, settled: bool) -> None:
    assert is_not_configured(made(body, status=503)) is settled


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (made(b'{"error":"e","detail":"d"}'), ("e", "d")),
        (made(b'{"error":"e","error_description":"why"}'), ("e", "why")),
        (made(b'{"error":"e","detail":{"a":1}}'), ("e", None)),
        (made(b'{"message":"Not here"}'), (None, '{"message":"Not here"}')),
        (made(b"Failed to\n  parse", "text/plain; charset=utf-8"), ("Failed to parse", None)),
        (made(b"", None), (None, None)),
        (made(b"a\x1b[31mb", "text/plain"), ("a\N{REPLACEMENT CHARACTER}[31mb", None)),
        (
            made(b"<html><head><title> 502\n Bad Gateway </title></head></html>", "text/html"),
            (None, 'a web page titled "502 Bad Gateway"'),
        ),
        (
            made(b"<html><body><h1>Resource not found</h1></body></html>", "text/html"),
            (None, 'a web page titled "Resource not found"'),
        ),
        (made(b"<html></html>", "text/html"), (None, "a web page without title")),
        (made(b"  <!doctype HTML><p>x", "application/json"), (None, "a web page without title")),
    ],
)
def test_what_the_service_says(answer: Answer, expected: tuple[Any, Any]) -> None:
    assert said(answer, plain) == expected


def test_what_it_says_is_cut_after_masking() -> None:
    secret = "s" * 40
    mask = Masker()
    mask.add(secret)
    error, detail = said(made(b'{"error":"%s","detail":"%s"}' % (b"e" * 500, b"d" * 500)), mask)
    assert error == "e" * 199 + "…"
    assert detail == "d" * 299 + "…"
    error, _ = said(made(b'{"error":"%s%s"}' % (b"e" * 190, secret.encode())), mask)
    assert error == "e" * 190 + "***"


def test_a_secret_far_behind_is_masked_too() -> None:
    mask = Masker()
    mask.add("the-secret")
    for blanks in range(5_990, 6_010):
        assert said(made(b" " * blanks + b"the-secret", "text/plain"), mask) == ("***", None)


def test_a_page_of_unclosed_titles_costs_no_time() -> None:
    page = b"<html>" + b"<h1" * 200_000
    assert said(made(page, "text/html"), plain) == (None, "a web page without title")


def test_a_secret_in_a_redirect_is_masked() -> None:
    mask = Masker()
    mask.add("the-secret")
    answer = made(b"", None, 302, location="https://a.example/login/the-secret")
    assert redirect_target(answer, mask) == "https://a.example/login/***"


def test_retry_after_date_counts_from_the_servers_own_clock() -> None:
    later = "Wed, 25 Nov 2026 10:00:07 GMT"
    with_date = made(b"", None, 503, retry_after=later, date="Wed, 25 Nov 2026 10:00:00 GMT")
    without = made(b"", None, 503, retry_after="Wed, 25 Nov 2026 00:00:07 GMT")
    bad_date = made(b"", None, 503, retry_after="Wed, 25 Nov 2026 00:00:07 GMT", date="today")
    zoneless = made(
        b"",
        None,
        503,
        retry_after="Wed, 25 Nov 2026 00:00:07 GMT",
        date="25 Nov 2026 00:00:00 -0000",
    )
    for answer in (with_date, without, bad_date, zoneless):
        assert retry_after_s(answer, lambda: NOW) == 7


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://a.example/x?code=1#f", "https://a.example/x"),
        ("https://user:pass@a.example/x", "https://a.example/x"),
        ("/login?next=/api", "/login"),
        ("//b.example/y", "http://b.example/y"),
        ("http://[", None),
        ("", None),
    ],
)
def test_redirect_target_is_told_without_its_secrets(location: str, target: str | None) -> None:
    assert redirect_target(made(b"", None, 302, location=location), plain) == target


MASKED = [
    ("the token was tok-123!", "the token was ***!"),
    ("in a form: s%20e%2Fc and s+e%2Fc", "in a form: *** and ***"),
    ("plain s e/c here", "plain *** here"),
    ("Authorization: Bearer whatever-it-is", "Authorization: Bearer ***"),
    ("bearer, basic", "bearer, basic"),
]


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_secrets_are_masked_in_all_spellings(text: str, masked: str) -> None:
    mask = Masker()
    mask.add("tok-123")
    mask.add("s e/c")
    assert mask(text) == masked


def test_a_longer_secret_is_masked_before_its_own_beginning() -> None:
    mask = Masker()
    mask.add("abc")
    mask.add("abcdef")
    assert mask("abcdef abc") == "*** ***"


def test_what_looks_like_a_jwt_is_masked_also_when_cut_off() -> None:
    token = ".".join(["ey" + "JhbGciOiJSUzI1NiJ9", "ey" + "JzdWIiOiJ4In0", "c2lnbmF0dXJl"])
    mask = Masker()
    assert mask(f"got {token} here") == "got *** here"
    assert mask(f"got {token[:25]}") == "got ***"
