"""All finding codes as one Markdown page; docs/findings.md is this text."""

from itertools import groupby

from compai_kit.findings import CODES, Code

_HEAD = """\
# Findings

Everything that the tools of the kit report has a stable code.
`compai explain CODE` prints the same text.
This page is made from `compai_kit/findings.py`: `compai explain --markdown > docs/findings.md`.
"""
_GROUPS = {
    "CK1": "The contract and the recordings",
    "CK2": "The DAG files, while they are parsed and by reading",
    "CK3": "The scenarios",
    "CK4": "The calls",
    "CK5": "What Comp-AI stores",
}


def render_catalogue() -> str:
    """The whole page."""
    parts = [_HEAD]
    for prefix, codes in groupby(CODES.values(), key=lambda entry: entry.code[:3]):
        parts.append(f"## {_GROUPS[prefix]}\n")
        parts += [_section(entry) for entry in codes]
    return "\n".join(parts)


def _section(entry: Code) -> str:
    return f"### {entry.code} {entry.title}\n\n{entry.explanation.strip()}\n"
