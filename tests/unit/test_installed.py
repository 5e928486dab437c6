"""The tests exercise the built wheel: what a user installs, not what lies in the checkout."""

import importlib
import sysconfig
from pathlib import Path

import pytest


@pytest.mark.parametrize("package", ["compai_client", "compai_dags", "compai_kit"])
def test_package_comes_from_site_packages(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(sysconfig.get_path("purelib"))
