"""Folders and what may lie in them: pieces, links that lead out, devices, and names that are traps."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.corpus.case import Case, EmptyTable, Loads, ParameterError, Refuses, UnreadableFile, link, put, sheet


def pieces(folder: Path) -> Path:
    """Three months, one of them without a sale."""
    for month in (1, 2, 3):
        lines = sheet(6).splitlines(keepends=True)
        put("".join([lines[0], *(lines[month : month + 2] if month != 2 else ())]), f"orders_2024-0{month}.csv")(folder)
    return folder


def broken_piece(folder: Path) -> Path:
    """Two months, one of them damaged."""
    put(sheet(2), "orders_2024-01.csv")(folder)
    put(b"\0\0\0\0", "orders_2024-02.csv")(folder)
    return folder


def other_columns(folder: Path) -> Path:
    """Two months with different columns."""
    put(sheet(2), "orders_2024-01.csv")(folder)
    put(sheet(2, 備考=["x", "y"]), "orders_2024-02.csv")(folder)
    return folder


def ways_out(folder: Path) -> Path:
    """Links to a file and a folder elsewhere, and to the folder itself."""
    (folder / "elsewhere").mkdir()
    put(sheet(), "elsewhere/customers.csv")(folder)
    inside = folder / "shop"
    inside.mkdir()
    put(sheet(), "shop/orders.csv")(folder)
    link(inside / "customers.csv", folder / "elsewhere" / "customers.csv")
    link(inside / "passwd.csv", "/etc/passwd")
    link(inside / "all", folder / "elsewhere")
    link(inside / "again", inside)
    link(inside / "gone.csv", inside / "nowhere.csv")
    return inside


def devices(folder: Path) -> Path:
    """A pipe that nobody writes to, and a folder called like a file, beside the orders."""
    put(sheet(), "orders.csv")(folder)
    os.mkfifo(folder / "customers.csv")
    (folder / "products.csv").mkdir()
    return folder


def endless(folder: Path) -> Path:
    """A file that never ends."""
    return link(folder / "shop.csv", "/dev/zero")


def pipe(folder: Path) -> Path:
    """A pipe that nobody writes to."""
    os.mkfifo(folder / "shop.csv")
    return folder / "shop.csv"


def dead_link(folder: Path) -> Path:
    """A link to a file that is gone."""
    return link(folder / "shop.csv", folder / "gone.csv")


def round_link(folder: Path) -> Path:
    """A link to itself."""
    return link(folder / "shop.csv", "shop.csv")


def named_like_a_file(folder: Path) -> Path:
    """A folder called shop.csv with nothing in it."""
    (folder / "shop.csv").mkdir()
    return folder / "shop.csv"


def tampered(folder: Path) -> Path:
    """A saved folder whose manifest names a file outside of it."""
    from crmkit.datasets import load

    put("order_id,customer_id,ordered_at,net_amount\n1,A,2024-04-01,1\n")(folder)
    saved = load(folder / "shop.csv").save(folder / "saved")
    told = saved / "manifest.json"
    text = told.read_text(encoding="utf-8").replace("orders.parquet", "../../../etc/passwd")
    assert "passwd" in text
    told.write_text(text, encoding="utf-8")
    json.loads(text)
    return saved


def lake(folder: Path) -> Path:
    """A Delta Lake table, whose files also hold deleted rows."""
    (folder / "_delta_log").mkdir()
    pq.write_table(pa.table({"customer_id": ["A"], "ordered_at": ["2024-04-01"]}), folder / "part-0.parquet")
    return folder


def parquet_cut(folder: Path) -> Path:
    """A Parquet file whose end is missing."""
    path = folder / "shop.parquet"
    pq.write_table(pa.table({"customer_id": ["A"] * 50, "ordered_at": ["2024-04-01"] * 50}), path)
    path.write_bytes(path.read_bytes()[:-20])
    return path


def parquet_hurt(folder: Path) -> Path:
    """A Parquet file with a page overwritten."""
    path = folder / "shop.parquet"
    names = [f"K{n * 7919 % 100_003}" for n in range(2000)]
    pq.write_table(pa.table({"customer_id": names, "ordered_at": ["2024-04-01"] * 2000}), path)
    data = bytearray(path.read_bytes())
    data[30:4000] = b"\xff" * 3970
    path.write_bytes(bytes(data))
    return path


CASES = (
    Case(
        "folder_pieces",
        "a folder with a file per month, one month without a sale",
        "月ごとのファイルのうち、1か月だけ売上がない",
        pieces,
        Loads({"orders": (4, 0)}, notes=("not_read",)),
    ),
    Case(
        "folder_broken_piece",
        "a folder with a file per month, one of them damaged",
        "月ごとのファイルのうち、1つが壊れている",
        broken_piece,
        Refuses(UnreadableFile, "not_csv", ("orders_2024-02.csv",)),
    ),
    Case(
        "folder_other_columns",
        "a folder with a file per month, with different columns",
        "月ごとのファイルの列がそろっていない",
        other_columns,
        Refuses(ParameterError, "two_sources", ("orders_2024-01.csv", "orders_2024-02.csv")),
    ),
    Case(
        "folder_ways_out",
        "links that lead out of the folder, to itself, and nowhere",
        "フォルダーの外・自分自身・存在しない場所へのリンクがある",
        ways_out,
        Loads({"orders": (4, 0)}, notes=("link_outside", "link_outside", "link_outside", "link_outside", "not_read")),
    ),
    Case(
        "folder_pipe",
        "a pipe and a folder that are called like files",
        "ファイルのような名前のパイプとフォルダーがある",
        devices,
        Loads({"orders": (4, 0)}, notes=("not_read",)),
    ),
    Case(
        "folder_empty",
        "a folder with nothing to read in it",
        "読めるものが何もないフォルダー",
        lambda folder: put("x", "shop/notes.md")(folder).parent,
        Refuses(EmptyTable, "no_part", ("shop",)),
    ),
    Case(
        "folder_like_a_file",
        "an empty folder called shop.csv",
        "shop.csv という名前の空のフォルダー",
        named_like_a_file,
        Refuses(EmptyTable, "no_part", ("shop.csv",)),
    ),
    Case(
        "folder_lake",
        "the files of a Delta Lake table, deleted rows among them",
        "削除済みの行も残っている Delta Lake のフォルダー",
        lake,
        Refuses(UnreadableFile, "lake", ("Delta Lake",)),
    ),
    Case(
        "folder_tampered",
        "a saved folder whose manifest names a file outside",
        "保存フォルダーの目録が、外のファイルを指している",
        tampered,
        Refuses(UnreadableFile, "unsafe_name", ("passwd",)),
    ),
    Case(
        "endless_file",
        "a link to a device that never ends",
        "終わりのない装置ファイルへのリンク",
        endless,
        Refuses(UnreadableFile, "no_file", ("shop.csv",)),
    ),
    Case(
        "pipe",
        "a pipe that nobody writes to",
        "誰も書き込まないパイプ",
        pipe,
        Refuses(UnreadableFile, "no_file", ("shop.csv",)),
    ),
    Case(
        "dead_link",
        "a link to a file that is gone",
        "なくなったファイルへのリンク",
        dead_link,
        Refuses(UnreadableFile, "dead_link", ("shop.csv",)),
    ),
    Case(
        "round_link",
        "a link to itself",
        "自分自身へのリンク",
        round_link,
        Refuses(UnreadableFile, "dead_link", ("shop.csv",)),
    ),
    Case(
        "parquet_cut",
        "a Parquet file whose end is missing",
        "末尾が欠けた Parquet",
        parquet_cut,
        Refuses(UnreadableFile, "not_parquet", ("shop.parquet",)),
    ),
    Case(
        "parquet_hurt",
        "a Parquet file with a page overwritten",
        "途中が壊れた Parquet",
        parquet_hurt,
        Refuses(UnreadableFile, "not_parquet", ("shop.parquet",)),
    ),
)
