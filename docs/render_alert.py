"""Render the alert of an invented Comp-AI as docs/alert.png, by the code that sends it.

Needs Chromium: `PYTHONPATH=.:dags python docs/render_alert.py`. Slack's own look is imitated.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any

from compai_client import CompAI, StaticToken
from compai_dags.alert_state import AlertState
from compai_dags.alerts import compose, view_of
from compai_dags.analysis_state import LastAnalysis
from compai_dags.changes import Known
from compai_dags.facts import Facts, gap_of, remediation_of
from compai_dags.kept_fails import Attempt
from compai_dags.listing import list_rows
from compai_dags.outcomes import Outcome, Reason
from compai_dags.slack_format import slack_payload
from compai_dags.trailer import Trailer, write_details
from compai_kit.simulator.app import create_app
from compai_kit.simulator.server import serve

NOW = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
PICTURE = Path(__file__).with_name("alert.png")
TOKEN = ".".join(["simulated", "token", "of-the-picture"])
CHROMIUM = [
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--force-device-scale-factor=1",
]  # fmt: skip
PAGE = Template("""<!doctype html><meta charset="utf-8"><style>
body { margin: 0; padding: 20px 24px; color: #1d1c1d;
       font: 15px/1.46 Lato, "DejaVu Sans", sans-serif }
.from { display: flex; gap: 10px; align-items: center; margin-bottom: 6px }
.icon { width: 36px; height: 36px; border-radius: 6px; background: #017cee; color: #fff;
        font-weight: bold; text-align: center; line-height: 36px }
.app { background: #e8e8e8; color: #616061; font-size: 10px; padding: 1px 4px; border-radius: 2px }
h1 { font-size: 18px; margin: 4px 0 8px } p { margin: 0 0 10px; white-space: pre-wrap }
.body { margin-left: 46px } .small { font-size: 12px; color: #616061 }
a { color: #1264a3; text-decoration: none } .who { background: #e8f5fa; color: #1264a3 }
</style><div class="from"><div class="icon">A</div><b>Airflow</b><span class="app">APP</span>
<span class="small">07:00</span></div><div class="body">$blocks</div>""")


def stored(outcome: Outcome, result: str, said: str, *, reason: Reason | None = None,
           **age: float) -> dict[str, Any]:  # fmt: skip
    at = NOW - timedelta(**age)
    observed = at if outcome in (Outcome.PASS, Outcome.FAIL) else None
    trailer = Trailer(
        outcome=outcome, reason=reason, prev="pass", prev_at=at - timedelta(days=1), run="run",
        collected_at=observed, try_number=1, n_errors=0, kit="0.1.0",
    )  # fmt: skip
    details = write_details(said, trailer, result)  # type: ignore[arg-type]  # one of the three
    return {
        "last_run_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "last_result": result,
        "last_details": details,
    }


def seed() -> dict[str, Any]:
    names = {
        1: ("CTL-SDL-001", "Changes are reviewed"), 2: ("CTL-IAM-001", "Second factors"),
        3: ("CTL-LOG-001", "Logs reach the SIEM"), 4: ("CTL-BCK-001", "Backups are restored"),
        5: ("CTL-SUP-001", "Suppliers are reviewed"), 6: ("CTL-HR-002", "Leavers lose access"),
    }  # fmt: skip
    fresh = {"hours": 1.0}
    github = "github_branch_protection"
    tests: list[tuple[int, str, str, dict[str, Any]]] = [
        (1, "Branch rule of demo-service", github, stored(
            Outcome.FAIL, "fail", "Branch main of example-org/demo-service asks for no review.",
            **fresh)),
        (1, "Branch rule of billing", github, stored(
            Outcome.FAIL, "fail", "Branch main of example-org/billing asks for 0 approvals.",
            **fresh)),
        (1, "Branch rule of website", github, stored(
            Outcome.PASS, "pass", "Two reviews are required.", **fresh)),
        (2, "MFA of all staff", "keycloak_mfa", stored(
            Outcome.FAIL, "fail", "2 of 41 members have no second factor: k***@example.org, …",
            days=3, hours=1)),
        (2, "MFA of contractors", "okta_mfa", stored(
            Outcome.ERROR, "skipped", "[error:timeout] Could not verify: Okta gave no answer.",
            reason=Reason.TIMEOUT, **fresh)),
        (3, "Events of the last hour", "integration", {
            "config": {"url": "https://siem.example.org/health"},
            **stored(Outcome.PASS, "pass", "Last event 4 minutes ago.", **fresh)}),
        (3, "Alert pipeline", "integration", stored(
            Outcome.NOT_CONFIGURED, "skipped", "[config] No check can tell what it asserts.",
            reason=Reason.NO_CHECK, **fresh)),
        (4, "Restore drill", "manual", {
            "last_run_at": "2026-07-01T09:00:00Z", "last_result": "pass",
            "last_details": "Restored sample 17 in 40 minutes. /Kim"}),
    ]  # fmt: skip
    return {
        "controls": [{"id": n, "internal_id": i, "name": name} for n, (i, name) in names.items()],
        "control_tests": [
            {"id": n, "control_id": control, "name": name, "test_type": kind, **more}
            for n, (control, name, kind, more) in enumerate(tests, start=1)
        ],
        "evidence": [{"control_id": n, "type": "policy"} for n in (1, 2, 3, 4)],
        "remediation_tasks": [
            {"control_id": 2, "assigned_to": "Kim Example", "due_date": "2026-11-20",
             "status": "in_progress"},
            {"control_id": 1, "assigned_to": "Robin Example", "due_date": "2026-12-04",
             "status": "open"},
        ],
    }  # fmt: skip


def payload() -> dict[str, Any]:
    app = create_app(seed(), {"static_tokens": [TOKEN]}, clock=lambda: NOW)
    with serve(app) as running, CompAI(running.url, auth=StaticToken(TOKEN)) as client:
        facts = Facts(
            gaps=[gap_of(control) for control in client.list_gaps()],
            tests=list_rows(client),
            remediation=remediation_of(client.list_remediation()),
            now=NOW,
        )
    before = date(2026, 11, 12)
    state = AlertState(
        tests={
            2: Known(name="Branch rule of billing", since=before, told=True),
            3: Known(name="Branch rule of website", since=before, told=True),
            4: Known(name="MFA of all staff", since=before, told=True),
        },
        gaps={6: Known(name="CTL-HR-002 Leavers lose access", since=before, told=True)},
    )
    analysis = LastAnalysis(
        at=NOW - timedelta(days=2), framework="soc2", model="llama3", degraded=False,
        summary="Supplier reviews and leavers have no record at all; start with the leavers.",
    )  # fmt: skip
    attempts = {
        4: Attempt(at=NOW - timedelta(hours=1), reason="permission", said="Keycloak answers 403."),
    }
    view = view_of(facts, state, attempts)
    message = compose(view, analysis=analysis, link="https://airflow.example/log")
    return slack_payload(message, {"Kim Example": "U012KIM"})


def as_html(block: dict[str, Any]) -> str:
    if block["type"] == "header":
        return f"<h1>{html.escape(block['text']['text'])}</h1>"
    parts = block.get("elements", [block.get("text")])
    small = " class='small'" if "elements" in block else ""
    return "".join(f"<p{small}>{as_marked(part['text'])}</p>" for part in parts)


def as_marked(text: str) -> str:
    """Slack's mrkdwn; what is dynamic in it is escaped already."""
    text = re.sub(r"<@U012KIM>", "<span class='who'>@Kim</span>", text)
    text = re.sub(r"<(https?://[^|>]+)\|([^>]+)>", r"<a href='\1'>\2</a>", text)
    return re.sub(r"(?m)^\*(.+)\*$", r"<b>\1</b>", text)


def main() -> None:
    page = PAGE.substitute(blocks="".join(map(as_html, payload()["blocks"])))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "alert.html")
        file.write_text(page, encoding="utf-8")
        options = [f"--user-data-dir={folder}/profile", f"--screenshot={PICTURE}"]
        size = f"--window-size={sys.argv[1] if len(sys.argv) > 1 else '860,840'}"
        subprocess.run([*CHROMIUM, *options, size, file.as_uri()], check=True, timeout=60)  # noqa: S603 - our own arguments


if __name__ == "__main__":
    main()
