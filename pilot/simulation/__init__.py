"""A made-up retail network of any size, the same for the same seed."""
