"""The demonstration: real households, real baskets, invented store names and a known, injected effect."""
