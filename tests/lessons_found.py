"""The modules of the lessons, found by themselves, and the data that each runs on."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import crmkit
import crmkit.lessons

LESSONS = Path(__file__).resolve().parents[1] / "notebooks" / "lessons"
NUMBER_OF = {path.stem[3:]: path.stem[:2] for path in LESSONS.glob("[0-9][0-9]_*.py")}
MODULES = [name for _, name, _ in pkgutil.iter_modules(crmkit.lessons.__path__)]


def module(name: str) -> ModuleType:
    return importlib.import_module(f"crmkit.lessons.{name}")


TAUGHT = [name for name in MODULES if name in NUMBER_OF or hasattr(module(name), "start")]


@cache
def sample(name: str) -> Any:
    return crmkit.sample(name)


def data_of(lesson: ModuleType) -> Any:
    """The salon; or what the lesson's own `salon()` makes, as where the lesson is about its faults."""
    own = getattr(lesson, "salon", None)
    return own() if inspect.isfunction(own) or hasattr(own, "cache_info") else sample("salon")
