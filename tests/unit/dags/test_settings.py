"""Where a setting comes from, and what is refused by name."""

from __future__ import annotations

import pytest

from compai_client import ClientCredentials, SettingsError, StaticToken
from compai_dags.connection import ConnectionFields
from compai_dags.settings import Places, Settings

TOKEN = ".".join(["simulated", "token", "of-the-tests"])
URL = {"COMP_AI_BASE_URL": "http://comp-ai.example:3002"}
CLIENT = {
    "COMP_AI_KEYCLOAK_URL": "http://keycloak.example/auth",
    "COMP_AI_KEYCLOAK_REALM": "lianel",
    "COMP_AI_CLIENT_ID": "airflow",
    "COMP_AI_CLIENT_SECRET": "s3cret-value",
}

FULL = {**URL, "COMP_AI_TOKEN": TOKEN}
CONNECTION = ConnectionFields(conn_type="https", host="connection.example", password=TOKEN)


def settings(env=None, variables=None, connection=None) -> Settings:
    return Settings(
        Places(
            environment=env or {},
            variable=(variables or {}).get,
            connection=lambda: connection,
        )
    )


class TestOrder:
    def test_environment_wins(self) -> None:
        other = {"COMP_AI_BASE_URL": "http://variable.example", "COMP_AI_TOKEN": "x.y.z"}
        found = settings(FULL, other, CONNECTION)
        access = found.access()
        assert access.base_url == "http://comp-ai.example:3002"
        assert access.auth == StaticToken(TOKEN)
        assert found.origins == [
            "COMP_AI_BASE_URL from the environment",
            "COMP_AI_TOKEN from the environment",
        ]

    def test_then_a_variable(self) -> None:
        found = settings({}, FULL, CONNECTION)
        assert found.access().base_url == "http://comp-ai.example:3002"
        assert "COMP_AI_TOKEN from an Airflow Variable" in found.origins

    def test_then_the_connection(self) -> None:
        found = settings({}, {}, CONNECTION)
        access = found.access()
        assert (access.base_url, access.api_prefix) == ("https://connection.example", "/api/v1")
        assert "COMP_AI_BASE_URL from the Connection comp_ai" in found.origins

    def test_an_empty_value_is_unset(self) -> None:
        empty = dict.fromkeys([*URL, "COMP_AI_TOKEN", *CLIENT], "")
        assert settings(empty, FULL).access().auth == StaticToken(TOKEN)

    def test_groups_may_come_from_different_places(self) -> None:
        access = settings(URL, {}, CONNECTION).access()
        assert access.base_url == "http://comp-ai.example:3002"
        assert access.auth == StaticToken(TOKEN)

    def test_the_connection_is_not_read_when_nothing_needs_it(self) -> None:
        def unread() -> None:
            raise AssertionError

        places = Places(environment=FULL, variable={}.get, connection=unread)
        Settings(places).access()

    def test_a_lookup_that_fails_is_not_unset(self) -> None:
        def broken(name: str) -> str | None:
            raise ConnectionError(name)

        places = Places(environment={}, variable=broken, connection=lambda: CONNECTION)
        with pytest.raises(ConnectionError):
            Settings(places).access()


class TestGroups:
    def test_a_prefix_without_its_base_url_is_refused(self) -> None:
        with pytest.raises(SettingsError, match=r"COMP_AI_BASE_URL is missing in the environment"):
            settings({"COMP_AI_API_PREFIX": "/x"}, {**URL, "COMP_AI_TOKEN": TOKEN}).access()

    def test_a_prefix_of_another_place_is_not_taken(self) -> None:
        access = settings(
            {**URL, "COMP_AI_TOKEN": TOKEN}, {"COMP_AI_API_PREFIX": "/elsewhere"}
        ).access()
        assert access.api_prefix == "/api/v1"

    def test_client_credentials(self) -> None:
        assert settings(URL | CLIENT).access().auth == ClientCredentials(
            keycloak_url="http://keycloak.example/auth",
            realm="lianel",
            client_id="airflow",
            client_secret="s3cret-value",
        )

    def test_a_part_of_them_is_refused_with_what_is_missing(self) -> None:
        part = {name: CLIENT[name] for name in ("COMP_AI_KEYCLOAK_URL", "COMP_AI_CLIENT_ID")}
        rest = {name: CLIENT[name] for name in CLIENT if name not in part}
        with pytest.raises(
            SettingsError,
            match="COMP_AI_KEYCLOAK_REALM and COMP_AI_CLIENT_SECRET missing in the environment",
        ):
            settings(URL | part, rest).access()

    def test_token_and_client_secret_in_one_place_contradict(self) -> None:
        with pytest.raises(
            SettingsError,
            match="COMP_AI_TOKEN and COMP_AI_CLIENT_SECRET are both set in the environment",
        ):
            settings(URL | CLIENT | {"COMP_AI_TOKEN": TOKEN}).access()

    def test_in_two_places_the_first_wins(self) -> None:
        assert settings(URL | {"COMP_AI_TOKEN": TOKEN}, CLIENT).access().auth == StaticToken(TOKEN)


class TestRefused:
    @pytest.mark.parametrize(
        ("given", "named", "problem"),
        [
            ({}, "COMP_AI_BASE_URL is not set", "in the environment, in an Airflow Variable or in"),
            (URL, "COMP_AI_TOKEN (or COMP_AI_KEYCLOAK_URL", "is not set: no credentials"),
            (URL | {"COMP_AI_TOKEN": TOKEN + "\n"}, "COMP_AI_TOKEN from the env", "white space"),
            (URL | {"COMP_AI_TOKEN": f" {TOKEN}"}, "COMP_AI_TOKEN from the env", "white space"),
            (URL | {"COMP_AI_TOKEN": "a.b…c.d"}, "COMP_AI_TOKEN from the env", "ASCII"),
            (
                URL | CLIENT | {"COMP_AI_CLIENT_SECRET": "pässword"},
                "COMP_AI_CLIENT_SECRET from the environment",
                "ASCII",
            ),
            (
                URL | CLIENT | {"COMP_AI_KEYCLOAK_URL": "keycloak-here"},
                "COMP_AI_KEYCLOAK_URL from the environment",
                "absolute URL",
            ),
        ],
    )
    def test_by_name_and_never_with_its_value(self, given, named, problem) -> None:
        with pytest.raises(SettingsError) as raised:
            settings(given).access()
        text = str(raised.value)
        assert text.startswith(named)
        assert problem in text
        for name in (named.split()[0], "COMP_AI_TOKEN", "COMP_AI_CLIENT_SECRET"):
            assert given.get(name, "no value").strip() not in text

    @pytest.mark.parametrize("token", [TOKEN + "\n", "a.b…c.d"])
    def test_from_the_connection_too(self, token) -> None:
        fields = ConnectionFields(conn_type="http", host="h", password=token)
        with pytest.raises(SettingsError, match="COMP_AI_TOKEN from the Connection comp_ai"):
            settings({}, {}, fields).access()


class TestSingleSettings:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [(None, False), ("", False), ("1", True), ("true", True), ("0", False), ("False", False)],
    )
    def test_switch(self, value, expected) -> None:
        env = {} if value is None else {"COMP_AI_ALLOW_EMPTY": value}
        assert settings(env).switch("COMP_AI_ALLOW_EMPTY") is expected

    @pytest.mark.parametrize(("value", "expected"), [(None, 0), ("", 0), ("3", 3)])
    def test_count(self, value, expected) -> None:
        variables = {} if value is None else {"COMP_AI_MAX_ERRORS": value}
        assert settings({}, variables).count("COMP_AI_MAX_ERRORS", default=0) == expected

    @pytest.mark.parametrize(
        ("value", "expected"), [(None, 1.0), ("0.2", 0.2), ("3", 3.0), ("0", 0.0)]
    )
    def test_seconds(self, value, expected) -> None:
        env = {} if value is None else {"COMP_AI_BACKOFF_S": value}
        assert settings(env).seconds("COMP_AI_BACKOFF_S", default=1.0) == expected

    @pytest.mark.parametrize("value", ["soon", "-1", "1e3", "nan", "1,5"])
    def test_seconds_that_are_none(self, value) -> None:
        with pytest.raises(SettingsError, match="COMP_AI_BACKOFF_S must be a number of seconds"):
            settings({"COMP_AI_BACKOFF_S": value}).seconds("COMP_AI_BACKOFF_S", default=1.0)

    def test_mode_and_choice(self) -> None:
        assert settings().alerts_mode() == "daily"
        assert settings({"COMP_AI_ALERTS_MODE": "changes"}).alerts_mode() == "changes"
        assert settings().is_exactly("COMP_AI_COLLECT_EVIDENCE", "always") is False
        env = {"COMP_AI_COLLECT_EVIDENCE": "always"}
        assert settings(env).is_exactly("COMP_AI_COLLECT_EVIDENCE", "always") is True

    def test_owners(self) -> None:
        assert settings().slack_owners() == {}
        env = {"COMP_AI_SLACK_OWNERS": '{"Åsa": "U012ABC"}'}
        assert settings(env).slack_owners() == {"Åsa": "U012ABC"}

    @pytest.mark.parametrize(
        ("read", "name", "value"),
        [
            (lambda s: s.switch("X"), "X", "yes please"),
            (lambda s: s.count("X", 0), "X", "-1"),
            (lambda s: s.count("X", 0), "X", "two"),
            (lambda s: s.is_exactly("X", "pass"), "X", "fail"),
            (lambda s: s.alerts_mode(), "COMP_AI_ALERTS_MODE", "weekly"),
            (lambda s: s.web_address("X"), "X", "hooks.slack.example/services/T"),
            (lambda s: s.web_address("X"), "X", "https://hooks.example/ä"),
            (lambda s: s.web_address("X"), "X", "https://hooks.example/a b"),
            (lambda s: s.web_address("X"), "X", "https://hooks.example/a\n"),
            (lambda s: s.text("X"), "X", " padded"),
            (lambda s: s.count("COMP_AI_MAX_ERRORS", 0), "COMP_AI_MAX_ERRORS", "²"),
            (lambda s: s.slack_owners(), "COMP_AI_SLACK_OWNERS", "{"),
            (lambda s: s.slack_owners(), "COMP_AI_SLACK_OWNERS", '{"Kim": "<!channel>"}'),
            (lambda s: s.slack_owners(), "COMP_AI_SLACK_OWNERS", '{"Kim": 3}'),
        ],
    )
    def test_nonsense_is_refused_by_name(self, read, name, value) -> None:
        with pytest.raises(SettingsError) as raised:
            read(settings({name: value}))
        assert str(raised.value).startswith(name)
        assert value not in str(raised.value)


class TestObjectStorage:
    @pytest.mark.parametrize(
        "address",
        ["file:///var/lib/history", "s3://bucket", "s3://bucket/a/b/", "gs://conn_id@bucket/a"],
    )
    def test_a_folder_that_can_be_written_to(self, address) -> None:
        assert settings({"X": address}).object_storage("X") == address

    def test_unset_is_none(self) -> None:
        assert settings().object_storage("X") is None

    @pytest.mark.parametrize(
        ("address", "problem"),
        [
            ("/var/lib/history", "must be the address of a folder that can be written to"),
            ("https://bucket.example/a", "must be the address of a folder that can be written to"),
            ("s3://bucket/a?versionId=1", "in ASCII without blanks, ? and #"),
            ("s3://bucket/a#b", "in ASCII without blanks, ? and #"),
            ("s3://bucket/ä", "in ASCII without blanks, ? and #"),
            ("s3://bucket/a b", "in ASCII without blanks, ? and #"),
            ("file://history", "must have three slashes and a whole path: file:///path"),
            ("s3:///a", "names no bucket"),
            ("s3://key:s3cret@bucket/a", "holds a password: name an Airflow Connection instead"),
        ],
    )
    def test_others_are_refused_by_name_and_without_their_value(self, address, problem) -> None:
        with pytest.raises(SettingsError, match=r"^COMP_AI_HISTORY_URL ") as raised:
            settings({"COMP_AI_HISTORY_URL": address}).object_storage("COMP_AI_HISTORY_URL")
        assert problem in str(raised.value)
        assert address not in str(raised.value)
        assert "s3cret" not in str(raised.value)
