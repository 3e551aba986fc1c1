"""Instruments: factors read from images, variances that factors induce, predictions of a pattern's effect, traversals."""
