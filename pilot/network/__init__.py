"""Regions, stores, customers and segments; currency, time zones, the business-day cut-off."""
