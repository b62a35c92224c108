"""What a competent user would write without crmkit: the same figures and definitions, in each engine's own way.

A module per engine, loaded when that engine is measured; what they have in common is in `contract`.
"""

from by_hand.contract import ACTIVE, BOUGHT_FROM, BOUGHT_TO, END, HORIZON, START, ByHand

__all__ = ["ACTIVE", "BOUGHT_FROM", "BOUGHT_TO", "END", "HORIZON", "START", "ByHand"]
