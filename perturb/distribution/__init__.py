"""Benchmark files handed to other people: published with an index and a card, exported, served, fetched."""
