"""GitHub tests through Comp-AI: what its texts prove, and what is written while asking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from compai_dags.checks import CheckContext, evaluate
from compai_dags.outcomes import Outcome, Reason
from compai_kit.simulator.control import Fault

COLLECT = "collectGithubEvidence"
COMMIT = {"sha": "0123456789abcdef0123456789abcdef01234567", "author": "Alex", "message": "Tidy"}
REPOSITORIES = {
    "example-org/demo-service": {"protection": "enabled", "commit": COMMIT},
    "example-org/unprotected": {"protection": "absent"},
    "example-org/no-admin": {"protection": "unreadable"},
    "example-org/bare": {"commit": {}},
}
TEST = {"id": 5, "control_id": 3, "name": "Branch rule is on", "test_type": "manual"}


@pytest.fixture
def github(simulator, seed):
    """Comp-AI with GitHub set up; control 3 has a document."""

    def start(*, evidence=None, configured=True) -> None:
        simulator.reset(
            seed(TEST, evidence=evidence),
            {"github": {"configured": configured, "repositories": REPOSITORIES}},
        )

    start()
    return start


@pytest.fixture
def context(client, now, simulator) -> CheckContext:
    return CheckContext(client=client, now=lambda: now)


@pytest.fixture
def collected(simulator, github):
    """How often Comp-AI was asked to collect, and how many rows that left."""

    def count() -> tuple[int, int]:
        asked = [entry for entry in simulator.ledger() if entry.operation == COLLECT]
        rows = [row for row in simulator.state()["evidence"] if row["type"].startswith("github_")]
        return len(asked), len(rows)

    return count


def config(repo: str = "demo-service", **more: object) -> dict[str, object]:
    return {"owner": "example-org", "repo": repo, **more}


class TestConfiguration:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (None, "the test has no config"),
            ([], "config is a JSON array, not an object"),
            ("", "config is a string that is not JSON"),
            ("{", "config is a string that is not JSON"),
            ('["a"]', "config is a JSON array, not an object"),
            (7, "config is a JSON number, not an object"),
            (True, "config is a JSON boolean, not an object"),
            ({}, "config.owner and config.repo must be set"),
            ({"branch": "main"}, "config.owner and config.repo must be set"),
            ({"owner": "o"}, "config.repo must be set"),
            ({"owner": "", "repo": "r"}, "config.owner must be set"),
            ({"owner": "o", "repo": "a/b"}, "config.repo must be set"),
            ({"owner": "o", "repo": "r\n"}, "config.repo must be set"),
            ({"owner": " o", "repo": "r"}, "config.owner must be set"),
            ({"owner": "o", "repo": ".."}, "config.repo must be set"),
            ({"owner": 3, "repo": "r"}, "config.owner must be set"),
            ({"owner": "o", "repo": "r", "require": 1}, "config.require must be a string or"),
        ],
    )
    @pytest.mark.parametrize("test_type", ["github_branch_protection", "github_last_commit"])
    def test_that_cannot_be_used_is_named(
        self, row, context, collected, given, said, test_type
    ) -> None:
        observed = evaluate(row(test_type, config=given), context)
        assert observed.outcome is Outcome.NOT_CONFIGURED
        assert observed.reason is Reason.CONFIG
        assert said in observed.sentence
        assert collected() == (0, 0)

    def test_as_a_json_string_is_read(self, row, context, github) -> None:
        text = '{"owner": "example-org", "repo": "demo-service"}'
        assert evaluate(row(config=text), context).outcome is Outcome.PASS


class TestBranchProtection:
    def test_enabled_is_a_pass_that_says_what_it_did_not_see(
        self, row, context, collected, now
    ) -> None:
        observed = evaluate(row(config=config()), context)
        assert observed.outcome is Outcome.PASS
        assert observed.collected_at == now
        assert observed.sentence == (
            "Branch protection is enabled on the default branch main of example-org/demo-service "
            "(evidence 2). Warning: required approvals were not examined."
        )
        assert collected() == (1, 1)

    @pytest.mark.parametrize("repo", ["unprotected", "no-admin"])
    def test_the_shared_sentence_is_ambiguous_with_both_remedies(
        self, row, context, github, repo
    ) -> None:
        observed = evaluate(row(config=config(repo)), context)
        assert observed.outcome is Outcome.ERROR
        assert observed.reason is Reason.AMBIGUOUS
        for words in ("protect the branch", "GITHUB_TOKEN admin read", "comp_ai_github"):
            assert words in observed.sentence
        assert not observed.hides_gap

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ({"branch": "release"}, "asks for branch release"),
            ({"min_approvals": 2}, "min_approvals"),
            ({"require": ["enforce_admins", "no_deletion"]}, "enforce_admins, no_deletion"),
        ],
    )
    def test_what_the_text_does_not_tell_is_not_passed(
        self, row, context, github, more, words
    ) -> None:
        observed = evaluate(row(config=config(**more)), context)
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.AMBIGUOUS)
        assert words in observed.sentence

    def test_the_default_branch_by_name_is_fine(self, row, context, github) -> None:
        assert evaluate(row(config=config(branch="main")), context).outcome is Outcome.PASS

    def test_a_text_that_nobody_knows_is_malformed(self, row, context, simulator, github) -> None:
        github(
            evidence=[
                {
                    "id": 1,
                    "control_id": 3,
                    "type": "github_branch_protection",
                    "source": "github:example-org/demo-service",
                    "description": "A rule was found on main; two reviewers are asked.",
                    "collected_at": "2026-11-25T00:00:00Z",
                }
            ]
        )
        retry = CheckContext(
            client=context.client, now=context.now, reuse_since=context.now() - timedelta(days=9)
        )
        observed = evaluate(row(config=config()), retry)
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.MALFORMED)
        assert "'A rule was found on main" in observed.sentence


class TestLastCommit:
    def test_a_text_without_a_date_does_not_show_an_age(self, row, context, collected) -> None:
        observed = evaluate(row("github_last_commit", config=config()), context)
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.AMBIGUOUS)
        assert "0123456789ab, but not its date" in observed.sentence
        assert "comp_ai_github" in observed.sentence

    def test_it_is_not_collected_every_day_to_hear_that_again(
        self, row, context, collected
    ) -> None:
        for _ in range(3):
            evaluate(row("github_last_commit", config=config()), context)
        assert collected() == (1, 1)

    @pytest.mark.parametrize("require", ["reachable", ["reachable"]])
    def test_reachable_passes_where_that_is_asked(self, row, context, github, require) -> None:
        observed = evaluate(row("github_last_commit", config=config(require=require)), context)
        assert observed.outcome is Outcome.PASS
        assert observed.sentence == (
            "example-org/demo-service is reachable; its last commit is 0123456789ab (evidence 2). "
            "The age of the commit was not examined."
        )

    def test_an_age_is_not_dropped_for_being_reachable(self, row, context, collected) -> None:
        both = config(require="reachable", max_age_days=30)
        observed = evaluate(row("github_last_commit", config=both), context)
        assert (observed.outcome, observed.reason) == (Outcome.NOT_CONFIGURED, Reason.CONFIG)
        assert collected() == (0, 0)

    @pytest.mark.parametrize("more", [{}, {"require": "reachable"}])
    def test_an_unknown_commit_is_never_a_pass(self, row, context, github, more) -> None:
        observed = evaluate(row("github_last_commit", config=config("bare", **more)), context)
        assert (observed.outcome, observed.reason) == (
            Outcome.ERROR,
            Reason.NOT_FOUND_OR_NO_ACCESS,
        )


class TestReuse:
    def test_a_bad_answer_is_asked_for_again_the_next_time(
        self, row, context, github, collected
    ) -> None:
        demanding = config("unprotected", min_approvals=2)
        for _ in range(2):
            evaluate(row(config=demanding), context)
        assert collected() == (2, 2)

    def test_an_old_answer_is_renewed(self, row, client, now, github, collected) -> None:
        for days in (0, 89, 91):
            context = CheckContext(
                client=client, now=lambda days=days: datetime.now(UTC) + timedelta(days=days)
            )
            evaluate(row("github_last_commit", config=config()), context)
        assert collected() == (2, 2)


class TestGapRule:
    def test_nothing_is_collected_for_a_control_without_evidence(
        self, row, context, simulator, github, collected
    ) -> None:
        github(evidence=[])
        observed = evaluate(row(config=config()), context)
        assert (observed.outcome, observed.reason) == (
            Outcome.NOT_CONFIGURED,
            Reason.NO_EVIDENCE_YET,
        )
        assert "COMP_AI_COLLECT_EVIDENCE=always" in observed.sentence
        assert collected() == (0, 0)

    def test_unless_it_is_asked_for(self, row, client, now, github, collected) -> None:
        github(evidence=[])
        context = CheckContext(client=client, now=lambda: now, always_collect=True)
        assert evaluate(row(config=config()), context).outcome is Outcome.PASS
        assert collected() == (1, 1)

    def test_a_negative_row_that_closes_the_gap_is_told(self, row, client, now, github) -> None:
        github(evidence=[])
        context = CheckContext(client=client, now=lambda: now, always_collect=True)
        for _ in range(2):
            observed = evaluate(row(config=config("unprotected")), context)
            assert observed.hides_gap
            assert "keeps the control out of the gap list" in observed.sentence


class TestFailures:
    def test_not_set_up_in_comp_ai(self, row, context, github, collected) -> None:
        github(configured=False)
        observed = evaluate(row(config=config()), context)
        assert (observed.outcome, observed.reason) == (
            Outcome.NOT_CONFIGURED,
            Reason.INTEGRATION,
        )
        assert "GitHub integration not configured" in observed.sentence
        assert collected() == (1, 0)

    @pytest.mark.parametrize("repo", ["missing"])
    def test_a_502_is_looked_into_and_repeated_once(self, row, context, collected, repo) -> None:
        observed = evaluate(row(config=config(repo)), context)
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.UPSTREAM_5XX)
        assert observed.transient
        assert collected() == (2, 0)

    def test_a_502_that_passes_is_a_pass(self, row, context, simulator, collected) -> None:
        simulator.faults(Fault(kind="status", operation=COLLECT, status=502, body={"error": "x"}))
        assert evaluate(row(config=config()), context).outcome is Outcome.PASS
        assert collected() == (2, 1)

    def test_an_answer_that_got_lost_is_looked_for_and_not_repeated(
        self, row, context, simulator, collected
    ) -> None:
        simulator.faults(Fault(kind="reset", operation=COLLECT, when="after"))
        observed = evaluate(row(config=config()), context)
        assert observed.outcome is Outcome.PASS
        assert collected() == (1, 1)

    def test_a_request_that_got_lost_is_repeated_once(
        self, row, context, simulator, collected
    ) -> None:
        simulator.faults(Fault(kind="reset", operation=COLLECT))
        assert evaluate(row(config=config()), context).outcome is Outcome.PASS
        assert collected() == (2, 1)

    @pytest.mark.parametrize(
        ("fault", "outcome", "reason"),
        [
            (Fault(kind="html", operation=COLLECT), Outcome.ERROR, Reason.MALFORMED),
            (
                Fault(kind="status", operation=COLLECT, status=403, count=None),
                Outcome.ERROR,
                Reason.PERMISSION,
            ),
            (
                Fault(kind="status", operation=COLLECT, status=404, count=None),
                Outcome.ERROR,
                Reason.NOT_FOUND_OR_NO_ACCESS,
            ),
            (
                Fault(kind="status", operation=COLLECT, status=401, count=None),
                Outcome.ERROR,
                Reason.AUTH,
            ),
            (
                Fault(kind="status", operation=COLLECT, status=422, body="no", count=None),
                Outcome.NOT_CONFIGURED,
                Reason.CONFIG,
            ),
            (
                Fault(kind="rate_limit", operation=COLLECT, count=None),
                Outcome.ERROR,
                Reason.RATE_LIMITED,
            ),
        ],
    )
    def test_other_answers(self, row, context, simulator, github, fault, outcome, reason) -> None:
        simulator.faults(fault)
        observed = evaluate(row(config=config()), context)
        assert (observed.outcome, observed.reason) == (outcome, reason)

    def test_a_retry_uses_what_its_run_collected(self, row, context, collected) -> None:
        evaluate(row(config=config()), context)
        retry = CheckContext(
            client=context.client, now=context.now, reuse_since=context.now() - timedelta(days=1)
        )
        observed = evaluate(row(config=config()), retry)
        assert observed.outcome is Outcome.PASS
        assert collected() == (1, 1)
