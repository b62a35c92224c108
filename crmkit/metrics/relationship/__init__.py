"""Relationship: the base of customers, what they are worth, and their voice."""
