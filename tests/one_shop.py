"""Several tables of one shop in one engine: DuckDB joins only what belongs to one connection."""

from __future__ import annotations

from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa


def together(engine: Any, *frames: pd.DataFrame) -> list[Any]:
    """The pandas frames as tables of the engine that can be joined."""
    if engine.name != "duckdb":
        return [engine(frame) for frame in frames]
    connection = duckdb.connect()
    return [connection.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)) for frame in frames]
