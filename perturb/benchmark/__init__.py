"""The product: benchmark files that open in the code people already have."""
