"""Ground truths that are rendered: one file a dataset, one line in `perturb.datasets.DATASETS`."""
