"""Facial attributes: accuracy and adversarial robustness."""

__version__ = "0.1.0"
