"""What `choose_columns` says: what goes to which table, what is still to be told apart, and the account."""

from __future__ import annotations

import html
from collections.abc import Iterator

from crmkit.datasets.dataset import Dataset
from crmkit.texts import text
from crmkit.widgets.columns_choice import Choice, Sheet, column_label, on_one_line


def split(choice: Choice, sheet: Sheet) -> Iterator[str]:
    """Which columns of lines go to which table, and how the amounts of orders are made of them."""
    yield text("columns.split.beside" if choice.has_orders else "columns.split.lines")
    for table, own in sheet.own(choice.how, alone=choice.has_orders).items():
        named = [f"{on_one_line(header)} → {column}" for column, header in own.items() if header]
        yield text("columns.split.table", label=text(f"table.{table}"), columns=text("load.between").join(named))
    for key, facts in choice.told_of(sheet):
        if key in ("total", "sum", "product", "net"):
            yield text(f"columns.split.{key}", column=facts["column"], own=on_one_line(str(facts["own"])))


def named_column(table: str, column: str, sheet: Sheet) -> str:
    """A column of the model in a drop-down; with its table where there are several."""
    named = f"{column_label(table, column)} ({column})"
    return text("columns.of_table", table=text(f"table.{table}"), column=named) if sheet.is_split else named


def which(sheet: Sheet, column: str, same: list[int]) -> str:
    """Columns of one name: nobody but the reader knows which is meant."""
    names = text("load.between").join(sheet.label(at) for at in same)
    return text("columns.which", columns=names, column=column)


def account(crm: Dataset) -> str:
    """The rows by table, and what is wrong with which, without any value of them."""
    problems = crm.problems.drop(columns="found")
    if not len(problems):
        return crm.account._repr_html_()
    heads = "".join(f"<th scope='col'>{html.escape(text(f'columns.head.{name}'))}</th>" for name in problems)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in problems.itertuples(index=False)
    )
    return f"{crm.account._repr_html_()}<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
