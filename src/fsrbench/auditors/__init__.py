"""Who looks at a restoration, one file each, declaring `AUDITOR` (see `plugins.Auditor`)."""
