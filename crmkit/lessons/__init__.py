"""What a lesson needs and its learner does not read: widget, exercises and dates, one module a lesson."""
