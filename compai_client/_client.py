"""CompAI: one typed, keyword-only method per operation of the contract."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from compai_client._auth import Auth
from compai_client._models import (
    BadRow,
    Control,
    ControlTest,
    CreateEvidenceResponse,
    EvidenceItem,
    EvidenceType,
    Health,
    RemediationTask,
    TestResult,
)
from compai_client._settings import ClientSettings, check_prefix, check_url

OnBadRow = Callable[[BadRow], None]


class CompAI:
    """A Comp-AI behind one base URL; one session, safe to share between threads.

    `caller` becomes the comment of the User-Agent, e.g. "dag=…; run=…; task=…; map=…; try=…".
    Every method raises a `CallError` or a `TokenError`. Close it, or use it as a context manager.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: Auth,
        api_prefix: str = "/api/v1",
        caller: str | None = None,
        settings: ClientSettings = ClientSettings(),  # noqa: B008 - a frozen value
    ) -> None:
        check_url("base_url", base_url)
        check_prefix("api_prefix", api_prefix)

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

    def list_tests(
        self, *, control_id: int | None = None, on_bad_row: OnBadRow | None = None
    ) -> list[ControlTest]:
        """All control tests, or those of one control, ordered by control and name."""
        raise NotImplementedError

    def list_control_tests(
        self, *, control_id: int, on_bad_row: OnBadRow | None = None
    ) -> list[ControlTest]:
        """The control tests of one control; an unknown control has none."""
        raise NotImplementedError

    def record_test_result(
        self, *, control_id: int, test_id: int, result: TestResult, details: str | None
    ) -> ControlTest:
        """Store a result and return the row; overwrites, so it is safe to repeat."""
        raise NotImplementedError

    def list_gaps(self, *, on_bad_row: OnBadRow | None = None) -> list[Control]:
        """The controls without any evidence."""
        raise NotImplementedError

    def list_evidence(
        self,
        *,
        control_id: int | None = None,
        limit: int | None = None,
        offset: int | None = None,
        on_bad_row: OnBadRow | None = None,
    ) -> list[EvidenceItem]:
        """Evidence, newest first; Comp-AI gives 50 rows by default and never more than 100."""
        raise NotImplementedError

    def collect_github_evidence(
        self, *, control_id: int, owner: str, repo: str, evidence_type: EvidenceType
    ) -> CreateEvidenceResponse:
        """Let Comp-AI read GitHub and store what it saw; every call adds a row.

        Repeated only when the request provably was not processed. After a `NoAnswerError` with
        `processed == "unknown"` look at `list_evidence` before calling again.
        """
        raise NotImplementedError

    def list_remediation(
        self, *, control_id: int | None = None, on_bad_row: OnBadRow | None = None
    ) -> list[RemediationTask]:
        """Remediation tasks, the last changed first."""
        raise NotImplementedError

    def get_health(self) -> Health:
        """The service's sign of life; sends no token."""
        raise NotImplementedError

    def check_base_url(self) -> None:
        """Raise a `BaseUrlError` that names the fix when base URL and prefix lead elsewhere."""
        raise NotImplementedError
