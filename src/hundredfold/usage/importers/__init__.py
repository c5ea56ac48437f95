"""Reading what other programs and providers recorded of model requests into the ledger, one module a format."""
