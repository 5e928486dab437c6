"""No secret gets through, and harmless text is left as it is."""

import base64
import json

import pytest

from compai_kit.report.redact import redact, trimmed


def _jwt_like() -> str:
    def part(value: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return ".".join([part({"alg": "RS256"}), part({"sub": "someone"}), "c2lnbmF0dXJlLXBhcnQ"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("POST /services/T000/B000/xyzXYZ answered 404", "POST /services/*** answered 404"),
        ("'client_secret': 'hunter22'", "'client_secret': '***'"),
        ("{'COMP_AI_CLIENT_SECRET': 'hunter22'}", "{'COMP_AI_CLIENT_SECRET': '***'}"),
        ("sent simulated-secret-0a1b2c to it", "sent *** to it"),
        ('{"access_token": "opaque-1"}', '{"access_token": "***"}'),
        (
            "grant_type=client_credentials&client_secret=s3cr3t&x=1",
            "grant_type=client_credentials&client_secret=***&x=1",
        ),
        ("COMP_AI_CLIENT_SECRET=s3cr3t-value", "COMP_AI_CLIENT_SECRET=***"),
        ("http://user:pass@host/x", "http://***:***@host/x"),
        ("\x1b[31mred\x1b[0m\x00", "red"),
    ],
)
def test_secret_is_masked(before: str, after: str) -> None:
    assert redact(before) == after


def test_jwt_is_masked_wherever_it_stands() -> None:
    token = _jwt_like()
    assert token not in redact(f"got {token!r}, cut {token[:40]}")
    assert redact(f"x={token[:40]} y") == "x=*** y"


def test_known_secret_is_masked_whatever_it_looks_like() -> None:
    assert redact("tried correct horse battery", secrets=["correct horse"]) == "tried *** battery"


@pytest.mark.parametrize(
    "text",
    [
        "assert 3 == 4",
        "assert token == 'valid'",
        "listTests GET /api/v1/tests -> 500",
        "state of task evaluate_chunk[0]: failed\n\tat line 3",
    ],
)
def test_harmless_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_trimmed_says_how_much_is_missing() -> None:
    assert trimmed("a\nb\nc", lines=2) == "a\nb\n… and 1 more lines"
    assert trimmed("a" * 12, lines=1, width=10) == "a" * 9 + "…"
