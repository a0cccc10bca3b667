"""A stand-in for the library, with one constant to change."""

LIMIT = 7
