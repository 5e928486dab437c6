"""How every method makes its call: build it, run it, decode the answer or raise its error.

How a call ends is decided in `_failures`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import msgspec
from requests.adapters import BaseAdapter

from compai_client._auth import Auth, tokens_for
from compai_client._base_url import Target
from compai_client._decoding import ShapeError, decode, decode_or_null, decode_rows
from compai_client._failures import not_sendable, usable_answer, wrong_shape
from compai_client._masking import Masker
from compai_client._models import BadRow
from compai_client._operations import Operation, url_path
from compai_client._settings import ClientSettings, check_prefix, check_url
from compai_client._transport import Call, Transport

OnBadRow = Callable[[BadRow], None]
Shape = TypeVar("Shape")
Read = TypeVar("Read")

NONE: Mapping[str, Any] = MappingProxyType({})


class Calls:
    """One target, one session, one source of tokens; threads may share them."""

    def __init__(
        self,
        target: Target,
        *,
        auth: Auth,
        caller: str | None,
        trace_context: Mapping[str, str],
        settings: ClientSettings,
        adapter: BaseAdapter | None,
    ) -> None:
        check_url("base_url", target.base_url)
        check_prefix("api_prefix", target.api_prefix)
        self._target = target
        self._settings = settings
        self._mask = Masker()
        self._transport = Transport(
            settings, caller=caller, trace_context=trace_context, adapter=adapter
        )
        self._tokens = tokens_for(auth, self._transport, self._mask)

    def __repr__(self) -> str:
        return f"<CompAI {self._target}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _one(
        self,
        operation: Operation[Shape],
        ids: Mapping[str, int] = NONE,
        *,
        target: Target | None = None,
    ) -> Shape:
        call = self._call(operation, ids, target=target)
        return self._ask(operation, call, lambda body: decode(body, operation.shape))

    def _one_or_none(self, operation: Operation[Shape], ids: Mapping[str, int]) -> Shape | None:
        call = self._call(operation, ids)
        return self._ask(operation, call, lambda body: decode_or_null(body, operation.shape))

    def _rows(
        self,
        operation: Operation[Shape],
        ids: Mapping[str, int],
        query: Mapping[str, int | str | None],
        on_bad_row: OnBadRow | None,
    ) -> list[Shape]:
        call = self._call(operation, ids, query)
        return self._ask(
            operation, call, lambda body: decode_rows(body, operation.shape, on_bad_row)
        )

    def _post(
        self, operation: Operation[Shape], ids: Mapping[str, int], body: msgspec.Struct
    ) -> Shape:
        call = self._call(operation, ids)
        try:
            call = replace(call, body=msgspec.json.encode(body), content_type="application/json")
        except UnicodeEncodeError:
            raise not_sendable(call) from None
        return self._ask(operation, call, lambda answer: decode(answer, operation.shape))

    def _call(
        self,
        operation: Operation[Any],
        ids: Mapping[str, int] = NONE,
        query: Mapping[str, int | str | None] = NONE,
        *,
        target: Target | None = None,
    ) -> Call:
        target = target or self._target
        path = url_path(operation.path, target.api_prefix).format(**ids)
        call = Call(
            operation=operation.id,
            method=operation.method,
            url=f"{target.base_url.rstrip('/')}{path}",
            retry=operation.retry,
            timeout_s=self._settings.read_timeout_s or operation.timeout_s,
            budget_s=self._settings.budget_s,
        )
        try:
            given = urlencode({name: value for name, value in query.items() if value is not None})
        except UnicodeEncodeError:
            raise not_sendable(call) from None
        return replace(call, url=f"{call.url}?{given}") if given else call

    def _ask(self, operation: Operation[Any], call: Call, read: Callable[[bytes], Read]) -> Read:
        exchange = self._transport.run(call, self._tokens if operation.token else None)
        answer = usable_answer(
            call, exchange, success=operation.success, settings=self._settings, mask=self._mask
        )
        try:
            return read(answer.body)
        except ShapeError as problem:
            raise wrong_shape(call, exchange, problem) from None
