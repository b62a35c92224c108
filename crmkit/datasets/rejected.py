"""The rows that were set aside, as files: to be mended in a spreadsheet and loaded again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from crmkit.datasets.drafts import draft
from crmkit.datasets.formats import write_csv_header, write_csv_rows
from crmkit.datasets.manifest import SavedColumn
from crmkit.datasets.source import Source
from crmkit.datasets.tables import LoadedTable

BOM = "\ufeff".encode()


def save(loaded: Mapping[str, LoadedTable], rejected: Mapping[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write a CSV for each table that has rows set aside, into a folder that appears when it is whole.

    Raises:
        ParameterError: something is there already.
        CannotWrite: no room, no right to write, or somebody else is writing there.
    """
    written = {name: frame for name, frame in rejected.items() if len(frame)}
    if not written:
        return []
    with draft(folder, overwrite=False) as place:
        for name, frame in written.items():
            _write(place / f"{name}.csv", frame, loaded[name].source)
    return [folder / f"{name}.csv" for name in written]


def _write(path: Path, frame: pd.DataFrame, source: Source) -> None:
    """The file, the line in it and the reason come first; then the columns as the file has them, twice if it does."""
    files, lines = zip(*(source.place(int(line)) for line in frame.iloc[:, 0]), strict=True)
    own = [_texts(frame.iloc[:, at]) for at in range(1, frame.shape[1])]
    names = ["file", *map(str, frame.columns)]
    while names[0] in names[1:]:
        names[0] = "_" + names[0]
    table = pa.Table.from_arrays([pa.array(files, pa.string()), pa.array(lines, pa.int64()), *own], names=names)
    with path.open("xb") as file:
        file.write(BOM)
        write_csv_header(file, [SavedColumn(name, "text") for name in names])
        write_csv_rows(file, table)


def _texts(values: pd.Series[Any]) -> pa.Array:
    """Text as it stood in the file; what is not there stays empty."""
    return pa.array(values.astype(object).where(values.notna(), None).tolist(), pa.string())
