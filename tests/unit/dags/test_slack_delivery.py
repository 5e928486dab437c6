"""What Slack answers, and what is done about it."""

from __future__ import annotations

import pytest

from compai_dags.slack_delivery import SlackRefusedError, SlackUnavailableError, deliver
from compai_kit.simulator.control import Fault

BLOCKS = {"text": "plain", "blocks": [{"type": "section"}]}
PLAIN = {"text": "plain"}
PATH = "/slack/services/T000/B000/not-a-secret"


@pytest.fixture
def post(simulator):
    """Deliver to the simulator's Slack; the waits that were asked for."""

    def post(*faults: Fault) -> list[float]:
        simulator.faults(*faults)
        waits: list[float] = []
        deliver(simulator.url + PATH, BLOCKS, PLAIN, sleep=waits.append)
        return waits

    return post


@pytest.fixture
def sent(simulator):
    return lambda: [message.payload for message in simulator.slack_messages()]


def slack(status: int, body: str, **over) -> Fault:
    return Fault(kind="status", operation="slack", status=status, body=body, **over)


def test_ok_is_delivered(post, sent) -> None:
    assert post() == []
    assert sent() == [BLOCKS]


class TestTriedAgain:
    def test_429_waits_as_told(self, post, sent) -> None:
        assert post(slack(429, "rate_limited", headers={"Retry-After": "7"})) == [7.0]
        assert sent() == [BLOCKS, BLOCKS]

    @pytest.mark.parametrize(
        ("header", "wait_s"), [("3600", 60.0), ("0", 1.0), ("soon", 2.0), ("-5", 2.0)]
    )
    def test_within_reason(self, post, header, wait_s) -> None:
        assert post(slack(429, "rate_limited", headers={"Retry-After": header})) == [wait_s]

    @pytest.mark.parametrize(
        "fault",
        [
            slack(500, "oops"),
            slack(503, "oops"),
            Fault(kind="reset", operation="slack"),
        ],
    )
    def test_5xx_and_silence(self, post, sent, fault) -> None:
        assert post(fault) == [2.0]
        assert sent()[-1] == BLOCKS

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (slack(429, "rate_limited", count=None), "HTTP 429 3 times"),
            (slack(500, "oops", count=None), "HTTP 500 3 times"),
            (Fault(kind="reset", operation="slack", count=None), "ConnectionError 3 times"),
        ],
    )
    def test_but_not_for_ever(self, post, sent, fault, words) -> None:
        with pytest.raises(SlackUnavailableError, match=words):
            post(fault)
        assert len(sent()) == 3


class TestRefused:
    def test_a_redirect_is_not_followed(self, post, sent, simulator) -> None:
        """A login page at the end of it would answer 200."""
        elsewhere = f"{simulator.url}/slack/services/T000/B000/elsewhere"
        with pytest.raises(SlackRefusedError, match="302"):
            post(slack(302, "", headers={"Location": elsewhere}, count=1))
        assert len(sent()) == 1

    @pytest.mark.parametrize(
        "word",
        ["invalid_payload", "invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"],
    )
    def test_refused_blocks_are_sent_as_text_once(self, post, sent, word) -> None:
        assert post(slack(400, word)) == []
        assert sent() == [BLOCKS, PLAIN]

    def test_and_no_more_than_once(self, post, sent) -> None:
        with pytest.raises(SlackRefusedError, match="HTTP 400 'invalid_blocks'"):
            post(slack(400, "invalid_blocks", count=None))
        assert sent() == [BLOCKS, PLAIN]

    @pytest.mark.parametrize(
        ("status", "word", "hint"),
        [
            (403, "action_prohibited", "an administrator of the workspace"),
            (403, "invalid_token", "create a new one and set SLACK_WEBHOOK_URL"),
            (404, "channel_not_found", "create a webhook for another one"),
            (404, "no_service", "disabled or removed: create a new one"),
            (404, "no_active_hooks", "disabled: create a new one"),
            (410, "channel_is_archived", "unarchive the channel"),
            (400, "no_text", "check the webhook in SLACK_WEBHOOK_URL"),
            (302, "found", "check the webhook"),
            (200, "fine", "check the webhook"),
        ],
    )
    def test_what_stays_refused_is_not_repeated_and_has_a_hint(
        self, post, sent, status, word, hint
    ) -> None:
        with pytest.raises(SlackRefusedError) as raised:
            post(slack(status, word))
        assert hint in str(raised.value)
        assert f"HTTP {status} {word!r}" in str(raised.value)
        assert len(sent()) == 1


@pytest.mark.parametrize(
    "fault",
    [
        slack(404, f"<html>nothing at {PATH}</html>", count=None),
        slack(500, PATH, count=None),
        Fault(kind="reset", operation="slack", count=None),
        Fault(kind="html", operation="slack", count=None),
    ],
)
def test_the_webhook_is_in_no_message_and_no_log_of_ours(post, fault, caplog) -> None:
    with pytest.raises((SlackRefusedError, SlackUnavailableError)) as raised:
        post(fault)
    assert "not-a-secret" not in str(raised.value)
    assert raised.value.__cause__ is None
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("compai_dags")]
    assert "not-a-secret" not in " ".join(ours)
