"""How much the contract refuses: every recorded JSON response, damaged in one place at a time.

Which damage the contract rightly lets pass is written down here with the reason, never read from
the contract: one that was loosened by mistake must lose mutants. Both sides are held: what is not
on the list is refused, what is on it is accepted.
"""

import copy
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from compai_kit.contract.exchange import HttpResponse
from compai_kit.contract.load import Contract, contract_from, load_contract
from compai_kit.contract.recordings import Recorded, load_recordings
from compai_kit.contract.validate import response_violations

RECORDINGS = Path(__file__).parents[1] / "cassettes" / "live"

# What an answer holds; everything else is an error object.
CONTENT = {
    ("listTests", 200): "ControlTest",
    ("listControlTests", 200): "ControlTest",
    ("recordTestResult", 200): "ControlTest",
    ("listControls", 200): "Control",
    ("getControl", 200): "ControlWithRequirements",
    ("listGaps", 200): "Control",
    ("analyseGaps", 200): "GapAnalysis",
    ("listRequirements", 200): "Requirement",
    ("listFrameworks", 200): "Frameworks",
    ("listEvidence", 200): "EvidenceItem",
    ("createEvidence", 201): "CreateEvidenceResponse",
    ("scanDocuments", 200): "ScanDocumentsResponse",
    ("scanDocuments", 500): "created before error",
    ("collectGithubEvidence", 201): "CreateEvidenceResponse",
    ("collectOktaEvidence", 201): "CreateEvidenceResponse",
    ("collectAwsEvidence", 201): "CreateEvidenceResponse",
    ("getControlRemediation", 200): "RemediationTask or null",
    ("listRemediation", 200): "RemediationTask",
    ("getHealth", 200): "Health",
}
# Lists of objects inside an object.
INNER = {
    ("ControlWithRequirements", "requirements"): "ControlRequirement",
    ("Frameworks", "frameworks"): "Framework",
}

NO_VALUE = "nothing is stored: null is how the service says so"
FREE_TEXT = "written by people or taken from elsewhere: any text"
OPEN_SET = "an open set: a type that we do not know is no breach"
FREE_JSON = "any JSON value; whoever reads it checks what it needs"

# (object, field, damage): the reason why the contract lets it pass.
ALLOWED: dict[tuple[str, str, str], str] = {
    ("ControlTest", "name", "other text"): FREE_TEXT,
    ("ControlTest", "test_type", "other text"): OPEN_SET,
    ("ControlTest", "schedule", "null"): NO_VALUE,
    ("ControlTest", "schedule", "other text"): "recorded: 'every second tuesday'",
    ("ControlTest", "config", "dropped"): "the one field that is left out when there is none",
    ("ControlTest", "config", "null"): FREE_JSON,
    ("ControlTest", "config", "text"): FREE_JSON,
    ("ControlTest", "config", "number"): FREE_JSON,
    ("ControlTest", "config", "boolean"): FREE_JSON,
    ("ControlTest", "config", "array"): FREE_JSON,
    ("ControlTest", "last_run_at", "null"): "never run",
    ("ControlTest", "last_result", "null"): "never run",
    ("ControlTest", "last_details", "null"): NO_VALUE,
    ("ControlTest", "last_details", "other text"): FREE_TEXT,
    ("Control", "internal_id", "other text"): FREE_TEXT,
    ("Control", "name", "other text"): FREE_TEXT,
    ("Control", "description", "null"): NO_VALUE,
    ("Control", "description", "other text"): FREE_TEXT,
    ("Control", "category", "null"): NO_VALUE,
    ("Control", "category", "other text"): FREE_TEXT,
    ("Control", "external_id", "null"): NO_VALUE,
    ("Control", "external_id", "other text"): FREE_TEXT,
    ("ControlRequirement", "code", "other text"): FREE_TEXT,
    ("ControlRequirement", "title", "null"): NO_VALUE,
    ("ControlRequirement", "title", "other text"): FREE_TEXT,
    ("ControlRequirement", "framework_slug", "other text"): OPEN_SET,
    ("ControlRequirement", "external_id", "null"): NO_VALUE,
    ("ControlRequirement", "external_id", "other text"): FREE_TEXT,
    ("Requirement", "framework_slug", "other text"): OPEN_SET,
    ("Requirement", "code", "other text"): FREE_TEXT,
    ("Requirement", "title", "null"): NO_VALUE,
    ("Requirement", "title", "other text"): FREE_TEXT,
    ("Requirement", "description", "null"): NO_VALUE,
    ("Requirement", "description", "other text"): FREE_TEXT,
    ("Framework", "id", "other text"): OPEN_SET,
    ("Framework", "name", "other text"): FREE_TEXT,
    ("Framework", "description", "other text"): FREE_TEXT,
    ("GapAnalysis", "summary", "other text"): "what a model wrote",
    ("GapAnalysis", "model_used", "other text"): "whatever name is configured",
    ("EvidenceItem", "type", "other text"): OPEN_SET,
    ("EvidenceItem", "source", "null"): NO_VALUE,
    ("EvidenceItem", "source", "other text"): FREE_TEXT,
    ("EvidenceItem", "description", "null"): NO_VALUE,
    ("EvidenceItem", "description", "other text"): FREE_TEXT,
    ("EvidenceItem", "link_url", "null"): NO_VALUE,
    ("EvidenceItem", "link_url", "other text"): "the service does not check it: any text",
    ("EvidenceItem", "created_by", "null"): NO_VALUE,
    ("EvidenceItem", "created_by", "other text"): "the subject of a token: any text",
    ("EvidenceItem", "file_path", "null"): NO_VALUE,
    ("EvidenceItem", "file_path", "other text"): FREE_TEXT,
    ("EvidenceItem", "file_name", "null"): NO_VALUE,
    ("EvidenceItem", "file_name", "other text"): FREE_TEXT,
    ("EvidenceItem", "content_type", "null"): NO_VALUE,
    ("EvidenceItem", "content_type", "other text"): "the service stores any content type",
    ("EvidenceItem", "extracted_text", "null"): NO_VALUE,
    ("EvidenceItem", "extracted_text", "other text"): FREE_TEXT,
    ("RemediationTask", "assigned_to", "null"): NO_VALUE,
    ("RemediationTask", "assigned_to", "other text"): FREE_TEXT,
    ("RemediationTask", "due_date", "null"): NO_VALUE,
    ("RemediationTask", "notes", "null"): NO_VALUE,
    ("RemediationTask", "notes", "other text"): FREE_TEXT,
    ("Health", "version", "other text"): "rises with every release",
    ("error", "detail", "other text"): "prose for people, of upstream services as well",
    ("error", "retry_after_secs", "over int64"): "seconds; no upper bound is promised",
    ("RemediationTask or null", "", "null instead of everything"): "there is no task",
}


def with_the_reasons_of(whole: str, *, for_: str) -> None:
    """The same object by another name, because what stands around it differs."""
    same = {(for_, *key[1:]): reason for key, reason in ALLOWED.items() if key[0] == whole}
    ALLOWED.update(same)


with_the_reasons_of("Control", for_="ControlWithRequirements")
with_the_reasons_of("RemediationTask", for_="RemediationTask or null")

SCAN_500 = "paths./api/v1/scan/documents.post.responses.500.content.application/json.schema"

# A consumer must bear fields that it does not know, so only the exact reading refuses these.
NEW_FIELDS = ("unknown field", "renamed")

TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+))?Z")
DATE = re.compile(r"(\d\d)/(\d\d)/(\d{4})")


@dataclass(frozen=True)
class Mutant:
    """One recorded answer with one damage; `holder` and `field` say where, for the list above."""

    recorded: Recorded
    holder: str
    field: str
    damage: str
    response: HttpResponse

    @property
    def name(self) -> str:
        place = f"{self.holder}.{self.field}" if self.field else self.holder
        operation = f"{self.recorded.operation_id} {self.recorded.response.status}"
        return f"{operation} {place} {self.damage} ({self.recorded.name})"


@dataclass
class Tally:
    """What became of the mutants."""

    must_be_refused: int = 0
    survivors: list[str] = field(default_factory=list)
    rightly_accepted: int = 0
    wrongly_refused: list[str] = field(default_factory=list)
    used: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def summary(self) -> str:
        killed = self.must_be_refused - len(self.survivors)
        return (
            f"killed {killed}/{self.must_be_refused} mutants of recorded answers; "
            f"{self.rightly_accepted} that {len(self.used)} listed reasons allow are accepted"
        )


@pytest.fixture(scope="module")
def json_responses() -> list[Recorded]:
    ours = load_contract().operations
    return [
        recorded
        for recorded in load_recordings(RECORDINGS)
        if recorded.operation_id in ours
        and recorded.response.headers["content-type"] == "application/json"
        and recorded.request.method != "HEAD"
    ]


def test_the_contract_refuses_every_damage_that_no_reason_allows(
    json_responses: list[Recorded],
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    tally = judge(load_contract(), damage_all(json_responses))
    record_property("tightness", tally.summary())
    with capsys.disabled():
        print(f"\ntightness: {tally.summary()}")  # noqa: T201 - wanted on the screen
    assert tally.survivors == []
    assert tally.wrongly_refused == []
    assert ALLOWED.keys() - tally.used.keys() == set(), "reasons that no recording needs"
    assert tally.must_be_refused > 10_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loosen", "survivor"),
    [
        ("ControlTest.required.last_run_at", "ControlTest.last_run_at dropped"),
        ("ControlTest.properties.last_result.enum", "ControlTest.last_result other text"),
        ("TimestampOrNull.pattern", "ControlTest.last_run_at wrong time"),
        ("Timestamp.pattern", "CreateEvidenceResponse.collected_at wrong time"),
        ("Timestamp.format", "Control.created_at wrong time (month 13)"),
        ("RemediationTask.properties.status.enum", "RemediationTask.status other text"),
        ("RemediationTask.properties.due_date.pattern", "RemediationTask.due_date wrong date"),
        ("EvidenceItem.properties.type.type", "EvidenceItem.type null"),
        ("Int64.maximum", "Control.id over int64"),
        ("Health.properties.service.const", "Health.service other text"),
        ("ControlRequirement.required.title", "ControlRequirement.title dropped"),
        ("Framework.properties.description.type", "Framework.description null"),
        ("Requirement.properties.code.type", "Requirement.code array"),
        ("ScanDocumentsResponse.properties.created.maximum", "created over int64"),
        ("ScanDocumentsResponse.properties.evidence_ids.items", "evidence_ids item text"),
        ("GapAnalysis.required.model_used", "GapAnalysis.model_used dropped"),
        (f"{SCAN_500}.properties.detail.pattern", "created before error.detail other text"),
    ],
)
def test_a_loosened_contract_is_noticed(
    json_responses: list[Recorded], loosen: str, survivor: str
) -> None:
    """The measure itself is on trial: each of these mistakes must leave a survivor."""
    document = copy.deepcopy(load_contract().document)
    *path, last = loosen.split(".")
    node = document if loosen.startswith("paths.") else document["components"]["schemas"]
    for key in path:
        node = node[key]
    if isinstance(node, list):
        node.remove(last)
    else:
        del node[last]
    contract = contract_from(document, source="loosened")
    tally = judge(contract, (m for m in damage_all(json_responses) if survivor in m.name))
    assert any(survivor in name for name in tally.survivors)


def test_new_fields_are_refused_in_recordings_and_accepted_by_a_consumer(
    json_responses: list[Recorded],
) -> None:
    contract = load_contract()
    new = [m for m in damage_all(json_responses) if m.damage == "unknown field"]
    assert len(new) > 100
    for mutant in new:
        operation = mutant.recorded.operation_id
        assert response_violations(contract, operation, mutant.response) != []
        assert response_violations(contract, operation, mutant.response, exact=False) == []


def judge(contract: Contract, mutants: Iterable[Mutant]) -> Tally:
    """By the exact reading and by the one of a consumer, which differ in new fields only."""
    tally = Tally()
    for mutant in mutants:
        operation = mutant.recorded.operation_id
        refused = bool(response_violations(contract, operation, mutant.response))
        if mutant.damage not in NEW_FIELDS:
            consumer = response_violations(contract, operation, mutant.response, exact=False)
            refused = refused and bool(consumer)
        key = (mutant.holder, mutant.field, mutant.damage)
        if key in ALLOWED:
            tally.used[key] += 1
            if refused:
                tally.wrongly_refused.append(mutant.name)
            else:
                tally.rightly_accepted += 1
        else:
            tally.must_be_refused += 1
            if not refused:
                tally.survivors.append(mutant.name)
    return tally


def damage_all(responses: Iterable[Recorded]) -> Iterator[Mutant]:
    """Every kind of damage to every field of every recorded answer.

    Equal answers of an operation count once. In a list the damage is done to one row of each kind
    of value in that field (null, text, time with six digits ...): a second proves nothing more.
    """
    seen: set[tuple[str, int, bytes]] = set()
    for recorded in responses:
        answer = recorded.response
        identity = (recorded.operation_id, answer.status, answer.body)
        if identity not in seen:
            seen.add(identity)
            yield from _damage(recorded, holder_of(recorded))


def holder_of(recorded: Recorded) -> str:
    return CONTENT.get((recorded.operation_id, recorded.response.status), "error")


def _damage(recorded: Recorded, holder: str) -> Iterator[Mutant]:
    original = recorded.response
    body = json.loads(original.body)
    for damage, response in _damaged_envelopes(original):
        yield Mutant(recorded, holder, "", damage, response)
    for damage, value in _damaged_wholes(body):
        yield Mutant(recorded, holder, "", damage, _with_body(original, value))
    if isinstance(body, list):
        damaged = _damaged_list(body, holder, lambda rows: rows)
    else:
        damaged = _damaged_list([body], holder, lambda rows: rows[0])
    for place, name, damage, value in damaged:
        yield Mutant(recorded, place, name, damage, _with_body(original, value))


def _damaged_list(
    rows: list[Any], holder: str, whole: Callable[[list[Any]], object]
) -> Iterator[tuple[str, str, str, object]]:
    """`whole` puts the damaged list back into what it was taken from."""
    done: set[tuple[str, str]] = set()
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            continue

        def put_back(damaged: object, index: int = index) -> object:
            return whole([*rows[:index], damaged, *rows[index + 1 :]])

        fresh = {name for name, value in row.items() if (name, _kind_of(value)) not in done}
        done |= {(name, _kind_of(row[name])) for name in fresh}
        for name, damage, damaged in _damaged_rows(row, fresh):
            yield holder, name, damage, put_back(damaged)
        for name in row.keys() & {inner for outer, inner in INNER if outer == holder}:
            yield from _damaged_list(
                row[name],
                INNER[holder, name],
                lambda items, name=name, row=row, put=put_back: put({**row, name: items}),
            )


def _kind_of(value: object) -> str:
    if isinstance(value, str) and (time := TIME.fullmatch(value)):
        return f"time with {len(time[3] or '')} digits"
    return type(value).__name__


def _with_body(response: HttpResponse, value: object) -> HttpResponse:
    return replace(response, body=json.dumps(value, ensure_ascii=False).encode())


def _damaged_envelopes(response: HttpResponse) -> Iterator[tuple[str, HttpResponse]]:
    def header(name: str, value: str | None) -> HttpResponse:
        others = {key: kept for key, kept in response.headers.items() if key != name}
        return replace(response, headers=others if value is None else {**others, name: value})

    yield "content type missing", header("content-type", None)
    yield "content type HTML", header("content-type", "text/html; charset=utf-8")
    yield "content type problem+json", header("content-type", "application/problem+json")
    yield "body missing", replace(response, body=b"")
    yield "body cut", replace(response, body=response.body[:-1])
    yield "body doubled", replace(response, body=response.body * 2)
    for status in (204, 302, 403, 418, 504):
        yield f"status {status}", replace(response, status=status)
    if response.status == 429:
        yield "retry-after missing", header("retry-after", None)
        yield "retry-after a date", header("retry-after", "Wed, 25 Nov 2026 01:00:00 GMT")
        yield "retry-after negative", header("retry-after", "-1")


def _damaged_wholes(body: Any) -> Iterator[tuple[str, object]]:
    if body is not None:
        yield "null instead of everything", None
    yield "text instead of everything", "x"
    if isinstance(body, list):
        yield "object instead of a list", {"data": body}
        for index in {0, len(body) - 1} if body else ():
            for value in (None, 7, "x", [body[index]]):
                damaged = [*body[:index], value, *body[index + 1 :]]
                yield f"{type(value).__name__} in place of a row", damaged
    else:
        yield "list instead of an object", [body]
        yield "empty object", {}


def _damaged_rows(
    row: Mapping[str, Any], names: Collection[str]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    if names:
        yield "", "unknown field", {**row, "brand_new": 1}
    for name in names:
        others = {key: kept for key, kept in row.items() if key != name}
        yield name, "dropped", others
        yield name, "renamed", {**others, f"{name}_": row[name]}
        for damage, damaged in _damaged_values(row[name]):
            yield name, damage, {**row, name: damaged}


def _damaged_values(value: Any) -> Iterator[tuple[str, object]]:
    if value is not None:
        yield "null", None
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield "number", 7
    if not isinstance(value, bool):
        yield "boolean", True
    if not isinstance(value, list):
        yield "array", [value]
    if not isinstance(value, dict):
        yield "object", {"value": value}
    if isinstance(value, int) and not isinstance(value, bool):
        yield "text", str(value)
        yield "fraction", value + 0.5
        yield "over int64", 2**63
        yield "under int64", -(2**63) - 1
    elif isinstance(value, str):
        yield from _damaged_texts(value)
    elif value is None:
        yield "other text", "x"
    else:
        yield "text", "x"
        if isinstance(value, list) and value:
            for wrong in (None, "x", True, 0.5, 2**63, [value[0]]):
                yield f"item {_JSON[type(wrong)]}", [*value[:-1], wrong]


_JSON = {
    type(None): "null", str: "text", bool: "boolean", float: "fraction", int: "number",
    list: "array",
}  # fmt: skip


def _damaged_texts(value: str) -> Iterator[tuple[str, object]]:
    for other in (f"{value}x", f" {value}", value.swapcase(), "", "error"):
        if other != value:
            yield "other text", other
    if time := TIME.fullmatch(value):
        day, clock, digits = time[1], time[2], time[3] or ""
        yield "wrong time (no zone)", value[:-1]
        yield "wrong time (offset)", f"{value[:-1]}+00:00"
        yield "wrong time (small z)", f"{value[:-1]}z"
        yield "wrong time (blank for T)", value.replace("T", " ")
        yield "wrong time (no seconds)", f"{day}T{clock[:5]}Z"
        yield "wrong time (day only)", day
        yield "wrong time (comma)", f"{day}T{clock},123Z"
        yield "wrong time (month 13)", f"{day[:5]}13{day[7:]}T{clock}Z"
        yield "wrong time (day 32)", f"{day[:8]}32T{clock}Z"
        yield "wrong time (30 February)", f"{day[:5]}02-30T{clock}Z"
        yield "wrong time (hour 24)", f"{day}T24{clock[2:]}Z"
        for count in (1, 2, 4, 5, 7, 8, 10):
            fraction = (digits + "1234567890")[:count]
            yield f"wrong time ({count} digits)", f"{day}T{clock}.{fraction}Z"
    if date := DATE.fullmatch(value):
        day, month, year = date.groups()
        yield "wrong date (ISO)", f"{year}-{month}-{day}"
        yield "wrong date (day 32)", f"32/{month}/{year}"
        yield "wrong date (month 13)", f"{day}/13/{year}"
        yield "wrong date (short year)", f"{day}/{month}/{year[2:]}"
        yield "wrong date (dots)", f"{day}.{month}.{year}"
        yield "wrong date (no padding)", f"{int(day)}/{month}/{year}x"
        yield "wrong date (with time)", f"{value} 00:00"
        yield "wrong date (five digits without sign)", f"{value}7"
