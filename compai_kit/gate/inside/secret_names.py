"""Which environment variables hold a secret, judged by their names alone."""

import re
from itertools import pairwise

_WORDS = frozenset(
    {
        "APIKEY",
        "CREDENTIAL",
        "CREDENTIALS",
        "PASSPHRASE",
        "PASSWD",
        "PASSWORD",
        "SECRET",
        "TOKEN",
        "WEBHOOK",
    }
)
_PAIRS = frozenset({("API", "KEY"), ("ACCESS", "KEY"), ("PRIVATE", "KEY"), ("SIGNING", "KEY")})
# What tells about a secret (where it lies, how long it lives) and is none.
_ABOUT = frozenset(
    {
        *("COUNT", "DIR", "ENABLED", "FILE", "HEADER", "ID", "LIMIT", "MS", "NAME", "PATH"),
        *("REALM", "S", "SECONDS", "TIMEOUT", "TTL", "TYPE", "URL", "VERSION"),
    }
)
_CONNECTION = "AIRFLOW_CONN_"


def holds_secret(name: str) -> bool:
    """Whether a value under this name would have to be masked in a log."""
    name = name.upper()
    if name.startswith(_CONNECTION):
        return True
    words = [word for word in re.split(r"[^A-Z0-9]+", name) if word and not word.isdigit()]
    if not words:
        return False
    if words[-1] in _ABOUT and words[-2:] != ["WEBHOOK", "URL"]:
        return False
    if words[1:] and words[-1] == "PWD":  # alone it is the working directory
        return True
    return bool(_WORDS.intersection(words) or _PAIRS.intersection(pairwise(words)))
