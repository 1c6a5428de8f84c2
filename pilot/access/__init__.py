"""Users, roles, permissions on objects, API keys."""
