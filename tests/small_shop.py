"""A shop of four customers, two of whom may be one, small enough to look through."""

from __future__ import annotations

from datetime import date, datetime

import pyarrow as pa

from crmkit.datasets.crm import Crm
from crmkit.datasets.customer_database import CustomerDatabase
from crmkit.datasets.hashes import fingerprint
from crmkit.schema import TABLES

PEOPLE = {
    "customer_id": ["C1", "C2", "C3", "C4"],
    "name": ["髙橋 花子", "高橋花子", "Sato Ken", "佐藤 健"],
    "name_kana": ["タカハシ ハナコ", None, None, "さとう けん"],
    "email": ["hana@example.com", "Hana.T@example.com", "ken@example.com", None],
    "phone": ["090-1234-5678", None, "+81 3-1234-5678", "０３（９８７６）５４３２"],
    "city": ["大阪", "大阪", None, "神戸市"],
    "birth_date": [date(1990, 1, 2), None, None, None],
    "registered_at": [datetime(2024, 1, 1, 9), datetime(2024, 3, 1), None, None],
    "email_opt_in": [True, False, True, None],
    "opted_out_at": pa.array([None, datetime(2025, 1, 1), None, None], pa.timestamp("us")),
}
ORDERS = {
    "order_id": ["O1", "O2", "O3"],
    "customer_id": ["C1", "C2", "C2"],
    "ordered_at": [datetime(2024, 4, 1, 10, 5), datetime(2024, 5, 1), datetime(2024, 6, 1)],
    "status": ["completed", "completed", "cancelled"],
    "net_amount": [4400.0, 0.1 + 0.2, None],
}
ITEMS = {"order_id": ["O1", "O1", "O2"], "line_no": [1, 2, 1], "product_id": ["P1"] * 3, "quantity": [1.0, 2.0, 1.0]}
TICKETS = {
    "ticket_id": ["T1", "T2"], "customer_id": ["C2", None], "created_at": [datetime(2024, 5, 2)] * 2,
    "order_id": pa.array([None, "O1"], pa.string()), "status": ["open", "open"],
}  # fmt: skip
EVENTS = {
    "event_id": ["E1", "E2"], "ticket_id": ["T1", "T2"], "occurred_at": [datetime(2024, 5, 3)] * 2,
    "body": ["タカハシの秘密", "<b>ほかの人</b>"],
}  # fmt: skip
TOLD = {"customers": PEOPLE, "orders": ORDERS, "order_items": ITEMS, "tickets": TICKETS, "ticket_events": EVENTS}


def small() -> Crm:
    tables = {name: pa.table(columns) for name, columns in TOLD.items()}
    truth = Crm({"customers": pa.table({"customer_id": ["C1"], "person_id": ["秘密P1"]})}, zone="Asia/Tokyo")
    return Crm(tables, zone="Asia/Tokyo", facts={"seed": 7, "locale": "日本"}, truth=truth)


def state(db: CustomerDatabase) -> dict[str, str]:
    """The content of each table, whatever the order of its rows."""
    crm = db.crm()
    found = {}
    for name in crm.tables:
        table = crm.arrow(name)
        keys = [(column, "ascending") for column in TABLES[name].key]
        found[name] = fingerprint(table.sort_by(keys))
    return found
