"""Delivery: pages for people and an API for tills. Thin: parse, authorise, call one verb or query, present."""
