"""Statistics that several tables use."""
