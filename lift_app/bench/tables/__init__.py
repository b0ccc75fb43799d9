"""Tables: the papers' rows and columns, with the published numbers beside those measured here."""
