"""The script: `python boot.py first|again BUNDLE RESULT IMPORT_BUDGET`.

Loads the package around it under a name of its own, so that nothing of the kit's folders comes on
the import path of the DAG files.
"""

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = "_compai_gate_inside"


def load_package() -> None:
    """Make the folder of this script importable as `PACKAGE`."""
    spec = spec_from_file_location(
        PACKAGE, HERE / "__init__.py", submodule_search_locations=[str(HERE)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{HERE} is no package")
    package = module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    sys.path[:] = [entry for entry in sys.path if entry != str(HERE)]
    load_package()
    import_module(f"{PACKAGE}.parse").main(sys.argv[1:])
