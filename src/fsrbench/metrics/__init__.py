"""What is measured, one file each, declaring `METRIC` (see `plugins.Metric`)."""
