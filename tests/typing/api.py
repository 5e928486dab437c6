"""Never run, only type-checked: every public name of compai_client, used the way a DAG would."""

from datetime import date, datetime
from typing import Any, Literal, assert_type

from requests.adapters import HTTPAdapter

import compai_client
from compai_client import (
    MAX_SCAN_DOCUMENTS,
    Auth,
    AwsEvidenceType,
    BadRow,
    BaseUrlError,
    CallError,
    ClientCredentials,
    ClientSettings,
    CompAI,
    CompAIError,
    Control,
    ControlRequirement,
    ControlTest,
    ControlWithRequirements,
    CreateEvidenceResponse,
    EvidenceItem,
    ForbiddenError,
    Framework,
    GapAnalysis,
    GitHubEvidenceType,
    Health,
    HtmlAnswerError,
    NoAnswerError,
    NotConfiguredError,
    OktaEvidenceType,
    PartlyCreatedError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    RemediationStatus,
    RemediationTask,
    Requirement,
    ScanDocument,
    ScanDocumentsResponse,
    ServerError,
    SettingsError,
    StaticToken,
    TestResult,
    TokenError,
    UnauthorizedError,
    UnknownStatusError,
    UnusableAnswerError,
    WrongMediaTypeError,
    WrongShapeError,
)

assert_type(compai_client.__version__, str)


def auth(token: str | None) -> Auth:
    if token is not None:
        return StaticToken(token)
    return ClientCredentials(
        keycloak_url="http://keycloak.example/auth", realm="r", client_id="c", client_secret="s"
    )


def settings() -> ClientSettings:
    return ClientSettings(tries=2, budget_s=100, sleep=lambda _: None, jitter=lambda upper: upper)


def read(client: CompAI) -> None:
    bad: list[BadRow] = []
    tests = client.list_tests(control_id=1, on_bad_row=bad.append)
    assert_type(tests, list[ControlTest])
    assert_type(client.list_control_tests(control_id=1), list[ControlTest])
    assert_type(client.list_gaps(), list[Control])
    assert_type(client.list_evidence(limit=10, offset=0), list[EvidenceItem])
    assert_type(client.list_remediation(), list[RemediationTask])
    assert_type(client.get_control_remediation(control_id=1), RemediationTask | None)
    assert_type(client.list_controls(category="Identity"), list[Control])
    assert_type(client.get_control(control_id=1), ControlWithRequirements)
    assert_type(client.list_requirements(framework="baseline"), list[Requirement])
    assert_type(client.list_frameworks(), list[Framework])
    analysis = client.analyse_gaps(framework=None)
    assert_type(analysis, GapAnalysis)
    assert_type(analysis.is_degraded, bool)
    assert_type(client.get_health(), Health)
    assert_type(bad[0].index, int)
    assert_type(bad[0].reason, str)


def fields(
    test: ControlTest,
    task: RemediationTask,
    control: Control,
    whole: ControlWithRequirements,
    item: EvidenceItem,
) -> None:
    assert_type(test.id, int)
    assert_type(test.schedule, str | None)
    assert_type(test.config, Any)
    assert_type(test.last_run_at, datetime | None)
    assert_type(test.last_result, TestResult | None)
    assert_type(test.updated_at, datetime)
    assert_type(task.status, RemediationStatus)
    assert_type(task.due_date, str | None)
    assert_type(task.due, date | None)
    assert_type(control.category, str | None)
    assert_type(whole.requirements, list[ControlRequirement])
    assert_type(item.collected_at, datetime)


def write(
    client: CompAI,
    result: TestResult,
    kind: GitHubEvidenceType,
    okta: OktaEvidenceType,
    aws: AwsEvidenceType,
) -> None:
    stored = client.record_test_result(control_id=1, test_id=2, result=result, details=None)
    assert_type(stored, ControlTest)
    made = client.collect_github_evidence(control_id=1, owner="o", repo="r", evidence_type=kind)
    assert_type(made, CreateEvidenceResponse)
    made = client.collect_okta_evidence(control_id=1, evidence_type=okta)
    made = client.collect_aws_evidence(control_id=1, evidence_type=aws)
    made = client.create_evidence(
        control_id=1, type="note", source=None, link_url="https://a.example"
    )
    documents = [ScanDocument(url="https://a.example"), ScanDocument(url="b", type="policy")]
    scanned = client.scan_documents(control_id=1, documents=documents[:MAX_SCAN_DOCUMENTS])
    assert_type(scanned, ScanDocumentsResponse)
    assert_type(scanned.evidence_ids, list[int])
    client.collect_okta_evidence(
        control_id=1,
        evidence_type="okta_users_snapshot",  # type: ignore[arg-type]  # a test_type, not this
    )
    client.record_test_result(
        control_id=1,
        test_id=2,
        result="passed",  # type: ignore[arg-type]  # not a result of Comp-AI
        details=None,
    )
    test: ControlTest = stored
    test.name = "x"  # type: ignore[misc]  # models are frozen


def run() -> str:
    try:
        with CompAI(
            "http://comp-ai.example:3002",
            auth=auth(None),
            api_prefix="/api/v1",
            caller="dag=a; run=b; task=c; map=-1; try=1",
            settings=settings(),
            adapter=HTTPAdapter(),
        ) as client:
            client.check_base_url()
            read(client)
            write(client, "skipped", "last_commit", "org_summary", "iam_summary")
    except (SettingsError, BaseUrlError) as error:
        return str(error)
    except TokenError as error:
        assert_type(error.permanent, bool)
        assert_type(error.status, int | None)
    except NoAnswerError as error:
        assert_type(error.processed, Literal["no", "unknown"])
    except RateLimitedError as error:
        assert_type(error.retry_after_s, float | None)
    except PartlyCreatedError as error:
        assert_type(error.created_before_error, int)
    except RedirectedError as error:
        assert_type(error.location, str | None)
    except (UnauthorizedError, ForbiddenError, RejectedError, NotConfiguredError, ServerError):
        raise
    except WrongMediaTypeError as error:
        assert_type(error.media_type, str | None)
    except WrongShapeError as error:
        assert_type(error.pointer, str)
    except (HtmlAnswerError, UnknownStatusError):
        raise
    except UnusableAnswerError as error:
        raise SystemExit(1) from error
    except CallError as error:
        assert_type(error.operation, str)
        assert_type(error.method, str)
        assert_type(error.path, str)
        assert_type(error.status, int | None)
        assert_type(error.attempt, int)
        assert_type(error.error, str | None)
        assert_type(error.detail, str | None)
    except CompAIError:
        raise
    return compai_client.__version__
