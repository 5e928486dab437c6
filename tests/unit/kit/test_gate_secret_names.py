"""Which environment variables the parse gate takes for secrets."""

import pytest

from compai_kit.gate.inside.secret_names import holds_secret


@pytest.mark.parametrize(
    "name",
    [
        "GITHUB_TOKEN",
        "token",
        "COMP_AI_TOKEN",
        "COMP_AI_CLIENT_SECRET",
        "DB_PASSWORD",
        "DB_PWD",
        "SMTP_PASSWD",
        "AWS_SECRET_ACCESS_KEY",
        "OPENAI_API_KEY",
        "SOME_APIKEY",
        "SSH_PRIVATE_KEY",
        "SLACK_WEBHOOK_URL",
        "SLACK_WEBHOOK",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "AIRFLOW_CONN_COMP_AI",
        "TOKEN_2",
        "SECRET_VALUE",
    ],
)
def test_secret(name: str) -> None:
    assert holds_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "PATH",
        "PWD",
        "HOME",
        "COMP_AI_CONTROL_TESTS_SCHEDULE",
        "COMP_AI_TASK_RETRY_DELAY_S",
        "TOKEN_URL",
        "API_KEY_FILE",
        "AWS_ACCESS_KEY_ID",
        "TOKEN_TTL_S",
        "MAX_TOKENS",
        "KEY",
        "KEYBOARD",
        "TOKENIZERS_PARALLELISM",
    ],
)
def test_no_secret(name: str) -> None:
    assert not holds_secret(name)
