"""Pre-LIFT SFT: a folder of documents with questions becomes a start (arXiv 2502.14644).

`corpus` reads the documents, `lessons` writes what is trained from them, `trainer` trains it, and
`run` ties the three to a checkpoint and to the starts that later lifts can name.
"""
