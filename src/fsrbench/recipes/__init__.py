"""Degradations, one file each, declaring `RECIPE` (see `plugins.Recipe`)."""
