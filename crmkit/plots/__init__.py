"""Pictures of metric results: a result in, Axes out, in the language in use, with the interval where there is one."""

from crmkit.plots.base import new_figure, png, style
from crmkit.plots.estimates import plot_estimates
from crmkit.plots.retention import plot_cohort_retention, plot_order_history

__all__ = ["new_figure", "plot_cohort_retention", "plot_estimates", "plot_order_history", "png", "style"]
