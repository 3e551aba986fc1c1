"""The experiment as run directories: what each stage builds, which runs an experiment needs, and how they are executed."""
