"""How the book is made. Neither the library nor a chapter imports this package."""
