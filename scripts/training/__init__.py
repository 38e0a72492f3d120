"""Parts of `scripts/train_embedded.py`: data, networks, the training loop, and the judging of the result."""
