"""Ways to intervene after the pure restoration, one file each: so far the bounded audit loop."""
