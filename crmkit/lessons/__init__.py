"""What a lesson needs and its learner does not read: widget, exercises and dates, one module a lesson."""

import warnings

from crmkit.errors import AmbiguousFigure

# In a lesson the figure on the page shows its own notes: the same words need not come again as Python's warnings,
# with a file name that means nothing to a learner.
warnings.filterwarnings("ignore", category=AmbiguousFigure)
