"""Reading what other programs and providers recorded of requests into the ledger, one module a format."""
