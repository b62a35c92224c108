"""The three formats of a saved folder: a table out to a file, in pieces, and back to exactly the same table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from crmkit import schema
from crmkit.datasets.engines import ARROW
from crmkit.datasets.hashes import Fingerprint
from crmkit.datasets.manifest import DATABASE, Format, SavedColumn
from crmkit.errors import UnreadableFile

ROW_GROUP = 1 << 17
"""Rows of a Parquet row group, whatever pieces the table comes in: the same table makes the same file."""

_CSV_ROWS = 1 << 13  # lines put together at once
_CSV_BLOCK = 1 << 25  # a record must fit into one block
_SMALL_TABLES = ("products", "campaigns", "sla_policies")  # ids of these come again and again: a dictionary is best

# What a spreadsheet takes for a formula when a cell begins with it, and the mark that says "text", in front of all.
_RISKY = "^[=+\\-@\t\r\n＝＋－＠']"
_MARK = "'"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table belongs: its name, and whether it is one of the truth."""

    name: str
    is_truth: bool = False

    @property
    def model(self) -> schema.Table | None:
        """The table in the data model; `None` where it does not know it."""
        return (schema.TRUTH if self.is_truth else schema.TABLES).get(self.name)

    @property
    def path(self) -> str:
        """Its name in files: `orders`, `truth/customers`."""
        return f"truth/{self.name}" if self.is_truth else self.name

    @property
    def quoted(self) -> str:
        """Its name in SQL."""
        return f"{'truth' if self.is_truth else 'main'}.{_quoted(self.name)}"

    def file(self, format: Format, part: int | None = None) -> str:
        """The name of its file, or of one part of it."""
        if format == "duckdb":
            return DATABASE
        return f"{self.path}.{format}" if part is None else f"{self.path}/part-{part:05}.{format}"


def arrow_schema(columns: Sequence[SavedColumn]) -> pa.Schema:
    """The types of a table with these columns."""
    return pa.schema([(column.name, ARROW[column.kind]) for column in columns])


@dataclass(slots=True)
class Watch:
    """Lets pieces through and takes their fingerprint on the way."""

    columns: Sequence[SavedColumn]
    seen: Fingerprint = field(init=False)

    def __post_init__(self) -> None:
        self.seen = Fingerprint.of(arrow_schema(self.columns).empty_table())

    def __call__(self, pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """The same pieces."""
        for piece in pieces:
            self.seen += Fingerprint.of(piece)
            yield piece


# --- Parquet --------------------------------------------------------------------------------------------------------


def write_parquet(path: Path, pieces: Iterable[pa.Table], place: Place, columns: Sequence[SavedColumn]) -> None:
    """Write pieces of one table as one Parquet file."""
    groups = _groups(pieces)
    first = next(groups, arrow_schema(columns).empty_table())
    keys = place.model.key if place.model is not None else ()
    names = {
        "DELTA_BINARY_PACKED": [column.name for column in columns if column.kind == "instant"],
        "DELTA_BYTE_ARRAY": [column.name for column in columns if column.kind == "id" and keys == (column.name,)],
    }
    plain = [column.name for column in columns if _is_link(place, column)]
    delta = {name: encoding for encoding, several in names.items() for name in several}
    with (
        path.open("xb") as file,
        pyarrow.parquet.ParquetWriter(
            file, first.schema, compression="zstd", store_schema=False, column_encoding=delta,
            use_dictionary=[column.name for column in columns if column.name not in {*delta, *plain}],
        ) as writer,
    ):  # fmt: skip
        writer.write_table(first, row_group_size=ROW_GROUP)
        for group in groups:
            writer.write_table(group.cast(first.schema), row_group_size=ROW_GROUP)


def _is_link(place: Place, column: SavedColumn) -> bool:
    """Whether a column holds ids of a table that grows with the shop."""
    if place.model is None or column.kind != "id" or place.model.key == (column.name,):
        return False
    target = (place.model[column.name].references or "").partition(".")[0] if column.name in place.model else ""
    return target != "" and target not in _SMALL_TABLES


def _groups(pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Row groups of equal size, however the pieces are cut."""
    waiting: list[pa.Table] = []
    for piece in pieces:
        waiting.append(piece)
        while (rows := sum(map(len, waiting))) >= ROW_GROUP:
            whole = waiting[-1].slice(len(waiting[-1]) - (rows - ROW_GROUP))
            waiting[-1] = waiting[-1].slice(0, len(waiting[-1]) - len(whole))
            yield _joined(waiting)
            waiting = [whole]
    if sum(map(len, waiting)):
        yield _joined(waiting)


def _joined(pieces: list[pa.Table]) -> pa.Table:
    target = pieces[0].schema
    return pa.concat_tables([piece.cast(target) for piece in pieces]).unify_dictionaries().combine_chunks()


def _read_parquet(path: Path, place: Place, columns: Sequence[SavedColumn]) -> Iterator[pa.Table]:
    with pyarrow.parquet.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group)
        if not file.num_row_groups:
            yield file.schema_arrow.empty_table()


def _count_parquet(path: Path, place: Place) -> int:
    return int(pyarrow.parquet.read_metadata(path).num_rows)


# --- CSV ------------------------------------------------------------------------------------------------------------


def write_csv(path: Path, pieces: Iterable[pa.Table], place: Place, columns: Sequence[SavedColumn]) -> None:
    """Write pieces of one table as CSV: RFC 4180 in UTF-8, an empty text as "" and what is not there as nothing.

    Text that a spreadsheet would take for a formula gets an apostrophe in front, and so does text that begins with one.
    """
    with path.open("xb") as file:
        write_csv_header(file, columns)
        for piece in pieces:
            write_csv_rows(file, piece)


def write_csv_header(file: IO[bytes], columns: Sequence[SavedColumn]) -> None:
    """Write the line with the columns' names."""
    names = _cells(pa.chunked_array([[column.name for column in columns]]))
    file.write(",".join(names.to_pylist()).encode() + b"\r\n")


def write_csv_rows(file: IO[bytes], piece: pa.Table) -> None:
    """Write rows to a file whose header is written."""
    for start in range(0, len(piece), _CSV_ROWS):
        cells = [_cells(column).combine_chunks() for column in piece.slice(start, _CSV_ROWS).columns]
        lines = pc.binary_join_element_wise(*cells, ",", null_handling="replace", null_replacement="")
        for chunk in pc.binary_join_element_wise(lines, "", "\r\n").chunks if isinstance(lines, pa.ChunkedArray) else [
            pc.binary_join_element_wise(lines, "", "\r\n")
        ]:
            bounds = memoryview(chunk.buffers()[1]).cast("i")
            file.write(chunk.buffers()[2][bounds[chunk.offset] : bounds[chunk.offset + len(chunk)]])


def _cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as it stands in the file."""
    if pa.types.is_timestamp(column.type):
        seconds = column.cast(pa.timestamp("s"), safe=False)
        if not pc.any(pc.not_equal(seconds.cast(column.type), column)).as_py():
            column = seconds
        return column.cast(pa.string())
    words = column.cast(pa.string())
    if not (pa.types.is_string(column.type) or pa.types.is_dictionary(column.type)):
        return words
    words = _where(words, _RISKY, lambda risky: pc.binary_join_element_wise(_MARK, risky, ""))
    return _where(words, '[",\r\n]|^$', _in_quotes)


def _where(words: Any, pattern: str, change: Callable[[Any], Any]) -> Any:
    """The words, those that match a pattern changed."""
    found = pc.match_substring_regex(words, pattern)
    return pc.if_else(found, change(words), words) if pc.any(found).as_py() else words


def _in_quotes(words: Any) -> Any:
    return pc.binary_join_element_wise('"', pc.replace_substring(words, '"', '""'), '"', "")


def _read_csv(path: Path, place: Place, columns: Sequence[SavedColumn]) -> Iterator[pa.Table]:
    types = arrow_schema(columns)
    written = [words.strip('"') for words in ()]
    reader = pyarrow.csv.open_csv(
        path,
        pyarrow.csv.ReadOptions(block_size=_CSV_BLOCK),
        pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pyarrow.csv.ConvertOptions(
            column_types={}, null_values=[""], true_values=["true"], false_values=["false"],
            strings_can_be_null=True, quoted_strings_can_be_null=False,
        ),
    )  # fmt: skip
    with reader:
        for batch in reader:
            yield pa.table(batch)
