"""The three formats of a saved folder: a table out to a file, in pieces, and back to exactly the same table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

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


def _read_parquet(path: Path) -> Iterator[pa.Table]:
    with pyarrow.parquet.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group)
        if not file.num_row_groups:
            yield file.schema_arrow.empty_table()


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
    names = _cells(pa.array([column.name for column in columns]))
    file.write(",".join(names.to_pylist()).encode() + b"\r\n")


def write_csv_rows(file: IO[bytes], piece: pa.Table) -> None:
    """Write rows to a file that has its header."""
    for start in range(0, len(piece), _CSV_ROWS):
        cells = [_cells(column.combine_chunks()) for column in piece.slice(start, _CSV_ROWS).columns]
        lines = pc.binary_join_element_wise(*cells, ",", null_handling="replace", null_replacement="")
        _, bounds, content = pc.binary_join_element_wise(lines, "", "\r\n").buffers()
        file.write(memoryview(content)[: memoryview(bounds).cast("i")[len(lines)]])


def _cells(values: pa.Array) -> pa.Array:
    """Values as they stand in the file."""
    if pa.types.is_timestamp(values.type):
        seconds = values.cast(pa.timestamp("s"), safe=False)
        whole = pc.all(pc.equal(seconds.cast(values.type), values)).as_py()
        return (seconds if whole else values).cast(pa.string())
    words = values.cast(pa.string())
    if not (pa.types.is_string(values.type) or pa.types.is_dictionary(values.type)):
        return words
    words = _where(words, _RISKY, lambda risky: pc.binary_join_element_wise(_MARK, risky, ""))
    return _where(words, '[",\r\n]|^$', _in_quotes)


def _where(words: pa.Array, pattern: str, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """The words, those that match a pattern changed."""
    found = pc.match_substring_regex(words, pattern)
    return pc.if_else(found, change(words), words) if pc.any(found).as_py() else words


def _in_quotes(words: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise('"', pc.replace_substring(words, '"', '""'), '"', "")


def _read_csv(path: Path, types: pa.Schema) -> Iterator[pa.Table]:
    headers = [_MARK + name if re.match(_RISKY, name) else name for name in types.names]
    reader = pyarrow.csv.open_csv(
        path,
        pyarrow.csv.ReadOptions(block_size=_CSV_BLOCK),
        pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pyarrow.csv.ConvertOptions(
            column_types=dict(zip(headers, types.types, strict=True)), null_values=[""], strings_can_be_null=True,
            quoted_strings_can_be_null=False, true_values=["true"], false_values=["false"],
        ),
    )  # fmt: skip
    with reader:
        _refuse_other_columns(path, headers, reader.schema.names)
        for batch in reader:
            yield pa.table([_unmarked(column) for column in batch.columns], schema=types)


def _unmarked(column: pa.Array) -> pa.Array:
    if not pa.types.is_string(column.type):
        return column
    return _where(column, f"^{_MARK}", lambda words: pc.utf8_slice_codeunits(words, 1))


# --- all of them ----------------------------------------------------------------------------------------------------


def read_pieces(format: Format, path: Path, place: Place, columns: Sequence[SavedColumn]) -> Iterator[pa.Table]:
    """One table, or the part of it that is in one file, in pieces of the types of its columns.

    Raises:
        UnreadableFile: the file is not what was written.
    """
    types = arrow_schema(columns)
    if format == "duckdb":
        from crmkit.datasets.database import read_duckdb

        pieces = read_duckdb(path, place)
    else:
        pieces = _read_parquet(path) if format == "parquet" else _read_csv(path, types)
    with _read_errors(path):
        for piece in pieces:
            _refuse_other_columns(path, _spelled(types), _spelled(piece.schema))
            yield piece


def count_rows(format: Format, path: Path, places: Sequence[Place]) -> list[int] | None:
    """How many rows of each table a file says it has; `None` where only reading it would tell.

    Raises:
        UnreadableFile: the file is not what was written.
    """
    with _read_errors(path):
        if format == "duckdb":
            from crmkit.datasets.database import count_duckdb

            return count_duckdb(path, places)
        return [int(pyarrow.parquet.read_metadata(path).num_rows)] if format == "parquet" else None


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise UnreadableFile("not_as_written", file=path, detail=str(error).splitlines()[0]) from None
    except OSError as error:
        raise UnreadableFile("no_access", file=path, detail=error.strerror or error) from None


def _spelled(types: pa.Schema) -> list[str]:
    return [f"{field.name} ({field.type})" for field in types]


def _refuse_other_columns(path: Path, expected: Sequence[str], found: Sequence[str]) -> None:
    if list(expected) != list(found):
        raise UnreadableFile("columns_differ", file=path, expected=", ".join(expected), found=", ".join(found))
