"""A shop whose truth is known: a causal world of customers, made week by week, that can be made again with one thing
changed."""
