"""Finds by its name what stands in a folder: `producers/sources/` or `producers/formats/`."""

import importlib
import pkgutil
from types import ModuleType

from headrace.errors import SettingsError


def names(package: str) -> list[str]:
    """The names that `load` takes; `random_user.py` is named `random-user`."""
    folder = importlib.import_module(package)
    return sorted(found.name.replace("_", "-") for found in pkgutil.iter_modules(folder.__path__))


def load(package: str, name: str) -> ModuleType:
    """Import the module of that name, and no other. Raises SettingsError when there is none."""
    plain = name.replace("_", "-")
    if plain not in names(package):
        kind = package.rpartition(".")[2].removesuffix("s")
        raise SettingsError(f"no {kind} is called {name!r}: known are {', '.join(names(package))}")
    return importlib.import_module(f"{package}.{plain.replace('-', '_')}")
