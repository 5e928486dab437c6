"""Ports that are free now and not handed out by the system meanwhile."""

import socket

import pytest

from compai_kit.airflow_stack import ports
from compai_kit.airflow_stack.ports import free_port


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))


def test_a_port_in_use_and_the_one_already_chosen_are_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen()
        used = listener.getsockname()[1]
        candidates = iter([used, used + 1, used + 2])
        monkeypatch.setattr(ports.random, "randint", lambda *_: next(candidates))

        assert free_port(but=used + 1) == used + 2


def test_when_no_port_is_free_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen()
        used = listener.getsockname()[1]
        monkeypatch.setattr(ports.random, "randint", lambda *_: used)

        with pytest.raises(OSError, match=r"no free port on 127\.0\.0\.1"):
            free_port()
