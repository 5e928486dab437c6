"""The Keycloak that the environment names; without one these tests skip, and say what runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from real_keycloak import Check, Keycloak, TryRealm, the_keycloak, try_realm

from compai_client import CompAI, StaticToken
from compai_dags.checks import CheckContext, evaluate
from compai_dags.connection import ConnectionFields
from compai_dags.outcomes import Observation
from compai_dags.rows import Exemption, Row
from compai_dags.stored import NEVER_RUN

HERE = Path(__file__).parent
CLIENTS: dict[str, tuple[str, ...]] = {
    "viewer": ("view-users",),
    "querier": ("query-users",),
    "nobody": (),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these need a Keycloak; what stops it comes last."""
    mine = [item for item in items if HERE in item.path.parents]
    for item in mine:
        item.add_marker(pytest.mark.requires_keycloak)
    items.sort(key=lambda item: item.get_closest_marker("stops_keycloak") is not None)


@pytest.fixture(scope="session")
def keycloak() -> Keycloak:
    return the_keycloak()


@pytest.fixture(scope="session")
def realm_with(keycloak: Keycloak) -> Iterator[Callable[..., TryRealm]]:
    """Makes a realm with the three clients, and whatever else its representation should hold."""
    with ExitStack() as realms:

        def make(*users: dict[str, Any], **settings: Any) -> TryRealm:
            realm = try_realm(keycloak, clients=CLIENTS, users=users, **settings)
            return realms.enter_context(realm)

        yield make


@pytest.fixture
def check() -> Iterator[Check]:
    """Evaluates `keycloak_mfa` on what a Connection leads to."""
    with CompAI("http://127.0.0.1:1", auth=StaticToken("a.b.c")) as client:

        def evaluated(
            connection: ConnectionFields, *, exemptions: tuple[Exemption, ...] = (), **config: Any
        ) -> Observation:
            row = Row(
                id=1,
                control_id=1,
                name="MFA",
                test_type="keycloak_mfa",
                schedule=None,
                config=config,
                stored=NEVER_RUN,
                exemptions=exemptions,
            )
            context = CheckContext(
                client=client,
                now=lambda: datetime.now(UTC),
                connection=lambda _: connection,
                sleep=lambda _: None,
            )
            return evaluate(row, context)

        yield evaluated
