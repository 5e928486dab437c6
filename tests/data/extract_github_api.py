"""Cuts what the kit reads of GitHub out of GitHub's published API description.

    npm pack @octokit/openapi@23.0.2
    python tests/data/extract_github_api.py octokit-openapi-23.0.2.tgz tests/data/github_api.json

The whole description has 13 MB. What is left out changes no schema: operations that nobody here
calls, descriptions, examples, and Octokit's and GitHub's own extensions.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OPERATIONS = (
    ("get", "/repos/{owner}/{repo}"),
    ("get", "/repos/{owner}/{repo}/rules/branches/{branch}"),
    ("get", "/repos/{owner}/{repo}/branches/{branch}"),
    ("get", "/repos/{owner}/{repo}/branches/{branch}/protection"),
    ("get", "/repos/{owner}/{repo}/rulesets/{ruleset_id}"),
    ("post", "/app/installations/{installation_id}/access_tokens"),
)
_DOCUMENT = "package/generated/api.github.com.json"
_WORDS = frozenset({"description", "summary", "example", "examples", "externalDocs", "tags"})


def main(package: Path, out: Path) -> None:
    with tarfile.open(package) as archive:
        document = json.loads(_member(archive, _DOCUMENT))
        about = json.loads(_member(archive, "package/package.json"))
        license_text = _member(archive, "package/LICENSE").decode().strip()
    pinned = {
        "source": {
            "package": about["name"],
            "version": about["version"],
            "file": _DOCUMENT,
            "sha256_of_package": hashlib.sha256(package.read_bytes()).hexdigest(),
            "license": license_text,
        },
        **extract(document),
    }
    out.write_text(json.dumps(pinned, sort_keys=True, separators=(",", ":")) + "\n", "utf-8")


def extract(document: dict[str, Any]) -> dict[str, Any]:
    """The operations, and every component that one of them needs, however indirectly."""
    paths: dict[str, Any] = {}
    for method, path in OPERATIONS:
        responses = _bare(document["paths"][path][method]["responses"])
        paths.setdefault(path, {})[method] = {"responses": responses}
    components: dict[str, Any] = {}
    missing = set(_references(paths))
    while missing:
        _, _, kind, name = missing.pop().split("/")
        part = _bare(document["components"][kind][name])
        components.setdefault(kind, {})[name] = part
        missing |= {
            found
            for found in _references(part)
            if found.rsplit("/", 1)[1] not in components.get(found.split("/")[2], {})
        }
    return {"openapi": document["openapi"], "paths": paths, "components": components}


def _bare(value: Any, *, names: bool = False) -> Any:
    """Without words for people. `names`: the keys are names of properties, not of OpenAPI."""
    if isinstance(value, list):
        return [_bare(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _bare(item, names=key == "properties" and not names)
        for key, item in value.items()
        if names or (key not in _WORDS and not key.startswith("x-"))
    }


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise FileNotFoundError(name)
    return file.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
