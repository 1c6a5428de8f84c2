"""What a customer or a store did on one day: derived from the lake, kept up as receipts arrive, rebuilt at will."""
