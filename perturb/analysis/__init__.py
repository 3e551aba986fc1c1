"""Analyses: factors read out of images, variance induced by factors, predicted effects of patterns, latent traversals."""
