"""CompAI: one typed, keyword-only method per operation of the contract.

What an operation is stands in `_operations`; how a call ends, in `_failures`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import msgspec

from compai_client import _operations as op
from compai_client._auth import Auth, tokens_for
from compai_client._base_url import Target, explain, is_comp_ai, is_misrouted
from compai_client._decoding import ShapeError, decode, decode_rows
from compai_client._errors import BaseUrlError, CallError, NoAnswerError
from compai_client._failures import not_sendable, usable_answer, wrong_shape
from compai_client._masking import Masker
from compai_client._models import (
    BadRow,
    CollectGithubEvidenceRequest,
    Control,
    ControlTest,
    CreateEvidenceResponse,
    EvidenceItem,
    EvidenceType,
    Health,
    RecordTestResultRequest,
    RemediationTask,
    TestResult,
)
from compai_client._settings import ClientSettings, check_prefix, check_url
from compai_client._transport import Call, Transport

OnBadRow = Callable[[BadRow], None]
Shape = TypeVar("Shape")
Read = TypeVar("Read")

_DEFAULTS = ClientSettings()
_NONE: Mapping[str, Any] = MappingProxyType({})


class CompAI:
    """A Comp-AI behind one base URL; one session, safe to share between threads.

    `caller` becomes the comment of the User-Agent, e.g. "dag=…; run=…; task=…; map=…; try=…".
    `trace_context` is sent with every call to Comp-AI: `traceparent` and `tracestate` (W3C).
    Every method raises a `CallError` or a `TokenError`. Close it, or use it as a context manager.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: Auth,
        api_prefix: str = "/api/v1",
        caller: str | None = None,
        trace_context: Mapping[str, str] = _NONE,
        settings: ClientSettings = _DEFAULTS,
    ) -> None:
        check_url("base_url", base_url)
        check_prefix("api_prefix", api_prefix)
        self._target = Target(base_url=base_url, api_prefix=api_prefix)
        self._settings = settings
        self._mask = Masker()
        self._transport = Transport(settings, caller=caller, trace_context=trace_context)
        self._tokens = tokens_for(auth, self._transport, self._mask)

    def __repr__(self) -> str:
        return f"<CompAI {self._target}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def list_tests(
        self, *, control_id: int | None = None, on_bad_row: OnBadRow | None = None
    ) -> list[ControlTest]:
        """All control tests, or those of one control, ordered by control and name."""
        return self._rows(op.LIST_TESTS, {}, {"control_id": control_id}, on_bad_row)

    def list_control_tests(
        self, *, control_id: int, on_bad_row: OnBadRow | None = None
    ) -> list[ControlTest]:
        """The control tests of one control; an unknown control has none."""
        return self._rows(op.LIST_CONTROL_TESTS, {"id": control_id}, {}, on_bad_row)

    def record_test_result(
        self, *, control_id: int, test_id: int, result: TestResult, details: str | None
    ) -> ControlTest:
        """Store a result and return the row; overwrites, so it is safe to repeat.

        `details` None erases the details of before.
        """
        return self._post(
            op.RECORD_TEST_RESULT,
            {"id": control_id, "test_id": test_id},
            RecordTestResultRequest(result=result, details=details),
        )

    def list_gaps(self, *, on_bad_row: OnBadRow | None = None) -> list[Control]:
        """The controls without any evidence."""
        return self._rows(op.LIST_GAPS, {}, {}, on_bad_row)

    def list_evidence(
        self,
        *,
        control_id: int | None = None,
        limit: int | None = None,
        offset: int | None = None,
        on_bad_row: OnBadRow | None = None,
    ) -> list[EvidenceItem]:
        """Evidence, newest first; Comp-AI gives 50 rows by default and never more than 100."""
        query = {"control_id": control_id, "limit": limit, "offset": offset}
        return self._rows(op.LIST_EVIDENCE, {}, query, on_bad_row)

    def collect_github_evidence(
        self, *, control_id: int, owner: str, repo: str, evidence_type: EvidenceType
    ) -> CreateEvidenceResponse:
        """Let Comp-AI read GitHub and store what it saw; every call adds a row.

        Repeated only when the request provably was not processed. After a `NoAnswerError` with
        `processed == "unknown"` look at `list_evidence` before calling again.
        """
        return self._post(
            op.COLLECT_GITHUB_EVIDENCE,
            {},
            CollectGithubEvidenceRequest(
                control_id=control_id, owner=owner, repo=repo, evidence_type=evidence_type
            ),
        )

    def list_remediation(
        self, *, control_id: int | None = None, on_bad_row: OnBadRow | None = None
    ) -> list[RemediationTask]:
        """Remediation tasks, the last changed first."""
        return self._rows(op.LIST_REMEDIATION, {}, {"control_id": control_id}, on_bad_row)

    def get_health(self) -> Health:
        """The service's sign of life; sends no token and is not rate limited."""
        return self._health_at(self._target)

    def check_base_url(self) -> None:
        """Raise a `BaseUrlError` that names the fix when base URL and prefix lead elsewhere.

        Sends two requests: getHealth, without a token, and listTests for a control that cannot
        exist (an empty list), with one. Only when these look wrong does it also ask for the health
        at the known layouts below the same host. Whatever else fails is raised as by those methods.
        """
        health: Health | CallError
        probe: CallError | None = None
        try:
            health = self.get_health()
        except NoAnswerError:
            raise
        except CallError as error:
            health = error
        try:
            self.list_tests(control_id=0)
        except CallError as error:
            probe = error
        if is_misrouted(health, probe):
            raise BaseUrlError(explain(self._target, health, probe, self._answers_at)) from probe
        if probe is not None:
            raise probe

    def _answers_at(self, target: Target) -> bool:
        try:
            return is_comp_ai(self._health_at(target))
        except CallError:
            return False

    def _health_at(self, target: Target) -> Health:
        call = self._call(op.GET_HEALTH, target=target)
        return self._ask(op.GET_HEALTH, call, lambda body: decode(body, Health))

    def _rows(
        self,
        operation: op.Operation[Shape],
        ids: Mapping[str, int],
        query: Mapping[str, int | None],
        on_bad_row: OnBadRow | None,
    ) -> list[Shape]:
        call = self._call(operation, ids, query)
        return self._ask(
            operation, call, lambda body: decode_rows(body, operation.shape, on_bad_row)
        )

    def _post(
        self, operation: op.Operation[Shape], ids: Mapping[str, int], body: msgspec.Struct
    ) -> Shape:
        call = self._call(operation, ids)
        try:
            call = replace(call, body=msgspec.json.encode(body), content_type="application/json")
        except UnicodeEncodeError:
            raise not_sendable(call) from None
        return self._ask(operation, call, lambda answer: decode(answer, operation.shape))

    def _call(
        self,
        operation: op.Operation[Any],
        ids: Mapping[str, int] = _NONE,
        query: Mapping[str, int | None] = _NONE,
        *,
        target: Target | None = None,
    ) -> Call:
        target = target or self._target
        path = op.url_path(operation.path, target.api_prefix).format(**ids)
        given = urlencode({name: value for name, value in query.items() if value is not None})
        return Call(
            operation=operation.id,
            method=operation.method,
            url=f"{target.base_url.rstrip('/')}{path}{'?' if given else ''}{given}",
            retry=operation.retry,
            timeout_s=self._settings.read_timeout_s or operation.timeout_s,
            budget_s=self._settings.budget_s,
        )

    def _ask(self, operation: op.Operation[Any], call: Call, read: Callable[[bytes], Read]) -> Read:
        exchange = self._transport.run(call, self._tokens if operation.token else None)
        answer = usable_answer(
            call, exchange, success=operation.success, settings=self._settings, mask=self._mask
        )
        try:
            return read(answer.body)
        except ShapeError as problem:
            raise wrong_shape(call, exchange, problem) from None
