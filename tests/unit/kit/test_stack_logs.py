"""Task logs as plain lines."""

from compai_kit.airflow_stack.logs import plain_lines, tail, texts_in


def test_events_become_lines_without_group_markers() -> None:
    content = [
        {"event": "::group::Pre Execute", "level": "info"},
        {"event": "loading"},
        {"event": "::endgroup::"},
        {"event": "first\nsecond", "level": "info", "logger": "task.stdout"},
    ]

    assert plain_lines(content) == ["loading", "first", "second"]


def test_log_locations_are_left_out_in_the_form_of_either_version() -> None:
    as_in_3_3 = [
        {"event": "::group::Log message source details"},
        {"event": "/logs/attempt=1.log"},
        {"event": "::endgroup::"},
        {"event": "work"},
    ]
    as_in_3_1 = [
        {"event": "::group::Log message source details", "sources": ["/logs/attempt=1.log"]},
        {"event": "::endgroup::"},
        {"event": "work"},
    ]

    assert plain_lines(as_in_3_3) == plain_lines(as_in_3_1) == ["work"]


def test_a_log_that_was_not_found_tells_where_airflow_looked() -> None:
    content = [
        {"event": "::group::Log message source details"},
        {"event": "Could not read served logs: refused"},
        {"event": "::endgroup::"},
    ]

    assert plain_lines(content) == ["Could not read served logs: refused"]


def test_every_exception_of_a_chain_gets_a_line() -> None:
    content = [
        {
            "event": "Task failed with exception",
            "error_detail": [
                {"exc_type": "RuntimeError", "exc_value": "outer", "frames": []},
                {"exc_type": "ValueError", "exc_value": "inner", "frames": []},
            ],
        }
    ]

    assert plain_lines(content) == [
        "Task failed with exception",
        "RuntimeError: outer",
        "ValueError: inner",
    ]


def test_plain_strings_are_lines_too() -> None:
    assert plain_lines(["one\ntwo"]) == ["one", "two"]


def test_tail_keeps_the_end() -> None:
    assert tail(["a", "b", "c"], 2) == "b\nc"


def test_every_text_of_a_value_is_there_unescaped() -> None:
    value = {"event": 'said "so"\\', "frames": [{"lineno": 3}, None, True]}

    assert texts_in(value).split() == ["event", "said", '"so"\\', "frames", "lineno", "3", "True"]
