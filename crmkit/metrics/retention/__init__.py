"""Retention: who comes back, who stays, who leaves."""
