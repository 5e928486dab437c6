"""Whether what the upstreams would answer can be understood."""

from __future__ import annotations

from compai_kit.simulator.settings import Settings
from compai_kit.simulator.upstreams.aws import check_aws
from compai_kit.simulator.upstreams.github import check_repositories
from compai_kit.simulator.upstreams.model import check_model
from compai_kit.simulator.upstreams.okta import check_okta


def check_upstreams(settings: Settings) -> None:
    """Raises SettingsError; the message names the setting."""
    check_repositories(settings.github)
    check_okta(settings.okta)
    check_aws(settings.aws)
    check_model(settings.model)
