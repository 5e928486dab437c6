"""What the contract says about a call and its answer, as short lines for the ledger."""

from __future__ import annotations

from functools import cache

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.contract.load import Contract, load_contract
from compai_kit.contract.match import match_operation
from compai_kit.contract.validate import request_violations, response_violations


@cache
def own_contract() -> Contract:
    """The kit's contract, read once per process; tests make many simulators."""
    return load_contract()


def call_violations(contract: Contract, request: HttpRequest) -> list[str]:
    """A call that no operation of the contract answers is a violation too.

    CORS preflight is nobody's call.
    """
    if request.method == "OPTIONS":
        return []
    return [str(violation) for violation in request_violations(contract, request)]


def answer_violations(
    contract: Contract, request: HttpRequest, response: HttpResponse | None
) -> list[str]:
    """Only answers of operations that the contract describes can be judged."""
    operation = match_operation(contract, request.method, request.url_path)
    if response is None or operation is None:
        return []
    found = response_violations(contract, operation.id, response, method=request.method)
    return [str(violation) for violation in found]
