"""A Hugging Face Space: the tree that is published, what differs there, and what is kept of it."""
