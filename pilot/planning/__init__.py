"""The plan of a pilot: its life cycle, the metric library, sealing and amendments."""
