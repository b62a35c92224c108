"""From tables to paper: the report of a shop's own figures, as a page or a workbook, and exports that open safely."""

from __future__ import annotations

from crmkit.reporting.exports import export
from crmkit.reporting.reports import report

__all__ = ["export", "report"]
