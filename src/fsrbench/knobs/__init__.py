"""What an auditor may turn, one file each, declaring `KNOB` (see `plugins.Knob`)."""
