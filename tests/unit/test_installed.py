"""The tests exercise the built wheel: what a user installs, not what happens to lie in the checkout."""

import importlib
import os
import sysconfig
from pathlib import Path

import pytest


@pytest.mark.skipif("TOX_ENV_NAME" not in os.environ, reason="checked where the wheel is installed: tox -e unit")
@pytest.mark.parametrize("package", ["compai_client", "compai_dags", "compai_kit"])
def test_package_comes_from_site_packages(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(sysconfig.get_path("purelib"))
