"""The inbox: where receipts that came over HTTP are durable until the drain has taken them to the lake."""
