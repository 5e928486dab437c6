"""The build context of the simulator's image: this package as imported here, and what it needs."""

from importlib import metadata
from pathlib import Path
from shutil import copyfile, copytree, ignore_patterns

import compai_kit
from compai_kit.contract.load import FILE_NAME, default_path

# What `compai simulate` imports besides the kit. A package that is missing here keeps the container
# from starting, with a ModuleNotFoundError in its log.
NEEDS = (
    "PyJWT",
    "click",
    "cryptography",
    "jsonschema-rs",
    "msgspec",
    "openapi-spec-validator",
    "PyYAML",
    "requests",
    "werkzeug",
)


def write_context(folder: Path) -> None:
    """Fill `folder`, which must not exist yet, for docker/simulator.Dockerfile.

    The versions are those of this environment: the container runs what the tests were run with.
    """
    folder.mkdir(parents=True)
    pins = [f"{name}=={metadata.version(name)}\n" for name in NEEDS]
    (folder / "requirements.txt").write_text("".join(pins))
    package = folder / "packages" / "compai_kit"
    copytree(
        Path(compai_kit.__file__).parent, package, ignore=ignore_patterns("__pycache__", "*.pyc")
    )
    contract = package / "contract" / FILE_NAME
    if not contract.exists():  # a checkout keeps it elsewhere
        copyfile(default_path(), contract)
