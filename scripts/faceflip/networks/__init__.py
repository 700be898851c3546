"""Facial-attribute networks: architectures, objectives and checkpoints."""
