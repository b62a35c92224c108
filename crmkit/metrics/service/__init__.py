"""Service: how soon, how well and at what cost customers are answered."""
