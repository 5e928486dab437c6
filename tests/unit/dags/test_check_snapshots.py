"""Okta and AWS as Comp-AI collected them: nothing is green beyond what a text shows."""

from __future__ import annotations

import pytest

from compai_client import ServerError
from compai_dags.checks import CheckContext, evaluate
from compai_dags.outcomes import Outcome, Reason
from compai_kit.simulator.control import Fault

TEST = {"id": 5, "control_id": 3, "name": "Inventory", "test_type": "manual"}
COLLECT = {"okta": "collectOktaEvidence", "aws": "collectAwsEvidence"}
USERS = [
    {"login": "ada@example.com", "status": "ACTIVE"},
    {"login": "bo@example.com", "status": "STAGED"},
]
OKTA = {
    "domain": "example-org.okta.com",
    "has_token": True,
    "organisation": "Example Org",
    "users": USERS,
    "groups": ["Everyone", "R and D"],
}
SUMMARY = {"Users": 12, "Groups": 3, "Roles": 27, "AccountMFAEnabled": 1, "MFADevicesInUse": 11}
OKTA_TYPES = ["okta_org_summary", "okta_users_snapshot", "okta_groups_snapshot"]


@pytest.fixture
def world(simulator, seed):
    """Comp-AI with Okta and AWS set up; control 3 has a document, unless told otherwise."""

    def start(*, okta=None, summary=SUMMARY, evidence=None, aws_answers=True) -> None:
        simulator.reset(
            seed(TEST, evidence=evidence),
            {
                "okta": OKTA | (okta or {}),
                "aws": {"answers": aws_answers, "region": "eu-north-1", "summary": summary},
            },
        )

    start()
    return start


@pytest.fixture
def context(client, now, world) -> CheckContext:
    return CheckContext(client=client, now=lambda: now)


@pytest.fixture
def always(client, now, world) -> CheckContext:
    return CheckContext(client=client, now=lambda: now, always_collect=True)


@pytest.fixture
def collected(simulator):
    """How often Comp-AI was asked to collect, and how many rows that left."""

    def count() -> tuple[int, int]:
        asked = [entry for entry in simulator.ledger() if entry.operation in COLLECT.values()]
        rows = [r for r in simulator.state()["evidence"] if r["type"].startswith(("okta", "aws"))]
        return len(asked), len(rows)

    return count


@pytest.fixture
def without(world):
    """The world in which AWS's summary lacks these counts."""

    def start(*names: str) -> None:
        world(summary={name: count for name, count in SUMMARY.items() if name not in names})

    return start


class TestOkta:
    @pytest.mark.parametrize(
        ("test_type", "said"),
        [
            (
                "okta_org_summary",
                "Okta answers Comp-AI as organisation 'Example Org' (evidence 2). "
                "MFA not evaluated.",
            ),
            (
                "okta_users_snapshot",
                "Inventory collected: Okta lists 2 users, 1 of them active (evidence 2). "
                "MFA not evaluated.",
            ),
            (
                "okta_groups_snapshot",
                "Inventory collected: Okta lists 2 groups (evidence 2). MFA not evaluated.",
            ),
        ],
    )
    @pytest.mark.parametrize("config", [None, {}, {"note": "x"}])
    def test_what_was_seen_is_a_pass_that_says_what_it_is_not(
        self, row, context, collected, now, test_type, said, config
    ) -> None:
        observed = evaluate(row(test_type, name="Inventory", config=config), context)
        assert (observed.outcome, observed.sentence) == (Outcome.PASS, said)
        assert observed.collected_at == now
        assert collected() == (1, 1)

    @pytest.mark.parametrize(
        ("test_type", "okta", "reason", "said"),
        [
            ("okta_org_summary", {"organisation": ""}, Reason.AMBIGUOUS, "no name"),
            ("okta_users_snapshot", {"users": []}, Reason.AMBIGUOUS, "0 users"),
            ("okta_groups_snapshot", {"groups": []}, Reason.AMBIGUOUS, "0 groups"),
            ("okta_groups_snapshot", {"groups": ["—"]}, Reason.AMBIGUOUS, "names none"),
            (
                "okta_users_snapshot",
                {"users": [{"login": f"u{n}@example.com", "status": "ACTIVE"} for n in range(200)]},
                Reason.TRUNCATED,
                "200 users, as many as one page holds",
            ),
            (
                "okta_groups_snapshot",
                {"groups": [f"Group {n}" for n in range(250)]},
                Reason.TRUNCATED,
                "200 groups, as many as one page holds",
            ),
        ],
    )
    def test_an_empty_or_cut_inventory_never_passes(
        self, row, context, world, test_type, okta, reason, said
    ) -> None:
        world(okta=okta)
        observed = evaluate(row(test_type, name="Inventory", config=None), context)
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, reason)
        assert said in observed.sentence

    def test_a_text_that_nobody_knows_is_malformed(self, row, context, world) -> None:
        world(okta={"organisation": "Example\nOrg"})
        observed = evaluate(row("okta_org_summary", name="Inventory", config=None), context)
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.MALFORMED)

    def test_one_less_than_a_page_is_complete(self, row, context, world) -> None:
        world(okta={"groups": [f"Group {n}" for n in range(199)]})
        observed = evaluate(row("okta_groups_snapshot", name="Inventory", config=None), context)
        assert observed.outcome is Outcome.PASS


class TestPairing:
    @pytest.mark.parametrize(
        "name",
        [
            "MFA is on",
            "Staff use 2FA",
            "okta_mfa",
            "Two-factor sign-in for staff",
            "Multi factor authentication",
            "multifactor",
            "A second factor for everyone",
            "Zwei-Faktor-Anmeldung",
            "Tvåfaktorsinloggning",
            "Passkeys only",
            "WebAuthn enrolment",
            "One-time passwords",
        ],
    )
    @pytest.mark.parametrize("test_type", OKTA_TYPES)
    def test_a_test_that_is_named_after_mfa_is_not_answered_by_an_inventory(
        self, row, context, collected, name, test_type
    ) -> None:
        observed = evaluate(row(test_type, name=name, config=None), context)
        assert (observed.outcome, observed.reason) == (Outcome.NOT_CONFIGURED, Reason.CONFIG)
        for words in (name, test_type, "okta_mfa", "keycloak_mfa"):
            assert words in observed.sentence
        assert collected() == (0, 0)

    @pytest.mark.parametrize("test_type", OKTA_TYPES)
    def test_nor_one_of_a_control_that_is_named_after_mfa(
        self, row, context, simulator, collected, test_type
    ) -> None:
        controls = [{"id": 3, "internal_id": "C-3", "name": "Multi-factor authentication"}]
        evidence = [{"id": 1, "type": "document", "control_id": 3}]
        simulator.reset({"controls": controls, "evidence": evidence}, {"okta": OKTA})
        observed = evaluate(row(test_type, config=None, name="Inventory"), context)
        assert (observed.outcome, observed.reason) == (Outcome.NOT_CONFIGURED, Reason.CONFIG)
        assert observed.sentence == (
            "Not configured: the control is named 'Multi-factor authentication', but test type "
            f"{test_type} carries no data on second factors; give the test the type okta_mfa or "
            "keycloak_mfa."
        )
        assert collected() == (0, 0)

    def test_a_control_that_cannot_be_read_is_no_pass(self, row, context, simulator) -> None:
        simulator.faults(Fault(kind="status", operation="getControl", status=500, count=None))
        with pytest.raises(ServerError):
            evaluate(row("okta_org_summary", config=None, name="Inventory"), context)

    @pytest.mark.parametrize("require", ["phishing_resistant", ["mfa"]])
    def test_nor_one_that_requires_it(self, row, context, collected, require) -> None:
        asked = row("okta_users_snapshot", name="Inventory", config={"require": require})
        observed = evaluate(asked, context)
        assert (observed.outcome, observed.reason) == (Outcome.NOT_CONFIGURED, Reason.CONFIG)
        assert "config.require" in observed.sentence
        assert collected() == (0, 0)

    @pytest.mark.parametrize(
        "name", ["Inventory", "Factory users", "Comfabulation", "Amfas", "Review of 12fa8"]
    )
    def test_other_names_are_fine(self, row, context, name) -> None:
        observed = evaluate(row("okta_users_snapshot", name=name, config=None), context)
        assert observed.outcome is Outcome.PASS


class TestAws:
    def test_a_root_account_with_mfa_passes_and_says_what_is_not_known(
        self, row, context, now, collected
    ) -> None:
        observed = evaluate(row("aws_iam_summary", config=None), context)
        assert observed.outcome is Outcome.PASS
        assert observed.collected_at == now
        assert observed.sentence == (
            "The root user of the AWS account has MFA (evidence 2, region eu-north-1). "
            "Access keys: not evaluated. MFA of the other 12 users: not evaluated."
        )
        assert collected() == (1, 1)

    @pytest.mark.parametrize("value", [0, 2])
    def test_a_root_account_without_mfa_fails(self, row, context, world, now, value) -> None:
        world(summary=SUMMARY | {"AccountMFAEnabled": value})
        observed = evaluate(row("aws_iam_summary", config=None), context)
        assert observed.outcome is Outcome.FAIL
        assert observed.collected_at == now
        assert f"AccountMFAEnabled is {value}, expected 1" in observed.sentence
        # A member account may have no root credentials at all; the text cannot tell.
        assert "managed centrally" in observed.sentence
        assert "exception" in observed.sentence

    def test_a_root_account_with_access_keys_fails(self, row, context, world, simulator) -> None:
        text = "AWS IAM summary: Users=1, AccountMFAEnabled=1, AccountAccessKeysPresent=1. "
        observed = self._of(text + "Region: default.", row, context, world)
        assert observed.outcome is Outcome.FAIL
        assert "AccountAccessKeysPresent is 1, expected 0" in observed.sentence

    def test_with_none_it_passes_and_says_so(self, row, context, world) -> None:
        text = "AWS IAM summary: AccountMFAEnabled=1, AccountAccessKeysPresent=0. "
        observed = self._of(text + "Region: default.", row, context, world)
        assert observed.outcome is Outcome.PASS
        assert "has MFA and no access keys" in observed.sentence

    def test_a_dash_for_access_keys_is_not_none(self, row, context, world) -> None:
        text = "AWS IAM summary: AccountMFAEnabled=1, AccountAccessKeysPresent=—. "
        observed = self._of(text + "Region: default.", row, context, world)
        assert observed.outcome is Outcome.PASS
        assert "Access keys: not evaluated" in observed.sentence

    def test_a_dash_is_an_error(self, row, context, without) -> None:
        without("AccountMFAEnabled")
        observed = evaluate(row("aws_iam_summary", config=None), context)
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.AMBIGUOUS)
        assert "does not tell AccountMFAEnabled" in observed.sentence

    def test_dashes_elsewhere_are_none_of_our_business(self, row, context, without) -> None:
        without("Users", "Groups", "Roles", "MFADevicesInUse")
        observed = evaluate(row("aws_iam_summary", config=None), context)
        assert observed.outcome is Outcome.PASS
        assert "MFA of the other users: not evaluated" in observed.sentence

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("AWS IAM summary: Users=1, Groups=1. Region: default.", Reason.AMBIGUOUS),
            ("AWS IAM summary: AccountMFAEnabled=true. Region: default.", Reason.MALFORMED),
            ("Four users, every console user has a second factor.", Reason.MALFORMED),
        ],
    )
    def test_a_text_without_the_key_is_an_error(self, row, context, world, text, reason) -> None:
        observed = self._of(text, row, context, world)
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, reason)

    @staticmethod
    def _of(text, row, context, world):
        """The outcome of a text that an earlier try of this run had collected."""
        world(
            evidence=[
                {
                    "id": 1,
                    "control_id": 3,
                    "type": "aws_iam_summary",
                    "source": "aws:iam:default",
                    "description": text,
                    "collected_at": "2026-11-25T00:00:00Z",
                }
            ]
        )
        retry = CheckContext(
            client=context.client,
            now=context.now,
            reuse_since=context.now().replace(hour=0),
        )
        return evaluate(row("aws_iam_summary", config=None), retry)


class TestCollecting:
    @pytest.mark.parametrize("test_type", [*OKTA_TYPES, "aws_iam_summary"])
    def test_nothing_for_a_control_without_evidence(
        self, row, context, world, collected, test_type
    ) -> None:
        world(evidence=[])
        observed = evaluate(row(test_type, name="Inventory", config=None), context)
        assert (observed.outcome, observed.reason) == (
            Outcome.NOT_CONFIGURED,
            Reason.NO_EVIDENCE_YET,
        )
        assert collected() == (0, 0)

    @pytest.mark.parametrize(
        ("test_type", "world_of"),
        [
            ("okta_groups_snapshot", {"okta": {"groups": []}}),
            ("okta_users_snapshot", {"okta": {"users": []}}),
            ("okta_org_summary", {"okta": {"organisation": ""}}),
            ("aws_iam_summary", {"summary": SUMMARY | {"AccountMFAEnabled": 0}}),
            ("aws_iam_summary", {"summary": {"Users": 1}}),
        ],
    )
    def test_a_bad_row_that_closes_the_gap_is_told(
        self, row, always, world, test_type, world_of
    ) -> None:
        world(evidence=[], **world_of)
        observed = evaluate(row(test_type, name="Inventory", config=None), always)
        assert observed.outcome in (Outcome.ERROR, Outcome.FAIL)
        assert observed.hides_gap
        assert "keeps the control out of the gap list" in observed.sentence

    @pytest.mark.parametrize("test_type", OKTA_TYPES)
    def test_not_set_up_in_comp_ai(self, row, context, world, collected, test_type) -> None:
        world(okta={"domain": ""})
        observed = evaluate(row(test_type, name="Inventory", config=None), context)
        assert (observed.outcome, observed.reason) == (
            Outcome.NOT_CONFIGURED,
            Reason.INTEGRATION,
        )
        assert "Okta integration not configured" in observed.sentence
        assert collected() == (1, 0)

    def test_missing_credentials_of_aws_are_an_outage_like_any_other(
        self, row, context, world, collected
    ) -> None:
        world(aws_answers=False)
        observed = evaluate(row("aws_iam_summary", config=None), context)
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.UPSTREAM_5XX)
        assert "asking Comp-AI about AWS IAM" in observed.sentence
        assert "the same where it has no credentials for AWS" in observed.sentence
        assert collected() == (2, 0)

    @pytest.mark.parametrize(
        ("test_type", "system"), [("okta_users_snapshot", "okta"), ("aws_iam_summary", "aws")]
    )
    def test_an_answer_that_got_lost_is_looked_for_and_not_repeated(
        self, row, context, simulator, collected, test_type, system
    ) -> None:
        simulator.faults(Fault(kind="reset", operation=COLLECT[system], when="after"))
        observed = evaluate(row(test_type, name="Inventory", config=None), context)
        assert observed.outcome is Outcome.PASS
        assert collected() == (1, 1)
