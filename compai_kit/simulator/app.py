"""The simulator as one WSGI application: Comp-AI, Keycloak, Slack and the admin API side by side,
faults in front, a ledger behind.

A wrong twin subclasses `SimulatorApp` and overrides `perform`; the gate must notice every such
twin.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.contract.load import Contract
from compai_kit.simulator import admin, keycloak_http, slack
from compai_kit.simulator.answers import empty_answer, error_answer, without_body
from compai_kit.simulator.faults import (
    ON_THE_WIRE,
    Fault,
    FaultBoard,
    FaultError,
    replacement,
    spoiled,
)
from compai_kit.simulator.keycloak import Keycloak
from compai_kit.simulator.ledger import Ledger, LedgerEntry, Noted
from compai_kit.simulator.operations import OPERATIONS
from compai_kit.simulator.operations.call import Call
from compai_kit.simulator.ratelimit import RateLimit, caller_key
from compai_kit.simulator.seed import dump_state, load_seed
from compai_kit.simulator.service import Service, bearer_token, with_cors
from compai_kit.simulator.settings import DEFAULTS, build_settings, merged
from compai_kit.simulator.slack import SlackMessage
from compai_kit.simulator.systems import SystemCall
from compai_kit.simulator.systems.registry import SYSTEMS, check_systems, secrets_of, system_of
from compai_kit.simulator.target import Target, target_of
from compai_kit.simulator.times import format_time, utcnow
from compai_kit.simulator.upstreams.check import check_upstreams
from compai_kit.simulator.verdict import answer_violations, call_violations, own_contract
from compai_kit.simulator.wire import ENVIRON_KEY, send_oddly
from compai_kit.simulator.wsgi import (
    AlreadyAnsweredError,
    ConnectionCutError,
    dated,
    read_request,
    write_response,
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer, and how it gets to the caller.

    `going_on` turns false when the simulator starts again.
    """

    response: HttpResponse | None
    fault: Fault | None
    going_on: Callable[[], bool]

    @property
    def is_odd(self) -> bool:
        return self.fault is not None and self.fault.kind in ON_THE_WIRE


class SimulatorApp:
    """Thread-safe: one call is processed at a time, only waiting happens side by side."""

    def __init__(
        self,
        seed: Mapping[str, Any],
        settings: Mapping[str, Any] | None = None,
        *,
        clock: Callable[[], datetime] = utcnow,
        contract: Contract | None = None,
        sleep: Callable[[float], None] = time.sleep,
        admin_from_anywhere: bool = False,
    ) -> None:
        self._first_seed = seed
        self._first_settings = merged(DEFAULTS, settings)
        self._clock = clock
        self._contract = own_contract() if contract is None else contract
        self._sleep = sleep
        self._admin_from_anywhere = admin_from_anywhere
        self._lock = threading.RLock()
        self._resets = 0
        self.reset()

    def reset(
        self, seed: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> None:
        """Starts again.

        None is what the process was started with; settings are merged over those.
        """
        built = build_settings(merged(self._first_settings, settings))
        check_upstreams(built)
        check_systems(built.systems)
        database = load_seed(
            self._first_seed if seed is None else seed,
            now=self._clock(),
            has_schema=built.has_schema,
        )
        with self._lock:
            self.service = Service(
                settings=built,
                database=database,
                keycloak=Keycloak(built),
                rate_limit=RateLimit(built.rate_limit),
                perform=self.perform,
            )
            self._ledger = Ledger((*built.secrets, *secrets_of(built.systems)))
            self._memory: dict[str, dict[str, Any]] = {name: {} for name in SYSTEMS}
            self._faults = FaultBoard()
            self._slack: list[SlackMessage] = []
            self._resets += 1

    def perform(self, call: Call) -> HttpResponse:
        """Runs one operation of Comp-AI whose parameters and token are in order."""
        return OPERATIONS[call.operation_id].handler(call)

    def set_faults(self, *faults: Fault) -> None:
        """Raises FaultError for a fault that could do nothing under these settings."""
        with self._lock:
            limited = self.service.settings.rate_limit is not None
            if not limited and any(fault.kind == "rate_limit_used_up" for fault in faults):
                msg = "fault rate_limit_used_up: without settings.rate_limit nothing is used up"
                raise FaultError(msg)
            self._faults = FaultBoard(faults)

    def ledger_entries(self) -> list[LedgerEntry]:
        with self._lock:
            return self._ledger.entries()

    def stored(self) -> dict[str, Any]:
        with self._lock:
            return dump_state(self.service.database, now=self._clock())

    def slack_messages(self) -> list[SlackMessage]:
        with self._lock:
            return list(self._slack)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = read_request(environ)
        if request.url_path.startswith(admin.PREFIX):
            answer = self._administer(request, environ.get("REMOTE_ADDR", ""))
            return write_response(dated(answer, self._clock()), start_response)
        delivery = self.deliver(request)
        wire = environ.get(ENVIRON_KEY)
        if delivery.is_odd and wire is not None and delivery.fault is not None:
            if send_oddly(delivery.fault, delivery.response, wire, delivery.going_on):
                raise AlreadyAnsweredError
            raise ConnectionCutError
        if delivery.response is None:
            raise ConnectionCutError
        return write_response(delivery.response, start_response)

    def _administer(self, request: HttpRequest, peer: str) -> HttpResponse:
        if not (self._admin_from_anywhere or admin.is_loopback(peer)):
            return error_answer(403, "the admin API answers loopback callers only")
        return admin.answer(request, self)

    def handle(self, request: HttpRequest) -> HttpResponse | None:
        """The answer to a call, or None if there is none."""
        return self.deliver(request).response

    def deliver(self, request: HttpRequest) -> Delivery:
        """The answer to a call, and the fault that decides how it gets to the caller."""
        target = target_of(request)
        with self._lock:
            fault = self._faults.take(target.operation, is_api=target.is_api)
            resets = self._resets
        if fault is not None and fault.kind == "slow" and fault.when == "before":
            self._sleep(fault.wait_s)
        with self._lock:
            if resets != self._resets:
                # A call that was still waiting belongs to a world that is gone.
                return Delivery(None, None, lambda: False)
            now = self._now(fault)
            response = self._judged(request, target, fault, now)
        if fault is not None and fault.kind == "slow" and fault.when == "after":
            self._sleep(fault.wait_s)
        answer = None if response is None else dated(response, now)
        return Delivery(answer, fault, lambda: resets == self._resets)

    def _now(self, fault: Fault | None) -> datetime:
        skewed = fault is not None and fault.kind == "clock_skew"
        return self._clock() + timedelta(seconds=fault.skew_s if skewed and fault else 0)

    def _judged(
        self, request: HttpRequest, target: Target, fault: Fault | None, now: datetime
    ) -> HttpResponse | None:
        if fault is not None and fault.when == "before":
            self._disturb(request, fault, now)
        token = self.service.token_verdict(request, now=now) if target.is_api else None
        response = self._answered(request, target, fault, now)
        if fault is not None and fault.when == "after":
            self._disturb(request, fault, now)
        if target.system == "slack":
            status = None if response is None else response.status
            self._slack.append(slack.message(request, status=status, now=now))
        judge_answer = target.is_api and fault is None
        self._ledger.note(
            Noted(
                at=format_time(now),
                operation=target.operation,
                request=request,
                response=response,
                token=token,
                stored=self.service.database.drain_journal(),
                fault=None if fault is None else fault.kind,
                request_violations=call_violations(self._contract, request)
                if target.is_api
                else [],
                response_violations=answer_violations(self._contract, request, response)
                if judge_answer
                else [],
            )
        )
        return response

    def _disturb(self, request: HttpRequest, fault: Fault, now: datetime) -> None:
        """What happens to the world around a call."""
        match fault.kind:
            case "token_expiry":
                self.service.keycloak.kill_all()
            case "token_revoked":
                self.service.keycloak.revoke(bearer_token(request) or "")
            case "rate_limit_used_up":
                self.service.rate_limit.use_up(caller_key(request.headers), now)

    def _answered(
        self, request: HttpRequest, target: Target, fault: Fault | None, now: datetime
    ) -> HttpResponse | None:
        """Processes the call unless a fault replaces it; the fault has the last word."""
        response: HttpResponse | None = None
        if fault is None or not fault.replaces_call:
            response = self._processed(request, target, now)
        if fault is not None and fault.is_silent:
            return None
        if fault is not None and fault.spoils_answer:
            response = self._spoiled(request, fault, target, response)
        if response is not None and request.method == "HEAD":
            return without_body(response)
        return response

    def _processed(self, request: HttpRequest, target: Target, now: datetime) -> HttpResponse:
        match target.system:
            case "keycloak":
                return keycloak_http.answer(request, self.service.keycloak, now=now)
            case "slack":
                return slack.answer(request)
            case "other":
                return self._of_another_system(request, now)
            case "comp-ai":
                return self.service.respond(request, now=now)

    def _of_another_system(self, request: HttpRequest, now: datetime) -> HttpResponse:
        system = system_of(request.url_path)
        if system is None:
            return empty_answer(404)
        return system.answer(
            SystemCall(
                request=request,
                path=request.url_path.removeprefix(system.prefix) or "/",
                base_url=f"http://{request.headers.get('host', 'localhost')}{system.prefix}",
                settings=self.service.settings.systems.get(system.name, {}),
                memory=self._memory[system.name],
                keycloak=self.service.keycloak,
                now=now,
                hide=self._ledger.hide,
            )
        )

    def _spoiled(
        self, request: HttpRequest, fault: Fault, target: Target, response: HttpResponse | None
    ) -> HttpResponse:
        if response is not None and not fault.replaces_answer:
            return spoiled(fault, response)
        login_url = keycloak_http.login_url(request, self.service.keycloak.realm)
        answer = replacement(fault, window_s=self.service.window_s, login_url=login_url)
        # HTML comes from a proxy in front, which knows nothing of Comp-AI's headers.
        of_a_proxy = fault.kind in ("html", "redirect")
        return with_cors(answer) if target.is_api and not of_a_proxy else answer


def create_app(
    seed: Mapping[str, Any],
    settings: Mapping[str, Any] | None = None,
    *,
    clock: Callable[[], datetime] = utcnow,
    contract: Contract | None = None,
) -> SimulatorApp:
    """Raises SeedError or SettingsError. A twin's factory has the same signature."""
    return SimulatorApp(seed, settings, clock=clock, contract=contract)
