"""Many books: one after the other on this machine, or side by side on a Ray cluster.

A worker gets a book, a recipe and a key (`assignment`), lifts it as this machine would (`worker`,
`desk`) and gives the adapter back as bytes (`crate`). Only the driver (`fleet`) knows the library:
SQLite does not span machines. Ray itself is known to `ray_pool` alone.
"""
