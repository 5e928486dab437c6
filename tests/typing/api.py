"""Never run, only type-checked: every public name of compai_client, used the way a DAG would."""

from datetime import date, datetime
from typing import Any, Literal, assert_type

import compai_client
from compai_client import (
    Auth,
    BadRow,
    BaseUrlError,
    CallError,
    ClientCredentials,
    ClientSettings,
    CompAI,
    CompAIError,
    Control,
    ControlTest,
    CreateEvidenceResponse,
    EvidenceItem,
    EvidenceType,
    ForbiddenError,
    Health,
    HtmlAnswerError,
    NoAnswerError,
    NotConfiguredError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    RemediationStatus,
    RemediationTask,
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
    assert_type(client.get_health(), Health)
    assert_type(bad[0].index, int)
    assert_type(bad[0].reason, str)


def fields(test: ControlTest, task: RemediationTask, control: Control, item: EvidenceItem) -> None:
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
    assert_type(item.collected_at, datetime)


def write(client: CompAI, result: TestResult, kind: EvidenceType) -> None:
    stored = client.record_test_result(control_id=1, test_id=2, result=result, details=None)
    assert_type(stored, ControlTest)
    made = client.collect_github_evidence(control_id=1, owner="o", repo="r", evidence_type=kind)
    assert_type(made, CreateEvidenceResponse)
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
        ) as client:
            client.check_base_url()
            read(client)
            write(client, "skipped", "last_commit")
    except (SettingsError, BaseUrlError) as error:
        return str(error)
    except TokenError as error:
        assert_type(error.permanent, bool)
        assert_type(error.status, int | None)
    except NoAnswerError as error:
        assert_type(error.processed, Literal["no", "unknown"])
    except RateLimitedError as error:
        assert_type(error.retry_after_s, float | None)
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
