"""A folder of benchmark files made ready for other people, and for what they read with."""
