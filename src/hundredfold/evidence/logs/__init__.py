"""What a log of a failed build says: marked lines, an excerpt within a budget, what failed."""
