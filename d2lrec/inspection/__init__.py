"""Looking inside files: what is in them, and what each byte means.

Nothing here needs torch, and only statistics need numpy.
"""
