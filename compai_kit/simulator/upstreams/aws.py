"""AWS as the service sees it: the counts of IAM's account summary.

Whatever goes wrong has the same name, missing credentials included; there is no "not configured".
"""

from __future__ import annotations

from compai_kit.simulator.settings import AwsSettings, SettingsError
from compai_kit.simulator.upstreams import Collected, UpstreamError

EVIDENCE_TYPES = ("iam_summary",)
COUNTS = ("Users", "Groups", "Roles", "AccountMFAEnabled", "MFADevicesInUse")


def check_aws(settings: AwsSettings) -> None:
    """Raises SettingsError for anything that `collect` would misread."""
    for name, count in settings.summary.items():
        if name not in COUNTS or type(count) is not int:
            msg = f"settings.aws.summary.{name}: expected a number for one of {', '.join(COUNTS)}"
            raise SettingsError(msg)


def source(settings: AwsSettings) -> str:
    return f"aws:iam:{_region(settings)}"


def collect(settings: AwsSettings) -> Collected:
    """A count that AWS leaves out is shown as a dash."""
    if not settings.answers:
        msg = "GetAccountSummary API error"
        raise UpstreamError(msg)
    counts = ", ".join(f"{name}={settings.summary.get(name, '—')}" for name in COUNTS)
    return Collected(f"AWS IAM summary: {counts}. Region: {_region(settings)}.", None)


def _region(settings: AwsSettings) -> str:
    return settings.region or "default"
