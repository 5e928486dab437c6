"""The supported Airflows and their pinned locks: packaged with the wheel, else the checkout's."""

from pathlib import Path

SUPPORTED = ("3.1.3", "3.3.2")
DEFAULT = "3.3.2"

_PACKAGED = Path(__file__).parent / "locks"
_CHECKOUT = Path(__file__).parents[2] / "locks"


def lock_file(version: str) -> Path:
    """The lock of a supported version; `ValueError` names the supported ones."""
    if version not in SUPPORTED:
        raise ValueError(
            f"no lock for Airflow {version}; there is one for {', '.join(SUPPORTED)}"
            " (another version: give its interpreter with --airflow-python)"
        )
    folder = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
    return folder / f"airflow-{version}.txt"
