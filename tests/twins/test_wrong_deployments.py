"""Wrong twins of DAGs and client: each is spoiled in one place, and one scenario must find it.

Several are judged by one gate run, because a boot costs more than the scenarios; each has its own
scenario, and the finding must name what that scenario is about.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ONE_VERSION = ("--airflow-version", "3.3.2")


@dataclass(frozen=True, kw_only=True)
class Twin:
    """`file`, with `wrong` where `right` was; `scenario` finds it and says `because`."""

    what: str
    file: str
    right: str
    wrong: str
    scenario: str
    because: str


CLIENTS = (
    Twin(
        what="repeats a `never` operation whose answer was lost",
        file="compai_client/_retry.py",
        right='if retry == "never" and outcome.maybe_processed:',
        wrong='if retry == "never" and outcome.settled:',
        scenario="answer lost after the write",
        because="evidence cannot be deleted",
    ),
    Twin(
        what="ignores Retry-After",
        file="compai_client/_retry.py",
        right="wait_s = max(wait_s, min(outcome.retry_after_s, policy.retry_after_cap_s))",
        wrong="wait_s = min(wait_s, policy.retry_after_cap_s)",
        scenario="429, then an answer",
        because="Retry-After was 1 s",
    ),
    Twin(
        what="follows a redirect on a write",
        file="compai_client/_transport.py",
        right="allow_redirects=False,",
        wrong="allow_redirects=True,",
        scenario="redirect on a write",
        because="a redirect was followed",
    ),
)
DAGS = (
    Twin(
        what="a check that passes on an empty collection",
        file="compai_dags/checks/collection.py",
        right="    if not before and not context.always_collect:\n",
        wrong="    if not before:\n"
        "        from compai_dags.outcomes import Outcome\n"
        "        return Observation(\n"
        '            outcome=Outcome.PASS, sentence="Nothing bad.", collected_at=context.now()\n'
        "        )\n"
        "    if not before and not context.always_collect:\n",
        scenario="control without evidence",
        because="assert 'pass' == 'skipped'",
    ),
    Twin(
        what="posts over a person's text",
        file="compai_dags/decisions.py",
        right="        case Outcome.MANUAL:\n"
        '            return _keep(observation, "the record of a person is never overwritten")',
        wrong="        case Outcome.MANUAL:\n"
        '            return _post(observation, "skipped", "manual")',
        scenario="manual text untouched",
        because="[manual] Left to a person",
    ),
    Twin(
        what="posts over another system's result",
        file="compai_dags/decisions.py",
        right='return _keep(observation, "somebody else wrote the stored result")',
        wrong='return _post(observation, "skipped", "config")',
        scenario="unknown type with another system's result",
        because="[config] No check for test type",
    ),
    Twin(
        what="posts over a proven fail in an outage",
        file="compai_dags/decisions.py",
        right="case Outcome.ERROR if stored.is_proven_fail:",
        wrong="case Outcome.ERROR if stored.is_proven_fail and observation.reason is None:",
        scenario="outage over a proven fail",
        because="result, details and last_run_at",
    ),
    Twin(
        what="an alert that prints 0 for what it could not fetch",
        file="compai_dags/alerts.py",
        right="""f"gaps: {'unknown' if view.gaps is None else len(view.gaps)}",""",
        wrong="""f"gaps: {len(view.gaps or [])}",""",
        scenario="tests known, gaps not",
        because="gaps: 0; tests: 1 failing",
    ),
    Twin(
        what="an alert that calls what it has told before new",
        file="compai_dags/changes.py",
        right="told=before is not None and before.told,",
        wrong="told=False,",
        scenario="new, still, resolved",
        because="'1 new' is contained here",
    ),
    Twin(
        what="takes a password for a second factor",
        file="compai_dags/checks/keycloak.py",
        right='FACTORS = ("otp", *PHISHING_RESISTANT_FACTORS)',
        wrong='FACTORS = ("otp", "password", *PHISHING_RESISTANT_FACTORS)',
        scenario="Keycloak: somebody has no second factor",
        because="{'passed': 1",
    ),
    Twin(
        what="takes protection that it may not read for none",
        file="compai_dags/checks/github_reader.py",
        right="absent = is_protected is False or ",
        wrong="absent = answer.status == 403 or ",
        scenario="protection that GitHub does not show",
        because="assert 'success' == 'failed'",
    ),
    Twin(
        what="runs what is not due",
        file="compai_dags/listing.py",
        right="rows = list(filter(is_wanted, listing.rows))",
        wrong="rows = list(listing.rows)",
        scenario="only what is due",
        because="(1, 'pass')",
    ),
    Twin(
        what="loses an exception",
        file="compai_dags/runner.py",
        right='if exemption is None or row.kind == "manual":',
        wrong='if exemption is None or row.kind != "manual":',
        scenario="settings per test and an exception",
        because="'passed': 2",
    ),
    Twin(
        what="swallows an error and ends green",
        file="comp_ai_control_tests.py",
        right="            control_tests.summarise(here)",
        wrong="            try:\n"
        "                control_tests.summarise(here)\n"
        "            except Exception:\n"
        "                pass",
        scenario="no honest answer",
        because="assert 'success' == 'failed'",
    ),
    Twin(
        what="a probe that takes an outage for a finding",
        file="compai_dags/checks/http_probe.py",
        right="    if _is_outage(page.status):\n        reason",
        wrong="    if page.status < 0:\n        reason",
        scenario="a SIEM that is down or internal",
        because="assert 'success' == 'failed'",
    ),
    Twin(
        what="attaches documents without looking",
        file="compai_dags/scan.py",
        right="there = explain_misrouting(client, lambda: stored_links(client, control_id))",
        wrong="there = set()",
        scenario="job 2 of 3 fails",
        because="Counter({'1': 2",
    ),
    Twin(
        what="attaches dead links",
        file="compai_dags/scan.py",
        right="strict=True) if link.is_alive]",
        wrong="strict=True)]",
        scenario="a dead link",
        because="'gone': 1",
    ),
    Twin(
        what="takes a canned answer for an analysis",
        file="compai_dags/gap_analysis.py",
        right="    if analysis.is_degraded:\n",
        wrong="    if not analysis.model_used:\n",
        scenario="analysis, then a mock model",
        because="'analysed'",
    ),
)


def judge(twins: tuple[Twin, ...], gate: Any, spoil: Any, deployed: Any) -> None:
    for twin in twins:
        spoil(twin.file, twin.right, twin.wrong)
    scenarios = [option for twin in twins for option in ("--scenario", twin.scenario)]

    judged = gate("--dags", deployed, *scenarios, *ONE_VERSION)

    assert judged.code == 1, judged.printed
    survived = [twin.what for twin in twins if twin.scenario not in judged.failed]
    assert survived == [], judged.printed
    for twin in twins:
        assert twin.because in judged.reason(twin.scenario), twin.what


def test_each_wrong_client_is_found(
    gate: Callable[..., Any], spoil: Callable[..., None], deployed: Any
) -> None:
    judge(CLIENTS, gate, spoil, deployed)


def test_each_wrong_dag_is_found(
    gate: Callable[..., Any], spoil: Callable[..., None], deployed: Any
) -> None:
    judge(DAGS, gate, spoil, deployed)
