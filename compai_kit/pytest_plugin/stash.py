"""The places in pytest's own stash where fixtures and recorder meet."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from compai_kit.pytest_plugin.evidence import Evidence
    from compai_kit.pytest_plugin.recorder import Recorder

EVIDENCE: "pytest.StashKey[Evidence]" = pytest.StashKey()
RECORDER: "pytest.StashKey[Recorder]" = pytest.StashKey()
