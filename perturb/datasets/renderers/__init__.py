"""Ground truths that are rendered: one module per dataset, and one entry in `perturb.datasets.DATASETS`."""
