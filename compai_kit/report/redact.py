"""Takes secrets out of a text before it is shown or written.

Everything that comes from outside (assertions, task logs, tracebacks) passes through here. It
prefers to mask too much.
"""

import re
from collections.abc import Iterable

MASK = "***"

# A simulated client secret begins with this, so that it is known wherever it turns up.
SIMULATED_PREFIX = "simulated-secret-"

_NAMED = r"(?:access_token|refresh_token|client_secret|password|token|secret)"
_PATTERNS = (
    # three base64url parts joined by dots: a JWT, whole or with its end cut off
    (re.compile(r"\beyJ[\w-]{6,}(?:\.[\w-]*){0,2}"), MASK),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{5,}"), rf"\1 {MASK}"),
    (re.compile(rf"{SIMULATED_PREFIX}[\w-]+"), MASK),
    # the path of a Slack webhook is its password
    (re.compile(r"/services/[\w/%.-]+"), f"/services/{MASK}"),
    (re.compile(rf"""(?i)(["'](?:\w*_)?{_NAMED}["']\s*:\s*["'])[^"']+"""), rf"\1{MASK}"),
    (re.compile(rf"(?i)\b((?:\w*_)?{_NAMED}\s*=(?!=)\s*)(['\"]?)[^\s'\"&,;)]+"), rf"\1\2{MASK}"),
    (re.compile(r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"), f"{MASK}:{MASK}"),
)
# everything that XML 1.0 and a terminal should not see; line breaks and tabs stay
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without secrets and control characters; `secrets` are known values of any look."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= 5:
            text = text.replace(secret, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return _CONTROL.sub("", _ANSI.sub("", text))


def trimmed(text: str, *, lines: int, width: int = 200) -> str:
    """The first `lines` lines, each cut to `width` characters; says how much is missing."""
    kept = [line if len(line) <= width else f"{line[: width - 1]}…" for line in text.splitlines()]
    if len(kept) > lines:
        kept = [*kept[:lines], f"… and {len(kept) - lines} more lines"]
    return "\n".join(kept)
