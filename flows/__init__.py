"""Prefect flows over the run directories. They are installed as `perturb_flows`; the library never imports them."""
