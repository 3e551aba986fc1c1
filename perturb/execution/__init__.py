"""Runs carried out on this machine or on workers elsewhere: in units of work, scheduled, limited, shown."""
