"""What tests of metrics that look at several tables share."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd
import pyarrow as pa

from crmkit.errors import RowsLeftOut


def together(engine: Any, *frames: pd.DataFrame) -> list[Any]:
    """Tables of one engine that can be joined: DuckDB's have to be on one connection."""
    if engine.name != "duckdb":
        return [engine(frame) for frame in frames]
    import duckdb

    connection = duckdb.connect()
    return [connection.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)) for frame in frames]


def quietly(metric: Any, *tables: Any, **settings: Any) -> Any:
    """A figure of tables whose faults are not what is looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOut)
        return metric(*tables, **settings)
