"""CompAI: one typed, keyword-only method per operation of the contract.

What an operation is stands in `_operations`; how a call is made, in `_calls`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from requests.adapters import BaseAdapter

from compai_client import _operations as op
from compai_client._auth import Auth
from compai_client._base_url import Target, explain, is_comp_ai, is_misrouted
from compai_client._calls import NONE, Calls, OnBadRow
from compai_client._errors import BaseUrlError, CallError, NoAnswerError
from compai_client._models import (
    AnalyseGapsRequest,
    AwsEvidenceRequest,
    AwsEvidenceType,
    Control,
    ControlTest,
    ControlWithRequirements,
    CreateEvidenceRequest,
    CreateEvidenceResponse,
    EvidenceItem,
    Framework,
    GapAnalysis,
    GitHubEvidenceRequest,
    GitHubEvidenceType,
    Health,
    OktaEvidenceRequest,
    OktaEvidenceType,
    RecordTestResultRequest,
    RemediationTask,
    Requirement,
    ScanDocument,
    ScanDocumentsRequest,
    ScanDocumentsResponse,
    TestResult,
)
from compai_client._settings import ClientSettings

_DEFAULTS = ClientSettings()


class CompAI(Calls):
    """A Comp-AI behind one base URL; one session, safe to share between threads.

    `caller` becomes the comment of the User-Agent, e.g. "dag=…; run=…; task=…; map=…; try=…".
    `trace_context` is sent with every call to Comp-AI: `traceparent` and `tracestate` (W3C).
    `adapter` takes the place of the network, for Comp-AI and for Keycloak: tests replay with it.
    Every method raises a `CallError` or a `TokenError`. Close it, or use it as a context manager.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: Auth,
        api_prefix: str = "/api/v1",
        caller: str | None = None,
        trace_context: Mapping[str, str] = NONE,
        settings: ClientSettings = _DEFAULTS,
        adapter: BaseAdapter | None = None,
    ) -> None:
        super().__init__(
            Target(base_url=base_url, api_prefix=api_prefix),
            auth=auth,
            caller=caller,
            trace_context=trace_context,
            settings=settings,
            adapter=adapter,
        )

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

    def list_controls(
        self, *, category: str | None = None, on_bad_row: OnBadRow | None = None
    ) -> list[Control]:
        """All controls, or those of exactly this category, ordered by `internal_id`."""
        return self._rows(op.LIST_CONTROLS, {}, {"category": category}, on_bad_row)

    def get_control(self, *, control_id: int) -> ControlWithRequirements:
        """One control with the requirements that it serves; an unknown one is a `RejectedError`."""
        return self._one(op.GET_CONTROL, {"id": control_id})

    def list_gaps(self, *, on_bad_row: OnBadRow | None = None) -> list[Control]:
        """The controls without any evidence."""
        return self._rows(op.LIST_GAPS, {}, {}, on_bad_row)

    def analyse_gaps(self, *, framework: str | None = None) -> GapAnalysis:
        """What the AI model of Comp-AI writes about the gaps; look at `is_degraded` first.

        Waits up to 150 s. `framework` is a hint for the model: the gaps are not filtered by it.
        Nothing is stored, but each call costs a run of the model, so a slow one is not repeated.
        """
        return self._post(op.ANALYSE_GAPS, {}, AnalyseGapsRequest(framework=framework))

    def list_requirements(
        self, *, framework: str | None = None, on_bad_row: OnBadRow | None = None
    ) -> list[Requirement]:
        """The requirements in the database, or those of one `framework_slug`."""
        return self._rows(op.LIST_REQUIREMENTS, {}, {"framework": framework}, on_bad_row)

    def list_frameworks(self) -> list[Framework]:
        """The frameworks that the AI model is taught, a fixed list; sends no token."""
        return self._one(op.LIST_FRAMEWORKS).frameworks

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

    def create_evidence(
        self,
        *,
        control_id: int,
        type: str,
        source: str | None = None,
        description: str | None = None,
        link_url: str | None = None,
    ) -> CreateEvidenceResponse:
        """Store one piece of evidence; every call adds a row, the same content included.

        `type` is an open set of at most 50 characters, `source` has at most 500. An unknown
        control is a `ServerError`. As for repeating, see `collect_github_evidence`.
        """
        return self._post(
            op.CREATE_EVIDENCE,
            {},
            CreateEvidenceRequest(
                control_id=control_id,
                type=type,
                source=source,
                description=description,
                link_url=link_url,
            ),
        )

    def scan_documents(
        self, *, control_id: int, documents: Sequence[ScanDocument]
    ) -> ScanDocumentsResponse:
        """Attach documents to a control: a row of evidence for each URL that is not blank.

        At most `MAX_SCAN_DOCUMENTS` of them. Comp-AI neither opens the URLs nor looks whether it
        has them already. When a row fails, those before it stay: a `PartlyCreatedError` says how
        many. As for repeating, see `collect_github_evidence`.
        """
        return self._post(
            op.SCAN_DOCUMENTS,
            {},
            ScanDocumentsRequest(control_id=control_id, documents=list(documents)),
        )

    def collect_github_evidence(
        self, *, control_id: int, owner: str, repo: str, evidence_type: GitHubEvidenceType
    ) -> CreateEvidenceResponse:
        """Let Comp-AI read GitHub and store what it saw; every call adds a row.

        Repeated only when the request provably was not processed. After a `NoAnswerError` with
        `processed == "unknown"` look at `list_evidence` before calling again.
        """
        return self._post(
            op.COLLECT_GITHUB_EVIDENCE,
            {},
            GitHubEvidenceRequest(
                control_id=control_id, owner=owner, repo=repo, evidence_type=evidence_type
            ),
        )

    def collect_okta_evidence(
        self, *, control_id: int, evidence_type: OktaEvidenceType
    ) -> CreateEvidenceResponse:
        """Let Comp-AI read Okta and store what it saw; otherwise as `collect_github_evidence`."""
        return self._post(
            op.COLLECT_OKTA_EVIDENCE,
            {},
            OktaEvidenceRequest(control_id=control_id, evidence_type=evidence_type),
        )

    def collect_aws_evidence(
        self, *, control_id: int, evidence_type: AwsEvidenceType
    ) -> CreateEvidenceResponse:
        """Let Comp-AI read AWS and store what it saw; otherwise as `collect_github_evidence`.

        Missing credentials are a `ServerError` (502) here: Comp-AI cannot tell them from a failure.
        """
        return self._post(
            op.COLLECT_AWS_EVIDENCE,
            {},
            AwsEvidenceRequest(control_id=control_id, evidence_type=evidence_type),
        )

    def get_control_remediation(self, *, control_id: int) -> RemediationTask | None:
        """The remediation task of a control; None without one, and for an unknown control."""
        return self._one_or_none(op.GET_CONTROL_REMEDIATION, {"id": control_id})

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
        return self._one(op.GET_HEALTH, target=target)
