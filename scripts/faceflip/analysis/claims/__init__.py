"""Judging what the paper says in words."""
