"""Neighbours of hierloss: one module each, imported only where it is used."""
