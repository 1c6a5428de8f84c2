"""Error rates of every method that the module chooses: false alarms, coverage, power, cell by cell, by fixed rules."""
