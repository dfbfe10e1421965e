"""Runs side by side: what varied, what it was worth, and how sure one can be."""
