"""What is inside a workbook's ZIP that its reader does not tell: errors, formulas without a value, and traps.

The reader (calamine) shows "#N/A" as an empty cell, and a single value in the far corner of a sheet makes it ask for
more memory than any computer has, which ends the process. So the XML is looked over first, in pieces.
"""

from __future__ import annotations

import posixpath
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_letters, digits
from xml.etree import ElementTree as ET

import numpy as np

from crmkit.errors import UnreadableFile

_MOST_BYTES = 4 << 30
"""Unpacked; a sheet with all its million rows and fifty columns has about half of it."""
_MOST_CELLS = 60_000_000
_NARROW = 52  # columns; with them even a million rows fit
_PIECE = 4 << 20
_LONGEST = 1 << 20  # of what is kept for the next piece

_ERROR = re.compile(
    rb"""<(?:\w+:)?c\b(?=[^>]*\bt=["']e["'])[^>]*\br=["']([A-Z]{1,3})(\d{1,7})["'][^>]*>"""
    rb"""(?:(?!</(?:\w+:)?c>).)*?<(?:\w+:)?v>([^<]{1,40})<""",
    re.DOTALL,
)
_UNCOUNTED = re.compile(
    rb"""<(?:\w+:)?c\b(?![^>]*\bt=["']str["'])[^>]*\br=["']([A-Z]{1,3}\d{1,7})["'][^>]*>"""
    rb"""<(?:\w+:)?f\b[^>]*?(?:/>|>[^<]*</(?:\w+:)?f>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"""
)
_QUOTE, _LETTER, _DIGIT = 1, 2, 3
_CLASSES = np.zeros(256, dtype=np.uint8)
_CLASSES[[ord(sign) for sign in "\"'"]] = _QUOTE
_CLASSES[[ord(sign) for sign in ascii_letters]] = _LETTER
_CLASSES[[ord(sign) for sign in digits]] = _DIGIT
_ROW = re.compile(rb"""\br\s*=\s*["'][A-Za-z]{0,3}(\d{1,10})["']""")


@dataclass(slots=True)
class Marks:
    """What was found in one sheet: errors by row and column (from 0), formulas without value and the first."""

    errors: dict[tuple[int, int], str] = field(default_factory=dict)
    uncounted: int = 0
    first: str = ""


def is_xml_book(path: Path) -> bool:
    """Whether a ZIP holds an .xlsx or .xlsm workbook, whatever it is called.

    Raises:
        UnreadableFile: it is a broken ZIP.
    """
    try:
        with zipfile.ZipFile(path) as book:
            return "xl/workbook.xml" in book.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UnreadableFile("broken_book", file=path, detail=error) from None


def look_over(path: Path) -> dict[str, Marks]:
    """Look through an .xlsx or .xlsm workbook.

    Returns:
        Marks by sheet.

    Raises:
        UnreadableFile: it is broken, needs a password, or would not fit into memory.
    """
    try:
        with zipfile.ZipFile(path) as book:
            if sum(item.file_size for item in book.infolist()) > _MOST_BYTES:
                raise UnreadableFile("unpacks_huge", file=path, most=_MOST_BYTES >> 30)
            if any(item.flag_bits & 1 for item in book.infolist()):
                raise UnreadableFile("password", file=path)
            found = {item.filename: _sheet(path, book, item) for item in book.infolist() if _is_sheet(item.filename)}
            return {name: found[part] for name, part in _names(book) if part in found}
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, ET.ParseError, KeyError) as error:
        raise UnreadableFile("broken_book", file=path, detail=error) from None
    except (NotImplementedError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise UnreadableFile("broken_book", file=path, detail=error) from None


def _is_sheet(part: str) -> bool:
    return part.lower().endswith(".xml") and "sharedstrings" not in part.lower()


def _names(book: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Each sheet's name and the part that holds it."""
    parts = {}
    for link in ET.fromstring(book.read("xl/_rels/workbook.xml.rels")):
        parts[link.get("Id", "")] = posixpath.normpath(posixpath.join("/xl", link.get("Target", ""))).lstrip("/")
    for tag in ET.fromstring(book.read("xl/workbook.xml")).iter():
        if tag.tag.rpartition("}")[2] == "sheet":
            link_id = next((value for key, value in tag.attrib.items() if key.endswith("}id")), "")
            yield tag.get("name", ""), parts.get(link_id, "")


def _sheet(path: Path, book: zipfile.ZipFile, item: zipfile.ZipInfo) -> Marks:
    marks, column, row = Marks(), _NARROW, 0
    for piece in _pieces(book, item):
        if b'"e"' in piece or b"'e'" in piece:
            for letters, number, said in _ERROR.findall(piece):
                marks.errors[int(number) - 1, _position(letters)] = said.decode("utf-8", "replace")
        if b"f>" in piece or b"<f" in piece:
            empty = _UNCOUNTED.findall(piece)
            marks.first = marks.first or (empty[0].decode() if empty else "")
            marks.uncounted += len(empty)
        column = max(column, _widest(piece))
    if column > _NARROW:  # only now are the rows worth counting
        row = max((int(number) for piece in _pieces(book, item) for number in set(_ROW.findall(piece))), default=0)
        if column * row > _MOST_CELLS:
            raise UnreadableFile("far_cell", file=path, rows=row, columns=column, most=_MOST_CELLS)
    return marks


def _pieces(book: zipfile.ZipFile, item: zipfile.ZipInfo) -> Iterator[bytes]:
    """The part's XML, cut behind the end of a cell."""
    rest = b""
    with book.open(item) as part:
        while got := part.read(_PIECE):
            data = rest + got
            cut = data.rfind(b"c>") + 2
            if cut < 2 or len(data) - cut > _LONGEST:
                cut = len(data)
            yield data[:cut]
            rest = data[cut:]
    yield rest


def _widest(piece: bytes) -> int:
    """The last column that the XML names with two or three letters; a regular expression is slower."""
    signs = np.frombuffer(piece + b"\0\0\0\0", dtype=np.uint8)
    kind = _CLASSES[signs]
    two = (kind[:-4] == _QUOTE) & (kind[1:-3] == _LETTER) & (kind[2:-2] == _LETTER)
    third = kind[3:-1]
    ends = {
        2: np.flatnonzero(two & (third == _DIGIT)),
        3: np.flatnonzero(two & (third == _LETTER) & (kind[4:] == _DIGIT)),
    }
    widest = 0
    for letters, found in ends.items():
        column = np.zeros(len(found), dtype=np.int64)
        for place in range(1, letters + 1):
            column = 26 * column + (signs[found + place] & 0x1F)
        widest = max(widest, int(column.max(initial=0)))
    return widest


def _position(letters: bytes) -> int:
    at = 0
    for letter in letters.upper():
        at = 26 * at + letter - 64
    return at - 1


_CANARY = """
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, ValueError, OSError):
    pass
import python_calamine
try:
    try:
        book = python_calamine.CalamineWorkbook.from_path(sys.argv[1])
    except python_calamine.CalamineError:
        book = python_calamine.CalamineWorkbook.from_filelike(open(sys.argv[1], "rb"))
    for name in book.sheet_names:
        book.get_sheet_by_name(name)
except python_calamine.CalamineError:
    pass
"""


def try_elsewhere(path: Path) -> None:
    """Open a workbook that is not XML in a process of its own: if it is a trap, only that process dies.

    Raises:
        UnreadableFile: the process died.
    """
    command = [sys.executable, "-I", "-c", _CANARY, str(path)]
    if subprocess.run(command, check=False, capture_output=True, timeout=600).returncode < 0:
        raise UnreadableFile("deadly_book", file=path)
