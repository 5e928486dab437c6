"""How the audit reaches Comp-AI: the DAGs' settings, with the environment as the only place.

Credentials are never on the command line, where every user of the machine could read them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from compai_client import ClientSettings, CompAI, SettingsError
from compai_dags.settings import BASE, CLIENT, TOKEN, Places, Settings, named_as_settings

_BASE_URL, _PREFIX = BASE
_OPTIONS = {_BASE_URL: "--url", _PREFIX: "--api-prefix"}


class AddressError(SettingsError):
    """The address on the command line, or that of the environment, cannot be one."""


def settings_for(
    url: str | None, api_prefix: str | None, environment: Mapping[str, str]
) -> Settings:
    """The settings; an address on the command line takes the place of the environment's, whole.

    Raises AddressError when nothing says where Comp-AI is, SettingsError when nothing says who
    asks.
    """
    given = dict(environment)
    if url is not None:
        given |= {_BASE_URL: url, _PREFIX: api_prefix or ""}
    elif not given.get(_BASE_URL):
        raise AddressError("--url", f"is missing, and so is {_BASE_URL} in the environment")
    elif api_prefix is not None:
        raise AddressError("--api-prefix", f"goes with --url; {_PREFIX} goes with {_BASE_URL}")
    if not any(given.get(name) for name in (TOKEN, *CLIENT)):
        raise SettingsError(
            f"{TOKEN}, or {', '.join(CLIENT)},",
            "must be set in the environment: Comp-AI answers nobody without a token",
        )
    return Settings(
        Places(environment=given, variable=lambda _: None, connection=lambda: None),
    )


@contextmanager
def client_of(settings: Settings, *, is_given: bool) -> Iterator[tuple[CompAI, str]]:
    """Comp-AI, and how it is addressed. `is_given`: the address is from the command line.

    Raises AddressError and SettingsError.
    """
    access = settings.access()
    origins = {
        name: origin
        for name, origin in access.origins.items()
        if not is_given or name not in _OPTIONS
    }
    try:
        client = named_as_settings(
            lambda: CompAI(
                access.base_url,
                auth=access.auth,
                api_prefix=access.api_prefix,
                caller="compai audit",
                settings=ClientSettings(
                    backoff_base_s=settings.seconds("COMP_AI_BACKOFF_S", default=1.0)
                ),
            ),
            origins,
        )
    except SettingsError as wrong:
        name = next((name for name in BASE if wrong.setting.startswith(name)), None)
        if name is None:
            raise
        shown = _OPTIONS[name] if is_given else wrong.setting
        problem = str(wrong).removeprefix(wrong.setting).strip()
        raise AddressError(shown, problem) from None
    with client:
        yield client, access.base_url.rstrip("/") + access.api_prefix
