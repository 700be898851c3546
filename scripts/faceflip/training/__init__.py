"""Training of attribute networks."""
