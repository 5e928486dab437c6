"""What Slack is sent: within its limits, nothing that pages anybody by accident."""

from __future__ import annotations

import json
import re

import pytest

from compai_dags.message import Line, Message, Section, render_text
from compai_dags.slack_format import escape, plain_payload, size_of, slack_payload

NAME = "Zugriff & <Rechte> ".ljust(300, "x")
LINK = (
    "https://airflow.example/dags/comp_ai_alerts/runs/r/tasks/send_alert?try_number=1&map_index=-1"
)


def section(title: str, lines: int, text: str = NAME) -> Section:
    return Section(
        title=title,
        lines=tuple(Line(text=f"{number} {text}", key=str(number)) for number in range(lines)),
    )


def message(*sections: Section, notes=(), lead=(), link: str | None = LINK) -> Message:
    return Message(
        title="Compliance status 2026-11-25",
        headline="30 failing · 30 gaps — 0 of 60 tests verified on schedule",
        lead=tuple(lead),
        sections=sections,
        notes=tuple(notes),
        is_open=True,
        link=link,
    )


def texts(payload: dict) -> list[str]:
    """The text of every block."""
    return [
        block["text"]["text"] if "text" in block else block["elements"][0]["text"]
        for block in payload["blocks"]
    ]


def sections_of(payload: dict) -> list[str]:
    """Those of the message's sections, without the headline."""
    found = [block["text"]["text"] for block in payload["blocks"] if block["type"] == "section"]
    return found[1:]


def assert_within_limits(payload: dict) -> None:
    assert len(payload["blocks"]) <= 45
    assert max(map(size_of, texts(payload))) <= 2_900
    assert sum(map(size_of, texts(payload))) <= 12_000
    assert size_of(payload["text"]) <= 3_000
    assert size_of(payload["blocks"][0]["text"]["text"]) <= 150
    assert all(text.strip() for text in texts(payload)), "Slack refuses an empty block"


class TestLimits:
    @pytest.mark.parametrize("sections", [0, 1, 2, 12, 19, 60])
    @pytest.mark.parametrize("link", [LINK, "https://airflow.example/" + "x" * 200, None])
    @pytest.mark.parametrize(
        "name", [NAME, "😀" * 300, "&" * 300], ids=["plain", "wide", "escaped"]
    )
    def test_thirty_long_names_fit(self, sections, link, name) -> None:
        parts = [section(f"Section {number}", 30, name) for number in range(sections)]
        payload = slack_payload(message(*parts, notes=[name] * 30, lead=[name] * 9, link=link), {})
        assert_within_limits(payload)

    def test_every_section_is_there_and_tells_what_is_missing(self) -> None:
        parts = [section(f"Section {number}", 30) for number in range(12)]
        for number, text in enumerate(sections_of(slack_payload(message(*parts), {}))):
            title, *lines = text.split("\n")
            assert title == f"*Section {number} (30)*"
            shown = [line for line in lines if line.startswith("• ")]
            assert shown, "no section is only a number"
            assert lines[-1].startswith(f"… and {30 - len(shown)} more")
            assert lines[-1].endswith("|full text>)")

    def test_the_first_sections_get_what_is_left(self) -> None:
        parts = [section(f"Section {number}", 30) for number in range(8)]
        sizes = [len(text) for text in sections_of(slack_payload(message(*parts), {}))]
        assert sizes[0] > 2_400
        assert sizes == sorted(sizes, reverse=True)
        assert min(sizes) > 350

    def test_what_a_short_section_does_not_need_goes_to_the_others(self) -> None:
        payload = slack_payload(message(section("A", 1, "short"), section("B", 30)), {})
        assert len(sections_of(payload)[1]) > 2_500

    def test_sections_beyond_what_slack_takes_are_told(self) -> None:
        payload = slack_payload(message(*(section(f"S{n}", 1, "x") for n in range(60))), {})
        assert "… and 19 more sections, beginning with “S41”" in texts(payload)[-2]

    def test_lines_are_cut_whole(self) -> None:
        payload = slack_payload(message(section("Failing", 30, "n" * 300)), {})
        lines = sections_of(payload)[0].split("\n")[1:-1]
        assert {len(line) for line in lines} <= {304, 305}

    def test_what_fits_is_not_cut(self) -> None:
        payload = slack_payload(message(section("Failing", 3, "short")), {})
        assert sections_of(payload)[0] == "*Failing (3)*\n• 0 short\n• 1 short\n• 2 short"

    def test_the_log_has_everything(self) -> None:
        lines = render_text(message(section("Failing", 30), notes=["A note."], lead=["Lead."]))
        assert len(lines) == 3 + 31 + 1

    def test_one_endless_line_is_cut(self) -> None:
        payload = slack_payload(message(section("Failing", 1, "&" * 5_000)), {})
        text = sections_of(payload)[0]
        assert len(text) < 1_000
        assert re.fullmatch(r"\*Failing \(1\)\*\n• 0 (&amp;)+…", text)


class TestLayout:
    def test_headline_and_lead_come_first_notes_and_link_last(self) -> None:
        payload = slack_payload(
            message(section("Failing", 1, "x"), lead=["Recovered."], notes=["Attested: 1."]), {}
        )
        assert [block["type"] for block in payload["blocks"]] == [
            "header", "section", "section", "context", "context",
        ]  # fmt: skip
        assert texts(payload)[1] == (
            "*30 failing · 30 gaps — 0 of 60 tests verified on schedule*\nRecovered."
        )
        assert texts(payload)[3] == "Attested: 1."
        assert texts(payload)[4] == f"<{LINK.replace('&', '&amp;')}|full text>"

    @pytest.mark.parametrize(
        "link", [None, "https://airflow.example/" + "x" * 300, "https://airflow.example/a|b"]
    )
    def test_an_address_that_would_be_cut_or_broken_is_left_out(self, link) -> None:
        assert texts(slack_payload(message(link=link), {}))[-1] == "full text in the task's log"

    def test_slack_does_not_open_what_a_name_links_to(self) -> None:
        for payload in (slack_payload(message(), {}), plain_payload(message())):
            assert (payload["unfurl_links"], payload["unfurl_media"]) == (False, False)


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
        shown = [b.get("text") or b["elements"][0] for b in payload["blocks"][1:]]
        assert all(text["verbatim"] for text in shown)

    @pytest.mark.parametrize("character", ["\n", "\r", "\u2028", "\x00", "\x85", "\ud800"])
    def test_a_name_begins_no_line_and_can_be_sent(self, character) -> None:
        assert escape(f"a{character}• forged") == "a • forged"
        escape(character).encode("utf-8")

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
        Line(text="control 2", key="2", tags=("due", "<!here>"), owner="Kim Example"),
        Line(text="control 3", key="3", owner="<!channel>"),
    )

    def test_only_from_the_map(self) -> None:
        part = Section(title="Overdue", lines=self.LINES, calls_owners=True)
        payload = slack_payload(message(part), {"Kim Example": "U012ABC"})
        assert sections_of(payload)[0] == (
            "*Overdue (2)*\n• control 2 [due; &lt;!here&gt;; owner: <@U012ABC>]\n"
            "• control 3 [owner: &lt;!channel&gt;]"
        )

    def test_only_where_there_is_something_to_do_today(self) -> None:
        payload = slack_payload(
            message(Section(title="Still failing", lines=self.LINES)), {"Kim Example": "U012ABC"}
        )
        assert "• control 2 [due; &lt;!here&gt;; owner: Kim Example]" in sections_of(payload)[0]

    def test_the_fallback_mentions_nobody(self) -> None:
        text = plain_payload(message(Section(title="Overdue", lines=self.LINES)))["text"]
        assert "<@" not in text
        assert "control 2 [due; &lt;!here&gt;; owner: Kim Example]" in text
