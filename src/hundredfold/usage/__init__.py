"""The ledger of model requests, and the bill that is computed from it."""
