"""What Slack is sent: within its limits, nothing that pages anybody by accident."""

from __future__ import annotations

import json
import re

import pytest

from compai_dags.message import Line, Message, Section, render_text
from compai_dags.slack_format import escape, plain_payload, slack_payload

NAME = "Zugriff & <Rechte> ".ljust(300, "x")
LINK = (
    "https://airflow.example/dags/comp_ai_alerts/runs/r/tasks/send_alert?try_number=1&map_index=-1"
)


def section(title: str, lines: int, text: str = NAME) -> Section:
    return Section(
        title=title,
        lines=tuple(Line(text=f"{number} {text}", key=str(number)) for number in range(lines)),
    )


def message(*sections: Section, notes=(), link: str | None = LINK) -> Message:
    return Message(
        title="Compliance status 2026-11-25",
        headline="30 failing · 30 gaps — 0 of 60 tests verified on schedule",
        sections=sections,
        notes=tuple(notes),
        is_open=True,
        link=link,
    )


def texts(payload: dict) -> list[str]:
    return [block["text"]["text"] for block in payload["blocks"]]


class TestLimits:
    @pytest.mark.parametrize("sections", [1, 2, 12])
    @pytest.mark.parametrize("link", [LINK, None])
    def test_thirty_long_names_fit(self, sections, link) -> None:
        parts = [section(f"Section {number}", 30) for number in range(sections)]
        payload = slack_payload(message(*parts, notes=[NAME] * 30, link=link), {})
        assert len(payload["blocks"]) <= 45
        assert max(map(len, texts(payload))) <= 2_900
        assert sum(map(len, texts(payload))) <= 12_000
        assert len(payload["text"]) <= 3_000
        assert len(payload["blocks"][0]["text"]["text"]) <= 150

    def test_every_section_is_there_and_tells_what_is_missing(self) -> None:
        parts = [section(f"Section {number}", 30) for number in range(12)]
        for number, text in enumerate(texts(slack_payload(message(*parts), {}))[2:]):
            title, *lines = text.split("\n")
            assert title == f"*Section {number} (30)*"
            shown = [line for line in lines if line.startswith("• ")]
            assert f"… and {30 - len(shown)} more" in lines[-1]
            assert "|full text>" in lines[-1]

    def test_lines_are_cut_whole(self) -> None:
        payload = slack_payload(message(section("Failing", 30, "n" * 300)), {})
        lines = texts(payload)[2].split("\n")[1:-1]
        assert {len(line) for line in lines} <= {304, 305}

    def test_what_fits_is_not_cut(self) -> None:
        payload = slack_payload(message(section("Failing", 3, "short")), {})
        assert texts(payload)[2] == "*Failing (3)*\n• 0 short\n• 1 short\n• 2 short"

    def test_the_log_has_everything(self) -> None:
        lines = render_text(message(section("Failing", 30), notes=["A note."]))
        assert len(lines) == 2 + 31 + 1

    def test_one_endless_line_is_cut(self) -> None:
        payload = slack_payload(message(section("Failing", 1, "&" * 5_000)), {})
        text = texts(payload)[2]
        assert len(text) < 1_000
        assert re.fullmatch(r"\*Failing \(1\)\*\n• 0 (&amp;)+…", text)


class TestEscaping:
    def test_a_test_named_channel_pages_nobody(self) -> None:
        line = Line(text="<!channel> & <@U1> <https://x|y>", key="1")
        parts = message(Section(title="<!here>", lines=(line,)), notes=["<!everyone>"])
        for payload in (slack_payload(parts, {}), plain_payload(parts)):
            text = json.dumps(payload).replace(LINK.replace("&", "&amp;"), "")
            assert "<!" not in text
            assert "<@" not in text
            assert "&lt;!channel&gt; &amp; &lt;@U1&gt;" in text

    def test_blocks_are_verbatim(self) -> None:
        payload = slack_payload(message(section("Failing", 1)), {})
        assert all(block["text"]["verbatim"] for block in payload["blocks"][1:])

    def test_entities_are_never_cut_in_two(self) -> None:
        for limit in range(1, 40):
            text = escape("a&b<c>d" * 9, limit=limit)
            assert len(text) <= limit
            assert re.fullmatch(r"([abcd]|&amp;|&lt;|&gt;)*…?", text)

    def test_short_text_stays(self) -> None:
        assert escape("plain") == "plain"
        assert escape("x" * 600) == "x" * 600


class TestMentions:
    LINES = (
        Line(text="control 2", key="2", owner="Kim Example"),
        Line(text="control 3", key="3", owner="<!channel>"),
    )

    def test_only_from_the_map(self) -> None:
        payload = slack_payload(
            message(Section(title="Overdue", lines=self.LINES)), {"Kim Example": "U012ABC"}
        )
        assert texts(payload)[2] == (
            "*Overdue (2)*\n• control 2 <@U012ABC>\n• control 3 (&lt;!channel&gt;)"
        )

    def test_the_fallback_mentions_nobody(self) -> None:
        text = plain_payload(message(Section(title="Overdue", lines=self.LINES)))["text"]
        assert "<@" not in text
        assert "control 2 (Kim Example)" in text
