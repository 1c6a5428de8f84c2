"""Delivery: pages for people and an API for tills. Thin: it parses, authorises, calls one verb or query, and presents."""
