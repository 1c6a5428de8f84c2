"""Reading files: dialects, mappings, staging, named bad rows, quarantine. Rooms give it their rule tables."""
