"""Restoration networks, one file each, declaring `BACKEND` (see `plugins.Backend`)."""
