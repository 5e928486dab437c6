"""What the service asks elsewhere: GitHub, Okta, AWS and the AI model.

Settings, not servers: what they would answer is given, and each module makes of it what the service
makes of it.
"""

from __future__ import annotations

from dataclasses import dataclass


class UpstreamError(Exception):
    """The text is the `detail` of the service's answer."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What the service writes down."""

    description: str
    link_url: str | None
