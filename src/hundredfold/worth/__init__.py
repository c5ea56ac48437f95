"""Whether it paid: outcomes joined with the ledger, as the pages that a payer reads"""
