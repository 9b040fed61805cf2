"""Overfitting statistics."""
