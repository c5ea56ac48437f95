"""What tokens cost: effective-dated price rows with their sources, and exact pricing in picodollars."""
