"""What auditors are told in numbers, one file each, declaring `INSTRUMENT` (see `plugins.Instrument`)."""
