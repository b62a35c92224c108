"""What tests of metrics that look at several tables share."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd

from crmkit.errors import RowsLeftOut


def together(engine: Any, *frames: pd.DataFrame) -> list[Any]:
    """Several tables of one engine."""
    return [engine(frame) for frame in frames]


def quietly(metric: Any, *tables: Any, **settings: Any) -> Any:
    """A figure of tables whose faults are not what is looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOut)
        return metric(*tables, **settings)
