"""`CustomerDatabase`: customers looked up, corrected, merged and asked about, every change with a way back."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from crmkit.datasets.crm import Crm
from crmkit.datasets.customer_changes import Change, Checks, refusal, said
from crmkit.datasets.customer_questions import answer, may_be_written_to
from crmkit.datasets.customer_search import CustomerSearch
from crmkit.datasets.customer_view import CustomerView, view_of
from crmkit.datasets.forgetting import Forgetting, Forgotten
from crmkit.datasets.journal import Journal
from crmkit.datasets.shop_file import about_of, connect, put_together, quoted, read_table, tables_in, write_anew
from crmkit.datasets.shop_rows import Key, ShopTable, checked, key_row, tables_of
from crmkit.errors import ColumnError, ParameterError
from crmkit.texts import text

_open: dict[Path, CustomerDatabase] = {}


class CustomerDatabase:
    """A shop's database to work with: look up, correct, merge, ask; every change is journalled and can be undone.

    `crm.save("shop.duckdb")` makes one. A change and its entry in the journal are written together or not at all. The
    journal keeps the values before and after each change, personal ones too, or there would be no way back: who may
    read the file may read them. `forget` erases a person there as well. The file is open for this process alone until
    `close`; opening it again in the same process closes it where it was open before.

    Args:
        path: The file.
        who: The name that the journal gives to your changes; without it, the one you are logged in with.

    Raises:
        UnreadableFile: it is not there, no database of crmkit, written by a newer crmkit, or open elsewhere.
        ParameterError: `who` is empty, or the database has no table `customers`.

    Examples:
        >>> from tempfile import mkdtemp
        >>> people = pd.DataFrame({"customer_id": ["C1", "C2"], "name": ["佐藤 花子", "佐藤花子"]})
        >>> orders = pd.DataFrame({"order_id": ["O1"], "customer_id": ["C2"], "net_amount": [4400.0]})
        >>> crm = Crm({"customers": people, "orders": orders}, zone="Asia/Tokyo")
        >>> with CustomerDatabase(crm.save(Path(mkdtemp()) / "shop.duckdb"), who="hana") as db:
        ...     found = list(db.find("ｻﾄｳ")["customer_id"]), list(db.find("佐藤")["customer_id"])
        ...     done = db.merge(keep="C1", away="C2", why="the same person")
        ...     owner = db.customer("C1").orders["order_id"].tolist()
        ...     back = db.undo()
        >>> found, owner, done.rows, back.what
        (([], ['C1', 'C2']), ['O1'], {'customers': 1, 'orders': 1}, 'undo')
    """

    def __init__(self, path: str | os.PathLike[str], *, who: str | None = None) -> None:
        self.path = Path(os.path.realpath(Path(path).expanduser()))
        self.who = getpass.getuser() if who is None else who
        if not isinstance(self.who, str) or not self.who.strip():
            raise ParameterError("who_empty")
        if self.path in _open:
            _open[self.path].close()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._connect()
        _open[self.path] = self

    def _connect(self) -> None:
        connection = connect(self.path)
        try:
            about = about_of(connection, self.path)
            if about.rewrite:  # somebody was forgotten, and the run was cut short before the file was written anew
                connection.execute("CHECKPOINT")
                connection.close()
                write_anew(self.path)
                connection = connect(self.path)
            self.zone = about.zone
            self._tables = tables_of(connection)
            if "customers" not in self._tables or not self._tables["customers"].key:
                raise ParameterError("table_not_there", table="customers", found=", ".join(self._tables))
            self._journal = Journal(connection, self._tables, self.zone)
        except BaseException:
            connection.close()
            raise
        self._checks = Checks(connection, self._tables, self.zone)
        self._search = CustomerSearch(connection, self._tables["customers"])
        self._connection = connection

    def __enter__(self) -> CustomerDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, so that other programs can open it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if _open.get(self.path) is self:
            del _open[self.path]

    def __repr__(self) -> str:
        state = "" if self._connection is not None else text("database.is_closed")
        return text("database.title", file=self.path.name, tables=len(self._tables)) + state

    # --- looking

    def find(self, words: str, *, limit: int = 20) -> pd.DataFrame:
        """Customers by a part of their id, name, reading, telephone number or e-mail.

        Width, case, kind of kana, spaces, hyphens, 0 or +81 and common variants of kanji (髙 / 高) make no difference;
        several words must all be there. Where nothing fits, names that are nearly so are shown.

        Args:
            words: What you remember.
            limit: The most that are shown.

        Returns:
            The columns of `customers` after `match`, the column that fits ("similar": none does, but nearly); the
            likeliest first.

        Raises:
            ParameterError: `words` is empty, `limit` is no whole number above 0, or the database is closed.
        """
        if not isinstance(words, str) or not words.strip():
            raise ParameterError("find_what")
        if type(limit) is not int or limit < 1:
            raise ParameterError("find_limit", value=limit)
        self._now()
        return self._search.find(words, limit)

    def customer(self, customer_id: str) -> CustomerView:
        """Everything about one customer: the record, and all rows of other tables that are theirs.

        Args:
            customer_id: The customer's id.

        Returns:
            A `CustomerView`: `view.record`, `view.orders` and so on.

        Raises:
            ParameterError: no such customer; the nearest ids are named.
        """
        found = view_of(self._now(), self._tables, str(customer_id))
        if found is None:
            raise self._checks.no_row("customers", str(customer_id))
        return found

    def contactable(self, channel: str = "email") -> pd.DataFrame:
        """Customers who may be written to: they agreed, have not opted out or unsubscribed, and have an address.

        Args:
            channel: "email": the only one for which the data model has an agreement.

        Returns:
            `customer_id`, `name`, `email`.

        Raises:
            ParameterError: another channel.
            ColumnError: the table has no `email`, or no `email_opt_in`: then nobody may be written to.
        """
        if channel != "email":
            raise ParameterError("unknown_variant", parameter="channel", value=channel, options="email")
        return may_be_written_to(self._now(), self._tables, self.zone)

    def ask(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> pd.DataFrame:
        """Ask in SQL; nothing can be changed, and no other file read.

        Args:
            sql: One SELECT. Write `?` (or `$name`) where a value comes, never the value itself.
            values: The values, in order (or by name).

        Returns:
            The answer.

        Raises:
            ParameterError: it is no SELECT, or more than one statement; DuckDB says what is wrong with it.
        """
        return answer(self._now(), sql, values)

    def crm(self) -> Crm:
        """The tables as they are now, for metrics and plots.

        Returns:
            A `Crm`, in which later changes do not show.
        """
        connection = self._now()
        now = put_together(
            about_of(connection, self.path), tables_in(connection), lambda *place: read_table(connection, *place)
        )
        for part in (now, *([] if now.truth is None else [now.truth])):
            for name in part.tables:
                part.arrow(name)
        return now

    def journal(self) -> pd.DataFrame:
        """What was changed: one row per value, the latest change first. It may hold personal values.

        Returns:
            change, changed_at, who, what, act, table, key, column, before, after, why, undoes, undone.
        """
        self._now()
        return self._journal.frame()

    # --- changing

    def correct(self, table: str, key: Key, /, *, why: str | None = None, **values: Any) -> Change:
        """Correct values of one row.

        Args:
            table: The table.
            key: The key of the row; a tuple where it has several columns.
            why: The reason, for the journal.
            **values: The values by column; `None` empties one.

        Returns:
            The `Change`.

        Raises:
            ParameterError: no such table or row, or a key is to be changed; nothing was written.
            ColumnError, WrongType: no such column, or a value that it does not take.
        """
        of = self._table(table)
        row = key_row(of, key, self.zone)
        plain = self._checks.checked(of, values)
        with self._journal.transaction():
            self._checks.must_be_there(of, row)
            return self._set(of, plain, row, "correct", why)

    def change(
        self, table: str, values: Mapping[str, Any], *, where: Mapping[str, Any], why: str | None = None
    ) -> Change:
        """Change values of all rows that meet a condition.

        Args:
            table: The table.
            values: The new values by column.
            where: What the rows have now, by column: a value, a list of values, or `None` for empty. All must hold.
            why: The reason, for the journal.

        Returns:
            The `Change`; `rows` says how many were changed. Rows that have the new values already do not count.

        Raises:
            ParameterError, ColumnError, WrongType: as for `correct`; or `where` is empty.
        """
        of = self._table(table, needs_key=True)
        if not isinstance(where, Mapping) or not where:
            raise ParameterError("no_where", table=table)
        plain = self._checks.checked(of, values)
        with self._journal.transaction():
            return self._set(of, plain, where, "change", why)

    def add(self, table: str, row: Mapping[str, Any], *, why: str | None = None) -> Change:
        """Add a row.

        Args:
            table: The table.
            row: Its values by column; columns that are left out stay empty.
            why: The reason, for the journal.

        Returns:
            The `Change`.

        Raises:
            ParameterError: there is a row with this key already.
            ColumnError, WrongType: a needed column is missing, there is no such column, or it does not take the value.
        """
        of = self._table(table, needs_key=True)
        missing = [name for name, column in of.columns.items() if not column.nullable and row.get(name) is None]
        if missing:
            raise ColumnError("value_needed", table=table, column=", ".join(missing))
        plain = {name: checked(of, name, value, self.zone) for name, value in row.items()}
        with self._journal.transaction():
            if self._checks.count(of, {name: plain[name] for name in of.key}):
                raise ParameterError("key_there", table=table, key=said([plain[name] for name in of.key]))
            for name, value in plain.items():
                self._checks.refuse_orphan(of, name, value, row=plain)
            self._journal.clear()
            self._journal.add_row(of, plain)
            return self._write("add", why)

    def remove(self, table: str, key: Key, *, why: str | None = None) -> Change:
        """Remove a row that no other row needs.

        Args:
            table: The table.
            key: Its key.
            why: The reason, for the journal.

        Returns:
            The `Change`.

        Raises:
            ParameterError: no such row; or rows of other tables point to it, which are counted.
        """
        of = self._table(table)
        row = key_row(of, key, self.zone)
        with self._journal.transaction():
            self._checks.must_be_there(of, row)
            text_key = self._journal.key_of(of, row)
            needed = self._checks.needed_by(table, text_key)
            if needed:
                found = ", ".join(f"{place} {count:,}" for place, count in needed.items())
                raise ParameterError("still_needed", table=table, key=text_key, found=found)
            self._journal.clear()
            self._journal.remove_row(of, text_key)
            return self._write("remove", why)

    def merge(self, *, keep: str, away: str, why: str | None = None) -> Change:
        """Make two records of one person into one.

        All rows of `away` go to `keep`, empty fields of `keep` are filled from `away`, and the record of `away` is
        removed. Of two answers on being written to, "no" is kept: consent is never won by a merge that meets a refusal.

        Args:
            keep: The customer whose record stays.
            away: The customer whose record goes.
            why: The reason, for the journal.

        Returns:
            The `Change`: rows by table, `filled`, and `conflicts`, where both had something else and that of `keep`
            stays.

        Raises:
            ParameterError: both are the same, or one of them is not there.
        """
        if keep == away:
            raise ParameterError("merge_same", customer=keep)
        of = self._table("customers")
        with self._journal.transaction():
            kept, gone = (self._checks.record(of, one) for one in (keep, away))
            self._journal.clear()
            for table in self._tables.values():
                self._collect_moves(table, keep, away)
            filled = {name: value for name, value in gone.items() if kept[name] is None and value is not None}
            filled |= refusal(kept, gone)
            for name, value in filled.items():
                self._journal.set_values(of, name, value, "t.customer_id = ?", [keep])
            self._journal.remove_row(of, away)
            differ = [
                (name, kept[name], value)
                for name, value in gone.items()
                if name not in (*of.key, *filled) and None not in (kept[name], value) and kept[name] != value
            ]
            done = self._write("merge", why, subject=keep)
        conflicts = pd.DataFrame(differ, columns=["column", "kept", "dropped"], dtype=object)
        return Change(done.number, "merge", done.rows, tuple(filled), conflicts)

    def undo(self, change: int | None = None, *, why: str | None = None) -> Change:
        """Take a change back, exactly. That is a change too, and can be undone: so one does it again.

        Args:
            change: Its number; without one, the last change that still stands.
            why: The reason, for the journal.

        Returns:
            The `Change` that undid it.

        Raises:
            ParameterError: nothing to undo, no such change, undone already, or a later change (named) touched the same.
        """
        self._now()
        with self._journal.transaction():
            _, made = self._journal.undo(change, self.who, why)
            rows = self._journal.collected()
        return self._done(made, "undo", rows)

    def forget(self, customer_id: str, *, why: str) -> Forgotten:
        """Erase a person for good: there is no undo.

        The record goes, and with it those that were merged into it; what was written about the person in other tables
        (notes, comments, texts) is emptied; the journal loses all values of theirs. Orders and other rows stay, with an
        id that leads nowhere, so that sales and costs still add up. Then the file is written anew, so that nothing is
        left in it. Copies of the file that you made are yours to delete.

        Args:
            customer_id: The customer.
            why: The reason, for the journal; name nobody in it.

        Returns:
            A `Forgotten`, with what was counted.

        Raises:
            ParameterError: there is no such customer, or no reason is given.
        """
        if not isinstance(why, str) or not why.strip():
            raise ParameterError("forget_why")
        of = self._table("customers")
        with self._journal.transaction():
            self._checks.record(of, customer_id)
            work = Forgetting(self._now(), self._tables, customer_id)
            records, rows, emptied, past = work.run()
            number = self._journal.note(self.who, "forget", why, subject=work.stands_for)
        self._now().close()
        self._connection = None
        self._connect()  # which writes the file anew
        return Forgotten(number, work.stands_for, records, rows, emptied, past)

    # --- what several of these need

    def _now(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            raise ParameterError("database_closed", file=self.path.name)
        return self._connection

    def _table(self, name: str, *, needs_key: bool = False) -> ShopTable:
        self._now()
        if name not in self._tables:
            raise ParameterError("table_not_there", table=name, found=", ".join(self._tables))
        if needs_key and not self._tables[name].key:
            raise ParameterError("database_no_key", table=name)
        return self._tables[name]

    def _set(
        self, table: ShopTable, plain: Mapping[str, Any], where: Mapping[str, Any], what: str, why: str | None
    ) -> Change:
        condition, values = self._checks.condition(table, where)
        for name, value in plain.items():
            self._checks.refuse_orphan(table, name, value)
        self._journal.clear()
        for name, value in plain.items():
            self._journal.set_values(table, name, value, condition, values)
        return self._write(what, why)

    def _write(self, what: str, why: str | None, subject: str | None = None) -> Change:
        rows = self._journal.collected()
        if not rows:
            return Change(None, what, rows)
        return self._done(self._journal.write(self.who, what, why, subject=subject), what, rows)

    def _done(self, number: int, what: str, rows: Mapping[str, int]) -> Change:
        if "customers" in rows:
            sql = 'SELECT DISTINCT "key" FROM touched WHERE "table" = \'customers\''
            self._search.refresh([key for (key,) in self._now().execute(sql).fetchall()])
        return Change(number, what, rows)

    def _collect_moves(self, table: ShopTable, keep: str, away: str) -> None:
        for name, column in table.columns.items():
            mine = column.references == "customers.customer_id" or (not table.key and name == "customer_id")
            if not mine:
                continue
            if not table.key:
                if self._checks.count(table, {name: away}):
                    raise ParameterError("database_no_key", table=table.name)
                continue
            self._journal.set_values(table, name, keep, f"t.{quoted(name)} = ?", [away])
