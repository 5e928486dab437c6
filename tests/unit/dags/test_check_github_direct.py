"""GitHub tests by GitHub's own fields: every row of the table that decides them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compai_dags.checks import CheckContext, evaluate
from compai_dags.checks.github import BRANCH_PROTECTION, LAST_COMMIT
from compai_dags.connection import ConnectionFields
from compai_dags.decisions import RunIdentity
from compai_dags.outcomes import Observation, Outcome, Reason, verdict_of
from compai_dags.proof import content_sha256
from compai_dags.rows import read_row
from compai_dags.runner import ChunkRunner
from compai_kit.simulator.control import Fault

TOKEN = "simulated-secret-of-github"
READS_ALL = ["metadata", "contents", "administration"]
CHANGES_ALL = ["metadata", "contents", "administration:write"]
PULL_REQUEST = {"type": "pull_request", "approvals": 1}
TEAM = {"actor_id": 5, "actor_type": "Team", "bypass_mode": "always"}
EXEMPT = {"actor_id": 6, "actor_type": "Team", "bypass_mode": "exempt"}


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def context(client, simulator, waits) -> CheckContext:
    # The host is the address of the API as it stands, because it has a path.
    fields = ConnectionFields(
        conn_type="http", host=f"{simulator.url}/systems/github", password=TOKEN
    )
    return CheckContext(
        client=client,
        now=lambda: datetime.now(UTC),
        connection={"comp_ai_github": fields}.get,
        sleep=waits.append,
    )


@pytest.fixture
def github(simulator) -> Callable[..., None]:
    """One repository, example-org/demo-service, seen with one token."""

    def start(
        repository: dict[str, Any] | None = None,
        *,
        permissions: list[str] = READS_ALL,
        kind: str = "fine_grained",
        **over: Any,
    ) -> None:
        settings = {
            "tokens": {TOKEN: {"kind": kind, "permissions": permissions}},
            "repositories": {"example-org/demo-service": repository or {}},
            **over,
        }
        simulator.reset(None, {"systems": {"github": settings}})

    start()
    return start


@pytest.fixture
def protection(row, context) -> Callable[..., Observation]:
    def observe(**config: Any) -> Observation:
        config = {"owner": "example-org", "repo": "demo-service", **config}
        return evaluate(row(BRANCH_PROTECTION, config=config), context)

    return observe


@pytest.fixture
def commit(row, context) -> Callable[..., Observation]:
    def observe(**config: Any) -> Observation:
        config = {"owner": "example-org", "repo": "demo-service", **config}
        return evaluate(row(LAST_COMMIT, config=config), context)

    return observe


def classic(**protection: Any) -> dict[str, Any]:
    return {"branches": {"main": {"protection": protection}}}


def ruleset(*rules: dict[str, Any], **over: Any) -> dict[str, Any]:
    return {"rulesets": [{"id": 7, "rules": list(rules), **over}]}


def verdict(observed: Observation) -> tuple[Outcome, Reason | None]:
    return observed.outcome, observed.reason


PASS, FAIL, ERROR = (Outcome.PASS, None), (Outcome.FAIL, None), Outcome.ERROR
UNREADABLE = (ERROR, Reason.PERMISSION)


class TestTheTable:
    """Rules × classic protection × `.protected`, in the order of the algorithm."""

    @pytest.mark.parametrize(
        ("repository", "permissions", "expected"),
        [
            # Classic protection that can be read.
            (classic(approvals=1), READS_ALL, PASS),
            (classic(approvals=2), READS_ALL, PASS),
            (classic(approvals=0), READS_ALL, FAIL),
            (classic(), READS_ALL, FAIL),
            # 404 "Branch not protected": absent for certain.
            ({}, READS_ALL, FAIL),
            (ruleset(PULL_REQUEST), READS_ALL, PASS),
            (ruleset({"type": "pull_request", "approvals": 0}), READS_ALL, FAIL),
            (ruleset({"type": "non_fast_forward"}), READS_ALL, FAIL),
            (ruleset({"type": "non_fast_forward"}, {"type": "deletion"}), READS_ALL, FAIL),
            # Rules of the organisation count as much; those that are not active do not.
            (ruleset(PULL_REQUEST, source_type="Organization"), READS_ALL, PASS),
            (ruleset(PULL_REQUEST, enforcement="evaluate"), READS_ALL, FAIL),
            (ruleset(PULL_REQUEST, enforcement="disabled"), READS_ALL, FAIL),
            (ruleset(PULL_REQUEST, branches=["release"]), READS_ALL, FAIL),
            # The stricter layer wins.
            (classic(approvals=0) | ruleset(PULL_REQUEST), READS_ALL, PASS),
            (
                classic(approvals=1) | ruleset({"type": "pull_request", "approvals": 0}),
                READS_ALL,
                PASS,
            ),
            # Classic protection that cannot be read: `.protected` decides whether there is one.
            (classic(approvals=1), ["metadata", "contents"], UNREADABLE),
            ({}, ["metadata", "contents"], FAIL),
            (ruleset({"type": "non_fast_forward"}), ["metadata", "contents"], FAIL),
            (
                classic() | ruleset({"type": "pull_request", "approvals": 0}),
                ["metadata", "contents"],
                UNREADABLE,
            ),
            (classic() | ruleset(PULL_REQUEST), ["metadata", "contents"], PASS),
            # `.protected` cannot be read either.
            ({}, ["metadata"], UNREADABLE),
            (classic(approvals=1), ["metadata"], UNREADABLE),
            (ruleset(PULL_REQUEST), ["metadata"], PASS),
            # The plan has no protection at all.
            ({"needs_plan": True}, READS_ALL, (Outcome.FAIL, Reason.PLAN_UNAVAILABLE)),
            (
                {"needs_plan": True, **ruleset(PULL_REQUEST)},
                READS_ALL,
                (Outcome.FAIL, Reason.PLAN_UNAVAILABLE),
            ),
            # Nothing to protect, and nothing to see.
            ({"archived": True}, READS_ALL, (Outcome.NOT_APPLICABLE, None)),
            ({}, [], (ERROR, Reason.NOT_FOUND_OR_NO_ACCESS)),
            ({"moved_to": "a/b"}, READS_ALL, (ERROR, Reason.NOT_FOUND_OR_NO_ACCESS)),
            ({"needs_sso": True}, READS_ALL, UNREADABLE),
            ({"branches": {}}, READS_ALL, (ERROR, Reason.NOT_FOUND_OR_NO_ACCESS)),
        ],
    )
    @pytest.mark.parametrize("kind", ["fine_grained", "classic", "installation"])
    def test_row(self, github, protection, repository, permissions, expected, kind) -> None:
        """Kinds of tokens are refused with 403 or with 404 "Not Found"; both mean unreadable."""
        github(repository, permissions=permissions, kind=kind)
        observed = protection()
        assert verdict(observed) == expected, observed.sentence
        if observed.outcome in (Outcome.PASS, Outcome.FAIL):
            assert observed.proof is not None
            assert verdict_of(observed.proof.assertions) is observed.outcome
            assert observed.collected_at is not None
        else:
            assert (observed.proof, observed.collected_at) == (None, None)
        assert not observed.fatal

    @pytest.mark.parametrize(
        ("after", "status", "body", "expected"),
        [
            # 1. the repository
            (0, 404, {"message": "Not Found"}, (ERROR, Reason.NOT_FOUND_OR_NO_ACCESS)),
            (0, 301, {"message": "Moved Permanently"}, (ERROR, Reason.NOT_FOUND_OR_NO_ACCESS)),
            (0, 403, {"message": "Repository access blocked"}, UNREADABLE),
            (0, 451, {"message": "Unavailable"}, (ERROR, Reason.NOT_FOUND_OR_NO_ACCESS)),
            (0, 401, {"message": "Bad credentials"}, (ERROR, Reason.AUTH)),
            (0, 418, {}, (ERROR, Reason.MALFORMED)),
            # 2. its rules
            (1, 404, {"message": "Not Found"}, PASS),
            (1, 403, {"message": "Resource not accessible by integration"}, PASS),
            (1, 401, {"message": "Bad credentials"}, (ERROR, Reason.AUTH)),
            (1, 422, {"message": "Validation Failed"}, (ERROR, Reason.MALFORMED)),
            # 3. `.protected`
            (2, 404, {"message": "Branch not found"}, (ERROR, Reason.NOT_FOUND_OR_NO_ACCESS)),
            (2, 404, {"message": "Not Found"}, PASS),
            (2, 403, {"message": "Resource not accessible by integration"}, PASS),
            (2, 301, {"message": "Moved Permanently"}, (ERROR, Reason.NOT_FOUND_OR_NO_ACCESS)),
            # 4. the classic protection, while `.protected` is true
            (3, 404, {"message": "Branch not protected"}, FAIL),
            (3, 404, {"message": "Not Found"}, UNREADABLE),
            (3, 404, {}, UNREADABLE),
            (3, 404, "<html>", UNREADABLE),
            (3, 404, {"message": "Branch not found"}, (ERROR, Reason.NOT_FOUND_OR_NO_ACCESS)),
            (3, 403, {"message": "Resource not accessible by integration"}, UNREADABLE),
            (
                3,
                403,
                {"message": "Upgrade to GitHub Pro or make this repository public to enable this"},
                (Outcome.FAIL, Reason.PLAN_UNAVAILABLE),
            ),
            (3, 401, {"message": "Bad credentials"}, (ERROR, Reason.AUTH)),
            (3, 500, {"message": "Oops"}, (ERROR, Reason.UPSTREAM_5XX)),
        ],
    )
    def test_each_status_of_each_call(
        self, simulator, github, protection, after, status, body, expected
    ) -> None:
        """The branch has a classic protection that passes, and no rules."""
        github(classic(approvals=1))
        simulator.faults(
            Fault(
                kind="status", operation="github", after=after, status=status, body=body, count=None
            )
            if status == 500
            else Fault(kind="status", operation="github", after=after, status=status, body=body)
        )
        observed = protection()
        assert verdict(observed) == expected, observed.sentence

    @pytest.mark.parametrize("after", range(4))
    @pytest.mark.parametrize("kind", ["wrong_shape", "html", "truncate", "redirect"])
    def test_an_answer_that_is_none_is_never_a_verdict(
        self, simulator, github, protection, after, kind
    ) -> None:
        github(classic(approvals=1))
        simulator.faults(Fault(kind=kind, operation="github", after=after))
        observed = protection()
        assert observed.outcome is ERROR, observed.sentence
        assert observed.reason in (Reason.MALFORMED, Reason.NOT_FOUND_OR_NO_ACCESS)

    @pytest.mark.parametrize("body", [{}, {"message": "Server Error"}, {"error": "x"}])
    def test_an_object_that_is_no_protection_does_not_make_a_fail(
        self, simulator, github, protection, body
    ) -> None:
        """A protection without reviews leaves that part out, but never all of them."""
        github(classic(approvals=1))
        simulator.faults(Fault(kind="status", operation="github", status=200, body=body, after=3))
        assert verdict(protection()) == (ERROR, Reason.MALFORMED)

    def test_rules_that_cannot_be_read_do_not_make_a_fail(
        self, simulator, github, protection
    ) -> None:
        github({})
        fault = {"status": 403, "body": {"message": "Resource not accessible by integration"}}
        simulator.faults(Fault(kind="status", operation="github", after=1, **fault))
        assert verdict(protection()) == UNREADABLE

    def test_a_rule_on_the_second_page_counts(self, github, protection) -> None:
        rules = [{"type": "deletion"}, {"type": "non_fast_forward"}, PULL_REQUEST]
        github(ruleset(*rules), page_size=1)
        assert verdict(protection()) == PASS

    @pytest.mark.parametrize("kind", ["status", "truncate", "html"])
    def test_a_second_page_that_cannot_be_read_is_an_error(
        self, simulator, github, protection, kind
    ) -> None:
        """A part of the rules looks like few rules."""
        github(ruleset({"type": "deletion"}, PULL_REQUEST), page_size=1)
        body = {"status": 403, "body": {"message": "Forbidden"}} if kind == "status" else {}
        simulator.faults(Fault(kind=kind, operation="github", after=2, **body))
        assert protection().outcome is ERROR

    def test_an_answer_without_a_count_of_approvals_is_not_taken_for_none(
        self, simulator, github, protection
    ) -> None:
        github(classic(approvals=1))
        reviews = {"dismiss_stale_reviews": False, "require_code_owner_reviews": False}
        body = {"required_pull_request_reviews": reviews}
        simulator.faults(Fault(kind="status", operation="github", after=3, status=200, body=body))
        assert verdict(protection()) == UNREADABLE


class TestApprovals:
    @pytest.mark.parametrize(("least", "expected"), [(1, PASS), (2, PASS), (3, FAIL)])
    def test_are_counted(self, github, protection, least, expected) -> None:
        github(classic(approvals=1) | ruleset({"type": "pull_request", "approvals": 2}))
        assert verdict(protection(min_approvals=least)) == expected

    def test_too_few_are_no_finding_while_a_layer_is_unread(self, github, protection) -> None:
        github(classic(approvals=3) | ruleset(PULL_REQUEST), permissions=["metadata", "contents"])
        assert verdict(protection(min_approvals=2)) == UNREADABLE


class TestRequirements:
    @pytest.mark.parametrize(
        ("name", "good", "bad"),
        [
            ("no_force_push", {}, {"allow_force_pushes": True}),
            ("no_deletion", {}, {"allow_deletions": True}),
            ("status_checks", {"status_checks": ["build"]}, {}),
            ("code_owners", {"code_owners": True}, {}),
            ("enforce_admins", {}, {"enforce_admins": False}),
            ("enforce_admins", {"bypass": []}, {"bypass": ["alex-example"]}),
        ],
    )
    def test_of_the_classic_protection(self, github, protection, name, good, bad) -> None:
        github(classic(approvals=1, **good))
        assert verdict(protection(require=name)) == PASS
        github(classic(approvals=1, **bad))
        assert verdict(protection(require=[name])) == FAIL
        assert verdict(protection()) == PASS

    @pytest.mark.parametrize(
        ("name", "rule"),
        [
            ("no_force_push", {"type": "non_fast_forward"}),
            ("no_deletion", {"type": "deletion"}),
            ("status_checks", {"type": "required_status_checks", "checks": ["build"]}),
            ("code_owners", {"type": "pull_request", "approvals": 1, "code_owners": True}),
        ],
    )
    def test_of_rules(self, github, protection, name, rule) -> None:
        github(ruleset(PULL_REQUEST, rule))
        assert verdict(protection(require=name)) == PASS
        github(ruleset(PULL_REQUEST))
        assert verdict(protection(require=name)) == FAIL

    def test_a_list_of_no_checks_requires_none(self, github, protection) -> None:
        github(ruleset(PULL_REQUEST, {"type": "required_status_checks", "checks": []}))
        assert verdict(protection(require="status_checks")) == FAIL

    @pytest.mark.parametrize(
        "name", ["no_force_push", "no_deletion", "status_checks", "code_owners"]
    )
    def test_what_is_not_readable_is_no_pass(self, github, protection, name) -> None:
        github(classic() | ruleset(PULL_REQUEST), permissions=["metadata", "contents"])
        assert verdict(protection(require=name)) == UNREADABLE
        assert verdict(protection()) == PASS

    @pytest.mark.parametrize(
        ("name", "part", "expected"),
        [
            ("no_force_push", {}, UNREADABLE),
            ("no_force_push", {"allow_force_pushes": {"enabled": False}}, PASS),
            ("no_force_push", {"allow_force_pushes": {"enabled": True}}, FAIL),
            ("no_deletion", {}, UNREADABLE),
            ("no_deletion", {"allow_deletions": {"enabled": False}}, PASS),
            ("status_checks", {}, FAIL),
            ("status_checks", {"required_status_checks": {"contexts": [], "checks": []}}, FAIL),
            ("status_checks", {"required_status_checks": {"contexts": ["build"]}}, PASS),
        ],
    )
    def test_a_switch_that_is_absent_is_unknown(
        self, simulator, github, protection, name, part, expected
    ) -> None:
        """An old server leaves fields out; a list of checks that is empty requires none."""
        github(classic(approvals=1))
        body = {"required_pull_request_reviews": {"required_approving_review_count": 1}, **part}
        simulator.faults(Fault(kind="status", operation="github", after=3, status=200, body=body))
        assert verdict(protection(require=name)) == expected

    def test_a_finding_outranks_what_is_not_readable(self, github, protection) -> None:
        github(ruleset(PULL_REQUEST))
        observed = protection(require=["enforce_admins", "no_deletion"])
        assert verdict(observed) == FAIL
        assert "deletion is allowed" in observed.sentence
        assert "Not readable: who may bypass it" in observed.sentence


class TestBypass:
    @pytest.mark.parametrize(
        ("permissions", "actors", "expected", "words"),
        [
            (CHANGES_ALL, [], PASS, ""),
            (CHANGES_ALL, [TEAM], FAIL, "1 actor of ruleset 7 may bypass it"),
            (
                CHANGES_ALL,
                [TEAM, EXEMPT],
                FAIL,
                "2 actors of ruleset 7, 1 of them without a trace may bypass it",
            ),
            (READS_ALL, [], UNREADABLE, "GitHub does not show it for ruleset 7"),
            (READS_ALL, [TEAM], UNREADABLE, "Administration (write)"),
        ],
    )
    def test_of_a_ruleset(self, github, protection, permissions, actors, expected, words) -> None:
        """A list that is not there is not an empty list."""
        github(ruleset(PULL_REQUEST, bypass_actors=actors), permissions=permissions)
        required = protection(require="enforce_admins")
        assert verdict(required) == expected, required.sentence
        assert words in required.sentence
        warned = protection()
        assert verdict(warned) == PASS
        assert ("bypass" in warned.sentence) == (expected is not PASS)

    def test_one_layer_that_binds_all_is_enough(self, github, protection) -> None:
        github(classic(approvals=1) | ruleset(PULL_REQUEST, bypass_actors=[TEAM]))
        assert verdict(protection(require="enforce_admins")) == PASS

    def test_a_layer_that_asks_for_too_little_does_not_bind(self, github, protection) -> None:
        github(
            classic(approvals=0) | ruleset(PULL_REQUEST, bypass_actors=[TEAM]),
            permissions=CHANGES_ALL,
        )
        assert verdict(protection(require="enforce_admins")) == FAIL

    @pytest.mark.parametrize(
        ("status", "body"),
        [(404, {"message": "Not Found"}), (403, {"message": "Forbidden"})],
    )
    def test_a_ruleset_that_cannot_be_read_is_unknown(
        self, simulator, github, protection, status, body
    ) -> None:
        github(ruleset(PULL_REQUEST), permissions=CHANGES_ALL)
        fault = Fault(kind="status", operation="github", after=4, status=status, body=body)
        simulator.faults(fault)
        assert verdict(protection(require="enforce_admins")) == UNREADABLE
        simulator.faults(fault)
        assert verdict(protection()) == PASS

    def test_an_absent_field_of_the_classic_protection_is_unknown(
        self, simulator, github, protection
    ) -> None:
        github(classic(approvals=1))
        reviews = {"required_approving_review_count": 1}
        fault = Fault(
            kind="status",
            operation="github",
            after=3,
            status=200,
            body={"required_pull_request_reviews": reviews},
        )
        simulator.faults(fault)
        observed = protection(require="enforce_admins")
        assert verdict(observed) == UNREADABLE
        assert "does not show whether the classic protection binds admins" in observed.sentence
        simulator.faults(fault)
        assert verdict(protection()) == PASS


class TestSentences:
    def test_of_a_pass(self, github, protection) -> None:
        github(classic(approvals=2, allow_deletions=True, enforce_admins=False))
        assert protection().sentence == (
            "Branch main of example-org/demo-service requires a pull request with 2 approvals. "
            "Warning: admins, whom the classic protection does not bind may bypass it; "
            "deletion is allowed."
        )
        github(classic(approvals=1))
        assert protection().sentence == (
            "Branch main of example-org/demo-service requires a pull request with 1 approval."
        )

    def test_of_a_fail(self, github, protection) -> None:
        github({})
        assert protection().sentence == (
            "Branch main of example-org/demo-service is not protected as required: no rule and no "
            "classic protection is active."
        )
        github(ruleset({"type": "non_fast_forward"}))
        assert protection().sentence == (
            "Branch main of example-org/demo-service is not protected as required: no pull request "
            "is required; 0 approvals required, 1 expected. Its other rules (non_fast_forward) do "
            "not make up for that."
        )
        github(classic(approvals=0))
        assert protection(require="status_checks").sentence == (
            "Branch main of example-org/demo-service is not protected as required: 0 approvals "
            "required, 1 expected; no status check is required."
        )
        github({"needs_plan": True})
        assert protection().sentence == (
            "Branch main of example-org/demo-service is not protected as required: GitHub offers "
            "no protection on this plan (HTTP 403: Upgrade to GitHub Pro or make this repository "
            "public to enable this feature.)."
        )

    def test_of_an_error(self, github, protection) -> None:
        github(classic(approvals=1), permissions=["metadata", "contents"])
        assert protection().sentence == (
            "Could not verify pull requests, approvals of branch main of example-org/demo-service. "
            "Not readable: its classic protection (HTTP 403: Resource not accessible by personal "
            "access token). Give the token of Connection comp_ai_github the repository permission "
            "Administration (read)."
        )
        github({}, permissions=[])
        assert protection().sentence == (
            "Could not verify: GitHub knows no repository example-org/demo-service, or does not "
            "show it to the token of Connection comp_ai_github (HTTP 404: Not Found)."
        )
        github({"moved_to": "a/b"})
        assert protection().sentence == (
            "Could not verify: GitHub has moved repository example-org/demo-service (HTTP 301: "
            "Moved Permanently): name its new place in the test's config."
        )
        github({}, tokens={})
        assert protection().sentence == (
            "Could not verify: GitHub refuses the token of Connection comp_ai_github (HTTP 401: "
            "Bad credentials)."
        )
        github({"branches": {}})
        assert protection(branch="main").sentence == (
            "Could not verify: GitHub knows no branch main of example-org/demo-service."
        )

    def test_of_an_archived_repository(self, github, protection, commit) -> None:
        github({"archived": True})
        said = "Repository example-org/demo-service is archived: nothing can be merged into it."
        assert (protection().sentence, commit().sentence) == (said, said)


class TestBranch:
    def test_is_the_repositorys_own_default(self, github, protection) -> None:
        branches = {"trunk": {"protection": {"approvals": 1}}, "main": {}}
        github({"default_branch": "trunk", "branches": branches})
        assert verdict(protection()) == PASS
        assert verdict(protection(branch="main")) == FAIL

    def test_with_slashes_and_signs_is_found(self, simulator, github, protection) -> None:
        name = "release/1.0 #ü&?%2f".replace(" ", "-").replace("?", "")
        github({"branches": {name: {"protection": {"approvals": 1}}}})
        observed = protection(branch=name)
        assert verdict(observed) == PASS
        assert observed.proof is not None
        assert observed.proof.source == f"github:example-org/demo-service@{name}"
        asked = [entry.path for entry in simulator.ledger()][1:]
        assert all("/release%2F1.0-%23%C3%BC%26%252f" in path for path in asked)


class TestConfig:
    @pytest.mark.parametrize(
        ("config", "said"),
        [
            ({"require": "all"}, "config.require knows enforce_admins, no_force_push, no_deletion"),
            ({"require": ["reachable"]}, "not 'reachable'"),
            ({"require": {"a": 1}}, "config.require must be a string or a list of strings"),
            ({"require": [1]}, "config.require must be a string or a list of strings"),
            ({"min_approvals": 0}, "config.min_approvals must be a whole number from 1 to 10"),
            ({"min_approvals": 11}, "config.min_approvals must be"),
            ({"min_approvals": "2"}, "config.min_approvals must be"),
            ({"min_approvals": True}, "config.min_approvals must be"),
            ({"min_approvals": 1.0}, "config.min_approvals must be"),
            ({"min_approvals": None}, "config.min_approvals must be"),
            ({"branch": ""}, "config.branch must be the name of a branch, such as main"),
            ({"branch": 7}, "config.branch must be"),
            ({"branch": ".."}, "config.branch must be"),
            ({"branch": "a/../b"}, "config.branch must be"),
            ({"branch": "a b"}, "config.branch must be"),
            ({"branch": "main\n"}, "config.branch must be"),
            ({"branch": "/main"}, "config.branch must be"),
            ({"branch": "main."}, "config.branch must be"),
            ({"branch": "x" * 256}, "config.branch must be"),
            ({"owner": "a/b"}, "config.owner must be set to letters"),
            ({"owner": "", "repo": ".."}, "config.owner and config.repo must be set"),
        ],
    )
    def test_that_cannot_be_used_is_named(
        self, simulator, github, protection, config, said
    ) -> None:
        observed = protection(**config)
        assert verdict(observed) == (Outcome.NOT_CONFIGURED, Reason.CONFIG)
        assert said in observed.sentence
        assert simulator.ledger() == []

    @pytest.mark.parametrize(
        ("config", "said"),
        [
            ({"max_age_days": 0}, "config.max_age_days must be a whole number from 1 to 3650"),
            ({"max_age_days": "90"}, "config.max_age_days must be"),
            ({"max_age_days": -1}, "config.max_age_days must be"),
            ({"require": "no_deletion"}, "config.require knows reachable, not 'no_deletion'"),
            ({"branch": []}, "config.branch must be"),
        ],
    )
    def test_of_a_commit(self, simulator, github, commit, config, said) -> None:
        observed = commit(**config)
        assert verdict(observed) == (Outcome.NOT_CONFIGURED, Reason.CONFIG)
        assert said in observed.sentence
        assert simulator.ledger() == []

    def test_as_a_json_string_is_read(self, row, context, github) -> None:
        github(classic(approvals=1))
        text = '{"owner": "example-org", "repo": "demo-service"}'
        assert evaluate(row(BRANCH_PROTECTION, config=text), context).outcome is Outcome.PASS


class TestLastCommit:
    @pytest.fixture
    def committed(self, github):
        def at(moment: datetime | str | None, **over: Any) -> None:
            text = moment if isinstance(moment, str | None) else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
            github({"branches": {"main": {"committed_at": text}}}, **over)

        return at

    @pytest.mark.parametrize(
        ("days", "most", "expected"),
        [(0, 90, PASS), (89.9, 90, PASS), (90.1, 90, FAIL), (10, 7, FAIL), (400, 3650, PASS)],
    )
    def test_is_judged_by_its_date(self, committed, commit, days, most, expected) -> None:
        committed(datetime.now(UTC) - timedelta(days=days))
        assert verdict(commit(max_age_days=most)) == expected

    def test_has_ninety_days_by_default(self, committed, commit) -> None:
        committed(datetime.now(UTC) - timedelta(days=91))
        observed = commit()
        assert verdict(observed) == FAIL
        assert "is 91 days old (" in observed.sentence
        assert observed.sentence.endswith("; at most 90 days are allowed.")

    def test_is_reachable_where_that_is_asked(self, committed, commit) -> None:
        committed(datetime.now(UTC) - timedelta(days=4000))
        observed = commit(require="reachable")
        assert verdict(observed) == PASS
        assert "is 4000 days old" in observed.sentence

    def test_an_age_is_not_dropped_for_being_reachable(self, committed, commit) -> None:
        committed(datetime.now(UTC) - timedelta(days=4000))
        observed = commit(require="reachable", max_age_days=30)
        assert verdict(observed) == (Outcome.NOT_CONFIGURED, Reason.CONFIG)
        assert observed.sentence == (
            "Not configured: config.max_age_days and config.require 'reachable' exclude each other."
        )

    @pytest.mark.parametrize(
        ("date", "reason"),
        [
            (None, Reason.MALFORMED),
            ("yesterday", Reason.MALFORMED),
            ("2026-01-01T00:00:00", Reason.MALFORMED),
            ("2999-01-01T00:00:00Z", Reason.AMBIGUOUS),
        ],
    )
    @pytest.mark.parametrize("require", [[], "reachable"])
    def test_without_a_date_that_can_be_is_an_error(
        self, committed, commit, date, reason, require
    ) -> None:
        committed(date)
        assert verdict(commit(require=require)) == (ERROR, reason)

    @pytest.mark.parametrize(
        ("permissions", "kind", "reason"),
        [
            (["metadata"], "fine_grained", Reason.PERMISSION),
            (["metadata"], "classic", Reason.NOT_FOUND_OR_NO_ACCESS),
            ([], "classic", Reason.NOT_FOUND_OR_NO_ACCESS),
        ],
    )
    def test_unread_is_an_error(self, committed, commit, permissions, kind, reason) -> None:
        committed(datetime.now(UTC), permissions=permissions, kind=kind)
        assert verdict(commit()) == (ERROR, reason)

    def test_of_a_branch_that_is_not_there(self, github, commit) -> None:
        github({"branches": {}})
        assert verdict(commit()) == (ERROR, Reason.NOT_FOUND_OR_NO_ACCESS)

    @pytest.mark.parametrize("after", range(2))
    @pytest.mark.parametrize("kind", ["wrong_shape", "html", "truncate"])
    def test_an_answer_that_is_none(self, simulator, committed, commit, after, kind) -> None:
        committed(datetime.now(UTC))
        simulator.faults(Fault(kind=kind, operation="github", after=after))
        assert commit().outcome is ERROR


class TestProof:
    def test_says_where_each_fact_was_seen(self, github, protection) -> None:
        github(classic(approvals=2) | ruleset({"type": "deletion"}))
        proof = protection().proof
        assert proof is not None
        assert proof.type == "github_branch_protection"
        assert proof.source == "github:example-org/demo-service@main"
        assert proof.link_url == "https://github.example/example-org/demo-service/tree/main"
        assert len(proof.raw_sha256) == 64
        facts = {assertion.path: assertion.observed for assertion in proof.assertions}
        assert facts["rules[pull_request] or protection.required_pull_request_reviews"] is True
        assert facts["required_approving_review_count"] == 2
        assert [a.path for a in proof.assertions if a.mandatory] == list(facts)[:2]

    def test_is_the_same_when_nothing_changed(self, github, protection) -> None:
        github(classic(approvals=2))
        first, second = protection().proof, protection().proof
        assert first is not None
        assert second is not None
        assert first == second
        github(classic(approvals=1))
        third = protection().proof
        assert third is not None
        assert content_sha256(third) != content_sha256(first)
        assert third.raw_sha256 != first.raw_sha256

    def test_of_a_commit_does_not_change_with_its_date(self, github, commit) -> None:
        digests = []
        for days in (1, 2):
            date = f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"
            github({"branches": {"main": {"committed_at": date}}})
            proof = commit().proof
            assert proof is not None
            assert proof.assertions[0].observed == date
            digests.append((content_sha256(proof), proof.type, proof.source))
        assert digests[0] == digests[1]
        assert digests[0][1:] == ("github_last_commit", "github:example-org/demo-service@main")


class TestTenDays:
    def test_without_a_change_leave_one_row_of_evidence(
        self, simulator, seed, github, context, client
    ) -> None:
        """A row per day would push people's documents out of the newest 100."""
        config = {"owner": "example-org", "repo": "demo-service"}
        tests = [
            {"id": n, "control_id": 3, "name": kind, "test_type": kind, "config": config}
            for n, kind in enumerate((BRANCH_PROTECTION, LAST_COMMIT), start=1)
        ]
        settings = {"tokens": {TOKEN: {}}}
        first_day = datetime.now(UTC)

        def day(number: int, approvals: int) -> None:
            today = first_day + timedelta(days=number)
            # Somebody commits every day.
            main = {"protection": {"approvals": approvals}, "committed_at": f"{today:%FT%TZ}"}
            repositories = {"example-org/demo-service": {"branches": {"main": main}}}
            stored = simulator.state() if number else seed(*tests)
            simulator.reset(
                {**stored, "recorded_at": None} if number else stored,
                {"systems": {"github": {**settings, "repositories": repositories}}},
            )
            runner = ChunkRunner(
                context=replace(context, now=lambda: today),
                identity=RunIdentity(run_id=f"day {number}"),
            )
            runner.run([read_row(test) for test in client.list_tests()])
            assert [record.posted for record in runner.records] == ["pass", "pass"]

        def rows() -> list[str]:
            return [row["type"] for row in simulator.state()["evidence"] if row["id"] > 1]

        for number in range(10):
            day(number, approvals=1)
        assert sorted(rows()) == [BRANCH_PROTECTION, LAST_COMMIT]
        day(10, approvals=2)
        assert sorted(rows()) == [BRANCH_PROTECTION, BRANCH_PROTECTION, LAST_COMMIT]


class TestWithoutTheConnection:
    @pytest.mark.parametrize("test_type", [BRANCH_PROTECTION, LAST_COMMIT])
    def test_comp_ai_is_asked_as_before(self, row, client, simulator, seed, test_type) -> None:
        test = {"id": 5, "control_id": 3, "name": "Rule", "test_type": "manual"}
        simulator.reset(
            seed(test),
            {"github": {"configured": True, "repositories": {"example-org/demo-service": {}}}},
        )
        context = CheckContext(client=client, now=lambda: datetime.now(UTC))
        evaluate(row(test_type), context)
        operations = {entry.operation for entry in simulator.ledger()}
        assert "collectGithubEvidence" in operations
        assert "github" not in operations
