"""What is fitted, not counted: buying until people leave, spending, and how long they stay.

Examples:
    >>> import crmkit
    >>> orders = crmkit.simulate("textbook", customers=500, weeks=52, seed=1).orders
    >>> summary = crmkit.models.btyd_summary(orders, unit="week")
    >>> model = crmkit.models.mbg_nbd(summary)
    >>> model.expected_orders(summary, horizon=13).columns.to_list()
    ['customer_id', 'expected_orders', 'low', 'high']
"""

from __future__ import annotations

from crmkit.models.buying import BuyingModel, bg_nbd, mbg_nbd
from crmkit.models.clv import clv_btyd
from crmkit.models.holdout import calibration

# bound here once and for all: a module of the same name would otherwise take the function's place when it is imported
from crmkit.models.shifted_beta_geometric import shifted_beta_geometric
from crmkit.models.spending import SpendingModel, gamma_gamma
from crmkit.models.summary import Summary, btyd_summary
from crmkit.models.survival import kaplan_meier, log_rank

__all__ = [
    "BuyingModel",
    "SpendingModel",
    "Summary",
    "bg_nbd",
    "btyd_summary",
    "calibration",
    "clv_btyd",
    "gamma_gamma",
    "kaplan_meier",
    "log_rank",
    "mbg_nbd",
    "shifted_beta_geometric",
]
