"""Prefect flows over the run directories. Installed as `perturb_flows`; the library never imports it."""
