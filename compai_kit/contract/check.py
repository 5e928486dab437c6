"""Hold the recordings to the contract and say what does not fit, as findings.

Recorded truth outranks the document: where the two disagree the contract is wrong. Only requests
may differ, where the service is lenient and the contract on purpose is not; `leniencies.yaml`
beside the recordings lists those.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import yaml

from compai_kit.contract.load import Contract, ContractInvalidError, load_contract
from compai_kit.contract.match import match_operation
from compai_kit.contract.recordings import Recorded, RecordingsError, load_recordings
from compai_kit.contract.validate import Violation, request_violations, response_violations
from compai_kit.findings import Finding, make_finding

LENIENCIES_FILE = "leniencies.yaml"


class Leniency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An accepted request that the contract refuses on purpose."""

    cassette: str
    index: int
    leniency: Literal[
        "array for object",
        "bytes after the JSON",
        "padded or upper-case enum",
        "application/*+json",
    ]
    reason: str

    @property
    def name(self) -> str:
        return f"{self.cassette}#{self.index}"


@dataclass(frozen=True, kw_only=True)
class Breach:
    """One way in which one recorded call does not fit the contract."""

    code: Literal["CK102", "CK103", "CK106"]
    recorded: Recorded
    violation: Violation


@dataclass(frozen=True, kw_only=True)
class Conformance:
    """How the recordings of the contract's operations fit it."""

    exchanges: int
    accepted_requests: int
    lenient_requests: int
    breaches: tuple[Breach, ...]
    stale_leniencies: tuple[Leniency, ...]
    unrecorded_operations: tuple[str, ...]

    @property
    def conforming_responses(self) -> int:
        refused = {
            breach.recorded.name for breach in self.breaches if breach.code in ("CK102", "CK106")
        }
        return self.exchanges - len(refused)

    @property
    def conforming_requests(self) -> int:
        """Accepted requests that conform; those of the list of leniencies do not."""
        refused = {
            breach.recorded.name
            for breach in self.breaches
            if breach.code in ("CK103", "CK106") and breach.recorded.accepted
        }
        return self.accepted_requests - self.lenient_requests - len(refused)

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{self.conforming_responses} of {self.exchanges} recorded responses conform; "
            f"{self.conforming_requests} of {self.accepted_requests} accepted requests conform, "
            f"{self.lenient_requests} are listed leniencies"
        )


def contract_findings(contract_path: Path, recordings: Path | None) -> list[Finding]:
    """Everything that is wrong with the contract, by itself (CK101) and against the recordings.

    Raises ContractUnreadableError and RecordingsError for input that cannot be read at all.
    """
    command = ["compai", "gate", "--contract", str(contract_path)]
    reproduce = shlex.join([*command, *(["--recordings", str(recordings)] if recordings else [])])
    try:
        contract = load_contract(contract_path)
        if recordings is None:
            return []
        conformance = check_recordings(
            contract, load_recordings(recordings), load_leniencies(recordings)
        )
    except ContractInvalidError as error:
        return [_invalid(error.source, problem, reproduce) for problem in error.problems]
    return [
        *_breach_findings(contract, conformance, reproduce),
        *(_stale(leniency, recordings, reproduce) for leniency in conformance.stale_leniencies),
        *(_unrecorded(name, contract, reproduce) for name in conformance.unrecorded_operations),
    ]


def load_leniencies(recordings: Path) -> list[Leniency]:
    """The list beside the recordings; none when there is no such file. Raises RecordingsError."""
    file = recordings / LENIENCIES_FILE
    if not file.is_file():
        return []
    try:
        return msgspec.convert(yaml.safe_load(file.read_text(encoding="utf-8")), list[Leniency])
    except (yaml.YAMLError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise RecordingsError(f"{file} is not a list of leniencies: {error}") from error


def check_recordings(
    contract: Contract, recordings: Sequence[Recorded], leniencies: Sequence[Leniency]
) -> Conformance:
    """Judge the recorded calls of the contract's operations: responses and accepted requests."""
    ours = [recorded for recorded in recordings if recorded.operation_id in contract.operations]
    listed = {leniency.name: leniency for leniency in leniencies}
    breaches: list[Breach] = []
    needed: set[str] = set()
    for recorded in ours:
        found = match_operation(contract, recorded.request.method, recorded.request.url_path)
        if found is None or found.id != recorded.operation_id:
            seen = Violation("path", f"belongs to {found.id if found else 'no operation'}")
            breaches.append(Breach(code="CK106", recorded=recorded, violation=seen))
            continue
        breaches.extend(
            Breach(code="CK102", recorded=recorded, violation=violation)
            for violation in response_violations(
                contract, found.id, recorded.response, method=recorded.request.method
            )
        )
        if not recorded.accepted or not (wrong := request_violations(contract, recorded.request)):
            continue
        if recorded.name in listed:
            needed.add(recorded.name)
        else:
            breaches.extend(Breach(code="CK103", recorded=recorded, violation=v) for v in wrong)
    seen_operations = {recorded.operation_id for recorded in ours}
    return Conformance(
        exchanges=len(ours),
        accepted_requests=sum(recorded.accepted for recorded in ours),
        lenient_requests=len(needed),
        breaches=tuple(breaches),
        stale_leniencies=tuple(listed[name] for name in listed if name not in needed),
        unrecorded_operations=tuple(sorted(contract.operations.keys() - seen_operations)),
    )


_BREACH_TEXTS = {
    "CK102": (
        "what the service answered conforms: recorded truth outranks the document",
        "describe in {contract} what was recorded; never edit a recording",
    ),
    "CK103": (
        "an accepted request conforms, or is listed as a leniency of the service",
        "describe the request in {contract}; only what nobody should rely on belongs in "
        "leniencies.yaml, with the reason",
    ),
    "CK106": (
        "method and path lead to the operation that was recorded",
        "correct path, method or operationId in {contract}",
    ),
}


def _breach_findings(
    contract: Contract, conformance: Conformance, reproduce: str
) -> Iterator[Finding]:
    """One finding per kind of breach: a missing enum value is one defect, not seventy."""
    groups: dict[tuple[str, str, int, str], list[Breach]] = {}
    for breach in conformance.breaches:
        place = re.sub(r"/\d+(?=/|$)", "/*", breach.violation.pointer)
        status = breach.recorded.response.status if breach.code == "CK102" else 0
        text = f"{place}: {breach.violation.message}"
        groups.setdefault((breach.code, breach.recorded.operation_id, status, text), []).append(
            breach
        )
    for (code, operation, status, text), breaches in groups.items():
        expected, fix = _BREACH_TEXTS[code]
        others = len({breach.recorded.name for breach in breaches}) - 1
        yield make_finding(
            code,
            where=f"{operation}{f' {status}' if status else ''}, {breaches[0].recorded.name}"
            + (f" and {others} more" if others else ""),
            expected=expected,
            seen=text,
            fix=fix.format(contract=contract.source),
            reproduce=reproduce,
        )


def _invalid(source: str, problem: str, reproduce: str) -> Finding:
    return make_finding(
        "CK101",
        where=source,
        expected="a valid OpenAPI 3.1 document with x-retry and x-timeout-seconds per operation",
        seen=problem,
        fix=f"correct {source} at the named place",
        reproduce=reproduce,
    )


def _stale(leniency: Leniency, recordings: Path, reproduce: str) -> Finding:
    return make_finding(
        "CK104",
        where=leniency.name,
        expected="every entry names an accepted request that the contract refuses",
        seen="there is no such accepted request, or it conforms",
        fix=f"remove the entry from {recordings / LENIENCIES_FILE}",
        reproduce=reproduce,
    )


def _unrecorded(operation: str, contract: Contract, reproduce: str) -> Finding:
    return make_finding(
        "CK105",
        where=operation,
        expected="at least one recorded call of every operation",
        seen="no recording has this operation",
        fix=f"record it, or correct the operationId in {contract.source}",
        reproduce=reproduce,
    )
