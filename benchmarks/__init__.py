"""Benchmarks: long simulations that measure what the methods promise. Run as ``python -m benchmarks.<name>``."""
