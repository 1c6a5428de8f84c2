"""Plan, ledger and lake become a report; frozen reports."""
